"""Walks down a graph, and what a simulation returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import ahead
from treesim.instances.instance import Instance
from treesim.kernels.walk import step_guided, step_reference
from treesim.scaled import Scaled


class Paths(NamedTuple):
    """Walks from the root to level T.

    Attributes
    ----------
    leaf : ndarray of int64, shape [n]
        Where they end, numbered from 0 among the nodes of level T.
    edges : ndarray of int32, shape [n, horizon], or None
        The edge of each step, numbered within its layer; None on a tree, where the leaf tells.
    """

    leaf: IntArray
    edges: NDArray[np.int32] | None

    def take(self, index: IntArray) -> Paths:
        """Some of the walks."""
        return Paths(self.leaf[index], None if self.edges is None else self.edges[index])

    def put(self, index: IntArray, other: Paths) -> Paths:
        """Put other walks in the places `index`; -1 marks the edges of places that had none so far."""
        self.leaf[index] = other.leaf
        edges = self.edges
        if other.edges is not None:
            if edges is None:
                edges = np.full((len(self.leaf), other.edges.shape[1]), -1, np.int32)
            edges[index] = other.edges
        return Paths(self.leaf, edges)


@dataclass(frozen=True, eq=False, repr=False)
class Draws(Brief):
    """Simulated outputs.

    Attributes
    ----------
    leaf : ndarray of int64, shape [n]
        The leaf of each output, numbered from 0 among the nodes of level T; -1 where the sampler returned nothing.
    edges : ndarray of int32, shape [n, horizon], or None
        On a trellis the edge of each step, numbered within its layer, -1 where the sampler returned nothing; None on
        a tree, where the leaf tells.
    reference_draws, value_queries : int
        What all of them cost together.
    log_partition : ndarray, shape [n], or None
        log of the unbiased estimate of Z that each run makes, in nats, if the sampler makes one.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("uniform", horizon=3, seed=1)
    >>> draws = sampler("importance:n=4").simulate(instance, n=6, seed=1)
    >>> draws.leaf.tolist(), draws.value_queries
    ([5, 0, 0, 1, 0, 1], 24)
    """

    leaf: IntArray
    edges: NDArray[np.int32] | None
    reference_draws: int
    value_queries: int
    log_partition: FloatArray | None = None

    def log_reward(self, instance: Instance) -> FloatArray:
        """log of the reward of each output, NaN where it is nothing, shape [n]."""
        log_reward = np.full(len(self.leaf), np.nan)
        some = np.flatnonzero(self.leaf >= 0)
        if len(some):
            log_reward[some] = instance.path_reward(*Paths(self.leaf, self.edges).take(some)).log()
        return log_reward

    def choices(self, graph: LayeredGraph, i: int) -> list[int] | None:
        """Which child is taken at each step by output `i`, shape [horizon]; None if it is nothing."""
        if self.leaf[i] < 0:
            return None
        return graph.path_choices(int(self.leaf[i]), None if self.edges is None else self.edges[i])


def walk(graph: LayeredGraph, n: int, step: Callable[[int, IntArray], None]) -> Paths:
    """`n` walks from the root; ``step(t, node)`` replaces the nodes of level t by the edges that they take."""
    node = np.zeros(n, np.int64)
    edges = graph.room_for_edges(n)
    for t in range(graph.horizon):
        step(t, node)
        if edges is not None:
            edges[:, t] = node
            node[:] = graph.layer(t).ends(node)
    return Paths(node, edges)


def draw_guided(graph: LayeredGraph, value: Scaled, n: int, rng: np.random.Generator) -> Paths:
    """`n` walks in proportion to pi_ref V: of the target, if V is the optimal twist."""

    def step(t: int, node: IntArray) -> None:
        layer, below = ahead(graph, t, value)
        step_guided(tuple(layer), below.numbers, node, np.empty(0), rng)

    return walk(graph, n, step)


def draw_reference(graph: LayeredGraph, n: int, rng: np.random.Generator) -> Paths:
    """`n` walks by pi_ref."""

    def step(t: int, node: IntArray) -> None:
        layer = graph.layer(t)
        step_reference(layer.ptr, layer.prob, node, rng)

    return walk(graph, n, step)
