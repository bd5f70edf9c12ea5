"""What samplers of the zoo have in common: to go on by pi_ref, to pick by weight, a filter of particles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix

Thing = TypeVar("Thing")


def drawn(oracle: Oracle, prefix: Prefix, steps: int) -> Prefix:
    """A prefix with so many more tokens by pi_ref, or complete where fewer are missing."""
    for _ in range(min(steps, oracle.horizon - prefix.level)):
        prefix = oracle.draw(prefix)
    return prefix


def shares(log_weights: Sequence[float]) -> list[float]:
    """Probabilities in proportion to weights in logs; all equal if all weights are zero."""
    top = max(log_weights)
    if top == -math.inf:
        return [1.0 / len(log_weights)] * len(log_weights)
    weights = [math.exp(each - top) for each in log_weights]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def pick(things: Sequence[Thing], log_weights: Sequence[float], rng: np.random.Generator) -> Thing:
    """One of them in proportion to its weight; any if all weights are zero."""
    return things[rng.choice(len(things), p=shares(log_weights))]


def log_or_never(number: float) -> float:
    """The logarithm, -inf at zero."""
    return math.log(number) if number > 0.0 else -math.inf


def filtered(
    oracle: Oracle,
    rng: np.random.Generator,
    particles: int,
    log_twist: Callable[[Prefix], float],
    ancestors: Callable[[list[float], np.random.Generator], Sequence[int]],
) -> Prefix:
    """A path from particles that move by pi_ref, weigh by the ratio of their twists and are resampled at every step.

    Parameters
    ----------
    oracle : Oracle
    rng : numpy.random.Generator
    particles : int
    log_twist : callable
        Log of the twist of a prefix, which may be random; asked once for each particle and step.
    ancestors : callable (shares, rng)
        The resampling: which particles go on, by their shares of the weight.

    Returns
    -------
    Prefix
        One of the last particles, picked by its weight.

    References
    ----------
    Chopin & Papaspiliopoulos (2020), "An Introduction to Sequential Monte Carlo", chapter 10.
    """
    cloud, before = [oracle.root] * particles, [0.0] * particles
    while True:
        cloud = [oracle.draw(prefix) for prefix in cloud]
        now = [log_twist(prefix) for prefix in cloud]
        log_weights = [new - old for new, old in zip(now, before, strict=True)]
        if cloud[0].level == oracle.horizon:
            return pick(cloud, log_weights, rng)
        parents = ancestors(shares(log_weights), rng)
        cloud = [cloud[i] for i in parents]
        # Where all twists are zero the particles start afresh, as those of `smc` do.
        before = [now[i] if now[i] > -math.inf else 0.0 for i in parents]


def multinomial(share: list[float], rng: np.random.Generator) -> Sequence[int]:
    """Ancestors drawn independently, each by its share."""
    return [int(i) for i in rng.choice(len(share), len(share), p=share)]
