"""What a linear Bernoulli factory costs: the expected flips of Huber's walk, exactly.

From a coin of unknown probability p the factory makes one of probability x = C p, given x <= 1 - gap. Its place i, from
1, falls by one with heads and else grows by a geometric number, so that x^i is harmonic. At 0 it says heads. From K on
it says tails but with probability r^i, r = 1 / (1 + gap / 2), and then goes on with C / r, half the gap and twice K.

Places beyond K overshoot it geometrically, whatever came before; so between two thresholds everything follows from
optional stopping of x^i and of the drift, and the sum over the thresholds is one of geometric series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import FloatArray
from treesim.errors import SpecError
from treesim.kernels.bernoulli_factory import SHARE, THRESHOLD

# Each threshold leaves a tenth of the walks, which last twice as long.
_EPOCHS = 26


@dataclass(frozen=True)
class _Epoch:
    """The walk below one threshold: future flips from place i are flat + slope i + curve x^i."""

    limit: int
    keep: float
    x: FloatArray
    flat: FloatArray
    slope: FloatArray
    curve: FloatArray


def expected_flips(p: ArrayLike, scale: float, gap: float) -> FloatArray:
    """Expected flips of a coin of probability `p` that the factory of `scale` times `p` makes, shape [n].

    Parameters
    ----------
    p : array_like, shape [n]
        With scale * p <= 1 - gap.
    scale, gap : float

    Raises
    ------
    SpecError
        If scale * p is above 1 - gap somewhere.

    References
    ----------
    Huber (2014), Nearly optimal Bernoulli factories for linear functions: at most 9.5 scale / gap.

    Examples
    --------
    >>> expected_flips([0.1, 0.25], scale=2.0, gap=0.25).round(6)
    array([21.647848, 21.265523])
    >>> expected_flips([0.5], scale=0.5, gap=0.25)
    array([0.5])
    """
    prob = np.asarray(p, np.float64)
    if not (scale * prob <= (1.0 - gap) * (1 + 1e-9)).all():
        raise SpecError(f"scale * p is {scale * prob.max():g}, expected at most 1 - gap = {1 - gap:g}")
    if scale <= 1.0:
        return np.full(prob.shape, scale)
    factors, gaps = [scale], [gap]
    for _ in range(_EPOCHS):
        factors.append(factors[-1] * (1.0 + SHARE * gaps[-1]))
        gaps.append(gaps[-1] * (1.0 - SHARE))
    epochs: list[_Epoch] = []
    for factor, slack in zip(reversed(factors), reversed(gaps), strict=True):
        x = np.minimum(factor * prob, 1.0 - slack / 2)
        limit = math.ceil(THRESHOLD / (SHARE * slack))
        keep = 1.0 / (1.0 + SHARE * slack)
        drift = (1.0 - x) / (factor - 1.0)
        # Beyond the threshold: places limit, limit + 1, ... with geometric chances, each kept with keep^place.
        later = np.zeros(prob.shape)
        if epochs:
            fall = 1.0 / factor
            later = (1.0 - fall) * keep**limit * _series(epochs, np.full(prob.shape, fall * keep), limit)
        # x^i = hit + (1 - hit) beyond
        beyond = x ** (limit - 1) * (factor - 1.0) * prob / (1.0 - prob)
        cross_flat, cross_curve = 1.0 / (1.0 - beyond), -1.0 / (1.0 - beyond)
        end = (limit - 1 + factor / (factor - 1.0)) / drift + later
        epochs.insert(0, _Epoch(limit, keep, x, cross_flat * end, -1.0 / drift, cross_curve * end))
    first = epochs[0]
    return first.flat + first.slope + first.curve * first.x


def _series(epochs: list[_Epoch], ratio: FloatArray, start: int) -> FloatArray:
    """sum over i >= start of ratio^(i - start) times the future flips from place i."""
    total, weight = np.zeros(ratio.shape), np.ones(ratio.shape)
    for epoch in epochs:
        n = epoch.limit - start
        if n > 0:
            ones, steps = _geometric(ratio, n)
            curved, _ = _geometric(ratio * epoch.x, n)
            total += weight * (
                (epoch.flat + epoch.slope * start) * ones + epoch.slope * steps + epoch.curve * epoch.x**start * curved
            )
            weight = weight * ratio**n
            start = epoch.limit
        weight = weight * epoch.keep**start
        ratio = ratio * epoch.keep
    return total


def _geometric(ratio: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """sum over i < n of ratio^i, and of i ratio^i."""
    rest, last = 1.0 - ratio, ratio**n
    return (1.0 - last) / rest, (ratio - n * last + (n - 1) * last * ratio) / rest**2
