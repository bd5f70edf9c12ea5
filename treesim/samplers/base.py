"""What every sampler offers: its exact law, its simulation, and what it costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import SpecError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.instances.instance import Instance
from treesim.kernels.smc import Runs, pick_run
from treesim.kernels.walk import step_guided, step_reference
from treesim.laws.law import Law
from treesim.runtime.seeds import Stream, generator
from treesim.runtime.threads import thread_map
from treesim.scaled import Scaled

# Draws from pi_ref that one block of replicates makes: fixed, so that the bits do not depend on the threads.
BLOCK_DRAWS = 1 << 15
# And the edges it keeps, on a trellis.
BLOCK_EDGES = 1 << 22


Answer = TypeVar("Answer")


def remembered(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Answer ``function(instance, *key)`` once for each key, as long as the instance lives: blocks ask it again."""
    known: WeakKeyDictionary[Instance, dict[tuple[Any, ...], Answer]] = WeakKeyDictionary()

    @wraps(function)
    def ask(instance: Instance, *key: Any) -> Answer:
        answers = known.setdefault(instance, {})
        if key not in answers:
            answers[key] = function(instance, *key)
        return answers[key]

    return ask


@dataclass(frozen=True)
class Cost:
    """What one output costs in the oracle model, in expectation.

    Attributes
    ----------
    reference_draws : float
        Prefixes reached one step at a time, by a draw from pi_ref or by listing all children of a prefix.
    value_queries : float
        Values V^ asked for; the reward at a leaf is one.
    """

    reference_draws: float
    value_queries: float


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


@dataclass(frozen=True, eq=False)
class Draws:
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
    """

    leaf: IntArray
    edges: NDArray[np.int32] | None
    reference_draws: int
    value_queries: int
    log_partition: FloatArray | None = None

    def choices(self, graph: LayeredGraph, i: int) -> list[int] | None:
        """Which child is taken at each step by output `i`, shape [horizon]; None if it is nothing."""
        if self.leaf[i] < 0:
            return None
        if self.edges is not None and isinstance(graph, Trellis):
            return graph.choices(self.edges[i])
        assert isinstance(graph, Tree)
        return graph.choices(int(self.leaf[i]))


@dataclass(frozen=True, eq=False)
class Clouds:
    """The last populations of runs of SMC: given one, the output is a particle drawn in proportion to the weights.

    Attributes
    ----------
    last : Runs
        The populations; particles that share their past are one entry. Weights have mean one.
    state : ndarray of uint64, shape [4]
        The random numbers to go on with.
    log_partition : ndarray, shape [n]
        log of the estimate of Z.
    reference_draws, value_queries : int
    seen : list of two ndarrays, shape [n]
        Step by step, before resampling: effective sample size, and the largest weight over the mean.
    history : list of two ndarrays of int32, shape [n, entries]
        If it is kept, step by step: the edge of each entry, and which entry of the step before it came from.
    """

    last: Runs
    state: NDArray[np.uint64]
    log_partition: FloatArray
    reference_draws: int
    value_queries: int
    seen: list[tuple[FloatArray, FloatArray]]
    history: list[tuple[NDArray[np.int32], NDArray[np.int32]]]

    @property
    def leaf(self) -> IntArray:
        """Where the entries stand, shape [n, entries]; those that are not in use are zero."""
        return np.where(self._in_use, self.last.place[:, : self._width], 0).astype(np.int64)

    @property
    def weight(self) -> FloatArray:
        """What each entry weighs, all its particles together, shape [n, entries]; those not in use weigh nothing."""
        weight = self.last.members[:, : self._width] * self.last.weight[:, : self._width]
        return np.where(self._in_use, weight, 0.0)

    @property
    def _width(self) -> int:
        return int(self.last.size.max())

    @property
    def _in_use(self) -> BoolArray:
        return np.arange(self._width) < self.last.size[:, None]

    def draw(self) -> Draws:
        """One output of every run; on a trellis the history must have been kept."""
        chosen = np.empty(len(self.log_partition), np.int64)
        pick_run(self.last, self.state, chosen)
        rows = np.arange(len(chosen))
        leaf = self.last.place[rows, chosen].astype(np.int64)
        edges = self.trace(rows, chosen) if self.history else None
        return Draws(leaf, edges, self.reference_draws, self.value_queries, self.log_partition)

    def trace(self, rows: IntArray, entry: IntArray) -> NDArray[np.int32]:
        """The edges that led to some entries, one in each of the given runs, shape [len(rows), horizon]."""
        edges = np.empty((len(rows), len(self.history)), np.int32)
        for t in reversed(range(len(self.history))):
            taken, origin = self.history[t]
            edges[:, t] = taken[rows, entry]
            entry = origin[rows, entry].astype(np.int64)
        return edges


class Sampler(ABC):
    """A sampler of leaves with its parameters: a frozen dataclass, named by a spec."""

    name: ClassVar[str]

    @abstractmethod
    def law(self, instance: Instance) -> Law:
        """The exact law of one output."""

    @abstractmethod
    def cost(self, instance: Instance) -> Cost:
        """The expected cost of one output."""

    @abstractmethod
    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        """`n` independent outputs from one generator."""

    def draws_per_output(self, instance: Instance) -> int:
        """How many leaves one output looks at, at the most: sets the size of the blocks."""
        return 1

    def block_size(self, instance: Instance) -> int:
        """Outputs of one block: by the problem alone, so that the bits do not depend on the threads."""
        draws = BLOCK_DRAWS if isinstance(instance.graph, Tree) else max(1, BLOCK_EDGES // instance.graph.horizon)
        return max(1, min(BLOCK_DRAWS, draws) // self.draws_per_output(instance))

    def ratio(
        self, instance: Instance, edges: NDArray[np.int32], runs: int, rng: np.random.Generator
    ) -> FloatArray | None:
        """Unbiased estimates of law / target on given paths of the target, each from `runs` runs; None if unknown.

        It may be that of another law which is as far from the target or further.

        Parameters
        ----------
        edges : ndarray of int32, shape [n, horizon]

        Returns
        -------
        ndarray, shape [n], or None
        """
        return None

    def population(self, instance: Instance, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """The leaves among which each of `n` runs picks its output, and with which probabilities, both [n, k].

        A run that knows no more than its output has one. Outputs that are nothing have weight zero.
        """
        leaf = self.block(instance, n, rng).leaf[:, None]
        return np.maximum(leaf, 0), (leaf >= 0).astype(np.float64)

    def simulate(self, instance: Instance, n: int, seed: int) -> Draws:
        """`n` independent outputs; the same bits for any number of threads.

        Parameters
        ----------
        instance : Instance
        n : int
        seed : int

        Returns
        -------
        Draws

        Raises
        ------
        SpecError
            If `n` is below 1 or the seed below 0.
        """
        if n < 1 or seed < 0:
            raise SpecError(f"n is {n} and the seed {seed}, expected at least 1 and at least 0")
        size = self.block_size(instance)
        sizes = [min(size, n - start) for start in range(0, n, size)]
        blocks = thread_map(
            lambda i: self.block(instance, sizes[i], generator(seed, Stream.SIMULATION, i)), range(len(sizes))
        )
        return Draws(
            np.concatenate([block.leaf for block in blocks]),
            None
            if blocks[0].edges is None
            else np.concatenate([block.edges for block in blocks if block.edges is not None]),
            sum(block.reference_draws for block in blocks),
            sum(block.value_queries for block in blocks),
            _joined([block.log_partition for block in blocks]),
        )


def _joined(parts: list[FloatArray | None]) -> FloatArray | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def walk(graph: LayeredGraph, n: int, step: Callable[[int, IntArray], None]) -> Paths:
    """`n` walks from the root; ``step(t, node)`` replaces the nodes of level t by the edges that they take."""
    node = np.zeros(n, np.int64)
    edges = None if isinstance(graph, Tree) else np.empty((n, graph.horizon), np.int32)
    for t in range(graph.horizon):
        step(t, node)
        if edges is not None:
            edges[:, t] = node
            node[:] = graph.layer(t).ends(node)
    return Paths(node, edges)


def edges_of(graph: LayeredGraph, leaf: IntArray, edges: NDArray[np.int32] | None) -> NDArray[np.int32]:
    """The edges of walks, shape [n, horizon]: as given, or on a tree those that lead to the leaves."""
    if edges is not None:
        return edges
    assert isinstance(graph, Tree)
    return graph.edges_to(leaf)


def draw_guided(graph: LayeredGraph, value: Scaled, n: int, rng: np.random.Generator) -> Paths:
    """`n` walks in proportion to pi_ref V: of the target, if V is the optimal twist."""

    def step(t: int, node: IntArray) -> None:
        ahead = value[graph.level(t + 1)]
        step_guided(*graph.layer(t), ahead.mantissa, ahead.exponent, node, np.empty(0), rng)

    return walk(graph, n, step)


def draw_reference(graph: LayeredGraph, n: int, rng: np.random.Generator) -> Paths:
    """`n` walks by pi_ref."""

    def step(t: int, node: IntArray) -> None:
        layer = graph.layer(t)
        step_reference(layer.ptr, layer.prob, node, rng)

    return walk(graph, n, step)
