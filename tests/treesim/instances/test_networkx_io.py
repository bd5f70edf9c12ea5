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
    Trellis,
    family,
    graph_from_instance,
    instance_from_graph,
    read_graph,
    sampler,
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


@pytest.mark.parametrize("odd", [float("inf"), -1.0, float("nan")])
def test_a_reward_that_is_none_is_told_among_floats(odd):
    graph = example()
    graph.nodes["stop"]["reward"] = odd
    with pytest.raises(RewardError, match="node 'stop'"):
        instance_from_graph(graph)


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
        (
            lambda g: g.edges["", "go"].clear(),
            TreeError,
            "edge '' -> 'go' has no 'prob', expected its probability; it has no attributes",
        ),
        (lambda g: g.edges["", "go"].update(prob="half"), TreeError, "edge '' -> 'go' has prob 'half'"),
        (lambda g: g.edges["", "go"].update(prob=1e-310), TreeError, "has prob 1e-310, .* 0 or a normal float"),
        (lambda g: g.edges["", "go"].update(prob=-0.5), TreeError, "edge '' -> 'go' has prob -0.5"),
        (lambda g: g.edges["", "go"].update(prob=0.4), TreeError, "probabilities of node '' sum to 0.9, expected 1"),
        (lambda g: g.nodes["stop"].clear(), RewardError, "node 'stop' has no 'reward' or 'log_reward'"),
        (lambda g: g.nodes["stop"].update(reward=-1), RewardError, "reward of node 'stop' is -1"),
        (lambda g: g.nodes["stop"].update(reward="good"), RewardError, "reward of node 'stop' is 'good'"),
        (
            lambda g: g.nodes["stop"].update(reward=float("nan")),
            RewardError,
            "node 'stop' has no 'reward' or 'log_reward'",
        ),
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


def scored(**values) -> nx.DiGraph:
    """A tree of two steps with V^ on the inner nodes that are named."""
    graph = nx.DiGraph()
    edges = [("r", "a", 0.5), ("r", "b", 0.5), ("a", "aa", 0.5), ("a", "ab", 0.5), ("b", "ba", 1.0)]
    graph.add_weighted_edges_from(edges, weight="prob")
    nx.set_node_attributes(graph, {"aa": 1.0, "ab": 3.0, "ba": 4.0}, "reward")
    nx.set_node_attributes(graph, values, "value")
    return graph


def test_values_of_all_nodes_but_the_root_are_used():
    instance = instance_from_graph(scored(a=1.0, b=8.0))
    assert instance.parameters["perturbation"] == "given"
    np.testing.assert_allclose(instance.value.to_float(), [4.5, 1.0, 8.0, 1.0, 3.0, 4.0])
    assert instance.audit.bellman_error == pytest.approx(1.0)
    # Guided steps choose a and b by 1 : 8; the target by 2 : 4.
    assert sampler("sp-gsmc").law(instance).tv(instance.target).hi == pytest.approx(2 / 6 - 1 / 9)


def test_the_value_of_a_root_on_a_trellis_is_its_childrens():
    graph = scored(a=1.0, b=8.0)
    graph.add_edge("b", "ab", prob=0.0)
    instance = instance_from_graph(graph)
    assert isinstance(instance.graph, Trellis)
    np.testing.assert_allclose(instance.value[:1].to_float(), [4.5])


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), "absent"])
def test_a_gap_among_the_values_is_named(missing):
    graph = scored(r=2.0, a=1.0)
    if missing != "absent":
        graph.nodes["b"]["value"] = missing
    with pytest.raises(
        RewardError, match=r"1 of 3 inner nodes have no 'value' although others have one: 'b'; expected"
    ):
        instance_from_graph(graph)
    assert instance_from_graph(graph, perturbation="exact").audit.bellman_error == pytest.approx(0.0)


def test_gaps_everywhere_are_no_values():
    instance = instance_from_graph(scored(r=None, a=float("nan"), b=None))
    assert instance.parameters["perturbation"] == "exact"


def test_a_gap_beside_a_log_takes_the_log():
    graph = scored()
    graph.nodes["aa"].update(reward=float("nan"), log_reward=0.0)
    np.testing.assert_allclose(instance_from_graph(graph).reward.to_float(), [1.0, 3.0, 4.0])


def test_values_of_leaves_that_are_not_their_rewards_are_told(caplog):
    instance_from_graph(scored(r=3.0, a=2.0, b=4.0, aa=1.0))
    assert caplog.messages == []
    instance = instance_from_graph(scored(r=3.0, a=2.0, b=4.0, aa=0.9))
    assert caplog.messages == ["values of 1 leaves are not their rewards and were not used, V^ = phi there: 'aa'"]
    assert instance.audit.bellman_error == pytest.approx(0.0)


def test_attributes_of_other_names_are_read_and_suggested():
    graph = example()
    for *_, attributes in graph.edges(data=True):
        attributes["p"] = attributes.pop("prob")
    for _, attributes in graph.nodes(data=True):
        if "reward" in attributes:
            attributes["score"] = attributes.pop("reward")
    with pytest.raises(TreeError, match=r"edge '' -> 'go' has no 'prob', expected .*; it has 'p' \(--prob-attribute"):
        instance_from_graph(graph)
    with pytest.raises(RewardError, match=r"node '[^']*' has no 'reward' .*; it has 'score' \(--reward-attribute"):
        instance_from_graph(graph, prob_attribute="p")
    instance = instance_from_graph(graph, prob_attribute="p", reward_attribute="score")
    np.testing.assert_allclose(instance.target.prob.to_float(), np.array([1.0, 0.0, 0.3, 0.0]) / 1.3)
    assert instance.parameters["prob_attribute"] == "p"


@pytest.mark.parametrize("size", [1e9, -1e9, float("inf"), 10**30])
def test_logs_that_no_computation_takes_are_refused(size):
    graph = scored(r=1.0, a=1.0, b=1.0)
    graph.nodes["b"].pop("value")
    graph.nodes["b"]["log_value"] = size
    with pytest.raises(RewardError, match=r"log_value of node 'b' is .*, expected a number from -1e8 to 1e8, or -inf"):
        instance_from_graph(graph)


@pytest.mark.parametrize("number", ["half", 10**400, -1, [1], 1j, np.float64(-2.0)])
def test_numbers_that_are_none_are_shown_plainly(number):
    graph = scored()
    graph.nodes["aa"]["reward"] = number
    with pytest.raises(RewardError, match="reward of node 'aa' is") as caught:
        instance_from_graph(graph)
    assert "np." not in str(caught.value)
    graph = scored()
    graph.edges["r", "a"]["prob"] = number
    with pytest.raises(TreeError, match=r"edge 'r' -> 'a' has prob .*, expected a number between 0 and 1") as caught:
        instance_from_graph(graph)
    assert "np." not in str(caught.value)


def test_early_ends_are_worth_what_they_are_on_every_level():
    graph = nx.DiGraph()
    edges = [("r", "end", 0.5), ("r", "a", 0.5), ("a", "b", 1.0), ("b", "end", 0.5), ("b", "c", 0.5)]
    graph.add_weighted_edges_from(edges, weight="prob")
    nx.set_node_attributes(graph, {"end": 2.0, "c": 6.0}, "reward")
    nx.set_node_attributes(graph, {"a": 3.0, "b": 5.0}, "value")
    instance = instance_from_graph(graph)
    by_name = dict(zip(instance.graph.names, instance.value.to_float().round(12).tolist(), strict=True))
    assert by_name == {"r": 2.5, "a": 3.0, "b": 5.0, "end": 2.0, "c": 6.0, None: 2.0}


def test_potentials_of_a_tree_are_rewards_of_its_leaves():
    """Early ends are padded with potentials of one; a value that is given has those on the way in it."""
    graph = example()
    graph.edges["", "go"]["potential"] = 3.0
    graph.edges["go", "go on"]["log_potential"] = np.log(5.0)
    graph.edges["", "stop"]["potential"] = 0.0
    tree = instance_from_graph(graph)
    assert dict(zip(tree.graph.names[4:], tree.reward.to_float(), strict=True)) == pytest.approx(
        {"go on": 30.0, "go back": 15.0, None: 0.0, "never ever": 0.0}
    )
    nx.set_node_attributes(graph, {"go": 7.0, "stop": 1.0, "never": 0.5}, "value")
    given = instance_from_graph(graph)
    assert given.value.to_float()[1:4] == pytest.approx([21.0, 0.0, 0.5])
    assert instance_from_graph(graph_from_instance(tree)).reward.to_float() == pytest.approx(tree.reward.to_float())


def test_potentials_of_a_trellis_survive_the_trip():
    instance = family("markov", horizon=4, states=2, reward="additive:beta=0.002", perturbation="random-sign",
                      epsilon=0.5, seed=3)  # fmt: skip
    graph = graph_from_instance(instance)
    keys = {key for _, _, attributes in graph.edges(data=True) for key in attributes}
    assert keys == {"prob", "potential", "log_potential"}
    back = instance_from_graph(graph)
    for t in range(4):
        np.testing.assert_allclose(back.graph.potential(t).log(), instance.graph.potential(t).log(), rtol=1e-12)
    np.testing.assert_allclose(back.value.log(), instance.value.log(), rtol=1e-12)
    assert back.audit.bellman_error == pytest.approx(0.5)


def test_edges_without_a_potential_have_one_of_one():
    graph = nx.DiGraph()
    for start, end, more in (("", "a", {"potential": 4.0}), ("", "b", {}), ("a", "end", {}), ("b", "end", {})):
        graph.add_edge(start, end, prob=0.5 if start == "" else 1.0, **more)
    graph.add_edge("b", "far", prob=0.0)
    nx.set_node_attributes(graph, {"end": 1.0, "far": 1.0}, "reward")
    instance = instance_from_graph(graph)
    assert instance.graph.potential(0).to_float() == pytest.approx([4.0, 1.0])
    assert np.exp(instance.audit.log_partition) == pytest.approx(2.5)


@pytest.mark.parametrize("given", [-1.0, np.inf, "much"])
def test_what_is_no_potential_of_an_edge_is_named(given):
    graph = example()
    graph.edges["go", "go on"]["potential"] = given
    with pytest.raises(RewardError, match=r"potential of edge 'go' -> 'go on' is .*, expected a finite number"):
        instance_from_graph(graph)
