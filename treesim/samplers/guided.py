"""Samplers that walk down the graph guided by the approximate value, once or until a correction is content."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import SpecError
from treesim.instances.instance import Instance
from treesim.kernels.walk import step_guided, step_pool
from treesim.laws.corrected import corrected_law, mixed_law
from treesim.laws.law import Law, WalkLaw, walk_law
from treesim.laws.pools import algorithm_2_law
from treesim.laws.walks import GuidedSteps, PoolSteps, Steps, descend
from treesim.samplers.base import Cost, Sampler, remembered
from treesim.samplers.draws import Draws, Paths, walk
from treesim.spec import require_at_least


@dataclass(frozen=True)
class GuidedSMC(Sampler):
    """SP-gSMC, single-particle guided SMC: each step in proportion to pi_ref V^, exactly or by a pool.

    Where no child has value the step is pi_ref's; in a pool of zeros the pick is uniform. The path can be corrected
    towards the target: by independent Metropolis-Hastings (with a pool that is Algorithm 2 of the paper), or, exact
    normaliser only, by rejection with a budget.

    Parameters
    ----------
    pool : int
        M, children drawn from pi_ref at each step, one of which is kept in proportion to V^; 0 lists all
        children: the exact normaliser.
    mh : int
        H, paths offered to a Metropolis-Hastings chain, the first of which is always taken; 1 corrects nothing.
    reject : int
        K, paths drawn at most until one is accepted with probability (target / proposal) / C, C the largest such
        ratio; the last is returned if none is. 1 corrects nothing.

    References
    ----------
    Zhu & Lu (2026), Theorem 4.3 (exact normaliser) and Algorithm 2 (the pool); Liu (1996) for the law after H steps.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(GuidedSMC(pool).law(instance).tv(instance.target).lo, 4) for pool in (1, 2, 8, 0)]
    [0.2801, 0.146, 0.0342, 0.0]
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.5)
    >>> [round(GuidedSMC(mh=H).law(instance).tv(instance.target).lo, 4) for H in (1, 2, 4, 8)]
    [0.1464, 0.0775, 0.0217, 0.0017]
    """

    pool: int = 0
    mh: int = 1
    reject: int = 1
    name: ClassVar[str] = "sp-gsmc"

    def __post_init__(self) -> None:
        require_at_least("pool", self.pool, 0)
        require_at_least("mh", self.mh, 1)
        require_at_least("reject", self.reject, 1)
        if self.mh > 1 and self.reject > 1:
            raise SpecError(f"mh is {self.mh} and reject {self.reject}, expected at most one correction")
        if self.pool and self.reject > 1:
            raise SpecError(f"a pool of {self.pool} cannot be corrected by rejection, expected pool=0 or mh=H")

    def law(self, instance: Instance) -> Law:
        if self.pool and self.mh > 1:
            return algorithm_2_law(instance.graph, instance.value, instance.audit.log_partition, self.pool, self.mh)
        proposal = walk_law(self._steps(instance))
        if self.mh > 1:
            return corrected_law(proposal, instance.target, self.mh)
        if self.reject > 1:
            return mixed_law(proposal, instance.target, (1.0 - 1.0 / _envelope(instance)) ** (self.reject - 1))
        return proposal

    def cost(self, instance: Instance) -> Cost:
        total = float(self.pool * instance.graph.horizon) if self.pool else descend(self._steps(instance))[1]
        paths = float(self.mh)
        if self.reject > 1:
            a = 1.0 / _envelope(instance)
            paths = 1.0 if a >= 1.0 else -math.expm1(self.reject * math.log1p(-a)) / a
        return Cost(total * paths, total * paths)

    def _steps(self, instance: Instance) -> Steps:
        if self.pool:
            return PoolSteps(instance.graph, instance.value, self.pool)
        return GuidedSteps(instance.graph, instance.value)

    def draws_per_output(self, instance: Instance) -> int:
        return max(1, self.pool)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        paths, log_ratio, reads = self._walk(instance, n, rng)
        if self.reject > 1:
            return self._until_accepted(instance, paths, log_ratio, reads, rng)
        for _ in range(1, self.mh):
            offer, offered, more = self._walk(instance, n, rng)
            reads += more
            taken = _accepts(log_ratio, offered, rng)
            paths = paths.put(np.flatnonzero(taken), offer.take(np.flatnonzero(taken)))
            log_ratio = np.where(taken, offered, log_ratio)
        return Draws(*paths, reads, reads)

    def acceptance(self, instance: Instance, n: int, rng: np.random.Generator) -> float:
        """Share of the offers after the first that `n` Metropolis-Hastings chains take."""
        _, log_ratio, _ = self._walk(instance, n, rng)
        taken = 0
        for _ in range(1, self.mh):
            _, offered, _ = self._walk(instance, n, rng)
            accepted = _accepts(log_ratio, offered, rng)
            taken += int(accepted.sum())
            log_ratio = np.where(accepted, offered, log_ratio)
        return taken / (n * (self.mh - 1))

    def _until_accepted(
        self, instance: Instance, paths: Paths, log_ratio: FloatArray, reads: int, rng: np.random.Generator
    ) -> Draws:
        log_envelope = math.log(_envelope(instance))
        waiting = np.arange(len(log_ratio))
        for _ in range(1, self.reject):
            refused = np.log(rng.random(len(waiting))) >= log_ratio[waiting] - log_envelope
            waiting = waiting[refused]
            if not len(waiting):
                break
            offer, offered, more = self._walk(instance, len(waiting), rng)
            reads += more
            paths = paths.put(waiting, offer)
            log_ratio[waiting] = offered
        return Draws(*paths, reads, reads)

    def _walk(self, instance: Instance, n: int, rng: np.random.Generator) -> tuple[Paths, FloatArray, int]:
        """`n` walks, log(target / proposal) of each if a correction needs it, and how many children were read."""
        graph, value = instance.graph, instance.value
        reads = 0
        log_weight = np.zeros(n if self.mh > 1 or self.reject > 1 else 0)

        def step(t: int, node: IntArray) -> None:
            nonlocal reads
            ahead = value[graph.level(t + 1)]
            if self.pool:
                step_pool(tuple(graph.layer(t)), ahead.numbers, self.pool, node, log_weight, rng)
                reads += self.pool * n
            else:
                reads += step_guided(tuple(graph.layer(t)), ahead.numbers, node, log_weight, rng)

        paths = walk(graph, n, step)
        if len(log_weight):
            log_weight += instance.log_reward[paths.leaf] - instance.audit.log_partition
        return paths, log_weight, reads


def _accepts(log_ratio: FloatArray, offered: FloatArray, rng: np.random.Generator) -> BoolArray:
    """Which offers replace the current state, with probability min(1, r'/r); 0/0 counts as 1."""
    with np.errstate(invalid="ignore"):
        return np.log(rng.random(len(offered))) < np.where(offered == log_ratio, 0.0, offered - log_ratio)


@remembered
def _envelope(instance: Instance) -> float:
    """C, the largest of target / guided law over the paths that guidance takes, at least 1."""
    proposal = walk_law(GuidedSteps(instance.graph, instance.value))
    if isinstance(proposal, WalkLaw):
        log_ratio = proposal.log_largest_ratio(instance.target)
    else:
        live = proposal.prob.mantissa > 0
        log_ratio = float((instance.target.prob[live].log() - proposal.prob[live].log()).max())
    return math.exp(min(700.0, max(0.0, log_ratio)))
