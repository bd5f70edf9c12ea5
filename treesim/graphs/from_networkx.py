"""A networkx graph, unfolded level by level from its root: the arrays of a tree or a trellis.

Leaves above level T are early ends, padded to it: 6,000 of them beside a path of 6,000 steps are 18 million nodes. A
node that paths of different lengths reach stands on several levels. So the result may be the square of the graph: it is
counted before it is built, refused where it outgrows the memory budget, and takes time linear in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.errors import TreeError, quoted
from treesim.graphs.builders import TreeArrays
from treesim.graphs.layered import Layer
from treesim.graphs.steps import StepGraph, step_graph
from treesim.runtime.memory import memory_budget, require_memory
from treesim.scaled import BYTES_A_VALUE

if TYPE_CHECKING:
    import networkx as nx

# What a node of the result, an edge and a level take while they are built; a node with its name, V* and V^.
_BYTES_A_PLACE, _BYTES_A_STEP, _BYTES_A_LEVEL = 2 * BYTES_A_VALUE + 56, 24, 1000
_ZERO = np.zeros(1, np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class Places(Brief):
    """Where the nodes of a graph stand, level by level.

    Attributes
    ----------
    level_ptr : ndarray of int64, shape [horizon + 2]
    origin : ndarray of int64, shape [n_places]
        The node of the graph: itself, or the early end that padding follows.
    is_padding : ndarray of bool, shape [n_places]
    """

    level_ptr: IntArray
    origin: IntArray
    is_padding: BoolArray

    def names(self, nodes: list[Hashable]) -> tuple[Hashable | None, ...]:
        """The name of each place, None for padding."""
        # One at a time: numpy would take names that are tuples apart.
        known = np.empty(len(nodes), object)
        for v, node in enumerate(nodes):
            known[v] = node
        named = known[self.origin]
        named[self.is_padding] = None
        return tuple(named.tolist())


def arborescence_arrays(graph: nx.DiGraph) -> tuple[TreeArrays, tuple[Hashable | None, ...]]:
    """The arrays of a tree, early ends padded; and the names, None for padding."""
    steps = step_graph(graph)
    arrays, places = unfold_tree(steps)
    return arrays, places.names(steps.nodes)


def unfold_tree(steps: StepGraph) -> tuple[TreeArrays, Places]:
    """A tree with early ends padded, and where its nodes stand.

    Raises
    ------
    TreeError
        If paths meet; the message names the node.
    MemoryBudgetError
        If the padded tree does not fit in the memory budget.
    """
    n, degree = len(steps.nodes), np.diff(steps.ptr)
    if not steps.is_tree:
        parents = np.bincount(steps.child, minlength=n)
        twice = int(np.argmax(parents > 1))
        raise TreeError(f"node {quoted(steps.nodes[twice])} has {parents[twice]} parents, expected one: a tree")
    depth = [0] * n
    for e, v in enumerate(np.repeat(np.arange(n), degree).tolist()):
        depth[e + 1] = depth[v] + 1  # breadth first, edge e of a tree leads to node e + 1
    horizon = max(depth)
    size = n + sum(horizon - t for t, d in zip(depth, degree.tolist(), strict=True) if d == 0)
    _require(steps, size, size, horizon)
    levels, layers = zip(*_grow(steps), strict=True)
    places = _places(levels)
    degrees = np.concatenate([np.diff(layer.ptr) for layer in layers[:-1]])
    edge_prob = np.concatenate([layer.prob for layer in layers[:-1]])
    return TreeArrays(places.level_ptr, np.cumsum(np.append(0, degrees)), edge_prob), places


def unfold_trellis(steps: StepGraph) -> tuple[list[Layer], Places]:
    """The layers of a trellis with early ends padded, and where the nodes stand.

    Raises
    ------
    MemoryBudgetError
        If the levels do not fit in the memory budget.
    """
    levels, layers = zip(*_grow(steps), strict=True)
    return list(layers[:-1]), _places(levels)


def edges_of_layers(steps: StepGraph) -> list[IntArray]:
    """Level by level, which edge of the graph each edge of the unfolded one is; -1 for padding.

    Examples
    --------
    >>> import networkx as nx
    >>> graph = nx.DiGraph()
    >>> graph.add_weighted_edges_from([("", "a", 0.25), ("", "b", 0.75), ("b", "bb", 1.0)], weight="prob")
    >>> [edges.tolist() for edges in edges_of_layers(step_graph(graph))]
    [[0, 1], [-1, 2]]
    """
    numbered = replace(steps, prob=np.arange(2.0, len(steps.child) + 2.0))
    return [layer.prob.astype(np.int64) - 2 for _, layer in _grow(numbered) if len(layer.prob)]


def _grow(steps: StepGraph) -> Iterator[tuple[IntArray, Layer]]:
    """Level by level what stands there, in the order in which it is reached, and its edges; none below the last.

    Node v is 2 v, and the padding that follows it, where it ends early, 2 v + 1.
    """
    ptr, child, prob = _with_padding(steps)
    degree, goes_on = np.diff(ptr), np.repeat(np.diff(steps.ptr) > 0, 2)
    rank = np.empty(len(degree), np.int64)
    here, n_places, n_steps, t, budget = np.zeros(1, np.int64), 1, 0, 0, memory_budget()
    while goes_on[here].any():
        count = degree[here]
        starts = np.concatenate((_ZERO, count.cumsum()))
        n_steps, t = n_steps + int(starts[-1]), t + 1
        if _need(n_places, n_steps, t) > budget:
            _require(steps, n_places, n_steps, t)
        edge = (ptr[here] - starts[:-1]).repeat(count) + np.arange(starts[-1])
        ends = child[edge]
        # Of the edges that lead to one end the first gives it its place.
        turn = np.arange(len(ends))
        rank[ends[::-1]] = turn[::-1]
        below = ends[rank[ends] == turn]
        rank[below] = np.arange(len(below))
        yield here, Layer(starts, prob[edge], rank[ends].astype(np.int32))
        here, n_places = below, n_places + len(below)
    yield here, Layer(np.zeros(1, np.int64), np.empty(0), np.empty(0, np.int32))


def _with_padding(steps: StepGraph) -> tuple[IntArray, IntArray, FloatArray]:
    """The edges of nodes and of their padding: an early end, and what follows it, goes on with probability one."""
    n, degree = len(steps.nodes), np.diff(steps.ptr)
    ends = np.flatnonzero(degree == 0)
    degrees = np.repeat(degree, 2)
    degrees[1::2] = 0
    degrees[2 * ends] = degrees[2 * ends + 1] = 1
    ptr = np.append(0, np.cumsum(degrees))
    child, prob = np.empty(ptr[-1], np.int64), np.ones(ptr[-1])
    own = np.repeat(ptr[: 2 * n : 2] - steps.ptr[:-1], degree) + np.arange(len(steps.child))
    child[own], prob[own] = 2 * steps.child, steps.prob
    child[ptr[2 * ends]] = child[ptr[2 * ends + 1]] = 2 * ends + 1
    return ptr, child, prob


def _places(levels: tuple[IntArray, ...]) -> Places:
    kinds = np.concatenate(levels)
    return Places(np.cumsum([0, *map(len, levels)]), kinds >> 1, (kinds & 1).astype(bool))


def _need(n_places: int, n_steps: int, t: int) -> int:
    return _BYTES_A_PLACE * n_places + _BYTES_A_STEP * n_steps + _BYTES_A_LEVEL * t


def _require(steps: StepGraph, n_places: int, n_steps: int, t: int) -> None:
    what = f"this graph of {len(steps.nodes)} nodes, unfolded to level {t} with {n_places} nodes,"
    require_memory(_need(n_places, n_steps, t), what)
