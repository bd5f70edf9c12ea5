"""Theorems as checks: hypothesis, measured quantity, bound, whether it holds, and by which factor.

A measured quantity is exact or certified, so a row that does not hold is a counterexample, or a hypothesis that was
stated too small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

import numpy as np

from treesim.empirical.measure import distance
from treesim.errors import NoExactLaw
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.laws.pools import good_event
from treesim.samplers import SMC, GuidedSMC, Importance, Race
from treesim.samplers.particle_gibbs import transition
from treesim.scaled import exp_or_inf
from treesim.theory.bounds import (
    algorithm_2_plan,
    average_case_bound,
    guidance_bound,
    particle_bound,
    particles_needed,
    sweep_overlap,
)  # fmt: skip

ROUNDING = 1e-9
DELTA = 0.1
LARGEST_POOLS = 5e6
LEAST_HELD = 1e-290
SWEPT = (2, 3, 8)
PATHS = 8
PARTICLES = (1 << 12, 256, 16, 4, 2)


@dataclass(frozen=True)
class Check:
    """One theorem on one instance.

    Attributes
    ----------
    theorem : str
        Number in Zhu & Lu (2026); ``sharp 4.3`` is the improved form, ``average 4.3`` that of
        `treesim.graphs.guidance`, ``ALV`` that of
        `treesim.theory.bounds.sweep_overlap`; ``selection`` and ``race`` are treesim's, see the discoveries.
    claim : str
        What is compared.
    measured, bound : float
    at_most : bool
        Whether the measured number must be at most the bound; else it must be at least it.

    Examples
    --------
    >>> Check("4.3", "TV of sp-gsmc", measured=0.1, bound=0.4).holds, Check("4.3", "TV", 0.1, 0.4).slack
    (True, 4.0)
    """

    theorem: str
    claim: str
    measured: float
    bound: float
    _: KW_ONLY
    at_most: bool = True

    @property
    def holds(self) -> bool:
        """Whether it is so, rounding of 1e-9 aside."""
        if self.at_most:
            return self.measured <= self.bound * (1 + ROUNDING) + ROUNDING
        return self.measured >= self.bound * (1 - ROUNDING) - ROUNDING

    @property
    def slack(self) -> float:
        """By which factor the bound could be better here: infinite if the measured number is zero, 1 if both
        are infinite."""
        worse, better = (self.bound, self.measured) if self.at_most else (self.measured, self.bound)
        if worse == better == math.inf:
            return 1.0
        return worse / better if better > ROUNDING else math.inf


def verify(instance: Instance, epsilon: float | None = None, ratio_bound: float | None = None) -> list[Check]:
    """Check every theorem that speaks of an instance.

    Parameters
    ----------
    instance : Instance
    epsilon, ratio_bound : float, optional
        Bellman error and L as somebody states them; the audited ones if left out.

    Returns
    -------
    list of Check
        First the hypotheses, assumptions 3.1 and 3.2; where one fails, the others prove nothing.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("dirichlet", horizon=2, perturbation="random-sign", epsilon=0.05)
    >>> [check.theorem for check in verify(instance) if check.holds][:7]
    ['3.2', '3.1', 'average 4.3', 'average 4.3', 'Pinsker', '4.3', 'sharp 4.3']
    >>> verify(instance, epsilon=0.01)[0].holds
    False
    """
    return list(_checks(instance, epsilon, ratio_bound))


def _checks(instance: Instance, epsilon: float | None, ratio_bound: float | None) -> Iterator[Check]:
    audit, graph = instance.audit, instance.graph
    horizon = graph.horizon
    epsilon = audit.bellman_error if epsilon is None else epsilon
    ratio_bound = audit.ratio_bound if ratio_bound is None else ratio_bound
    yield Check("3.2", "Bellman error", audit.bellman_error, epsilon)
    yield Check("3.1", "ratio bound L", audit.ratio_bound, ratio_bound)
    tv = distance(GuidedSMC(), instance, runs=0)
    yield from _averages(instance, tv.lo)
    if not math.isfinite(epsilon):
        return
    guided = tv.hi
    bound = guidance_bound(horizon, epsilon)
    yield Check("4.3", "TV of sp-gsmc", guided, bound.value)
    yield Check("sharp 4.3", "TV of sp-gsmc", guided, bound.sharp)
    yield from _one_of_several(instance)
    if horizon == 1 and not graph.keeps_edges:
        yield from _sweeps(instance)
    if math.isfinite(ratio_bound) and horizon >= 2:
        yield from _particles(instance, epsilon, ratio_bound)
        if epsilon * 4 * horizon <= 1 + ROUNDING:
            yield from _algorithm_2(instance, epsilon, ratio_bound)


def _averages(instance: Instance, guided: float) -> Iterator[Check]:
    """The average-case form of 4.3, what it is at the most, and Pinsker's inequality; they need no epsilon."""
    found = instance.guidance
    yield Check("average 4.3", "TV of sp-gsmc, against B", guided, found.average_case_bound)
    centred = average_case_bound(found.centred_by_level[1:])
    yield Check("average 4.3", "B, by centred errors", found.average_case_bound, centred)
    yield Check("Pinsker", "TV of sp-gsmc", guided, math.sqrt(found.kl_target_to_guided / 2.0))


def _one_of_several(instance: Instance) -> Iterator[Check]:
    """Chebyshev selection within what its rule promises; a race no farther than importance resampling."""
    selected = GuidedSMC(chebyshev=PATHS)
    claim = f"TV of sp-gsmc:chebyshev={PATHS}"
    yield Check("selection", claim, distance(selected, instance, runs=0).hi, selected.rule(instance).worst)
    if has_potentials(instance.graph):
        return
    race, resampled = (distance(kind(PATHS), instance, runs=0).hi for kind in (Race, Importance))
    yield Check("race", f"TV of race:n={PATHS}, against importance", race, resampled)


def _particles(instance: Instance, epsilon: float, ratio_bound: float) -> Iterator[Check]:
    """Theorems 5.1 and 5.2, with the most particles that have an exact law, and no more than are of use."""
    horizon = instance.graph.horizon
    useful = particles_needed(horizon, epsilon, ratio_bound, DELTA)
    for particles in PARTICLES:
        if particles > 2 * useful and particles > 2:
            continue
        try:
            tv = distance(SMC(particles), instance, runs=0).hi
        except NoExactLaw:
            continue
        claim = f"TV of smc:particles={particles}"
        bound = particle_bound(horizon, epsilon, ratio_bound, particles)
        yield Check("5.1", claim, tv, bound)
        log_linear = 6 * math.log(ratio_bound) + 6 * epsilon * horizon + math.log(horizon / 2 / particles)
        yield Check("5.2", claim, tv, exp_or_inf(log_linear))
        return


def _sweeps(instance: Instance) -> Iterator[Check]:
    """Particle Gibbs over one step: the least of P(x, y) / pi~(y), over leaves whose pi~ a float can hold."""
    target = instance.target.prob
    live = (target.mantissa > 0) & (instance.reference.prob.mantissa > 0)
    held = live & (target.to_float() > LEAST_HELD)
    log_largest = float(instance.log_reward[live].max()) - instance.audit.log_partition
    for particles in SWEPT:
        rows = transition(instance, particles, "reference")[np.ix_(live, held)]
        overlap = float((rows / target[held].to_float()).min())
        claim = f"least P(x, y) / target(y), particle-gibbs:particles={particles}"
        yield Check("ALV", claim, overlap, sweep_overlap(particles, log_largest), at_most=False)


def _algorithm_2(instance: Instance, epsilon: float, ratio_bound: float) -> Iterator[Check]:
    """Theorem 6.1: its good event where pools can be listed, and its contraction with the exact normaliser."""
    graph = instance.graph
    plan = algorithm_2_plan(graph.horizon, epsilon, ratio_bound, DELTA, DELTA)
    if graph.max_degree <= 2 and float(graph.n_nodes) * plan.pool <= LARGEST_POOLS:
        failure = max(0.0, 1.0 - good_event(graph, instance.value, plan.pool, plan.error, plan.steps))
        yield Check("6.1", f"P(a pool of {plan.pool} is off in {plan.steps} steps)", failure, DELTA)
    corrected = distance(GuidedSMC(mh=plan.steps), instance, runs=0).hi
    yield Check("6.1", f"TV of sp-gsmc:mh={plan.steps}", corrected, DELTA)
