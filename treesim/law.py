"""Laws: the output distribution of a sampler over the leaves, and its distances to another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from treesim.kernels.arithmetic import LN2
from treesim.kernels.forward import guided_edges, push_mass
from treesim.kernels.selection import pool_edges
from treesim.parallel import chunked
from treesim.scaled import FloatArray, Scaled
from treesim.tree import Layer, Tree
from treesim.values import expect_ahead


@dataclass(frozen=True)
class TV:
    """A total variation distance between `lo` and `hi`, and how it was obtained.

    Attributes
    ----------
    lo, hi : float
        Bounds in [0, 1]; equal where the kind is ``exact``.
    kind : str
        ``exact``: from enumeration or a closed form, in float64, off by less than 1e-12;
        ``certified``: the interval provably contains the value;
        ``estimated``: a confidence interval, of the given `level`.
    level : float or None
        Confidence level of an estimate.
    """

    lo: float
    hi: float
    kind: Literal["exact", "certified", "estimated"]
    level: float | None = None


@dataclass(frozen=True, eq=False)
class Law:
    """The output law of a sampler on a tree.

    Parameters
    ----------
    prob : Scaled, shape [n_leaves]
        Probability of each leaf.
    failure : float
        Probability that the sampler returns nothing; an outcome of its own, which no target has.

    Examples
    --------
    >>> law, target = (Law(Scaled.from_float(p)) for p in ([0.5, 0.5], [0.25, 0.75]))
    >>> law.tv(target)
    TV(lo=0.25, hi=0.25, kind='exact', level=None)
    >>> round(law.kl(target), 6), round(law.chi2(target), 6)
    (0.143841, 0.333333)
    """

    prob: Scaled
    failure: float = 0.0

    @property
    def log_prob(self) -> FloatArray:
        """Log-probability of each leaf, in nats, shape [n_leaves]."""
        return self.prob.log()

    def tv(self, target: Law) -> TV:
        """Total variation distance, 1/2 sum |law - target|, exact."""
        gap = np.abs(self.prob.to_float() - target.prob.to_float()).sum() + abs(self.failure - target.failure)
        value = min(1.0, 0.5 * float(gap))
        return TV(value, value, "exact")

    def kl(self, target: Law) -> float:
        """KL(law || target), in nats; infinite where the law has mass that the target lacks."""
        if self.failure > target.failure == 0.0:
            return math.inf
        extra = self.failure * math.log(self.failure / target.failure) if self.failure else 0.0
        mass, log_ratio = self._log_ratio(target)
        return max(0.0, extra + float((mass * log_ratio).sum()))

    def chi2(self, target: Law) -> float:
        """chi^2(law || target) = sum (law - target)^2 / target; infinite where the law has mass the target lacks."""
        if self.failure > target.failure == 0.0:
            return math.inf
        extra = (self.failure - target.failure) ** 2 / target.failure if self.failure != target.failure else 0.0
        mass, log_ratio = self._log_ratio(target)
        if np.isposinf(log_ratio).any():
            return math.inf
        own = self.prob.mantissa > 0
        missed = float(target.prob.to_float()[~own].sum())
        with np.errstate(over="ignore"):
            # (p - q)^2 / q = p (1 - q/p) (p/q - 1): no cancellation where the two nearly agree.
            terms = mass * -np.expm1(-log_ratio) * np.expm1(log_ratio)
        small = mass == 0.0
        if small.any():
            log_terms = self.log_prob[own][small] + log_ratio[small]
            with np.errstate(over="ignore"):
                terms[small] = np.exp(log_terms)
        return extra + missed + float(terms.sum())

    def expected(self, reward: Scaled) -> float:
        """Expected reward under the law, linear; infinite where it leaves the range of a float."""
        return float((self.prob * reward).to_float().sum())

    def _log_ratio(self, target: Law) -> tuple[FloatArray, FloatArray]:
        """Mass and log(law / target) of the leaves where the law has mass."""
        own = np.flatnonzero(self.prob.mantissa > 0)
        p, q = self.prob[own], target.prob[own]
        with np.errstate(divide="ignore"):
            log_ratio = np.log(p.mantissa / q.mantissa)
        log_ratio += (p.exponent - q.exponent) * LN2
        return p.to_float(), log_ratio


# A conditional law over the children of every parent of a layer: (tree level, its layer) -> one number an edge.
EdgeLaw = Callable[[int, Layer], Scaled]


def descend(tree: Tree, edge_law: EdgeLaw) -> tuple[Law, float]:
    """The law of a walk that takes each step by `edge_law`, and the expected number of children it could see.

    Parameters
    ----------
    tree : Tree
    edge_law : callable (t, layer) -> Scaled, shape [n_edges of the layer]

    Returns
    -------
    Law
    float
        Sum over the steps of E[number of children of positive probability under pi_ref].
    """
    mass = Scaled.from_float([1.0])
    expected_children = 0.0
    for t in range(tree.horizon):
        layer = tree.layer(t)
        edge = edge_law(t, layer)
        below = Scaled.zeros(tree.n_level(t + 1))
        expected_children += push_mass(
            *layer, mass.mantissa, mass.exponent, edge.mantissa, edge.exponent,
            below.mantissa, below.exponent,
        )  # fmt: skip
        mass = below
    return Law(mass.frozen()), expected_children


def reference_steps(t: int, layer: Layer) -> Scaled:
    """Steps of pi_ref."""
    return Scaled.from_float(layer.prob)


def guided_steps(tree: Tree, value: Scaled) -> EdgeLaw:
    """Steps proportional to pi_ref * V^, with the exact normaliser; pi_ref where no child has value."""

    def steps(t: int, layer: Layer) -> Scaled:
        ahead = value[tree.level(t + 1)]
        norm = expect_ahead(layer, ahead)
        out = Scaled.empty(len(layer.prob))
        chunked(
            lambda lo, hi: guided_edges(
                lo, hi, *layer, norm.mantissa, norm.exponent, ahead.mantissa, ahead.exponent, out.mantissa, out.exponent
            ),
            len(layer.ptr) - 1,
        )
        return out

    return steps


def pool_steps(tree: Tree, value: Scaled, pool: int, by_quadrature: bool = False) -> EdgeLaw:
    """Steps that draw `pool` children from pi_ref and keep one in proportion to V^ (uniformly if all are zero).

    Two live children of value and a pool of at most 1024 are summed over the binomial counts; all else, or everything
    if `by_quadrature`, goes by the integral of `treesim.kernels.selection`.
    """

    def steps(t: int, layer: Layer) -> Scaled:
        log_value = value[tree.level(t + 1)].log()
        out = Scaled.empty(len(layer.prob))
        chunked(
            lambda lo, hi: pool_edges(lo, hi, *layer, log_value, pool, by_quadrature, out.mantissa, out.exponent),
            len(layer.ptr) - 1,
        )
        return out

    return steps
