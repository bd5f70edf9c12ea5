"""Steps: the conditional laws by which a walk goes down a layered graph, and the mass they carry to the leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import Brief, FloatArray
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import ahead, has_potentials
from treesim.graphs.values import expect_ahead
from treesim.kernels.forward import guided_edges, push_mass
from treesim.kernels.one_of_n import LARGEST_BINOMIAL_POOL, SMALLEST_BINOMIAL_RATIO, pool_edges
from treesim.kernels.race import race_edges
from treesim.runtime.threads import chunked
from treesim.scaled import Scaled

# Relative error of the edge probabilities of a pool: see `treesim.kernels.one_of_n`.
POOL_ERROR = 1e-13
_UNIT = 2.0**-53


class Steps(Brief, ABC):
    """A law of the next edge at every node.

    Attributes
    ----------
    graph : LayeredGraph
    relative_error : float
        An upper bound on the relative rounding error of one probability.
    """

    graph: LayeredGraph
    relative_error: float

    @abstractmethod
    def edges(self, t: int) -> Scaled:
        """The probability of every edge from level `t`, shape [n_edges of the layer]."""


@dataclass(frozen=True, eq=False)
class ReferenceSteps(Steps):
    """Steps of pi_ref."""

    graph: LayeredGraph
    relative_error = 0.0

    def edges(self, t: int) -> Scaled:
        return Scaled.from_float(self.graph.layer(t).prob)


@dataclass(frozen=True, eq=False)
class GuidedSteps(Steps):
    """Steps proportional to pi_ref * V, with the exact normaliser; pi_ref where no child has value.

    Parameters
    ----------
    graph : LayeredGraph
    value : Scaled, shape [n_nodes]
    """

    graph: LayeredGraph
    value: Scaled

    @cached_property
    def relative_error(self) -> float:  # type: ignore[override]
        return (self.graph.max_degree + 8 + 2 * has_potentials(self.graph)) * _UNIT

    def edges(self, t: int) -> Scaled:
        layer, below = ahead(self.graph, t, self.value)
        norm = expect_ahead(layer, below)
        out = Scaled.empty(len(layer.prob))
        chunked(
            lambda lo, hi: guided_edges(lo, hi, tuple(layer), norm.numbers, below.numbers, out.room),
            len(layer.ptr) - 1,
            5 * len(layer.prob),
        )
        return out


@dataclass(frozen=True, eq=False)
class PoolSteps(Steps):
    """Steps that draw `pool` children from pi_ref and keep one by V: in proportion to it, or by a race (see
    `treesim.kernels.race`); uniformly if all are zero.

    In proportion, two live children of value and a pool of at most 1024 are summed over the binomial counts; all else,
    or everything if `by_quadrature`, goes by the integral of `treesim.kernels.one_of_n`.
    """

    graph: LayeredGraph
    value: Scaled
    pool: int
    by_quadrature: bool = False
    by_race: bool = False

    @cached_property
    def relative_error(self) -> float:  # type: ignore[override]
        if self.by_race:
            # Sums of positive terms, N-th powers of some of them.
            return (4 * self.pool + 64 * self.graph.max_degree) * _UNIT
        if self.by_quadrature or self.graph.max_degree > 2 or self.pool > LARGEST_BINOMIAL_POOL:
            return POOL_ERROR
        if has_potentials(self.graph):
            return max(POOL_ERROR, (6 * self.pool + 16) * _UNIT)
        log_value = self.value.log()
        finite = log_value[np.isfinite(log_value)]
        if np.ptp(finite) >= -np.log(SMALLEST_BINOMIAL_RATIO):
            return POOL_ERROR
        # A sum over the binomial counts: each of its masses is a product of at most `pool` quotients.
        return (6 * self.pool + 16) * _UNIT

    def edges(self, t: int) -> Scaled:
        layer, below = ahead(self.graph, t, self.value)
        out = Scaled.empty(len(layer.prob))

        def some(lo: int, hi: int) -> None:
            if self.by_race:
                race_edges(lo, hi, tuple(layer), below.numbers, float(self.pool), out.room)
            else:
                pool_edges(lo, hi, tuple(layer), below.numbers, float(self.pool), self.by_quadrature, out.room)

        chunked(some, len(layer.ptr) - 1, 100 * len(layer.prob))
        return out


@dataclass(frozen=True, eq=False)
class Proposal:
    """Steps of a particle, and what weight it gains by them.

    Parameters
    ----------
    steps : Steps
    log_gain : callable
        Given a level t, log of the weight that a particle gains on each edge from it, shape [n_edges of the layer];
        ``-inf`` is zero. Where all weights of a population are zero they count as equal.
    same_weight : float
        Logs of weights this near count as one weight: what rounding moves them by.
    """

    steps: Steps
    log_gain: Callable[[int], FloatArray]
    same_weight: float = 1e-13

    @property
    def graph(self) -> LayeredGraph:
        """The graph they move on."""
        return self.steps.graph


@dataclass(frozen=True, eq=False, repr=False)
class OnePath(Steps):
    """The steps of a single path, taken with certainty; elsewhere those of pi_ref, which are never asked for.

    Parameters
    ----------
    graph : LayeredGraph
    path : ndarray, shape [horizon]
        Its edges.
    """

    graph: LayeredGraph
    path: NDArray[np.int32]
    relative_error = 0.0

    def edges(self, t: int) -> Scaled:
        layer = self.graph.layer(t)
        parent = int(np.searchsorted(layer.ptr - layer.ptr[0], self.path[t], side="right")) - 1
        prob = layer.prob.copy()
        prob[layer.ptr[parent] - layer.ptr[0] : layer.ptr[parent + 1] - layer.ptr[0]] = 0.0
        prob[self.path[t]] = 1.0
        return Scaled.from_float(prob)


@dataclass(frozen=True, eq=False)
class Covered(Steps):
    """Steps of a walk, those left out that another walk never takes: mass is lost there.

    Parameters
    ----------
    steps, other : Steps
    """

    steps: Steps
    other: Steps

    @property
    def graph(self) -> LayeredGraph:  # type: ignore[override]
        return self.steps.graph

    @property
    def relative_error(self) -> float:  # type: ignore[override]
        return self.steps.relative_error

    def edges(self, t: int) -> Scaled:
        taken, other = self.steps.edges(t), self.other.edges(t)
        return Scaled(
            np.where(other.mantissa > 0, taken.mantissa, 0.0), np.where(other.mantissa > 0, taken.exponent, 0)
        )


def marginals(steps: Steps) -> Iterator[tuple[Scaled, float]]:
    """Level by level from 1 to T: the law of the node that a walk is at, and the expected number of children it could
    see on the way there."""
    graph = steps.graph
    mass = Scaled.from_float([1.0])
    for t in range(graph.horizon):
        edge = steps.edges(t)
        below = Scaled.zeros(graph.n_level(t + 1))
        children = push_mass(tuple(graph.layer(t)), mass.numbers, edge.numbers, below.room)
        mass = below
        yield mass, children


def descend(steps: Steps) -> tuple[Scaled, float]:
    """The law of the leaf at the end of a walk, and the expected number of children it could see.

    Returns
    -------
    Scaled, shape [n_leaves]
    float
        Sum over the steps of E[number of children of positive probability under pi_ref].
    """
    last, expected_children = Scaled.zeros(0), 0.0
    for mass, children in marginals(steps):
        last = mass
        expected_children += children
    return last.frozen(), expected_children
