"""How loose is the theory? Instances on which a measured TV comes as near to its bound as a search can bring it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import SpecError
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance
from treesim.runtime.seeds import Stream, generator
from treesim.samplers import SMC, GuidedSMC
from treesim.scaled import Scaled
from treesim.spec import require_positive
from treesim.theory.bounds import guidance_bound, particle_bound

LARGEST_HORIZON = 6
GRID = 7
GOLDEN = (math.sqrt(5) - 1) / 2
SETTLED = 1e-13


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

    Where V^(c) = rho(v) V^(v) for both children, P V^ / V^ is rho(v) and the guided law is pi_ref: so pi_ref in [0, 1]
    and log rho in [-1, 1] log(1 + epsilon) are free at every node, and L = 1 + epsilon.

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
    _check(horizon, epsilon)
    inner = 2**horizon - 1
    size = math.log1p(epsilon)

    def tv(x: FloatArray) -> float:
        chance, log_rho = x[:inner], x[inner:] * size
        mass, weight = np.ones(1), np.zeros(1)
        for t in range(horizon):
            here = slice(2**t - 1, 2 ** (t + 1) - 1)
            mass = np.stack([mass * (1 - chance[here]), mass * chance[here]], axis=1).ravel()
            weight = np.repeat(weight + log_rho[here], 2)
        ratio = np.exp(weight)
        return 0.5 * float(mass @ np.abs(ratio / (mass @ ratio) - 1.0))

    lowest, highest = np.repeat([1e-6, -1.0], inner), np.repeat([1 - 1e-6, 1.0], inner)
    x, evaluations = _climb(tv, lowest, highest, restarts, seed)
    growth = np.exp(x[inner:] * size)
    instance = _binary(x[:inner], np.repeat(growth, 2))
    measured = GuidedSMC().law(instance).tv(instance.target).hi
    bound = guidance_bound(horizon, instance.audit.bellman_error)
    return Worst(instance, measured, bound.value, bound.sharp, evaluations)


def worst_particles(horizon: int, ratio_bound: float, particles: int = 2, restarts: int = 1, seed: int = 0) -> Worst:
    """Maximise TV over the bound of Theorem 5.1, for SMC with few particles, over binary trees with a ratio bound.

    pi_ref is free at every node and log(V^(c) / V^(v)) in [-1, 1] log L on every edge; the Bellman error results.

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
    _check(horizon, ratio_bound - 1)
    inner = 2**horizon - 1

    def build(x: FloatArray) -> Instance:
        return _binary(x[:inner], np.exp(x[inner:] * math.log(ratio_bound)))

    def measure(instance: Instance) -> tuple[float, float]:
        audit = instance.audit
        tv = SMC(particles).law(instance).tv(instance.target).hi
        return tv, particle_bound(horizon, audit.bellman_error, audit.ratio_bound, particles)

    def share(x: FloatArray) -> float:
        tv, bound = measure(build(x))
        return tv / bound

    lowest = np.concatenate([np.full(inner, 1e-3), np.full(2 * inner, -1.0)])
    highest = np.concatenate([np.full(inner, 1 - 1e-3), np.ones(2 * inner)])
    x, evaluations = _climb(share, lowest, highest, restarts, seed, sweeps=3)
    instance = build(x)
    return Worst(instance, *measure(instance), None, evaluations)


def _check(horizon: int, epsilon: float) -> None:
    if not 2 <= horizon <= LARGEST_HORIZON:
        raise SpecError(f"horizon is {horizon}, expected from 2 to {LARGEST_HORIZON}")
    require_positive("epsilon", epsilon)


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
    objective: Callable[[FloatArray], float],
    lowest: FloatArray,
    highest: FloatArray,
    restarts: int,
    seed: int,
    sweeps: int = 60,
) -> tuple[FloatArray, int]:
    """Coordinate ascent from random starts: along each coordinate a grid, then a golden section around its best."""
    evaluations = 0

    def at(x: FloatArray, i: int, value: float) -> float:
        nonlocal evaluations
        evaluations += 1
        moved = x.copy()
        moved[i] = value
        return objective(moved)

    champion, best = lowest, -math.inf
    for start in range(restarts):
        rng = generator(seed, Stream.SEARCH, start)
        x = lowest + (highest - lowest) * rng.random(len(lowest))
        here = objective(x)
        for _ in range(sweeps):
            before = here
            for i in rng.permutation(len(x)):
                grid = np.linspace(lowest[i], highest[i], GRID)
                heights = [at(x, i, value) for value in grid]
                top = int(np.argmax(heights))
                a, b = grid[max(0, top - 1)], grid[min(GRID - 1, top + 1)]
                value, height = grid[top], heights[top]
                while b - a > 1e-4 * (highest[i] - lowest[i]):
                    left, right = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
                    low, high = at(x, i, left), at(x, i, right)
                    if low >= high:
                        b = right
                        value, height = (left, low) if low > height else (value, height)
                    else:
                        a = left
                        value, height = (right, high) if high > height else (value, height)
                if height > here:
                    x[i], here = value, height
            if here - before <= SETTLED * max(1.0, abs(here)):
                break
        if here > best:
            champion, best = x, here
    return champion, evaluations
