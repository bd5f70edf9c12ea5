r"""Corrections of a proposal that make its law nearer to the target: independent Metropolis-Hastings, and rejection.

With proposal q, target p and r = p/q, the chain that starts empty and is offered H independent proposals, each taking
the place of the current state with probability min(1, r'/r), has the law (Liu 1996; Smith & Tierney 1996)

    mu_H(x) = p(x) T_H(r(x)),  T_H(w) = \int_w^\infty H lambda(v)^(H-1) / v^2 dv,  lambda(v) = E_q[(1 - r/v)_+].

Between neighbouring values of r, lambda(v) = a - b/v and the integral is a difference of powers: any H costs one sort.
TV(mu_H, p) = E_q[r (1 - T_H(r))_+] plus the mass of p where q never goes. For the T of any law of r, r (1 - T(r))_+ is
convex, its second derivative H (H - 1) lambda^(H-2) lambda' / r being positive; and T grows with lambda. So laws that
enclose the law of r in the convex order enclose the TV: for the upper bound take the spread and the T of the
contraction, for the lower one the other way round.

A rejection sampler that accepts a proposal with probability r / C, C = max r, and after K refusals returns the last,
has the law (1 - b) p + b q with b = (1 - 1/C)^(K-1), if q goes wherever p does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.errors import NoExactLaw
from treesim.laws.density_ratio import Effort
from treesim.laws.law import Law, LeafLaw, WalkLaw
from treesim.laws.ratio_law import RatioLaw
from treesim.laws.tv import TV
from treesim.laws.walks import Covered, descend
from treesim.scaled import Scaled

# Relative rounding of the largest ratio of two laws.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class Offers(Brief):
    """T_H for the law of r that a set of atoms has.

    Parameters
    ----------
    log_ratio : ndarray, shape [n]
        log r, increasing; -inf for r = 0.
    log_mass : ndarray, shape [n]
        log q of each atom.
    steps : int
        H.
    shift : float
        Added to lambda everywhere: an allowance for mass and rounding that the atoms lack.
    """

    log_ratio: FloatArray
    log_mass: FloatArray
    steps: int
    shift: float = 0.0

    def log_survival(self, log_ratio: FloatArray) -> FloatArray:
        """log T_H at positive r, shape [m]: how much of p the chain has given there after H offers.

        lambda is kept together with 1 - lambda = E_q[min(1, r/v)], so that neither end of [0, 1] loses digits.
        """
        alive = self.log_ratio > -np.inf
        knots, log_mass = self.log_ratio[alive], self.log_mass[alive]
        hopeless = float(np.exp(self.log_mass[~alive]).sum())
        idle = max(hopeless + self.shift, 0.0)
        # log of H lambda^(H - 1), where lambda has its lowest value.
        flat = math.log(self.steps)
        if self.steps > 1:
            flat += (self.steps - 1) * math.log(idle) if idle else -math.inf
        if not len(knots):
            return flat - log_ratio
        log_weight = np.logaddexp.accumulate(log_mass + knots)
        above = np.append(np.cumsum(np.exp(log_mass)[::-1])[::-1][1:], 0.0)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            gain = np.exp(log_weight - knots) * -np.expm1(-np.diff(np.append(knots, np.inf)))
            chance = hopeless + np.concatenate([[0.0], np.cumsum(gain)])
            miss = np.append(above + np.exp(log_weight - knots), 0.0)
            log_gap = self._log_gap(chance[:-1], gain, chance[1:], miss[1:]) - log_weight
            log_tail = np.append(np.logaddexp.accumulate(log_gap[::-1])[::-1], -np.inf)
            where = np.searchsorted(knots, log_ratio, side="right") - 1
            j = np.maximum(where, 0)
            start = chance[j] + np.exp(log_weight[j] - knots[j]) * -np.expm1(knots[j] - log_ratio)
            rest = np.exp(log_weight[j] - log_ratio) * -np.expm1(log_ratio - np.append(knots, np.inf)[j + 1])
            within = self._log_gap(start, rest, chance[j + 1], miss[j + 1]) - log_weight[j]
            below = flat - log_ratio + np.log(-np.expm1(log_ratio - knots[0]))
            return np.where(where < 0, np.logaddexp(below, log_tail[0]), np.logaddexp(within, log_tail[j + 1]))

    def _log_gap(self, low: FloatArray, gain: FloatArray, high: FloatArray, miss: FloatArray) -> FloatArray:
        """log(lambda_high^H - lambda_low^H) with lambda_high = lambda_low + gain = 1 - miss, each cut at zero."""
        low, high, miss = low + self.shift, high + self.shift, miss - self.shift
        log_high = np.where(miss < 0.5, np.log1p(-np.minimum(miss, 0.9)), np.log(np.maximum(high, 0.0)))
        fall = np.where(low > 0, np.log1p(gain / np.where(low > 0, low, 1.0)), np.inf)
        return np.where(log_high > -np.inf, self.steps * log_high + np.log(-np.expm1(-self.steps * fall)), -np.inf)


def corrected_law(proposal: Law, target: LeafLaw | WalkLaw, steps: int) -> Law:
    """The law after `steps` offers of independent Metropolis-Hastings.

    Parameters
    ----------
    proposal : LeafLaw or WalkLaw
    target : LeafLaw or WalkLaw
    steps : int
        H: paths offered, the first of which is always taken; 1 is the proposal itself.

    References
    ----------
    Liu (1996); Smith & Tierney (1996), "Exact transition probabilities for the independence Metropolis sampler".

    Examples
    --------
    >>> proposal, target = (LeafLaw(Scaled.from_float(p)) for p in ([0.5, 0.5], [0.25, 0.75]))
    >>> [round(corrected_law(proposal, target, H).tv(target).lo, 6) for H in (1, 2, 3)]
    [0.25, 0.083333, 0.027778]
    """
    if steps == 1:
        return proposal
    if isinstance(proposal, WalkLaw):
        return MHLaw(proposal, target, steps)
    assert isinstance(proposal, LeafLaw)
    live = np.flatnonzero(proposal.prob.mantissa > 0)
    q, p = proposal.prob[live], target.prob[live]
    log_ratio = p.log() - q.log()
    log_prob = np.full(len(proposal.prob), -np.inf)
    log_prob[live] = log_corrected(q.log(), log_ratio, steps)
    return LeafLaw(Scaled.from_log(log_prob))


def log_corrected(log_mass: FloatArray, log_ratio: FloatArray, steps: int) -> FloatArray:
    """Log of the mass that each atom of a proposal has after `steps` offers.

    Parameters
    ----------
    log_mass : ndarray, shape [n]
        log q.
    log_ratio : ndarray, shape [n]
        log(p/q), p being normalised over the atoms or, where q does not go everywhere, beyond them.
    steps : int
        H.
    """
    order = np.argsort(log_ratio, kind="stable")
    offers = Offers(log_ratio[order], log_mass[order], steps)
    positive = log_ratio > -np.inf
    given = np.empty(len(log_mass))
    if positive.any():
        given[positive] = offers.log_survival(log_ratio[positive]) + log_mass[positive] + log_ratio[positive]
    # Where r is zero a path stays only if nothing better is ever offered.
    hopeless = log_mass[~positive]
    if len(hopeless):
        given[~positive] = hopeless + (steps - 1) * np.logaddexp.reduce(hopeless)
    return given


def rejection_law(proposal: Law, target: LeafLaw | WalkLaw, draws: int) -> Law:
    """The law of rejection: of at most `draws` proposals the first that is accepted, else the last.

    A proposal is accepted with probability r / C, r = target / proposal and C the largest r where proposals go. With
    e the target's mass where they never go, that is (1 - b) p + b q: p the target given that it is not there, and
    b = (1 - (1 - e) / C)^(draws - 1).

    Examples
    --------
    >>> proposal, target = (LeafLaw(Scaled.from_float(p)) for p in ([0.5, 0.5], [0.25, 0.75]))
    >>> [round(rejection_law(proposal, target, K).tv(target).lo, 6) for K in (1, 2, 3)]
    [0.25, 0.083333, 0.027778]
    """
    share = math.exp((draws - 1) * log_refusal(proposal, target)) if draws > 1 else 1.0
    if isinstance(proposal, WalkLaw):
        return MixtureLaw(proposal, target, share, escaped_mass(proposal, target))
    assert isinstance(proposal, LeafLaw)
    if share == 1.0:
        return proposal
    # Also where nearly all of the target is out of reach.
    log_covered = np.where(proposal.prob.mantissa > 0, target.prob.log(), -np.inf) - log_covered_mass(proposal, target)
    return LeafLaw(Scaled.from_float((1.0 - share) * np.exp(log_covered) + share * proposal.prob.to_float()))


def escaped_mass(proposal: Law, target: LeafLaw | WalkLaw) -> float:
    """The target's mass where the proposal never goes."""
    if isinstance(proposal, WalkLaw):
        return float(proposal.problem(target).escape[0])
    assert isinstance(proposal, LeafLaw)
    return float(target.prob.to_float()[proposal.prob.mantissa == 0].sum())


def log_covered_mass(proposal: Law, target: LeafLaw | WalkLaw) -> float:
    """log of the target's mass where the proposal goes, however small."""
    if isinstance(proposal, WalkLaw):
        steps = target.steps_down(proposal.steps.graph)
        assert steps is not None
        return float(np.logaddexp.reduce(descend(Covered(steps, proposal.steps))[0].log()))
    assert isinstance(proposal, LeafLaw)
    return float(np.logaddexp.reduce(target.prob.log()[proposal.prob.mantissa > 0]))


def log_extreme_ratios(proposal: Law, target: LeafLaw | WalkLaw) -> tuple[float, float]:
    """The smallest and the largest log(target / proposal) where proposals go; the largest is log C."""
    if isinstance(proposal, WalkLaw):
        problem = proposal.problem(target)
        return problem.log_smallest_ratio, problem.log_largest_ratio
    assert isinstance(proposal, LeafLaw)
    live = proposal.prob.mantissa > 0
    log_ratio = target.prob[live].log() - proposal.prob[live].log()
    return float(log_ratio.min()), float(log_ratio.max())


def log_refusal(proposal: Law, target: LeafLaw | WalkLaw) -> float:
    """log of the probability 1 - (1 - e) / C that rejection refuses a proposal; -inf where it never does."""
    log_covered = log_covered_mass(proposal, target)
    if log_covered == -math.inf:
        return 0.0
    log_accept = log_covered - log_extreme_ratios(proposal, target)[1]
    # Equal laws are told from unequal ones to the rounding of their ratio.
    return math.log(-math.expm1(log_accept)) if log_accept < -ROUNDING else -math.inf


@dataclass(frozen=True, eq=False)
class MHLaw(Law):
    """The law on a trellis after H offers; only its TV to the target is known, certified.

    Parameters
    ----------
    proposal : WalkLaw
    target : LeafLaw or WalkLaw
    steps : int
        H.
    """

    proposal: WalkLaw
    target: LeafLaw | WalkLaw
    steps: int

    def _tv(self, target: Law, effort: Effort) -> TV:
        """Total variation distance to the target of the chain."""
        if target is not self.target:
            raise NoExactLaw("the law of an MH chain can be compared with its own target only")
        problem = self.proposal.problem(target)
        bounds = problem.enclose(lambda law: self._bounds(law, float(problem.escape[0])), effort)[1]
        return TV(bounds.lo, bounds.hi, "certified", wanted=bounds.wanted)

    def _bounds(self, law: RatioLaw, escape: float) -> tuple[float, float]:
        """Bounds on the TV, given the mass of p where q never goes."""
        slack = law.dropped + law.rounding
        with np.errstate(divide="ignore"):
            upper, lower = (np.log(mass) for mass in (law.upper_mass, law.lower_mass))
        high = Offers(law.upper_log_ratio, upper, self.steps, slack)
        low = Offers(law.lower_log_ratio, lower, self.steps, -slack)
        # What p has where q's mass is too small for a float is out of reach too, as is what was dropped.
        missed = 1.0 - escape - float(np.exp(upper + law.upper_log_ratio)[law.upper_log_ratio > -np.inf].sum())
        hi = _shortfall(low, law.upper_log_ratio, upper) + escape + max(slack, missed + law.rounding)
        lo = _shortfall(high, law.lower_log_ratio, lower) + escape - slack + max(0.0, missed - 2.0 * slack)
        return max(0.0, lo), min(1.0, hi)

    def kl(self, target: Law) -> None:
        """Not known."""

    def chi2(self, target: Law) -> None:
        """Not known."""

    def expected(self, reward: Scaled) -> None:
        """Not known."""


@dataclass(frozen=True, eq=False)
class MixtureLaw(Law):
    """(1 - share) p + share q, on a trellis: p the target given that it is where q goes, q the proposal.

    With e the target's mass where q never goes, c = (1 - share) / (1 - e) and r = target / q, the law is
    (c r + share) q there: its TV to the target is e where share <= e, and else (1 - c) E_q[(share / (1 - c) - r)_+].

    Parameters
    ----------
    proposal : WalkLaw
    target : LeafLaw or WalkLaw
    share : float
        Below zero only where it leaves the law one, and where e is zero.
    escape : float
        e.
    """

    proposal: WalkLaw
    target: LeafLaw | WalkLaw
    share: float
    escape: float = 0.0

    def _tv(self, target: Law, effort: Effort) -> TV:
        """Total variation distance to the target."""
        if target is not self.target:
            raise NoExactLaw("a law mixed with its target can be compared with that target only")
        if self.share == 0.0 or self.share <= self.escape > 0.0:
            return TV(self.escape, self.escape, "exact")
        if self.escape == 0.0:
            left = abs(self.share)
            tv = self.proposal._tv(target, effort._replace(width=min(1.0, effort.width / left)))
            return TV(left * tv.lo, left * tv.hi, tv.kind, wanted=tv.wanted)
        slope = 1.0 - self._weight

        def figure(law: RatioLaw) -> tuple[float, float]:
            lo, hi = law.below(self.share / slope)
            return slope * lo, slope * hi

        bounds = self.proposal.problem(target).enclose(figure, effort)[1]
        return TV(bounds.lo, bounds.hi, "certified", wanted=bounds.wanted)

    @property
    def _weight(self) -> float:
        """c."""
        return (1.0 - self.share) / (1.0 - self.escape) if self.escape < 1.0 else 0.0

    def kl(self, target: Law) -> None:
        """Not known."""

    def chi2(self, target: Law) -> float | None:
        """e, and E_target[(c - 1 + share / r)^2] where q goes."""
        chi2 = self.proposal.chi2(target)
        if chi2 is None:
            return None
        gap = self._weight - 1.0
        return self.escape + gap**2 * (1.0 - self.escape) + 2.0 * gap * self.share + self.share**2 * (chi2 + 1.0)

    def expected(self, reward: Scaled) -> float:
        """Expected reward, linear."""
        steps = self.target.steps_down(self.proposal.steps.graph)
        assert steps is not None
        covered = descend(Covered(steps, self.proposal.steps))[0]
        return self._weight * float((covered * reward).to_float().sum()) + self.share * self.proposal.expected(reward)


def _shortfall(offers: Offers, log_ratio: FloatArray, log_mass: FloatArray) -> float:
    """E_p[(1 - T_H(r))_+] over atoms of q-mass exp(log_mass)."""
    alive = log_ratio > -np.inf
    lack = -np.expm1(np.minimum(offers.log_survival(log_ratio[alive]), 0.0))
    return float((np.exp(log_mass[alive] + log_ratio[alive]) * lack).sum())
