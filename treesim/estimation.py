"""Estimated TV: a confidence interval from runs, for samplers without an exact law.

A run of SMC tells more than its one output: its last population is the conditional law of that output. Averaging those
(Rao & Blackwell) and comparing with the exact target gives

- from below, the excess of the sampler's probability of a set over the target's, the set being learnt on one half of
  the runs and its probability bounded on the other (empirical Bernstein: Maurer & Pontil 2009);
- from above, the plug-in TV plus a bound on how far the average is from its mean (the sum of standard errors, and
  McDiarmid's inequality: one run moves the TV by at most one n-th).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.errors import SpecError
from treesim.instance import Instance
from treesim.law import TV
from treesim.parallel import thread_map
from treesim.randomness import Stream, generator
from treesim.samplers.base import Sampler
from treesim.scaled import BoolArray, FloatArray, IntArray
from treesim.tree import Tree

DEFAULT_RUNS = 100_000
DEFAULT_LEVEL = 0.99
LEAST_RUNS = 20


@dataclass(frozen=True)
class Estimate:
    """What runs say of a sampler.

    Attributes
    ----------
    tv : TV
        To the target, of kind ``estimated``. On a trellis runs say nothing of the TV from above.
    expected_reward : float
        Mean of the reward, linear.
    runs : int
    """

    tv: TV
    expected_reward: float
    runs: int


def estimate(
    sampler: Sampler, instance: Instance, n: int = DEFAULT_RUNS, seed: int = 0, level: float = DEFAULT_LEVEL
) -> Estimate:
    """Estimate a sampler's TV to the target from `n` runs.

    Parameters
    ----------
    sampler : Sampler
    instance : Instance
    n : int
        Runs, at least 20.
    seed : int
    level : float
        Confidence level of the interval.

    Raises
    ------
    SpecError
        If `n` or the level is out of range.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> tv = estimate(SMC(particles=4), instance, n=20_000).tv
    >>> tv.kind, tv.lo < 0.0707 < tv.hi
    ('estimated', True)
    """
    if n < LEAST_RUNS or not 0 < level < 1:
        raise SpecError(f"n is {n} and the level {level}, expected at least {LEAST_RUNS} runs and a level below 1")
    half = n // 2
    learning, testing = (
        _conditional_laws(sampler, instance, size, generator_key, seed)
        for size, generator_key in ((half, 0), (n - half, 1))
    )
    target = instance.target.prob.to_float()
    log_tails = math.log(4.0 / (1.0 - level))
    witness = learning.mean > target
    inside = testing.of_set(witness)
    spread = math.sqrt(2.0 * inside.var(ddof=1) * log_tails / len(inside))
    low = float(inside.mean() - spread - 7.0 * log_tails / (3.0 * (len(inside) - 1)) - target[witness].sum())
    mean = (half * learning.mean + (n - half) * testing.mean) / n
    square = (half * learning.square + (n - half) * testing.square) / n
    error = 0.5 * float(np.sqrt(np.maximum(square - mean**2, 0.0) / n).sum())
    high = 0.5 * float(np.abs(mean - target).sum()) + error + math.sqrt(log_tails / (2.0 * n))
    if not isinstance(instance.graph, Tree):
        high = 1.0
    reward = float((mean * instance.reward.to_float()).sum())
    return Estimate(TV(max(0.0, low), min(1.0, high), "estimated", level), reward, n)


@dataclass(frozen=True, eq=False)
class _ConditionalLaws:
    """Mean and mean square over runs of the conditional law of the output, by leaf, and the populations."""

    mean: FloatArray
    square: FloatArray
    populations: list[tuple[IntArray, FloatArray]]

    def of_set(self, members: BoolArray) -> FloatArray:
        """The conditional probability of a set of leaves in every run, shape [n]."""
        return np.concatenate([(weight * members[leaf]).sum(axis=1) for leaf, weight in self.populations])


def _conditional_laws(sampler: Sampler, instance: Instance, n: int, half: int, seed: int) -> _ConditionalLaws:
    size = sampler.block_size(instance)
    sizes = [min(size, n - start) for start in range(0, n, size)]
    n_leaves = instance.graph.n_leaves

    def run(i: int) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        leaf, weight = sampler.population(instance, sizes[i], generator(seed, Stream.ESTIMATION, half, i))
        total = np.asarray(np.bincount(leaf.ravel(), weight.ravel(), n_leaves), np.float64)
        # Particles of a run that share a leaf add up before they are squared.
        key, place = np.unique(leaf + n_leaves * np.arange(len(leaf))[:, None], return_inverse=True)
        together = np.bincount(place.ravel(), weight.ravel())
        return leaf, weight, total, np.asarray(np.bincount(key % n_leaves, together**2, n_leaves), np.float64)

    blocks = thread_map(run, range(len(sizes)))
    mean = sum((block[2] for block in blocks), np.zeros(n_leaves)) / n
    square = sum((block[3] for block in blocks), np.zeros(n_leaves)) / n
    return _ConditionalLaws(mean, square, [(block[0], block[1]) for block in blocks])
