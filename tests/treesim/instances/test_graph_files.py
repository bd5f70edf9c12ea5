"""Graph files of other people: what they list is what is read."""

import json
import os

import networkx as nx
import numpy as np
import pytest

from treesim import (
    Instance,
    Tree,
    TreeError,
    Trellis,
    family,
    graph_from_instance,
    instance_from_graph,
    optimal_twist,
    read_graph,
)
from treesim.instances.graph_files import graph_text, read_listed

NODES = [{"id": "r"}, {"id": "a", "reward": 1.0}, {"id": "b", "reward": 3.0}]
EDGES = [{"source": "r", "target": "a", "prob": 0.25}, {"source": "r", "target": "b", "prob": 0.75}]


@pytest.fixture
def write(tmp_path):
    def write(document, name="g.json"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return path

    return write


def nested(**more):
    children = [{"name": "a", "prob": 0.25, "reward": 1.0}, {"name": "b", "prob": 0.75, "reward": 3.0}]
    return {"name": "r", "children": children} | more


FORMS = {
    "node-link": {"nodes": NODES, "edges": EDGES},
    "links": {"nodes": NODES, "links": EDGES, "directed": True, "multigraph": False, "graph": {}},
    "from/to": {"nodes": NODES, "edges": [{"from": e["source"], "to": e["target"], "prob": e["prob"]} for e in EDGES]},
    "names": {"nodes": [{"name": n["id"], "reward": n.get("reward")} for n in NODES], "links": EDGES},
    "nested": nested(),
    "nested, in a list": [nested()],
    "nested, children by name": {
        "name": "r", "children": {"a": {"prob": 0.25, "reward": 1}, "b": {"prob": 0.75, "reward": 3}},
    },
    "adjacency": {
        "directed": True, "nodes": NODES,
        "adjacency": [[{"id": "a", "prob": 0.25}, {"id": "b", "prob": 0.75}], [], []],
    },
    "cytoscape": {"elements": {"nodes": [{"data": n} for n in NODES], "edges": [{"data": e} for e in EDGES]}},
    "cytoscape, flat": {"elements": [{"data": n} for n in (*NODES, *EDGES)]},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_what_people_have_is_read(form, write):
    instance = instance_from_graph(read_graph(write(FORMS[form])))
    assert isinstance(instance.graph, Tree)
    assert instance.graph.names == ("r", "a", "b")
    np.testing.assert_allclose(instance.target.prob.to_float(), [0.1, 0.9])


def test_a_byte_order_mark_is_no_letter(write):
    assert len(read_graph(write("\ufeff" + json.dumps(nested())))) == 3


def test_nodes_without_ids_go_by_their_places(write):
    edges = [{"source": 0, "target": 1, "prob": 1.0}]
    assert list(read_graph(write({"nodes": [{"name": "x"}, {"reward": 1}], "links": edges}))) == [0, 1]


def test_nested_names_that_repeat_become_paths(write):
    coin = {
        "name": "flip",
        "children": [{"name": "H", "prob": 0.5, "reward": 1}, {"name": "T", "prob": 0.5, "reward": 2}],
    }
    graph = read_graph(
        write({"name": "flip", "children": [coin | {"name": "H", "prob": 0.5}, coin | {"name": "T", "prob": 0.5}]})
    )
    assert set(graph) == {(), ("H",), ("T",), ("H", "H"), ("H", "T"), ("T", "H"), ("T", "T")}
    twins = {"children": [{"name": "x", "prob": 0.5, "reward": 1}, {"name": "x", "prob": 0.5, "reward": 2}]}
    assert set(read_graph(write(twins))) == {(), (0,), (1,)}
    twins["children"].append({"name": "y", "prob": 0.0, "reward": 1})
    assert set(read_graph(write(twins))) == {(), (0,), (1,), ("y",)}


def test_a_tree_is_a_tree_whatever_the_flag_says(write):
    document = {"multigraph": True, "nodes": NODES, "edges": [e | {"key": 0} for e in EDGES]}
    assert isinstance(instance_from_graph(read_graph(write(document))).graph, Tree)
    parallel = document | {"edges": [EDGES[0], EDGES[1] | {"prob": 0.5}, EDGES[1] | {"prob": 0.25}]}
    built = instance_from_graph(read_graph(write(parallel)))
    assert isinstance(built.graph, Trellis)
    assert built.graph.n_edges == 3
    np.testing.assert_allclose(built.target.prob.to_float(), [0.1, 0.9])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"nodes": [*NODES, NODES[1]], "edges": EDGES}, "node 'a' is listed 2 times, expected once"),
        ({"nodes": NODES, "edges": [*EDGES, EDGES[0]]}, "edge 'r' -> 'a' is listed 2 times, expected once"),
        (
            {"multigraph": True, "nodes": NODES, "edges": [e | {"key": 0} for e in (*EDGES, EDGES[0])]},
            "edge 'r' -> 'a' with key 0 is listed twice",
        ),
        ({"nodes": NODES[:2], "edges": EDGES}, "edge 'r' -> 'b' names node 'b', which is not listed"),
        ({"nodes": NODES, "edges": EDGES, "directed": False}, '"directed": false, expected a directed graph'),
        ('{"nodes": [], "nodes": [], "edges": []}', "an object has 'nodes' twice"),
        ({"nodes": [{"id": None}], "edges": []}, "a node is called None"),
        ({"nodes": [{"id": {}}], "edges": []}, "a node is called by an object"),
        ({"nodes": [{"id": "\ud800"}], "edges": []}, r"a node is called '\\ud800'"),
        ({"nodes": [{"id": 1}, {"reward": 1}], "edges": []}, "node number 1 of the list has no id"),
        ({"nodes": NODES, "edges": [["r", "a"]]}, "an edge is a list of 2 values, expected an object with source"),
        ({"nodes": NODES, "adjacency": [[]]}, "1 adjacency lists for 3 nodes"),
        ({"nodes": NODES, "adjacency": [[3], [], []]}, "the adjacency list of node 'r' holds what is no object"),
        ({"elements": {"nodes": []}}, "its edges are no list of objects with data"),
        ({"name": "r", "children": [1]}, "children of 'r' are no list of objects"),
        ({"nodes": NODES, "links": [], "edges": []}, "looks like node-link JSON with links and edges both, expected"),
        ({"nodes": NODES}, "looks like a list of nodes without edges"),
        ({"edges": EDGES}, "looks like a list of edges without nodes"),
        ({"graph": {"nodes": {"a": {}}, "edges": []}}, "looks like the JSON Graph Format"),
        (EDGES, "looks like a list of edges without nodes"),
        ([{"id": 1}], "looks like a list of objects"),
        ([[0, 1], [0, 2]], "looks like a list of 2 pairs"),
        ({"a": {"b": 0.5}, "b": {}}, "looks like adjacency lists by node"),
        ({"x": 1}, "looks like an object with 'x'"),
        ("3", "looks like the value 3"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "nested too deeply"),
        ('{"nodes": ' + "1" * 5000 + "}", "too many digits"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(document, message, write):
    with pytest.raises(TreeError, match=message) as caught:
        read_graph(write(document))
    assert "\n" not in str(caught.value) and "\\\\" not in str(caught.value)


@pytest.mark.parametrize("number", [10**30, 10**400, 1e400])
def test_numbers_of_any_length_are_read_or_named(number, write):
    text = json.dumps({"nodes": NODES, "edges": EDGES}).replace("3.0", str(number).replace("inf", "1e400"))
    graph = read_graph(write(text))
    if number == 10**30:
        assert instance_from_graph(graph).reward.to_float().max() == pytest.approx(1e30)
    else:
        with pytest.raises(Exception, match=r"reward of node 'b' is .*, expected a finite number of at least 0"):
            instance_from_graph(graph)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "g.json")
    with pytest.raises(TreeError, match="device, pipe or socket"):
        read_graph(tmp_path / "g.json")


def test_names_with_backslashes_are_shown_as_they_are(write):
    with pytest.raises(TreeError) as caught:
        instance_from_graph(read_graph(write({"nodes": [{"id": r"$\frac12$"}, {"id": "a"}],
                                              "edges": [{"source": r"$\frac12$", "target": "a"}]})))  # fmt: skip
    assert r"edge '$\frac12$' -> 'a' has no 'prob'" in str(caught.value)


XML = """<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="p" for="edge" attr.name="prob" attr.type="double"><default>0.5</default></key>
  <key id="w" for="node" attr.name="reward" attr.type="double"><default>2.0</default></key>
  <key id="v" for="all" attr.name="note"/>
  <graph edgedefault="directed">
    <node id="r"/><node id="a"/><node id="b"><data key="w">6</data><data key="v">x</data></node>
    <edge source="r" target="a"/><edge source="r" target="b"/>
  </graph>
</graphml>
"""


def test_defaults_of_graphml_are_honoured(write):
    graph = read_graph(write(XML, "g.graphml"))
    assert graph.nodes["b"] == {"reward": 6.0, "note": "x"}
    assert instance_from_graph(graph).target.prob.to_float().tolist() == pytest.approx([0.25, 0.75])
    bare = read_graph(write(XML.replace(' xmlns="http://graphml.graphdrawing.org/xmlns"', ""), "bare.xml"))
    assert nx.utils.graphs_equal(bare, graph)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<node id="a"/>', '<node id="a"/><node id="a"/>', "node 'a' is listed 2 times"),
        ('<node id="a"/>', "", "edge 'r' -> 'a' names node 'a', which is not listed"),
        ('<node id="a"/>', '<node id="a"><graph/></node>', "with 2 graphs, expected GraphML with one"),
        ('<node id="a"/>', '<node id="a"/><hyperedge/>', "it has hyperedges"),
        ('"directed"', '"undirected"', "edge 'r' -> 'a' is undirected"),
        ('<data key="w">6', '<data key="w">six', "'reward' of node 'b' is 'six', expected a double"),
        ('<data key="w">6', '<data key="z">6', "node 'b' has data with key 'z', which the file does not declare"),
        ("<default>2.0", "<default>two", "default of 'reward' is 'two', expected a double"),
        ("</graphml>", "", "it is no XML"),
    ],
)
def test_graphml_that_cannot_be_read_is_named(old, new, message, write):
    with pytest.raises(TreeError, match=message):
        read_graph(write(XML.replace(old, new), "g.graphml"))


def test_entities_that_grow_without_end_are_refused(write):
    bomb = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(12))
    text = XML.replace("<graphml", f'<!DOCTYPE graphml [<!ENTITY e0 "boom">{bomb}]><graphml', 1)
    with pytest.raises(TreeError, match="it is no XML"):
        read_graph(write(text.replace('<data key="v">x', '<data key="v">&e12;'), "g.graphml"))


def test_parallel_edges_of_graphml_are_steps_of_their_own(write):
    text = XML.replace('<edge source="r" target="a"/>', '<edge id="1" source="r" target="b"/>')
    text = text.replace('<node id="a"/>', "")
    assert read_graph(write(text, "g.graphml")).number_of_edges("r", "b") == 2
    with pytest.raises(TreeError, match="edge 'r' -> 'b' with key '1' is listed twice"):
        read_graph(
            write(text.replace('<edge source="r" target="b"/>', '<edge id="1" source="r" target="b"/>'), "g.graphml")
        )


ODD_NAMES = [
    ("r", " ", " ", "x", " "),
    ("r", "a", "b", "a", "a@1"),
    ("r", 1, "1", True, "1@1"),
    ("r", "a", "a@1", "a", "a@2.2"),
    ("r", (1, "x"), "(1, 'x')", b"x", "b'x'"),
    (0, 1, 2, "1", None),
    ("r", "tab\there", "bell\x07", "\x07bell", "line\nbreak"),
]


@pytest.mark.parametrize("names", ODD_NAMES)
@pytest.mark.parametrize("form", ["json", "graphml", "dot"])
def test_every_node_is_written_under_a_name_of_its_own(names, form, write):
    tree = Tree(np.array([0, 1, 3, 5]), np.array([0, 2, 3, 4]), np.array([0.25, 0.75, 1.0, 1.0]), names)
    instance = Instance(tree, optimal_twist(tree, np.log([2.0, 5.0])))
    text = graph_text(graph_from_instance(instance), form)
    if form == "dot":
        assert text.count("->") == 4 - (names[-1] is None)
        return
    back = instance_from_graph(read_graph(write(text, f"g.{form}")))
    assert back.graph.n_nodes == 5
    np.testing.assert_allclose(back.twist.to_float(), instance.twist.to_float(), rtol=1e-14)


def test_json_keeps_texts_numbers_and_tuples(write):
    tree, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], ("a", 7), horizon=2)
    graph = graph_from_instance(Instance.from_scores(tree, lambda prefix: 1.0))
    assert instance_from_graph(read_graph(write(graph_text(graph, "json")))).graph.names == tree.names


def test_a_choice_without_a_name_is_no_padding():
    tree = Tree(np.array([0, 1, 2, 4]), np.array([0, 1, 3]), np.array([1.0, 0.25, 0.75]), ("r", "a", "x", None))
    graph = graph_from_instance(Instance(tree, optimal_twist(tree, np.log([2.0, 5.0]))))
    assert set(graph) == {"r", "a", "x", 3}
    assert instance_from_graph(graph).target.prob.to_float().tolist() == pytest.approx([0.5 / 4.25, 3.75 / 4.25])


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ((None, None, None, None), {0, 1}),
        (("r", None, None, "x"), {"r", 1, 2, "x"}),
        (("r", "a", None, "x"), {"r", "a", 2, "x"}),
        (("r", "x", None, None), {"r", "x"}),
    ],
)
def test_only_what_follows_without_a_choice_and_without_a_name_is_padding(names, shown):
    chain = Tree(np.arange(5), np.arange(4), np.ones(3), names)
    graph = graph_from_instance(Instance(chain, optimal_twist(chain, [0.0])))
    assert set(graph) == shown
    assert instance_from_graph(graph).audit.log_partition == 0.0


def test_an_instance_without_names_goes_by_numbers(write):
    instance = family("random-branching", horizon=3, seed=1)
    back = instance_from_graph(read_graph(write(graph_text(graph_from_instance(instance), "json"))))
    assert back.graph.names == tuple(range(instance.graph.n_nodes))


@pytest.mark.parametrize("form", ["json", "graphml"])
def test_listed_files_make_the_instance_that_their_networkx_graph_makes(tmp_path, form):
    instance = family("random-branching", horizon=5, branching=3, perturbation="log-normal:sigma=0.5", seed=2)
    path = tmp_path / f"g.{form}"
    path.write_text(graph_text(graph_from_instance(instance), form))
    listed, made = instance_from_graph(read_listed(path)), instance_from_graph(read_graph(path))
    assert listed.graph.same_as(made.graph)
    assert (listed.value.mantissa == made.value.mantissa).all()
    assert (listed.value.exponent == made.value.exponent).all()
    np.testing.assert_allclose(listed.value.log(), instance.value.log(), rtol=1e-12, atol=1e-15)
