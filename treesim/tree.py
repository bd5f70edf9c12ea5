"""The tree of prefixes with its reference policy.

A node is a prefix, numbered level by level so that the children of a node are contiguous: edge ``e`` leads to
node ``e + 1``. All paths have length T; a prefix that ends early goes on by single edges of probability 1.

Algorithms see a tree as T layers of edges, `Tree.layer`, and never use the rule ``e + 1`` themselves: a graph
that merges prefixes of identical future fits in by naming the child of each edge in its layers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from treesim.arborescence import arborescence_arrays
from treesim.builders import SMALLEST_PROBABILITY, complete_arrays, random_arrays
from treesim.errors import TreeError
from treesim.kernels.checks import first_bad_parent
from treesim.scaled import BoolArray, FloatArray, IntArray, read_only

SUM_TOLERANCE = 1e-12

_NO_CHILD = read_only(np.empty(0, np.int64))


class Layer(NamedTuple):
    """The edges from level t to level t + 1, parents and children numbered from 0 within their levels.

    Attributes
    ----------
    ptr : ndarray, shape [n_parents + 1]
        Edges of parent ``v`` are ``ptr[v] - ptr[0] .. ptr[v + 1] - ptr[0]``.
    prob : ndarray, shape [n_edges]
        pi_ref of the step, linear.
    child : ndarray, shape [n_edges] or [0]
        The child of each edge; empty where edge ``k`` leads to child ``k``.
    """

    ptr: IntArray
    prob: FloatArray
    child: IntArray


@dataclass(frozen=True, eq=False)
class Tree:
    """A finite tree of prefixes with reference policy pi_ref, immutable and checked once.

    It takes 8 bytes for each internal node and 8 for each edge: 12 bytes a node for a complete binary tree,
    16 at the most. V* and V^ take another 12 each. A tree that does not fit with them in the memory budget (8 GiB,
    or ``TREESIM_MEMORY_GIB``) is refused before anything is allocated.

    Parameters
    ----------
    level_ptr : ndarray of int64, shape [horizon + 2]
        Nodes of level ``t`` are ``level_ptr[t] .. level_ptr[t + 1]``.
    edge_ptr : ndarray of int64, shape [n_internal + 1]
        Edges of internal node ``v`` are ``edge_ptr[v] .. edge_ptr[v + 1]``; edge ``e`` leads to node ``e + 1``.
    edge_prob : ndarray of float64, shape [n_nodes - 1]
        pi_ref of each edge, linear; zero is a forbidden step.
    names : sequence, shape [n_nodes], optional
        Names of the nodes, ``None`` for padding.

    Raises
    ------
    TreeError
        If the arrays are not a tree; the message names node and level.

    Examples
    --------
    >>> tree = Tree.complete(branching=2, horizon=3)
    >>> tree.horizon, tree.n_nodes, tree.n_leaves
    (3, 15, 8)
    >>> Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([0.5, 0.4]))
    Traceback (most recent call last):
    treesim.errors.TreeError: edge probabilities of node 0 (level 0) sum to 0.9, expected 1
    """

    level_ptr: IntArray
    edge_ptr: IntArray
    edge_prob: FloatArray
    names: Sequence[Hashable] | None = None

    def __post_init__(self) -> None:
        for name, kind in (("level_ptr", np.int64), ("edge_ptr", np.int64), ("edge_prob", np.float64)):
            array = np.asarray(getattr(self, name))
            if array.ndim != 1 or array.dtype.kind not in ("iu" if kind is np.int64 else "fiu"):
                raise TreeError(f"{name} has shape {array.shape} and type {array.dtype}, expected 1-d {kind.__name__}")
            object.__setattr__(self, name, read_only(np.ascontiguousarray(array, kind)))
        self._check_shape()
        self._check_policy()
        if self.names is not None and len(self.names) != self.n_nodes:
            raise TreeError(f"there are {len(self.names)} names, expected one for each of {self.n_nodes} nodes")

    @classmethod
    def complete(cls, branching: int, horizon: int, policy: str | float | ArrayLike = "uniform", seed: int = 0) -> Tree:
        """The complete tree: every prefix shorter than `horizon` has `branching` children.

        Parameters
        ----------
        branching, horizon : int
        policy : "uniform", float or array_like, shape [branching] or [n_edges]
            pi_ref: uniform; Dirichlet with this concentration at every node; or given, the same at every node
            or edge by edge.
        seed : int
            Of the Dirichlet draws.

        Raises
        ------
        TreeError
            If a parameter is out of range.
        MemoryBudgetError
            If the tree does not fit in the memory budget.

        Examples
        --------
        >>> Tree.complete(3, 2, policy=[0.5, 0.5, 0.0]).layer(0).prob
        array([0.5, 0.5, 0. ])
        """
        return cls(*complete_arrays(branching, horizon, policy, seed))

    @classmethod
    def random(cls, horizon: int, branching: int, concentration: float = 1.0, stop: float = 0.0, seed: int = 0) -> Tree:
        """A random tree: 1 to `branching` children, Dirichlet(`concentration`) pi_ref, early ends.

        Parameters
        ----------
        horizon, branching : int
        concentration : float
        stop : float
            Probability that a prefix ends after each step; it is padded to the horizon.
        seed : int

        Raises
        ------
        TreeError
            If a parameter is out of range.
        MemoryBudgetError
            If the tree outgrows the memory budget.

        Examples
        --------
        >>> Tree.random(horizon=4, branching=3, stop=0.1, seed=1).horizon
        4
        """
        return cls(*random_arrays(horizon, branching, concentration, stop, seed))

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph) -> Tree:
        """The tree of an arborescence whose edges carry ``prob``; names are kept, early ends padded.

        Raises
        ------
        TreeError
            If the graph is no arborescence, an edge lacks ``prob``, or those of a node are no distribution.

        Examples
        --------
        >>> graph = nx.DiGraph()
        >>> edges = [("", "a", 0.25), ("", "b", 0.75), ("b", "bb", 1.0)]
        >>> graph.add_weighted_edges_from(edges, weight="prob")
        >>> Tree.from_networkx(graph).names
        ('', 'a', 'b', None, 'bb')
        """
        arrays, names = arborescence_arrays(graph)
        return cls(*arrays, names)

    @property
    def horizon(self) -> int:
        """T, the length of every path."""
        return len(self.level_ptr) - 2

    @property
    def n_nodes(self) -> int:
        """All prefixes, the empty one included."""
        return int(self.level_ptr[-1])

    @property
    def n_edges(self) -> int:
        return len(self.edge_prob)

    @property
    def n_leaves(self) -> int:
        return self.n_nodes - int(self.level_ptr[-2])

    @property
    def log2_paths(self) -> float:
        """log2 of the number of paths from the root to level T."""
        return math.log2(self.n_leaves)

    def level(self, t: int) -> slice:
        """The nodes of level `t`."""
        return slice(int(self.level_ptr[t]), int(self.level_ptr[t + 1]))

    def n_level(self, t: int) -> int:
        """How many nodes level `t` has."""
        return int(self.level_ptr[t + 1] - self.level_ptr[t])

    @property
    def leaves(self) -> slice:
        """The nodes of level T."""
        return self.level(self.horizon)

    def layer(self, t: int) -> Layer:
        """The edges between levels `t` and ``t + 1``."""
        nodes, children = self.level(t), self.level(t + 1)
        return Layer(
            self.edge_ptr[nodes.start : nodes.stop + 1],
            self.edge_prob[children.start - 1 : children.stop - 1],
            _NO_CHILD,
        )

    def path(self, leaf: int) -> list[int]:
        """The nodes from the root to a leaf (numbered from 0 among the leaves), shape [horizon + 1].

        Examples
        --------
        >>> Tree.complete(2, 2).path(3)
        [0, 2, 6]
        """
        node = self.level(self.horizon).start + int(leaf)
        nodes = [node]
        while node:
            node = int(np.searchsorted(self.edge_ptr, node - 1, side="right")) - 1
            nodes.append(node)
        return nodes[::-1]

    def choices(self, leaf: int) -> list[int]:
        """Which child is taken at each step on the way to a leaf, shape [horizon].

        Examples
        --------
        >>> Tree.complete(3, 2).choices(5)
        [1, 2]
        """
        path = self.path(leaf)
        return [c - 1 - int(self.edge_ptr[v]) for v, c in itertools.pairwise(path)]

    def level_of(self, node: int) -> int:
        """The level of a node."""
        return int(np.searchsorted(self.level_ptr, node, side="right")) - 1

    def reachable(self) -> Iterator[BoolArray]:
        """Level by level, which nodes have positive probability under pi_ref, each of shape [n_nodes of the level]."""
        reach = np.ones(1, bool)
        for t in range(self.horizon):
            yield reach
            layer = self.layer(t)
            live = np.repeat(reach, np.diff(layer.ptr)) & (layer.prob > 0)
            reach = np.zeros(self.n_level(t + 1), bool)
            reach[layer.child[live] if len(layer.child) else live] = True
        yield reach

    def describe(self, node: int) -> str:
        """How messages name a node."""
        name = "" if self.names is None or self.names[node] is None else f" {self.names[node]!r}"
        return f"node {node}{name} (level {self.level_of(node)})"

    def _check_shape(self) -> None:
        levels, edges = self.level_ptr, self.edge_ptr
        if len(levels) < 3 or levels[0] != 0 or levels[1] != 1:
            raise TreeError("level_ptr must start with 0, 1 (one root) and have at least 2 levels")
        if (np.diff(levels) < 1).any():
            raise TreeError(f"level {int(np.argmax(np.diff(levels) < 1))} has no nodes, expected at least one")
        if len(edges) != levels[-2] + 1:
            raise TreeError(
                f"edge_ptr has {len(edges)} entries, expected {levels[-2] + 1}: one a node above level T, and one"
            )
        if len(self.edge_prob) != levels[-1] - 1:
            raise TreeError(f"edge_prob has {len(self.edge_prob)} entries, expected n_nodes - 1 = {levels[-1] - 1}")
        if edges[0] != 0:
            raise TreeError(f"edge_ptr starts with {edges[0]}, expected 0")
        for t in range(len(levels) - 2):
            if edges[levels[t + 1]] != levels[t + 2] - 1:
                raise TreeError(
                    f"the edges of level {t} end at {edges[levels[t + 1]]}, "
                    f"expected {levels[t + 2] - 1}: one edge for each node of level {t + 1}"
                )

    def _check_policy(self) -> None:
        for t in range(self.horizon):
            layer = self.layer(t)
            parent, edge, total = first_bad_parent(layer.ptr, layer.prob, SMALLEST_PROBABILITY, SUM_TOLERANCE)
            if parent < 0:
                continue
            node = self.describe(self.level(t).start + parent)
            if edge >= 0:
                raise TreeError(
                    f"edge {edge} of {node} has probability {layer.prob[edge + layer.ptr[parent] - layer.ptr[0]]!r}, "
                    "expected 0, or at least 2.3e-308 and at most 1"
                )
            if layer.ptr[parent + 1] <= layer.ptr[parent]:
                raise TreeError(f"{node} has no children, expected at least one above the last level")
            raise TreeError(f"edge probabilities of {node} sum to {total:.12g}, expected 1")
