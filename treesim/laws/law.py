"""Laws: the output distribution of a sampler over the paths of a graph, and its distances to another."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import Brief, FloatArray, brief
from treesim.errors import NoExactLaw
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import without_potentials
from treesim.graphs.values import optimal_twist
from treesim.kernels.arithmetic import LN2
from treesim.laws.density_ratio import DEFAULT_BUDGET, DEFAULT_WIDTH, DensityRatio, Effort, Progress
from treesim.laws.divergences import path_divergences
from treesim.laws.ratio_law import RatioLaw
from treesim.laws.tv import TV
from treesim.laws.walks import GuidedSteps, ReferenceSteps, Steps, descend
from treesim.notebook import bars, card
from treesim.scaled import Scaled
from treesim.tables import number

# What a listing of all paths may lack of one by rounding.
MISSED = 1e-12
# How many outcomes notebooks look at, and show as bars.
MOST_LISTED, MOST_BARS = 1 << 20, 256
# Of log(p/q), beyond which one is negligible beside the other.
_FAR = 600.0


class Law(Brief, ABC):
    """The law of one output of a sampler.

    >>> from treesim import family
    >>> family("product", horizon=1, ratio=3.0).target.prob.to_float()
    array([0.25, 0.75])
    """

    def _repr_html_(self) -> str:
        prob = getattr(self, "prob", None)
        if prob is None or len(prob) > MOST_LISTED:
            return card(type(self).__name__, [("known by", brief(self))])
        mass = prob.to_float()
        facts = [("outcomes", f"{len(mass):,}"), ("largest", f"{number(mass.max())}, of outcome {mass.argmax()}")]
        if failure := getattr(self, "failure", 0.0):
            facts.append(("nothing", number(failure)))
        drawn = bars(mass.tolist(), "probability of each outcome") if len(mass) <= MOST_BARS else ""
        return card(type(self).__name__, facts, drawn)

    def tv(
        self, target: Law, width: float = DEFAULT_WIDTH, budget: float = DEFAULT_BUDGET,
        progress: Progress | None = None,
    ) -> TV:  # fmt: skip
        """Total variation distance to another law.

        Parameters
        ----------
        target : Law
        width : float
            Where the distance can only be enclosed, how far apart the bounds may be.
        budget : float
            Cell moves (about a nanosecond each) that may be spent on it; when the next refinement would exceed them
            the interval stays wider than asked.
        progress : callable (done, total), optional
            Called after each level of a recursion.
        """
        return self._tv(target, Effort(width, budget, progress))

    @abstractmethod
    def _tv(self, target: Law, effort: Effort) -> TV:
        """The same."""

    @abstractmethod
    def kl(self, target: Law) -> float | None:
        """KL(law || target), in nats; infinite where the law has mass that the target lacks; None if not known."""

    @abstractmethod
    def chi2(self, target: Law) -> float | None:
        """chi^2(law || target); infinite where the law has mass that the target lacks; None if not known."""

    @abstractmethod
    def expected(self, reward: Scaled) -> float | None:
        """Expected reward under the law, linear; infinite where it leaves the range of a float; None if not known."""

    def steps_down(self, graph: LayeredGraph) -> Steps | None:
        """The same law as a walk down the graph; None if it is none that is known."""
        return None


@dataclass(frozen=True, eq=False)
class LeafLaw(Law):
    """A law that is known by its leaves: on a tree any, on a trellis one that, given the leaf, follows pi_ref.

    Parameters
    ----------
    prob : Scaled, shape [n_leaves]
        Probability of each leaf.
    failure : float
        Probability that the sampler returns nothing; an outcome of its own, which no target has.

    Examples
    --------
    >>> law, target = (LeafLaw(Scaled.from_float(p)) for p in ([0.5, 0.5], [0.25, 0.75]))
    >>> law.tv(target)
    TV(lo=0.25, hi=0.25, kind='exact', level=None, wanted=None)
    >>> round(law.kl(target), 6), round(law.chi2(target), 6)
    (0.143841, 0.333333)
    """

    prob: Scaled
    failure: float = 0.0

    @property
    def log_prob(self) -> FloatArray:
        """Log-probability of each leaf, in nats, shape [n_leaves]."""
        return self.prob.log()

    def _tv(self, target: Law, effort: Effort) -> TV:
        """Total variation distance, 1/2 sum |law - target|, exact between two laws known by their leaves."""
        if not isinstance(target, LeafLaw):
            return target._tv(self, effort)
        own, others = self.beside(target)
        value = min(1.0, 0.5 * float(np.abs(own - others).sum()))
        return TV(value, value, "exact")

    def beside(self, target: Law) -> tuple[FloatArray, FloatArray]:
        """Probabilities of all outcomes, nothing the last, under this law and another.

        Raises
        ------
        NoExactLaw
            If the other is not known by its leaves.
        """
        if not isinstance(target, LeafLaw):
            raise NoExactLaw(f"a law of leaves and a {type(target).__name__} have no list of outcomes in common")
        return np.append(self.prob.to_float(), self.failure), np.append(target.prob.to_float(), target.failure)

    def kl(self, target: Law) -> float | None:
        """KL(law || target), in nats; infinite where the law has mass that the target lacks."""
        if not isinstance(target, LeafLaw):
            return target.kl_from(self) if isinstance(target, WalkLaw) else None
        if self.failure > target.failure == 0.0:
            return math.inf
        extra = self.failure * math.log(self.failure / target.failure) if self.failure else 0.0
        mass, log_ratio = self._log_ratio(target)
        if np.isposinf(log_ratio).any():
            return math.inf
        return max(0.0, extra + float((mass * log_ratio).sum()))

    def chi2(self, target: Law) -> float | None:
        """chi^2(law || target) = sum (law - target)^2 / target; infinite where the law has mass the target lacks."""
        if not isinstance(target, LeafLaw):
            return None
        if self.failure > target.failure == 0.0:
            return math.inf
        extra = (self.failure - target.failure) ** 2 / target.failure if self.failure != target.failure else 0.0
        mass, log_ratio = self._log_ratio(target)
        if np.isposinf(log_ratio).any():
            return math.inf
        own = self.prob.mantissa > 0
        missed = float(target.prob.to_float()[~own].sum())
        with np.errstate(over="ignore", invalid="ignore"):
            # (p - q)^2 / q = p (1 - q/p) (p/q - 1): no cancellation where the two nearly agree.
            terms = mass * -np.expm1(-log_ratio) * np.expm1(log_ratio)
        # Where one of p and q is beyond floats, the larger of the two decides.
        far = (mass < np.finfo(np.float64).tiny) | (np.abs(log_ratio) > _FAR)
        if far.any():
            log_terms = self.log_prob[own][far] + np.abs(log_ratio[far])
            with np.errstate(over="ignore"):
                terms[far] = np.exp(log_terms)
        return extra + missed + float(terms.sum())

    def expected(self, reward: Scaled) -> float:
        """Expected reward under the law, linear; infinite where it leaves the range of a float."""
        return float((self.prob * reward).to_float().sum())

    def steps_down(self, graph: LayeredGraph) -> Steps | None:
        """The same law as a walk: guided by the twist of its density to pi_ref; None if it can fail."""
        if self.failure:
            return None
        reference = descend_reference(graph)
        live = reference.mantissa > 0
        density = Scaled.zeros(graph.n_leaves)
        ratio = self.prob[live].over(reference[live])
        density.mantissa[live], density.exponent[live] = ratio.mantissa, ratio.exponent
        # What potentials weigh is the target's; pi_ref, on which this rests, knows nothing of them.
        graph = without_potentials(graph)
        return GuidedSteps(graph, optimal_twist(graph, density))

    def _log_ratio(self, target: LeafLaw) -> tuple[FloatArray, FloatArray]:
        """Mass and log(law / target) of the leaves where the law has mass."""
        own = np.flatnonzero(self.prob.mantissa > 0)
        p, q = self.prob[own], target.prob[own]
        with np.errstate(divide="ignore"):
            log_ratio = np.log(p.mantissa / q.mantissa) + (p.exponent - q.exponent) * LN2
        return p.to_float(), log_ratio


@dataclass(eq=False)
class _Pair:
    """Two walks, and what was asked of them: p the target, q the law."""

    p: Steps
    q: Steps

    @cached_property
    def problem(self) -> DensityRatio:
        """The recursion for the density ratio p / q."""
        return DensityRatio(self.p, self.q)

    @cached_property
    def divergences(self) -> tuple[float, float]:
        """KL(q || p) and chi^2(q || p): one recursion gives both."""
        return path_divergences(self.p, self.q)


@dataclass(frozen=True, eq=False)
class WalkLaw(Law):
    """The law of a walk down a trellis: too many paths to list, but every step is known.

    Its TV to another law is enclosed by the recursion of `treesim.laws.density_ratio`, exact where the log density
    ratio lives on a lattice; KL and chi^2 are exact.

    Parameters
    ----------
    steps : Steps

    Examples
    --------
    >>> from treesim import GuidedSMC, family
    >>> instance = family("markov", horizon=100, perturbation="random-sign", epsilon="0.5/T", seed=1)
    >>> tv = GuidedSMC().law(instance).tv(instance.target)
    >>> tv.hi - tv.lo <= 1e-6
    True
    """

    steps: Steps

    @cached_property
    def prob(self) -> Scaled:
        """Probability of each node of level T, shape [n_leaves]."""
        return descend(self.steps)[0]

    def _tv(self, target: Law, effort: Effort) -> TV:
        """Total variation distance: certified, or exact where the log density ratio lives on a lattice."""
        pair = self._beside(target)
        if pair is None:
            return target._tv(self, effort)
        bounds = pair.problem.tv(effort)
        if bounds.exact is not None:
            return TV(bounds.exact, bounds.exact, "exact")
        return TV(bounds.lo, bounds.hi, "certified", wanted=bounds.wanted)

    def ratio_law(
        self, target: Law, width: float = DEFAULT_WIDTH, budget: float = DEFAULT_BUDGET,
        progress: Progress | None = None,
    ) -> RatioLaw:  # fmt: skip
        """The law of log(target / law) under this law, enclosed: its cdf, quantiles, and E[(x - target/law)_+]."""
        return self.problem(target).enclose(lambda law: law.below(1.0), Effort(width, budget, progress))[0]

    def log_largest_ratio(self, target: Law) -> float:
        """log C_inf, the largest log(target / law) over the paths that this law takes."""
        return self.problem(target).log_largest_ratio

    def kl(self, target: Law) -> float | None:
        """KL(law || target), in nats, exact; infinite where the law has mass that the target lacks."""
        pair = self._beside(target)
        return None if pair is None else pair.divergences[0]

    def kl_from(self, target: Law) -> float | None:
        """KL(target || law), in nats, exact."""
        pair = self._beside(target)
        return None if pair is None else path_divergences(self.steps, pair.p)[0]

    def chi2(self, target: Law) -> float | None:
        """chi^2(law || target), exact; infinite where the law has mass that the target lacks."""
        pair = self._beside(target)
        return None if pair is None else pair.divergences[1]

    def expected(self, reward: Scaled) -> float:
        """Expected reward under the law, linear; infinite where it leaves the range of a float."""
        return float((self.prob * reward).to_float().sum())

    def steps_down(self, graph: LayeredGraph) -> Steps | None:
        """The steps of the walk."""
        return self.steps

    def problem(self, target: Law) -> DensityRatio:
        """The recursion for the density ratio target / law.

        Raises
        ------
        NoExactLaw
            If the target is no walk.
        """
        pair = self._beside(target)
        if pair is None:
            raise NoExactLaw("the density ratio to a law that is no walk is not known; compare with a walk instead")
        return pair.problem

    @cached_property
    def _met(self) -> WeakKeyDictionary[Law, _Pair | None]:
        """This law beside each target met so far."""
        return WeakKeyDictionary()

    def _beside(self, target: Law) -> _Pair | None:
        """The two as walks; None if the target is none."""
        if target not in self._met:
            steps = target.steps_down(self.steps.graph)
            self._met[target] = None if steps is None else _Pair(steps, self.steps)
        return self._met[target]


@dataclass(frozen=True, eq=False, repr=False)
class PathListLaw(Law):
    """A law on a trellis that is no walk, known path by path.

    Parameters
    ----------
    graph : LayeredGraph
    edges : ndarray of int32, shape [n_paths, horizon]
        The edge of each step, numbered within its layer; every path that the law can take.
    prob : Scaled, shape [n_paths]
    failure : float
        Probability that the sampler returns nothing.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("markov", horizon=4, states=2, perturbation="log-normal:sigma=0.5")
    >>> law = SMC(particles=3).law(instance)
    >>> law.edges.shape, law.tv(instance.target).kind
    ((16, 4), 'exact')
    """

    graph: LayeredGraph
    edges: NDArray[np.int32]
    prob: Scaled
    failure: float = 0.0

    def _tv(self, target: Law, effort: Effort) -> TV:
        """Total variation distance, exact: the paths that are not listed count by what the target gives them."""
        return self._outcomes._tv(self._on_paths(target), effort)

    def kl(self, target: Law) -> float | None:
        """KL(law || target), in nats, exact."""
        return self._outcomes.kl(self._on_paths(target))

    def chi2(self, target: Law) -> float | None:
        """chi^2(law || target), exact."""
        return self._outcomes.chi2(self._on_paths(target))

    def beside(self, target: Law) -> tuple[FloatArray, FloatArray]:
        """Probabilities of the listed paths, of nothing, and of all other paths, under this law and another."""
        return self._outcomes.beside(self._on_paths(target))

    def expected(self, reward: Scaled) -> float:
        """Expected reward under the law, linear; infinite where it leaves the range of a float."""
        end = self.graph.layer(self.graph.horizon - 1).ends(self.edges[:, -1].astype(np.int64))
        return float((self.prob * reward[end]).to_float().sum())

    @property
    def _outcomes(self) -> LeafLaw:
        """The listed paths, and nothing as one more."""
        return LeafLaw(self.prob.followed_by(Scaled.from_float([self.failure])))

    def _on_paths(self, target: Law) -> LeafLaw:
        """The target on the same outcomes, with what it gives to other paths as a failure.

        Raises
        ------
        NoExactLaw
            If the target is no walk.
        """
        steps = target.steps_down(self.graph)
        if steps is None:
            raise NoExactLaw("the law of a listed sampler can be compared with walks only")
        prob = Scaled.from_float(np.ones(len(self.edges)))
        for t in range(self.graph.horizon):
            prob *= steps.edges(t)[self.edges[:, t].astype(np.int64)]
        missed = 1.0 - math.fsum(prob.to_float())
        return LeafLaw(prob.followed_by(Scaled.zeros(1)), missed if missed > MISSED else 0.0)


def descend_reference(graph: LayeredGraph) -> Scaled:
    """pi_ref of every leaf, shape [n_leaves]."""
    return descend(ReferenceSteps(graph))[0]


def walk_law(steps: Steps) -> LeafLaw | WalkLaw:
    """The law of a walk: by its leaves on a tree, by its steps on a trellis."""
    return WalkLaw(steps) if steps.graph.keeps_edges else LeafLaw(descend(steps)[0])
