"""Samplers that walk down the graph guided by the approximate value, once or until a correction is content."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import SpecError
from treesim.graphs.potentials import ahead
from treesim.graphs.values import expect_ahead
from treesim.instances.instance import Instance
from treesim.kernels.race import step_race
from treesim.kernels.selection import select_rounded
from treesim.kernels.walk import step_guided, step_pool
from treesim.laws.corrected import corrected_law, log_extreme_ratios, log_refusal, rejection_law
from treesim.laws.law import Law, walk_law
from treesim.laws.pools import algorithm_2_law, pool_selection_law
from treesim.laws.selection import SLACK, Selection, selected_law, selection
from treesim.laws.walks import GuidedSteps, PoolSteps, Steps, descend
from treesim.samplers.base import Cost, Sampler, remembered
from treesim.samplers.draws import Draws, Paths, walk
from treesim.scaled import exp_or_inf
from treesim.spec import require_at_least, require_one_of


@dataclass(frozen=True)
class GuidedSMC(Sampler):
    """SP-gSMC, single-particle guided SMC: each step in proportion to pi_ref V^, exactly or by a pool.

    Where no child has value the step is pi_ref's; in a pool of zeros the pick is uniform. The path can be corrected
    towards the target: by independent Metropolis-Hastings (with a pool that is Algorithm 2 of the paper); by Chebyshev
    selection, which no rule beats by much where only the Bellman error is known; or, exact normaliser only, by
    rejection with a budget.

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
    chebyshev : int
        N, paths of which one is kept by the rule of `treesim.laws.selection`, at most 1000; 1 corrects nothing.
    bound : float
        k, for that rule: weights of paths lie in [1/k, k]. 0 takes k from the Bellman error epsilon:
        (1 + epsilon)^(T - 1), and with a pool ((1 + epsilon) / (1 - 1/(4T)))^T, which holds if no pool mean is off by
        more than 1/(4T). With the exact normaliser an understated k is an error; with a pool, where a weight is beyond
        it, the first path is kept.
    select : str
        How a pool keeps one of its children: ``weight``, in proportion to V^; or ``race``, the one of the largest V^
        over a uniform number, which no correction can follow.

    References
    ----------
    Zhu & Lu (2026), Theorem 4.3 (exact normaliser) and Algorithm 2 (the pool); Liu (1996) for the law after H steps.
    Selection is treesim's: see the discovery `log-inherent`.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(GuidedSMC(pool).law(instance).tv(instance.target).lo, 4) for pool in (1, 2, 8, 0)]
    [0.2801, 0.146, 0.0342, 0.0]
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.5)
    >>> [round(GuidedSMC(mh=H).law(instance).tv(instance.target).lo, 4) for H in (1, 2, 4, 8)]
    [0.1464, 0.0775, 0.0217, 0.0017]
    >>> instance = family("sharpest-guidance", horizon=4, epsilon=0.2)
    >>> [f"{GuidedSMC(chebyshev=N).law(instance).tv(instance.target).lo:.1e}" for N in (1, 2, 4, 8)]
    ['2.7e-01', '3.5e-02', '7.3e-03', '4.9e-05']
    >>> [f"{GuidedSMC(mh=H).law(instance).tv(instance.target).lo:.1e}" for H in (1, 2, 4, 8)]
    ['2.7e-01', '1.1e-01', '2.0e-02', '6.3e-04']
    """

    pool: int = 0
    mh: int = 1
    reject: int = 1
    chebyshev: int = 1
    bound: float = 0.0
    select: str = "weight"
    name: ClassVar[str] = "sp-gsmc"

    def __post_init__(self) -> None:
        require_at_least("pool", self.pool, 0)
        require_at_least("mh", self.mh, 1)
        require_at_least("reject", self.reject, 1)
        require_at_least("chebyshev", self.chebyshev, 1)
        chosen = [f"{name}={size}" for name, size in self._corrections.items() if size > 1]
        if len(chosen) > 1:
            raise SpecError(f"{' and '.join(chosen)} are given, expected at most one correction")
        if self.bound and (self.chebyshev == 1 or not 1.0 <= self.bound < math.inf):
            raise SpecError(f"bound is {self.bound:g}, expected a finite number of at least 1, beside chebyshev=N")
        require_one_of("select", self.select, ("weight", "race"))
        if self.select == "race" and (chosen or not self.pool):
            raise SpecError(f"select=race stands beside {chosen[0] if chosen else 'pool=0'}, expected pool=M alone")
        if self.pool and self.reject > 1:
            raise SpecError(
                f"a pool of {self.pool} cannot be corrected by rejection, expected pool=0, mh=H or chebyshev=N"
            )

    @property
    def _corrections(self) -> dict[str, int]:
        return {"mh": self.mh, "reject": self.reject, "chebyshev": self.chebyshev}

    def law(self, instance: Instance) -> Law:
        if self.pool and self.mh > 1:
            return algorithm_2_law(instance.graph, instance.value, instance.audit.log_partition, self.pool, self.mh)
        if self.pool and self.chebyshev > 1:
            return pool_selection_law(instance.graph, instance.value, self.pool, self.rule(instance))
        proposal = walk_law(self._steps(instance))
        if self.mh > 1:
            return corrected_law(proposal, instance.target, self.mh)
        if self.reject > 1:
            return rejection_law(proposal, instance.target, self.reject)
        if self.chebyshev > 1:
            return selected_law(proposal, instance.target, self.rule(instance), log_mean_weight(instance, self.pool))
        return proposal

    def rule(self, instance: Instance) -> Selection:
        """The rule by which one of `chebyshev` paths is kept.

        Raises
        ------
        SpecError
            If the instance has no finite Bellman error, or `bound` is smaller than a weight asks for.
        """
        horizon, epsilon = instance.graph.horizon, instance.audit.bellman_error
        if not math.isfinite(epsilon):
            raise SpecError(
                f"{self.name}:chebyshev={self.chebyshev} needs a finite Bellman error: a value falls to zero"
            )
        if self.pool:
            audited = horizon * (math.log1p(epsilon) - math.log1p(-1.0 / (4 * horizon)))
        else:
            audited = (horizon - 1) * math.log1p(epsilon)
        log_bound = math.log(self.bound) if self.bound else audited
        if not self.pool and log_bound < audited:
            needed = log_largest_weight(instance)
            if needed > log_bound + SLACK:
                raise SpecError(
                    f"bound is {self.bound:g}, but weights of guided paths are up to a factor of "
                    f"{exp_or_inf(needed):.6g} from one; expected at least that, or the output would be biased"
                )
        return selection(self.chebyshev, log_bound)

    def cost(self, instance: Instance) -> Cost:
        total = float(self.pool * instance.graph.horizon) if self.pool else descend(self._steps(instance))[1]
        paths = float(max(self.mh, self.chebyshev))
        if self.reject > 1:
            refusal = _log_refusal(instance)
            # 1 + b + ... + b^(K-1), b the probability of a refusal.
            paths = math.expm1(self.reject * refusal) / math.expm1(refusal) if refusal < 0.0 else float(self.reject)
        return Cost(total * paths, total * paths)

    def _steps(self, instance: Instance) -> Steps:
        if self.pool:
            return PoolSteps(instance.graph, instance.value, self.pool, by_race=self.select == "race")
        return GuidedSteps(instance.graph, instance.value)

    def draws_per_output(self, instance: Instance) -> int:
        return max(1, self.pool) * self.chebyshev

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        if self.chebyshev > 1:
            return self._selected(instance, n, rng)
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

    def _selected(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        rule = self.rule(instance)
        paths, log_ratio, reads = self._walk(instance, n * self.chebyshev, rng)
        log_weight = (log_ratio + log_mean_weight(instance, self.pool)).reshape(n, self.chebyshev)
        column = np.empty(n, np.int64)
        select_rounded(log_weight, rule.log_bound, SLACK, rule.high_chance, rng, column)
        return Draws(*paths.take(np.arange(n) * self.chebyshev + column), reads, reads)

    def _until_accepted(
        self, instance: Instance, paths: Paths, log_ratio: FloatArray, reads: int, rng: np.random.Generator
    ) -> Draws:
        log_largest = _log_extremes(instance)[1]
        waiting = np.arange(len(log_ratio))
        for _ in range(1, self.reject):
            # Where guidance never meets the target, C is zero and nothing is accepted.
            log_accept = log_ratio[waiting] - log_largest if log_largest > -math.inf else -math.inf
            refused = np.log(rng.random(len(waiting))) >= log_accept
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
        log_weight = np.zeros(n if max(self._corrections.values()) > 1 else 0)

        def step(t: int, node: IntArray) -> None:
            nonlocal reads
            layer, below = ahead(graph, t, value)
            if self.pool:
                if self.select == "race":
                    step_race(tuple(layer), below.numbers, self.pool, node, rng)
                else:
                    step_pool(tuple(layer), below.numbers, self.pool, node, log_weight, rng)
                reads += self.pool * n
            else:
                reads += step_guided(tuple(layer), below.numbers, node, log_weight, rng)

        paths = walk(graph, n, step)
        if len(log_weight):
            log_weight += instance.path_reward(*paths).log() - instance.audit.log_partition
        return paths, log_weight, reads


def _accepts(log_ratio: FloatArray, offered: FloatArray, rng: np.random.Generator) -> BoolArray:
    """Which offers replace the current state, with probability min(1, r'/r); 0/0 counts as 1."""
    with np.errstate(invalid="ignore"):
        return np.log(rng.random(len(offered))) < np.where(offered == log_ratio, 0.0, offered - log_ratio)


def log_mean_weight(instance: Instance, pool: int) -> float:
    """log of the mean weight that selection sees: Z over P V^(root), which the exact normaliser knows; with a pool,
    over V^(root)."""
    graph, value = instance.graph, instance.value
    first = value[:1] if pool else expect_ahead(*ahead(graph, 0, value))
    return float(instance.audit.log_partition - first.log()[0])


def log_largest_weight(instance: Instance) -> float:
    """The largest |log w| over the paths that guidance takes: log of the least `bound` of selection."""
    log_mean = log_mean_weight(instance, 0)
    return max(abs(log_ratio + log_mean) for log_ratio in _log_extremes(instance))


@remembered
def _log_refusal(instance: Instance) -> float:
    """log of the probability that a guided path is refused."""
    return log_refusal(walk_law(GuidedSteps(instance.graph, instance.value)), instance.target)


@remembered
def _log_extremes(instance: Instance) -> tuple[float, float]:
    """log of the smallest and of the largest target / guided law over the paths that guidance takes."""
    return log_extreme_ratios(walk_law(GuidedSteps(instance.graph, instance.value)), instance.target)
