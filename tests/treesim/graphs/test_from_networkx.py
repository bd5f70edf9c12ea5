"""Graphs unfolded into levels, against the obvious way: all paths, one at a time."""

from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim import MemoryBudgetError, Tree, TreeError, Trellis
from treesim.graphs import from_networkx
from treesim.graphs.from_networkx import unfold_tree, unfold_trellis
from treesim.graphs.steps import is_given, number_of, step_graph


@st.composite
def dags(draw):
    """Graphs without cycles over up to 8 nodes, parallel edges and steps of any length included."""
    size = draw(st.integers(2, 8))
    graph = nx.MultiDiGraph()
    for v in range(1, size):
        for parent in draw(st.lists(st.integers(0, v - 1), min_size=1, max_size=3)):
            graph.add_edge(f"n{parent}", f"n{v}")
    for node in graph:
        edges = list(graph.out_edges(node, keys=True))
        parts = draw(st.lists(st.integers(0, 4), min_size=len(edges), max_size=len(edges)))
        total = sum(parts) or len(parts)
        for edge, part in zip(edges, parts, strict=True):
            graph.edges[edge]["prob"] = (part or (not sum(parts))) / total
    return graph


def paths(graph, node="n0", prob=Fraction(1)):
    """Every path from a node to an end: its nodes and its probability."""
    edges = list(graph.out_edges(node, data="prob"))
    if not edges:
        yield [node], prob
    for _, child, p in edges:
        for rest, end_prob in paths(graph, child, prob * Fraction(p)):
            yield [node, *rest], end_prob


@given(dags())
def test_a_trellis_has_every_path_with_its_probability(graph):
    steps = step_graph(graph)
    layers, places = unfold_trellis(steps)
    trellis = Trellis(places.level_ptr, layers, np.arange(len(layers)), places.names(steps.nodes))
    every = list(paths(graph))
    horizon = max(len(path) for path, _ in every) - 1
    assert trellis.horizon == horizon
    for t in range(horizon + 1):
        here = [
            (steps.nodes[v], bool(pad))
            for v, pad in zip(places.origin[trellis.level(t)], places.is_padding[trellis.level(t)], strict=True)
        ]
        wanted = {(path[min(t, len(path) - 1)], t >= len(path)) for path, _ in every}
        assert len(set(here)) == len(here)
        assert set(here) == wanted
    mass = [Fraction(1)]
    for t in range(horizon):
        below = [Fraction(0)] * trellis.n_level(t + 1)
        layer = trellis.layer(t)
        for v, child, p in zip(layer.sources(), layer.child, layer.prob, strict=True):
            below[child] += mass[v] * Fraction(p)
        mass = below
    by_end = {end: sum(p for path, p in every if path[-1] == end) for end in {path[-1] for path, _ in every}}
    found = dict.fromkeys(by_end, 0)
    for v, p in zip(places.origin[trellis.leaves], mass, strict=True):
        found[steps.nodes[v]] += p
    assert all(abs(found[end] - by_end[end]) < 1e-12 for end in by_end)
    assert 2**trellis.log2_paths == pytest.approx(len(every))


@given(st.lists(st.integers(0, 100), min_size=1, max_size=14))
def test_a_tree_keeps_its_paths_in_their_order(parents):
    graph = nx.DiGraph()
    for v, parent in enumerate(parents, 1):
        graph.add_edge(f"n{parent % v}", f"n{v}")
    for node in graph:
        for edge in graph.out_edges(node):
            graph.edges[edge]["prob"] = 1 / graph.out_degree(node)
    steps = step_graph(graph)
    arrays, places = unfold_tree(steps)
    tree = Tree(*arrays, places.names(steps.nodes))
    every = list(paths(graph))
    assert tree.n_leaves == len(every)
    for leaf, (path, prob) in enumerate(every):
        nodes = tree.path(leaf)
        assert [tree.names[v] for v in nodes] == path + [None] * (tree.horizon + 1 - len(path))
        assert np.prod([tree.edge_prob[v - 1] for v in nodes[1:]]) == pytest.approx(float(prob))


def comb(teeth):
    """A path, at each step of which one may end early."""
    graph = nx.DiGraph()
    for v in range(teeth):
        graph.add_edge(v, v + 1, prob=0.5)
        graph.add_edge(v, ("end", v), prob=0.5)
    return graph


def ladder(size):
    """Steps of one and of two: every node stands on half as many levels as its number."""
    graph = nx.DiGraph()
    for v in range(size):
        graph.add_edge(v, v + 1, prob=0.5)
        graph.add_edge(v, v + 2, prob=0.5)
    graph.add_edge(size, size + 1, prob=1.0)
    return graph


# Level t of the comb has its path and t ends; node v of the ladder stands on v // 2 + 1 levels, its end on 751 and
# as padding on 750.
@pytest.mark.parametrize(
    ("graph", "kind", "places"),
    [
        (comb(1500), Tree, sum(t + 1 for t in range(1501))),
        (ladder(1500), Trellis, sum(v // 2 + 1 for v in range(1501)) + 751 + 750),
    ],
)
def test_graphs_that_grow_when_they_are_unfolded_are_built(graph, kind, places):
    assert kind.from_networkx(graph).n_nodes == places


@pytest.mark.parametrize(("graph", "kind"), [(comb(6000), Tree), (ladder(6000), Trellis)])
def test_and_refused_before_they_are_where_they_outgrow_the_memory(graph, kind, monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.05")
    built = []
    monkeypatch.setattr(kind, "__post_init__", built.append)
    if kind is Tree:
        monkeypatch.setattr(from_networkx, "_grow", built.append)
    with pytest.raises(
        MemoryBudgetError, match=r"this graph of \d+ nodes, unfolded to level \d+ with \d+ nodes, needs"
    ):
        kind.from_networkx(graph)
    assert not built


def test_nodes_of_a_level_stand_in_the_order_in_which_they_are_reached():
    graph = nx.DiGraph()
    edges = [("r", "a", 0.5), ("r", "b", 0.5), ("a", "x", 1.0), ("b", "y", 0.5), ("b", "x", 0.5)]
    graph.add_weighted_edges_from(edges, weight="prob")
    assert Trellis.from_networkx(graph).names == ("r", "a", "b", "x", "y")


def test_a_multigraph_without_parallel_edges_is_a_tree():
    graph = nx.MultiDiGraph()
    graph.add_edge("r", "a", prob=1.0)
    assert Tree.from_networkx(graph).names == ("r", "a")
    graph.add_edge("r", "a", prob=0.0)
    with pytest.raises(TreeError, match="node 'a' has 2 parents"):
        Tree.from_networkx(graph)


def test_attributes_as_people_write_them():
    assert [is_given(x) for x in (0, "", False, None, np.nan, np.float32("nan"))] == [True] * 3 + [False] * 3
    assert number_of(np.float32(0.5)) == number_of(" 0.5") == 0.5
    assert number_of(-(10**400)) == -np.inf
    assert all(np.isnan(number_of(x)) for x in ("half", None, [1.0, 2.0], 1j))


def test_edges_count_too(monkeypatch):
    """40,000 edges between two levels of 200 nodes."""
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("r", f"a{i}", 1 / 200) for i in range(200)], weight="prob")
    graph.add_weighted_edges_from([(f"a{i}", f"b{j}", 1 / 200) for i in range(200) for j in range(200)], weight="prob")
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.0005")
    with pytest.raises(MemoryBudgetError, match="unfolded to level 2 with 201 nodes"):
        Trellis.from_networkx(graph)


def test_a_probability_that_is_one_but_for_rounding_is_taken(caplog):
    graph = nx.DiGraph()
    graph.add_edge("r", "a", prob=1.00005)
    assert Tree.from_networkx(graph).edge_prob.tolist() == [1.0]
    assert "they were normalised" in caplog.text
    graph.add_edge("r", "a", prob=1.0002)
    with pytest.raises(TreeError, match=r"has prob 1\.0002"):
        Tree.from_networkx(graph)
