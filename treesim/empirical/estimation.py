"""Estimated TV: a confidence interval from runs, for samplers without an exact law.

A run of SMC tells more than its one output: its last population is the conditional law of that output. Averaging those
(Rao & Blackwell) and comparing with the exact target gives

- from below, the excess of the sampler's probability of a set over the target's, the set being learnt on one half of
  the runs and its probability bounded on the other (empirical Bernstein: Maurer & Pontil 2009);
- from above, the plug-in TV plus a bound on how far the average is from its mean (the sum of standard errors, and
  McDiarmid's inequality: one run moves the TV by at most one n-th).

On a tree more is known of SMC: the optimal twist is a control variate (`treesim.empirical.controlled`).

A trellis of few paths is unrolled, which changes no law.

On other trellises paths are too many to be counted. There, SMC with a path pinned estimates law / target on that path,
R, without bias. So TV = E_target[(1 - R)_+] <= E_target[(1 - R^)_+], from paths drawn exactly from the target; and the
set that shows the TV from below is {R^ >= 1}, a random one, its probability estimated under both laws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.empirical.controlled import controlled_margin, controlled_runs, is_controlled
from treesim.errors import NoExactLaw, SpecError
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance, require_instance
from treesim.instances.merging import paths_of, unroll
from treesim.laws.law import LeafLaw, WalkLaw
from treesim.laws.tv import TV
from treesim.runtime.seeds import Stream, generator
from treesim.runtime.threads import thread_map
from treesim.samplers.base import Sampler, remembered
from treesim.samplers.draws import draw_guided
from treesim.samplers.registry import SamplerLike
from treesim.samplers.registry import sampler as sampler_of
from treesim.samplers.smc import SMC
from treesim.spec import require_kind

DEFAULT_RUNS = 100_000
DEFAULT_LEVEL = 0.99
LEAST_RUNS = 20
# Paths of a trellis that is unrolled where there is a control variate, and runs for each where there is none.
MOST_UNROLLED, RUNS_A_PATH = 1 << 14, 16
# Runs that estimate law / target on one path.
UPPER_RUNS, LOWER_RUNS = 32, 4
# The risk of an interval without a control variate, where there is one with it: it seldom is the narrower.
PLAIN_SHARE = 0.1
# What the weights of a population may lack of one by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Estimate:
    """What runs say of a sampler.

    Attributes
    ----------
    tv : TV
        To the target, of kind ``estimated``. On a trellis the runs of samplers that are not SMC say nothing from above.
    expected_reward : float or None
        Mean of the reward, linear; None where edges carry potentials, which the ends of runs do not tell.
    runs : int

    Examples
    --------
    >>> from treesim import family, sampler
    >>> found = estimate(sampler("smc:particles=8,resampling=systematic"), family("uniform", horizon=3, seed=1), n=2000)
    >>> found.tv.kind, found.tv.lo <= 0.05 <= found.tv.hi, found.runs
    ('estimated', True, 2000)
    """

    tv: TV
    expected_reward: float | None
    runs: int


def estimate(
    sampler: SamplerLike,
    instance: Instance,
    n: int = DEFAULT_RUNS,
    seed: int = 0,
    level: float = DEFAULT_LEVEL,
    target: LeafLaw | None = None,
) -> Estimate:
    """Estimate a sampler's TV to the target from `n` runs.

    Parameters
    ----------
    sampler : Sampler, or what `treesim.sampler` makes one of
        A spec, or a class, object or function of yours.
    instance : Instance
    n : int
        Runs, at least 20.
    seed : int
    level : float
        Confidence level of the interval.
    target : LeafLaw, optional
        Another target than the instance's; on trees only.

    Raises
    ------
    SpecError
        If `n` or the level is out of range.
    NoExactLaw
        If another target is given on a trellis.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> tv = estimate(SMC(particles=4), instance, n=20_000).tv
    >>> tv.kind, tv.lo < 0.0707 < tv.hi
    ('estimated', True)
    >>> estimate("smc:particles=4", instance, n=20_000).tv == tv
    True
    """
    sampler = sampler_of(sampler)
    require_instance(instance, "estimate")
    require_kind("n", n, int)
    if n < LEAST_RUNS or not 0 < level < 1:
        raise SpecError(f"n is {n} and the level {level}, expected at least {LEAST_RUNS} runs and a level below 1")
    if not instance.graph.keeps_edges:
        tv, reward = _on_leaves(sampler, instance, n, seed, level, target)
        return Estimate(TV(*tv, "estimated", level), reward, n)
    if target is not None:
        raise NoExactLaw(
            "on a trellis runs tell the distance to the instance's own target only; unroll it if it is small"
        )
    n_paths = paths_of(instance.graph)
    if n_paths <= MOST_UNROLLED and (RUNS_A_PATH * n_paths <= n or is_controlled(sampler, _unrolled(instance))):
        tv, reward = _on_leaves(sampler, _unrolled(instance), n, seed, level)
        return Estimate(TV(*tv, "estimated", level), None if has_potentials(instance.graph) else reward, n)
    # Half of the runs and half of the risk for each side of the matter.
    shared = 0.5 * (1.0 + level)
    leaves, reward = _on_leaves(sampler, instance, max(LEAST_RUNS, n // 2), seed, shared)
    paths = _on_paths(sampler, instance, n // 2, seed, shared)
    return Estimate(TV(max(leaves[0], paths[0]), paths[1], "estimated", level), reward, n)


@remembered
def _unrolled(instance: Instance) -> Instance:
    return unroll(instance)


def _on_leaves(
    sampler: Sampler, instance: Instance, n: int, seed: int, level: float, other: LeafLaw | None = None
) -> tuple[tuple[float, float], float | None]:
    """Bounds on the TV of the law of the leaf, and the expected reward; nothing is an outcome that no target has."""
    if is_controlled(sampler, instance):
        return _on_controlled(sampler, instance, n, seed, level, other)
    half = n // 2
    learning, testing = (
        _conditional_laws(sampler, instance, size, generator_key, seed)
        for size, generator_key in ((half, 0), (n - half, 1))
    )
    target = _outcomes(other or instance.target)
    log_tails = math.log(4.0 / (1.0 - level))
    witness = learning.mean > target
    low = _excess(testing.of_set(witness), witness, target, log_tails)
    mean = (half * learning.mean + (n - half) * testing.mean) / n
    square = (half * learning.square + (n - half) * testing.square) / n
    error = 0.5 * float(np.sqrt(np.maximum(square - mean**2, 0.0) / n).sum())
    high = _distance(mean, target) + error + math.sqrt(log_tails / (2.0 * n))
    return (max(0.0, low), min(1.0, high)), _mean_reward(instance, mean[:-1])


def _on_controlled(
    sampler: Sampler, instance: Instance, n: int, seed: int, level: float, other: LeafLaw | None
) -> tuple[tuple[float, float], float | None]:
    """The same from runs of SMC with a control variate. A quarter of them learns the sets.

    The interval is the narrower of two, that of the controlled runs and that of their conditional laws as they are,
    which share the risk.
    """
    assert isinstance(sampler, SMC)
    quarter = n // 4
    target = _outcomes(other or instance.target)
    leaves = target[:-1]
    log_tails, plain_tails = (math.log(4.0 / (share * (1.0 - level))) for share in (1.0 - PLAIN_SHARE, PLAIN_SHARE))
    learning = controlled_runs(sampler, instance, quarter, 0, seed)
    witness, plain_witness = learning.mean > leaves, learning.plain > leaves
    testing = controlled_runs(sampler, instance, n - quarter, 1, seed, witness, plain_witness)
    mean, plain = (
        np.append((quarter * one + (n - quarter) * other) / n, 0.0)
        for one, other in ((learning.mean, testing.mean), (learning.plain, testing.plain))
    )
    inside, tested = testing.inside, n - quarter
    low = float(inside.mean() - controlled_margin(inside, tested, log_tails) - leaves[witness].sum())
    high = _distance(mean, target) + controlled_margin(inside, n, log_tails)
    plain_low = _excess(testing.plain_inside, plain_witness, leaves, plain_tails)
    plain_high = _distance(plain, target) + math.sqrt(plain_tails / (2.0 * n))
    bounds = min(
        ((max(0.0, one), min(1.0, other)) for one, other in ((low, high), (plain_low, plain_high))),
        key=lambda pair: pair[1] - pair[0],
    )
    return bounds, _mean_reward(instance, mean[:-1])


def _outcomes(law: LeafLaw | WalkLaw) -> FloatArray:
    """The probabilities of the leaves, and of nothing, shape [n_leaves + 1]."""
    return np.append(law.prob.to_float(), law.failure if isinstance(law, LeafLaw) else 0.0)


def _distance(law: FloatArray, target: FloatArray) -> float:
    return 0.5 * float(np.abs(law - target).sum())


def _excess(inside: FloatArray, witness: BoolArray, target: FloatArray, log_tails: float) -> float:
    """By how much a set is more probable than under the target, at the least."""
    return float(inside.mean() - margin(inside, log_tails) - target[witness].sum())


def _mean_reward(instance: Instance, leaves: FloatArray) -> float | None:
    return None if has_potentials(instance.graph) else float((leaves * instance.reward.to_float()).sum())


def _on_paths(sampler: Sampler, instance: Instance, n: int, seed: int, level: float) -> tuple[float, float]:
    """Bounds on the TV of the law of the path, from law / target on single paths; (0, 1) if that is not known.

    Half of the runs go to paths of the target, many to a path: averaging them brings the upper bound down. The other
    half tests paths of either law, a few runs each.
    """
    upper = _ratios(sampler, instance, n // 2 // UPPER_RUNS, UPPER_RUNS, seed, 2, from_target=True)
    if upper is None:
        return 0.0, 1.0
    log_tails = math.log(6.0 / (1.0 - level))
    excess = np.maximum(0.0, 1.0 - upper)
    high = float(excess.mean()) + margin(excess, log_tails)
    low = 0.0
    for side, sign in ((False, 1.0), (True, -1.0)):
        tested = _ratios(sampler, instance, n // 4 // LOWER_RUNS, LOWER_RUNS, seed, 3 + side, from_target=side)
        assert tested is not None
        inside = (tested >= 1.0).astype(np.float64)
        low += sign * float(inside.mean()) - margin(inside, log_tails)
    return max(0.0, low), min(1.0, high)


def _ratios(
    sampler: Sampler, instance: Instance, n: int, runs: int, seed: int, key: int, from_target: bool
) -> FloatArray | None:
    """law / target on at least two paths, drawn from the target or by the sampler, each from some runs."""
    graph = instance.graph
    n = max(2, n)
    size = max(1, sampler.block_size(instance) // runs)
    sizes = [min(size, n - start) for start in range(0, n, size)]

    def run(i: int) -> FloatArray | None:
        rng = generator(seed, Stream.ESTIMATION, key, i)
        if from_target:
            leaf, edges = draw_guided(graph, instance.twist, sizes[i], rng)
        else:
            drawn = sampler.block(instance, sizes[i], rng)
            leaf, edges = drawn.leaf, drawn.edges
        # Where the target never goes, and where nothing is returned, the ratio is infinite.
        ratio = np.full(sizes[i], np.inf)
        way = graph.path_edges(leaf, edges)
        known = np.flatnonzero((leaf >= 0) & (instance.path_reward(leaf, way).mantissa > 0))
        estimated = sampler.ratio(instance, way[known], runs, rng)
        if estimated is None:
            return None
        ratio[known] = estimated
        return ratio

    blocks = [block for block in thread_map(run, range(len(sizes)), interruptible=True) if block is not None]
    return np.concatenate(blocks) if blocks else None


def margin(values: FloatArray, log_tails: float) -> float:
    """How far the mean of numbers in [0, 1] may be from its expectation, on either side: empirical Bernstein."""
    n = len(values)
    return math.sqrt(2.0 * float(values.var(ddof=1)) * log_tails / n) + 7.0 * log_tails / (3.0 * (n - 1))


@dataclass(frozen=True, eq=False, repr=False)
class _ConditionalLaws(Brief):
    """Mean and mean square over runs of the conditional law of the output, by leaf, and the populations.

    The last place, one past the leaves, is that of nothing.
    """

    mean: FloatArray
    square: FloatArray
    populations: list[tuple[IntArray, FloatArray]]

    def of_set(self, members: BoolArray) -> FloatArray:
        """The conditional probability of a set of leaves in every run, shape [n]."""
        return np.concatenate([(weight * members[leaf]).sum(axis=1) for leaf, weight in self.populations])


def _conditional_laws(sampler: Sampler, instance: Instance, n: int, half: int, seed: int) -> _ConditionalLaws:
    size = sampler.block_size(instance)
    sizes = [min(size, n - start) for start in range(0, n, size)]
    outcomes = instance.graph.n_leaves + 1

    def run(i: int) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        leaf, weight = sampler.population(instance, sizes[i], generator(seed, Stream.ESTIMATION, half, i))
        rest = 1.0 - weight.sum(axis=1, keepdims=True)
        rest[rest < _ROUNDING] = 0.0
        leaf, weight = np.hstack([leaf, np.full_like(leaf[:, :1], outcomes - 1)]), np.hstack([weight, rest])
        total = np.asarray(np.bincount(leaf.ravel(), weight.ravel(), outcomes), np.float64)
        # Particles of a run that share a leaf add up before they are squared.
        key, place = np.unique(leaf + outcomes * np.arange(len(leaf))[:, None], return_inverse=True)
        together = np.bincount(place.ravel(), weight.ravel())
        return leaf, weight, total, np.asarray(np.bincount(key % outcomes, together**2, outcomes), np.float64)

    blocks = thread_map(run, range(len(sizes)), interruptible=True)
    mean = sum((block[2] for block in blocks), np.zeros(outcomes)) / n
    square = sum((block[3] for block in blocks), np.zeros(outcomes)) / n
    return _ConditionalLaws(mean, square, [(block[0], block[1]) for block in blocks])
