import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from treesim import (
    Instance,
    RewardError,
    Scaled,
    Tree,
    TreeError,
    family,
    graph_from_instance,
    instance_from_graph,
    read_graph,
)
from treesim.instances.graph_files import graph_text
from treesim.testing.strategies import instances


def example() -> nx.DiGraph:
    """A tree with an early end ("stop") and one forbidden step."""
    graph = nx.DiGraph()
    graph.add_edge("", "go", prob=0.5)
    graph.add_edge("", "stop", prob=0.3)
    graph.add_edge("", "never", prob=0.2)
    graph.add_edge("go", "go on", prob=1.0)
    graph.add_edge("go", "go back", prob=0.0)
    graph.add_edge("never", "never ever", prob=1.0)
    nx.set_node_attributes(graph, {"go on": 2.0, "go back": 5.0, "stop": 1.0, "never ever": 0.0}, "reward")
    return graph


def test_names_are_kept_and_early_ends_padded():
    tree = Tree.from_networkx(example())
    assert tree.horizon == 2
    assert tree.names == ("", "go", "stop", "never", "go on", "go back", None, "never ever")
    instance = instance_from_graph(example())
    np.testing.assert_allclose(np.exp(instance.audit.log_partition), 0.5 * 2 + 0.3)
    np.testing.assert_allclose(instance.target.prob.to_float(), np.array([1.0, 0.0, 0.3, 0.0]) / 1.3)


def same_graph(a: nx.DiGraph, b: nx.DiGraph) -> bool:
    return set(a.edges(data="prob")) == set(b.edges(data="prob"))


def test_padding_is_left_out_on_the_way_back():
    graph = graph_from_instance(instance_from_graph(example()))
    assert set(graph.edges) == set(example().edges)
    assert graph.nodes["stop"] == {"level": 1, "reward": 1.0}
    assert graph.edges["", "stop"] == {"prob": 0.3}


@given(instances())
@settings(max_examples=60)
def test_an_instance_survives_the_trip_through_a_graph(instance):
    back = instance_from_graph(graph_from_instance(instance))
    assert np.array_equal(back.graph.edge_prob, instance.graph.edge_prob) or np.allclose(
        back.graph.edge_prob, instance.graph.edge_prob, rtol=1e-15, atol=0
    )
    assert np.array_equal(back.graph.edge_ptr, instance.graph.edge_ptr)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(back.value.log(), instance.value.log(), rtol=1e-14, atol=1e-13)


@pytest.mark.parametrize("form", ["json", "graphml"])
def test_an_instance_survives_the_trip_through_a_file(form, tmp_path):
    graph = graph_from_instance(instance_from_graph(example()))
    path = tmp_path / f"tree.{form}"
    path.write_text(graph_text(graph, form))
    back = instance_from_graph(read_graph(path), source=path.name)
    assert back.parameters["perturbation"] == "given"
    assert same_graph(graph_from_instance(back), example())
    np.testing.assert_allclose(
        back.target.prob.to_float(), instance_from_graph(example()).target.prob.to_float(), rtol=1e-14
    )


def test_values_beyond_floats_are_written_as_logs():
    tree = Tree.complete(2, 1)
    instance = Instance(tree, Scaled.from_log([900.0, 1000.0, -1000.0]))
    graph = graph_from_instance(instance)
    assert graph.nodes[1] == {"level": 1, "log_reward": pytest.approx(1000.0)}
    json.loads(graph_text(graph, "json"))
    np.testing.assert_allclose(instance_from_graph(graph).value.log(), [900.0, 1000.0, -1000.0])


def test_a_perturbation_replaces_given_values():
    graph = graph_from_instance(family("product", horizon=3, ratio=2.0))
    assert instance_from_graph(graph).audit.bellman_error == pytest.approx(0.5)
    perturbed = instance_from_graph(graph, perturbation="constant-up", epsilon=0.125)
    assert perturbed.audit.bellman_error == pytest.approx(0.125)


def test_dot_draws_every_node_once():
    text = graph_text(graph_from_instance(instance_from_graph(example())), "dot")
    assert text.startswith("strict digraph")
    assert text.count("->") == 6
    assert '"go back"' in text


def test_dot_quotes_names():
    graph = nx.DiGraph()
    graph.add_edge('say "a: b"', "x", prob=1.0)
    nx.set_node_attributes(graph, {"x": 1.0}, "reward")
    assert r'"say \"a: b\""' in graph_text(graph_from_instance(instance_from_graph(graph)), "dot")


def broken(change) -> nx.DiGraph:
    graph = example()
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda g: g.add_edge("go on", "go", prob=1.0), TreeError, "the graph has a cycle"),
        (lambda g: g.add_edge("go on", "", prob=1.0), TreeError, "0 nodes without a parent"),
        (lambda g: g.add_node("island"), TreeError, r"2 nodes without a parent, expected one root \(two of them: '', "),
        (lambda g: g.edges["", "go"].clear(), TreeError, "edge '' -> 'go' has no 'prob', expected its probability; it has no attributes"),
        (lambda g: g.edges["", "go"].update(prob="half"), TreeError, "edge '' -> 'go' has prob 'half'"),
        (lambda g: g.edges["", "go"].update(prob=-0.5), TreeError, "edge '' -> 'go' has prob -0.5"),
        (lambda g: g.edges["", "go"].update(prob=0.4), TreeError, "probabilities of node '' sum to 0.9, expected 1"),
        (lambda g: g.nodes["stop"].clear(), RewardError, "node 'stop' has no 'reward' or 'log_reward'"),
        (lambda g: g.nodes["stop"].update(reward=-1), RewardError, "reward of node 'stop' is -1"),
        (lambda g: g.nodes["stop"].update(reward="good"), RewardError, "reward of node 'stop' is 'good'"),
        (lambda g: g.nodes["stop"].update(reward=float("nan")), RewardError, "node 'stop' has no 'reward' or 'log_reward'"),
    ],
)
def test_graphs_that_are_no_instance_are_refused_by_name(change, error, message):
    with pytest.raises(error, match=message):
        instance_from_graph(broken(change))


def test_decimals_that_nearly_sum_to_one_are_scaled():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("r", i, 0.3333333333) for i in range(3)], weight="prob")
    assert Tree.from_networkx(graph).edge_prob.sum() == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("graph", [nx.Graph([(0, 1)]), nx.MultiDiGraph([(0, 1)]), nx.DiGraph()])
def test_other_kinds_of_graphs_are_refused(graph):
    with pytest.raises(TreeError, match="expected"):
        Tree.from_networkx(graph)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "cannot read"),
        ("a.json", "[1, 2]", "cannot read"),
        ("a.graphml", "<graph", "cannot read"),
        ("a.txt", "0 1", r"ends in '\.txt', expected \.json"),
    ],
)
def test_files_that_are_no_graph_are_refused(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(TreeError, match=message):
        read_graph(tmp_path / name)
    with pytest.raises(TreeError, match="does not exist"):
        read_graph(tmp_path / "none.json")


def test_a_tree_is_not_made_of_a_graph_whose_paths_meet():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("", "a", 0.5), ("", "b", 0.5), ("a", "b", 1.0)], weight="prob")
    with pytest.raises(TreeError, match="node 'b' has 2 parents, expected one: a tree"):
        Tree.from_networkx(graph)
