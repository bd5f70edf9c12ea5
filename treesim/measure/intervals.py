"""Intervals for what many runs say: a bootstrap over runs, and a bound for means of numbers in [0, 1].

Runs are independent, steps of one run are not: whole runs are drawn again, with all their steps. Each mean is
studentised in every resample (bootstrap-t; Hall 1992), which follows the skewness that ratios of values have, where a
percentile bootstrap does not; and either limit leaves room for two more runs as far off as the farthest that was seen,
since it is the rare ones that a log lacks. The level is *approximate*: it holds as far as the runs show the tail of
what they are asked about. `chernoff_upper` holds at any number of runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray

# Resamples, and how many draws of runs they may cost in all: beyond that there are fewer of them.
MOST_RESAMPLES, LEAST_RESAMPLES, _DRAWS = 1000, 400, 10_000_000
_CHUNK = 4_000_000
# Runs, as far off as the farthest, that may not have been seen.
UNSEEN = 2.0
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes
    ----------
    estimate, lo, hi : float
    """

    estimate: float
    lo: float
    hi: float

    def document(self) -> dict[str, float]:
        """What JSON documents say of it."""
        return {"estimate": self.estimate, "lo": self.lo, "hi": self.hi}


@dataclass(frozen=True, eq=False, repr=False)
class Means(Brief):
    """Means, each over its own runs, with what their resamples say.

    Attributes
    ----------
    mean, error : ndarray, shape [k]
        The means and their standard errors.
    below, above : ndarray, shape [k]
        By how much a run as far off as the farthest on that side would move the mean.
    students : ndarray, shape [k, resamples]
        (mean - mean of all) / error in each resample, sorted.
    """

    mean: FloatArray
    error: FloatArray
    below: FloatArray
    above: FloatArray
    students: FloatArray

    def at(self, share: float) -> FloatArray:
        """The numbers that the means exceed with confidence 1 - share, shape [k]: lower limits for small shares."""
        n = self.students.shape[1]
        place = n - 1 - round(share * (n - 1))
        unseen = UNSEEN * (self.above if share > 0.5 else -self.below)
        with np.errstate(invalid="ignore"):
            return np.where(self.error > 0.0, self.mean - self.students[:, place] * self.error + unseen, self.mean)

    def intervals(self, level: float) -> list[Interval]:
        """Two-sided, at this level."""
        risk = (1.0 - level) / 2.0
        return [Interval(*map(float, row)) for row in zip(self.mean, self.at(risk), self.at(1.0 - risk), strict=True)]


class Bootstrap:
    """Resamples of the runs of a log, the same for everything that is asked.

    Parameters
    ----------
    runs : int
    rng : numpy.random.Generator

    Examples
    --------
    >>> x = np.random.default_rng(1).exponential(size=200)
    >>> interval = Bootstrap(200, np.random.default_rng(0)).of_runs(x).intervals(0.95)[0]
    >>> round(interval.lo, 2), round(interval.estimate, 2), round(interval.hi, 2)
    (0.9, 1.05, 1.31)
    """

    def __init__(self, runs: int, rng: np.random.Generator) -> None:
        self.runs, self.rng = runs, rng
        self.resamples = min(MOST_RESAMPLES, max(LEAST_RESAMPLES, _DRAWS // runs))
        self._seed = rng.bit_generator.random_raw()
        self._kept: list[FloatArray] = []

    def means(self, column: IntArray, run: IntArray, total: FloatArray, count: FloatArray) -> Means:
        """Means sum(total) / sum(count) of several quantities.

        Parameters
        ----------
        column, run : ndarray of int, shape [n]
            Which quantity and which run an entry is of.
        total, count : ndarray, shape [n]
            What the run adds to the numerator and to the denominator: a value and 1, or sums.
        """
        from scipy.sparse import csr_array

        k = int(column.max()) + 1 if len(column) else 0
        # What a run adds to one quantity adds up before it is squared.
        key, place = np.unique(column * self.runs + run, return_inverse=True)
        x, y = np.bincount(place, total), np.bincount(place, count)
        of = key // self.runs
        # Tables of a row a quantity and a column a run, one below the other; where runs count once the last two are the
        # first two again.
        parts = [x, y, x * x] if (y == 1.0).all() else [x, y, x * x, x * y, y * y]
        starts = np.searchsorted(of, np.arange(k))
        ptr = np.concatenate([starts + i * len(key) for i in range(len(parts))] + [[len(parts) * len(key)]])
        places = np.tile(key % self.runs, len(parts))
        tables = csr_array((np.concatenate(parts), places, ptr), shape=(len(parts) * k, self.runs))
        mean, error = _ratio((tables @ np.ones((self.runs, 1))).reshape(len(parts), k, 1))
        mean, error = mean[:, 0], error[:, 0]
        students = []
        for times in self._times():
            again, scale = _ratio((tables @ times).reshape(len(parts), k, -1))
            away = again - mean[:, None]
            # Without spread: infinitely far, unless it is where all runs are. Without visits nothing is said.
            still = np.abs(away) <= _ROUNDING * np.maximum(1.0, np.abs(mean[:, None]))
            with np.errstate(divide="ignore", invalid="ignore"):
                students.append(np.where(still | np.isnan(away), 0.0, away / scale))
        with np.errstate(divide="ignore", invalid="ignore"):
            off = (x - mean[of] * y) / np.bincount(of, y)[of]
        below, above = np.zeros(k), np.zeros(k)
        np.fmax.at(below, of, -off)
        np.fmax.at(above, of, off)
        return Means(mean, error, below, above, np.sort(np.concatenate(students, axis=1), axis=1))

    def of_runs(self, values: FloatArray) -> Means:
        """The mean of one number a run, shape [runs]."""
        n = len(values)
        return self.means(np.zeros(n, np.int64), np.arange(n), values, np.ones(n))

    def half(self) -> BoolArray:
        """A random half of the runs, to learn from: what is learnt there the other half tests."""
        return self.rng.permutation(self.runs) < self.runs // 2

    def _times(self) -> Iterator[FloatArray]:
        """How often each run is drawn, shape [runs, some of the resamples]; drawn again where they are too many."""
        if self._kept:
            yield from self._kept
            return
        rng, size = np.random.default_rng(self._seed), max(1, _CHUNK // self.runs)
        for start in range(0, self.resamples, size):
            n = min(size, self.resamples - start)
            drawn = rng.integers(0, self.runs, (n, self.runs)) + self.runs * np.arange(n)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=n * self.runs).reshape(n, self.runs)
            times = np.ascontiguousarray(counts.T, np.float64)
            if n == self.resamples:
                self._kept = [times]
            yield times


def _ratio(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ratio of sums over runs, and its standard error by the residuals of runs; `sums` of x, y, x^2, xy and y^2."""
    total, count, squares = sums[:3]
    products, counts = sums[3:] if len(sums) > 3 else (total, count)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
        left = squares - 2.0 * mean * products + mean * mean * counts
        # What cancels to rounding is zero: all runs say the same.
        left = np.where(left > _ROUNDING * squares, left, 0.0)
        return mean, np.sqrt(left) / np.abs(count)


def chernoff_upper(mean: float, log_tail: float) -> float:
    """Upper confidence bound on the expectation of numbers in [0, 1], by Chernoff's bound in its Hoeffding form.

    Parameters
    ----------
    mean : float
        Of n of them.
    log_tail : float
        log(1 / risk) / n.

    Returns
    -------
    float
        The largest q with KL(mean || q) <= log_tail, which grows with the mean.

    References
    ----------
    Hoeffding (1963), Theorem 1.

    Examples
    --------
    >>> round(chernoff_upper(0.1, math.log(20) / 1000), 4), chernoff_upper(1.0, 0.1)
    (0.1248, 1.0)
    """
    if mean >= 1.0:
        return 1.0
    low, high = mean, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _divergence(mean, middle) <= log_tail else (low, middle)
    return high


def _divergence(p: float, q: float) -> float:
    """KL of two coins, in nats."""
    one = p * math.log(p / q) if p > 0.0 else 0.0
    return one + ((1.0 - p) * math.log((1.0 - p) / (1.0 - q)) if q < 1.0 else math.inf)
