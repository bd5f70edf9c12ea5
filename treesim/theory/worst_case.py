"""How loose is the theory? Instances on which a measured TV comes as near to its bound as a search can bring it.

`worst_case` searches for what you ask; `worst_guidance` and `worst_particles` ask how tight two theorems are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.errors import SpecError
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance
from treesim.runtime.seeds import Stream, generator
from treesim.samplers import SMC, GuidedSMC
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_positive
from treesim.theory.bounds import guidance_bound, particle_bound

LARGEST_HORIZON = 6
GRID = 7
GOLDEN = (math.sqrt(5) - 1) / 2
SETTLED = 1e-13
# Sweeps over all coordinates of a climb with an objective of one's own.
CLIMBED = 20


@dataclass(frozen=True)
class BinaryTrees:
    """The binary trees of a horizon whose V^ is so wrong at most: a space to search.

    pi_ref is free at every node. With a Bellman error V^ grows, from a prefix to both of its children, by a factor rho
    in [1 / (1 + epsilon), 1 + epsilon], so that P V^ / V^ = rho and the guided law is pi_ref. With a ratio bound it
    grows by a factor in [1 / L, L] on every edge, and the Bellman error results.

    Called with a seed it gives a random one.

    Parameters
    ----------
    horizon : int
        T, from 2 to 6.
    epsilon, ratio_bound : float or None
        One of them: the Bellman error above 0, or L above 1.
    least_chance : float
        Of each child.

    Examples
    --------
    >>> trees = BinaryTrees(horizon=3, epsilon=0.2)
    >>> trees(seed=0).audit.bellman_error <= 0.2 + 1e-12
    True
    """

    horizon: int
    epsilon: float | None = None
    ratio_bound: float | None = None
    least_chance: float = 1e-3

    def __post_init__(self) -> None:
        if not 2 <= self.horizon <= LARGEST_HORIZON:
            raise SpecError(f"horizon is {self.horizon}, expected from 2 to {LARGEST_HORIZON}")
        if (self.epsilon is None) == (self.ratio_bound is None):
            raise SpecError("binary trees have a largest Bellman error or a ratio bound, expected one of them")
        if self.epsilon is not None:
            require_positive("epsilon", self.epsilon)
        elif self.ratio_bound is not None and not 1 < self.ratio_bound < math.inf:
            raise SpecError(f"ratio bound is {self.ratio_bound}, expected a number above 1")

    def limits(self) -> tuple[FloatArray, FloatArray]:
        """The lowest and highest coordinates, both [n]: chances of second children, then growths, in logs of size 1."""
        inner = 2**self.horizon - 1
        growths = inner if self.ratio_bound is None else 2 * inner
        lowest = np.concatenate([np.full(inner, self.least_chance), np.full(growths, -1.0)])
        return lowest, np.concatenate([np.full(inner, 1 - self.least_chance), np.ones(growths)])

    def build(self, x: FloatArray) -> Instance:
        """The instance of some coordinates."""
        inner = 2**self.horizon - 1
        if self.ratio_bound is None:
            assert self.epsilon is not None
            growth = np.repeat(np.exp(x[inner:] * math.log1p(self.epsilon)), 2)
        else:
            growth = np.exp(x[inner:] * math.log(self.ratio_bound))
        return _binary(x[:inner], growth)

    def coordinates(self, seed: int) -> FloatArray:
        """Random ones."""
        lowest, highest = self.limits()
        return lowest + (highest - lowest) * generator(seed, Stream.SEARCH).random(len(lowest))

    def __call__(self, seed: int) -> Instance:
        return replace(self.build(self.coordinates(seed)), seed=seed)


@dataclass(frozen=True, eq=False, repr=False)
class WorstCase(Brief):
    """What a search with an objective of one's own found.

    Attributes
    ----------
    instance : Instance
        The worst.
    score : float
        The objective there.
    scores : ndarray, shape [tries]
        The objective at the random instances, in the order of their seeds.
    evaluations : int
        How often it was asked.

    Examples
    --------
    >>> from treesim import GuidedSMC
    >>> found = worst_case(lambda each: GuidedSMC().law(each).tv(each.target).mid, BinaryTrees(2, 0.5), seed=1)
    >>> round(found.score, 4), found.instance.horizon
    (0.1835, 2)
    """

    instance: Instance
    score: float
    scores: FloatArray
    evaluations: int


def worst_case(
    objective: Callable[[Instance], float],
    instances: Callable[[int], Instance],
    tries: int = 1_000,
    climbs: int = 0,
    seed: int = 0,
    track: Callable[[Iterable[int]], Iterable[int]] = lambda seeds: seeds,
) -> WorstCase:
    """The instance on which an objective of your own is largest, such as a TV over the bound that you conjecture.

    Parameters
    ----------
    objective : callable (Instance) -> float
        What shall be large; ``-inf`` leaves an instance out.
    instances : callable (seed) -> Instance
        Random instances, by seed: a family, or `BinaryTrees`.
    tries : int
        How many.
    climbs : int
        From so many of the worst a coordinate ascent goes on, on `BinaryTrees`.
    seed : int
        Of the first instance; the others follow.
    track : callable (iterable) -> iterable, optional
        Goes through the seeds, and may show how far it is.

    Raises
    ------
    SpecError
        If the objective is NaN somewhere, all instances are left out, or there is nothing to climb on.

    Examples
    --------
    Theorem 4.3, sharp form, on random trees and after a climb:

    >>> from treesim import guidance_bound, sampler
    >>> guided = sampler("sp-gsmc")
    >>> def share(instance):
    ...     bound = guidance_bound(instance.graph.horizon, instance.audit.bellman_error).sharp
    ...     return guided.law(instance).tv(instance.target).hi / bound
    >>> found = worst_case(share, BinaryTrees(horizon=2, epsilon=0.2), tries=50, climbs=1)
    >>> found.scores.max() < 0.99 < found.score <= 1 + 1e-12
    True
    """
    require_at_least("tries", tries, 1)
    if climbs and not isinstance(instances, BinaryTrees):
        raise SpecError("a climb needs coordinates, expected instances of BinaryTrees or climbs=0")

    def score(instance: Instance) -> float:
        height = float(objective(instance))
        if math.isnan(height):
            raise SpecError(f"the objective is nan on {instance.title}, seed {instance.seed}; expected a number")
        return height

    scores = np.array([score(instances(each)) for each in track(range(seed, seed + tries))])
    if scores.max() == -math.inf:
        raise SpecError(f"the objective leaves out all of {tries} instances; expected a number somewhere")
    order = np.argsort(-scores, kind="stable")
    worst, best, evaluations = instances(seed + int(order[0])), float(scores[order[0]]), tries
    if isinstance(instances, BinaryTrees):
        for i in order[:climbs].tolist():
            start = instances.coordinates(seed + i)
            rng = generator(seed + i, Stream.SEARCH, 1)
            x, height, asked = _ascend(
                lambda x: score(instances.build(x)), start, float(scores[i]), *instances.limits(), rng, CLIMBED
            )
            evaluations += asked
            if height > best:
                worst, best = replace(instances.build(x), seed=seed + i), height
    return WorstCase(worst, best, scores, evaluations)


@dataclass(frozen=True, eq=False)
class Worst:
    """The worst instance that a search found.

    Attributes
    ----------
    instance : Instance
    measured, bound : float
        The TV, and what the theorem allows.
    sharp : float or None
        The improved bound, if there is one.
    evaluations : int
        Instances that were tried.
    """

    instance: Instance
    measured: float
    bound: float
    sharp: float | None
    evaluations: int


def worst_guidance(horizon: int, epsilon: float, restarts: int = 3, seed: int = 0) -> Worst:
    """Maximise the TV of exact guidance over binary trees, pi_ref and V^ of a given Bellman error.

    The space is `BinaryTrees` of that epsilon, where the guided law is pi_ref and L = 1 + epsilon.

    Parameters
    ----------
    horizon : int
        T, from 2 to 6.
    epsilon : float
    restarts : int
        Random starts of the coordinate ascent.
    seed : int

    Examples
    --------
    >>> worst = worst_guidance(horizon=3, epsilon=0.2)
    >>> round(worst.measured / worst.sharp, 6), round(worst.bound / worst.measured, 2)
    (1.0, 6.65)
    """
    trees = BinaryTrees(horizon, epsilon=epsilon, least_chance=1e-6)
    inner, size = 2**horizon - 1, math.log1p(epsilon)

    def tv(x: FloatArray) -> float:
        chance, log_rho = x[:inner], x[inner:] * size
        mass, weight = np.ones(1), np.zeros(1)
        for t in range(horizon):
            here = slice(2**t - 1, 2 ** (t + 1) - 1)
            mass = np.stack([mass * (1 - chance[here]), mass * chance[here]], axis=1).ravel()
            weight = np.repeat(weight + log_rho[here], 2)
        ratio = np.exp(weight)
        return 0.5 * float(mass @ np.abs(ratio / (mass @ ratio) - 1.0))

    x, evaluations = _climb(tv, trees, restarts, seed)
    instance = trees.build(x)
    measured = GuidedSMC().law(instance).tv(instance.target).hi
    bound = guidance_bound(horizon, instance.audit.bellman_error)
    return Worst(instance, measured, bound.value, bound.sharp, evaluations)


def worst_particles(horizon: int, ratio_bound: float, particles: int = 2, restarts: int = 1, seed: int = 0) -> Worst:
    """Maximise TV over the bound of Theorem 5.1, for SMC with few particles, over binary trees with a ratio bound.

    The space is `BinaryTrees` of that ratio bound.

    Parameters
    ----------
    horizon : int
        T, from 2 to 6; above 3 it takes long.
    ratio_bound : float
        L, above 1.
    particles : int
        N.

    Examples
    --------
    >>> worst = worst_particles(horizon=2, ratio_bound=1.2)
    >>> 0 < worst.measured < worst.bound
    True
    """
    trees = BinaryTrees(horizon, ratio_bound=ratio_bound)

    def measure(instance: Instance) -> tuple[float, float]:
        audit = instance.audit
        tv = SMC(particles).law(instance).tv(instance.target).hi
        return tv, particle_bound(horizon, audit.bellman_error, audit.ratio_bound, particles)

    def share(x: FloatArray) -> float:
        tv, bound = measure(trees.build(x))
        return tv / bound

    x, evaluations = _climb(share, trees, restarts, seed, sweeps=3)
    instance = trees.build(x)
    return Worst(instance, *measure(instance), None, evaluations)


def _binary(chance: FloatArray, growth: FloatArray) -> Instance:
    """The binary tree of given chances of the second child, V^ growing by a factor on each edge."""
    inner = len(chance)
    prob = np.stack([1 - chance, chance], axis=1).ravel()
    horizon = (inner + 1).bit_length() - 1
    tree = Tree(2 ** np.arange(horizon + 2) - 1, 2 * np.arange(inner + 1), prob)
    log_value = np.zeros(2 * inner + 1)
    for v in range(inner):
        for c in (2 * v + 1, 2 * v + 2):
            log_value[c] = log_value[v] + math.log(growth[c - 1])
    return Instance(tree, Scaled.from_log(log_value), "worst-case", {"horizon": horizon}, 0)


def _climb(
    objective: Callable[[FloatArray], float], trees: BinaryTrees, restarts: int, seed: int, sweeps: int = 60
) -> tuple[FloatArray, int]:
    """The best of some ascents from random starts, and how often the objective was asked."""
    lowest, highest = trees.limits()
    champion, best, evaluations = lowest, -math.inf, 0
    for start in range(restarts):
        rng = generator(seed, Stream.SEARCH, start)
        x = lowest + (highest - lowest) * rng.random(len(lowest))
        x, here, asked = _ascend(objective, x, objective(x), lowest, highest, rng, sweeps)
        evaluations += asked
        if here > best:
            champion, best = x, here
    return champion, evaluations


def _ascend(
    objective: Callable[[FloatArray], float],
    start: FloatArray,
    here: float,
    lowest: FloatArray,
    highest: FloatArray,
    rng: np.random.Generator,
    sweeps: int,
) -> tuple[FloatArray, float, int]:
    """Coordinate ascent: along each coordinate a grid, then a golden section around its best."""
    x, evaluations = start.copy(), 0

    def at(i: int, value: float) -> float:
        nonlocal evaluations
        evaluations += 1
        moved = x.copy()
        moved[i] = value
        return objective(moved)

    for _ in range(sweeps):
        before = here
        for i in rng.permutation(len(x)):
            grid = np.linspace(lowest[i], highest[i], GRID)
            heights = [at(i, value) for value in grid]
            top = int(np.argmax(heights))
            a, b = grid[max(0, top - 1)], grid[min(GRID - 1, top + 1)]
            left, right = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
            low, high = at(i, left), at(i, right)
            while b - a > 1e-4 * (highest[i] - lowest[i]):
                # By the golden ratio one of the two points inside is where the next one of them must be.
                if low >= high:
                    b, right, high = right, left, low
                    left = b - GOLDEN * (b - a)
                    low = at(i, left)
                else:
                    a, left, low = left, right, high
                    right = a + GOLDEN * (b - a)
                    high = at(i, right)
            height, value = max((heights[top], grid[top]), (low, left), (high, right))
            if height > here:
                x[i], here = value, height
        if here - before <= SETTLED * max(1.0, abs(here)):
            break
    return x, here, evaluations
