"""A networkx graph, unfolded level by level from its root: the arrays of a tree or a trellis."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import networkx as nx
import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import TreeError
from treesim.graphs.builders import TreeArrays

# Probabilities written in decimals are scaled to sum to 1, if they are this close to it.
DECIMAL_TOLERANCE = 1e-9


class Place(NamedTuple):
    """A node of a level: a node of the graph, or the padding that follows it where it ends early."""

    node: Hashable
    is_padding: bool

    @property
    def name(self) -> Hashable | None:
        return None if self.is_padding else self.node


class Unfolded(NamedTuple):
    """The levels, and between them the edges in the order of their parents."""

    levels: list[list[Place]]
    degrees: list[list[int]]
    probs: list[list[float]]
    children: list[list[int]]


def arborescence_arrays(graph: nx.DiGraph) -> tuple[TreeArrays, tuple[Hashable | None, ...]]:
    """The arrays of a tree, early ends padded; and the names, ``None`` for padding."""
    if not graph.is_directed() or graph.is_multigraph():
        raise TreeError("the graph is undirected or has parallel edges, expected a directed tree")
    if len(graph) < 2 or not nx.is_arborescence(graph):
        raise TreeError(_why_no_arborescence(graph))
    levels, degrees, probs, _ = unfold(graph)
    arrays = TreeArrays(
        np.cumsum([0, *map(len, levels)]),
        np.cumsum([0, *(degree for level in degrees for degree in level)]),
        np.array([p for level in probs for p in level]),
    )
    return arrays, tuple(place.name for level in levels for place in level)


def unfold(graph: nx.DiGraph) -> Unfolded:
    """Level t holds what t steps reach, each node once; what ends early goes on as padding."""
    levels = [[Place(_root(graph), False)]]
    degrees: list[list[int]] = []
    probs: list[list[float]] = []
    children: list[list[int]] = []
    while any(not place.is_padding and graph.out_degree(place.node) for place in levels[-1]):
        number: dict[Place, int] = {}
        degrees.append([])
        probs.append([])
        children.append([])
        for place in levels[-1]:
            ends, prob = [place.node], np.ones(1)
            goes_on = not place.is_padding and graph.out_degree(place.node) > 0
            if goes_on:
                ends, prob = _steps(graph, place.node)
            degrees[-1].append(len(ends))
            probs[-1].extend(prob.tolist())
            children[-1].extend(number.setdefault(Place(end, not goes_on), len(number)) for end in ends)
        levels.append(list(number))
    return Unfolded(levels, degrees, probs, children)


def _root(graph: nx.DiGraph) -> Hashable:
    if not graph.is_directed():
        raise TreeError("the graph is undirected, expected a directed one")
    if len(graph) < 2:
        raise TreeError(f"the graph has {len(graph)} nodes, expected a root and at least one child")
    roots = [node for node, degree in graph.in_degree() if degree == 0]
    if len(roots) != 1:
        raise TreeError(
            f"the graph has {len(roots)} nodes without a parent, expected one root"
            + (f" (two of them: {roots[0]!r}, {roots[1]!r})" if roots else "")
        )
    if not nx.is_directed_acyclic_graph(graph):
        raise TreeError("the graph has a cycle, expected a tree, or a graph without cycles")
    return roots[0]


def _steps(graph: nx.DiGraph, node: Hashable) -> tuple[list[Hashable], FloatArray]:
    """The ends of a node's edges and their probabilities."""
    ends: list[Hashable] = []
    prob = np.empty(graph.out_degree(node))
    for i, (_, end, text) in enumerate(graph.out_edges(node, data="prob")):
        ends.append(end)
        try:
            prob[i] = float(text)
        except (TypeError, ValueError):
            raise TreeError(f"edge {node!r} -> {end!r} has prob {text!r}, expected a number") from None
        if not 0 <= prob[i] <= 1 + DECIMAL_TOLERANCE:
            raise TreeError(f"edge {node!r} -> {end!r} has prob {prob[i]}, expected between 0 and 1")
    total = prob.sum()
    if abs(total - 1.0) > DECIMAL_TOLERANCE:
        raise TreeError(f"edge probabilities of node {node!r} sum to {total:.12g}, expected 1")
    return ends, prob if abs(total - 1.0) < 1e-15 else prob / total


def _why_no_arborescence(graph: nx.DiGraph) -> str:
    _root(graph)
    twice = next(node for node, degree in graph.in_degree() if degree > 1)
    return f"node {twice!r} has {graph.in_degree(twice)} parents, expected one: a tree"
