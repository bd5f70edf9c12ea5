"""Arrays of a tree that is given as a networkx arborescence. `Tree` checks and wraps them."""

from __future__ import annotations

from collections.abc import Hashable

import networkx as nx
import numpy as np

from treesim.builders import TreeArrays
from treesim.errors import TreeError
from treesim.scaled import FloatArray

# Probabilities written in decimals are scaled to sum to 1, if they are this close to it.
DECIMAL_TOLERANCE = 1e-9


def arborescence_arrays(graph: nx.DiGraph) -> tuple[TreeArrays, tuple[Hashable | None, ...]]:
    """Level by level, with early ends padded; and the names, ``None`` for padding."""
    if not graph.is_directed() or graph.is_multigraph():
        raise TreeError("the graph is undirected or has parallel edges, expected a directed tree")
    if len(graph) < 2 or not nx.is_arborescence(graph):
        raise TreeError(_why_no_arborescence(graph))
    root = next(node for node, degree in graph.in_degree() if degree == 0)
    # One entry a node of the level: its name, or the early end that it pads.
    level: list[tuple[Hashable, bool]] = [(root, False)]
    names: list[Hashable | None] = [root]
    level_ptr, edge_ptr, probs = [0, 1], [0], list[float]()
    while any(not padded and graph.out_degree(node) for node, padded in level):
        below: list[tuple[Hashable, bool]] = []
        for node, padded in level:
            children = [] if padded else list(graph.successors(node))
            if children:
                probs.extend(_probabilities(graph, node, children))
                below.extend((child, False) for child in children)
            else:
                probs.append(1.0)
                below.append((node, True))
            edge_ptr.append(len(probs))
        level = below
        names.extend(None if padded else node for node, padded in level)
        level_ptr.append(len(names))
    return TreeArrays(np.array(level_ptr), np.array(edge_ptr), np.array(probs)), tuple(names)


def _probabilities(graph: nx.DiGraph, node: Hashable, children: list[Hashable]) -> FloatArray:
    prob = np.empty(len(children))
    for i, child in enumerate(children):
        text = graph.edges[node, child].get("prob")
        try:
            prob[i] = float(text)
        except (TypeError, ValueError):
            raise TreeError(f"edge {node!r} -> {child!r} has prob {text!r}, expected a number") from None
        if not 0 <= prob[i] <= 1 + DECIMAL_TOLERANCE:
            raise TreeError(f"edge {node!r} -> {child!r} has prob {prob[i]}, expected between 0 and 1")
    total = prob.sum()
    if abs(total - 1.0) > DECIMAL_TOLERANCE:
        raise TreeError(f"edge probabilities of node {node!r} sum to {total:.12g}, expected 1")
    return prob if abs(total - 1.0) < 1e-15 else prob / total


def _why_no_arborescence(graph: nx.DiGraph) -> str:
    if len(graph) < 2:
        return f"the graph has {len(graph)} nodes, expected a root and at least one child"
    roots = [node for node, degree in graph.in_degree() if degree == 0]
    if len(roots) != 1:
        return f"the graph has {len(roots)} nodes without a parent, expected one root" + (
            f" (two of them: {roots[0]!r}, {roots[1]!r})" if roots else ""
        )
    twice = [node for node, degree in graph.in_degree() if degree > 1]
    if twice:
        return f"node {twice[0]!r} has {graph.in_degree(twice[0])} parents, expected one: a tree"
    return "the graph has a cycle apart from the root, expected a tree"
