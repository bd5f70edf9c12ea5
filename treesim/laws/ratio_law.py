"""The law of a density ratio r = p/q under q, enclosed in the convex order, and what can be read off it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class RatioLaw(Brief):
    """Two laws that enclose the law of r = p/q under q in the convex order.

    Attributes
    ----------
    upper_log_ratio, upper_mass : ndarray, shape [a]
        The spread: log r and mass of q; an atom of r = 0 has log r = -inf.
    lower_log_ratio, lower_mass : ndarray, shape [b]
        The contraction.
    dropped : float
        Mass of q, and of p, that neither holds, at most.
    rounding : float
        Bound on the rounding error of any expectation of a function of r with slope at most 1.
    moves : int
        Cell moves it took.
    """

    upper_log_ratio: FloatArray
    upper_mass: FloatArray
    lower_log_ratio: FloatArray
    lower_mass: FloatArray
    dropped: float
    rounding: float
    moves: int

    def below(self, threshold: float) -> tuple[float, float]:
        """Bounds on E_q[(threshold - r)_+], shape of the law of r from which all others follow; 1 gives the TV."""
        low = expect(np.maximum(threshold - np.exp(self.lower_log_ratio), 0.0), self.lower_mass)
        high = expect(np.maximum(threshold - np.exp(self.upper_log_ratio), 0.0), self.upper_mass)
        rounding = self.rounding * max(1.0, threshold)
        return max(0.0, low - rounding), float(high + threshold * self.dropped + rounding)

    def cdf(self, log_ratio: float) -> tuple[float, float]:
        """Bounds on the probability under q that log r <= `log_ratio`.

        E_q[(x - r)_+] is convex in x, and the cdf of r its slope: differences of bounds bound it.
        """
        x = math.exp(log_ratio)
        lowest, highest = 0.0, 1.0
        lo, hi = self.below(x)
        # The longer the chord the less the bounds' gap weighs, and the less it says of the slope at x.
        for d in x * math.sqrt(max(1e-15, hi - lo)) * np.array([0.1, 0.3, 1.0, 3.0, 10.0]):
            _, hi_right = self.below(x + d)
            _, hi_left = self.below(x - d) if d < x else (0.0, 0.0)
            highest = min(highest, (hi_right - lo) / d)
            lowest = max(lowest, (lo - hi_left) / d)
        return lowest, highest

    def quantile(self, probability: float) -> tuple[float, float]:
        """Bounds on the quantile of log r under q: bisection on the bounds of the cdf.

        Raises
        ------
        ValueError
            If the probability is not strictly between 0 and 1.
        """
        if not 0.0 < probability < 1.0:
            raise ValueError(f"probability is {probability}, expected strictly between 0 and 1")
        finite = self.upper_log_ratio[np.isfinite(self.upper_log_ratio)]
        ends = (finite.min() - 1.0, finite.max() + 1.0) if len(finite) else (-1.0, 1.0)

        def crossing(side: int) -> float:
            low, high = ends
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (low, middle) if self.cdf(middle)[side] >= probability else (middle, high)
            return low if side else high

        return crossing(1), crossing(0)


def expect(function: FloatArray, mass: FloatArray) -> float:
    """Sum of a function over atoms of these masses."""
    return float((function * mass).sum())
