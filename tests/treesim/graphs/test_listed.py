import networkx as nx
import pytest

from treesim import TreeError
from treesim.graphs.listed import ListedGraph
from treesim.graphs.steps import step_graph


def graph(*edges: tuple[str, str, float]) -> nx.DiGraph:
    made = nx.DiGraph()
    made.add_weighted_edges_from(edges, weight="prob")
    return made


def test_a_graph_comes_back_as_it_was():
    made = graph(("r", "a", 0.25), ("r", "b", 0.75))
    made.nodes["a"]["reward"] = 2.0
    listed = ListedGraph.of(made)
    assert listed.to_networkx() is made
    assert ListedGraph.of(listed) is listed
    again = ListedGraph(listed.nodes, listed.edges).to_networkx()
    assert nx.utils.graphs_equal(again, made)
    assert list(again) == ["r", "a", "b"]


def test_edges_of_a_parent_may_be_listed_far_apart():
    edges = [("r", "b", 0.75), ("b", "d", 1.0), ("r", "a", 0.25), ("a", "c", 1.0)]
    listed = ListedGraph({name: {} for name in "rabcd"}, [(u, v, {"prob": p}) for u, v, p in edges])
    steps = step_graph(listed)
    assert steps.nodes == ["r", "b", "a", "d", "c"]
    assert steps.prob.tolist() == [0.75, 0.25, 1.0, 1.0]
    assert steps.nodes == step_graph(graph(*edges)).nodes


@pytest.mark.parametrize(
    "edges",
    [
        [("r", "a", 1.0), ("a", "b", 0.5), ("b", "a", 0.5)],  # behind the root
        [("r", "a", 1.0), ("b", "c", 1.0), ("c", "b", 1.0)],  # beside it, with as many edges as a tree has
        [("r", "a", 1.0), ("b", "c", 1.0), ("c", "b", 0.5), ("c", "d", 0.5)],
    ],
)
def test_a_cycle_is_found_wherever_it_is(edges):
    with pytest.raises(TreeError, match="the graph has a cycle"):
        step_graph(graph(*edges))


def test_paths_that_meet_are_no_cycle():
    assert len(step_graph(graph(("r", "a", 0.5), ("r", "b", 0.5), ("a", "c", 1.0), ("b", "c", 1.0))).nodes) == 4


@pytest.mark.parametrize("odd", [-0.5, 1.5, float("nan"), float("inf"), 1e-310])
def test_one_bad_probability_among_floats_is_named(odd):
    with pytest.raises(TreeError, match="'r' -> 'b'"):
        step_graph(graph(("r", "a", 0.5), ("r", "b", odd), ("a", "c", 1.0)))


@pytest.mark.parametrize("kind", [float, str])
def test_a_probability_may_exceed_one_by_rounding(kind):
    above = 1 + 1e-12
    assert step_graph(graph(("r", "a", kind(above)), ("a", "b", kind(1.0)))).prob.tolist() == pytest.approx([1.0, 1.0])
    with pytest.raises(TreeError, match="'r' -> 'a'"):
        step_graph(graph(("r", "a", kind(1.1)), ("a", "b", kind(1.0))))
