r"""What plain traces say of a value: is it a martingale?

Paths drawn from pi_ref with the values V_0, V_1, ... of their prefixes, the last of them the reward: there is one child
a step, and no pool. A value without Bellman error is a martingale, E[V_{t+1} | prefix] = V_t, and so
E[V_{t+1} - V_t | t, bin of V_t] = 0: a reliability diagram. Values that are off both ways in one bin look calibrated,
so what it shows is a *lower* bound on the error (Jensen):

    E sum_t sign(t, bin) (V_{t+1} - V_t) / E sum_t V_t <= E sum_t |P V - V| / E sum_t V_t,

which is the mean of |rho - 1| over prefixes in proportion to pi_ref V, at most the Bellman error. The signs are learnt
on one half of the runs: taken from the same runs they would fit their noise, and the bound would not be one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.measure.intervals import Bootstrap, Interval
from treesim.measure.log import Log

BINS = 10
# A bin has at least so many visits, if its step has.
LEAST_VISITS = 30
_LARGE = 300.0


@dataclass(frozen=True)
class Cell:
    """What came after the prefixes of one step whose values lie in one bin.

    Attributes
    ----------
    step : int
    low, high : float
        The bin: values above `low` (the first: from `low` on) up to `high`.
    visits : int
    value : float
        Mean of V_t.
    drift : Interval
        E[V_{t+1} - V_t], zero where the value is right.
    """

    step: int
    low: float
    high: float
    visits: int
    value: float
    drift: Interval

    @property
    def following(self) -> float:
        """Mean of V_{t+1}."""
        return self.value + self.drift.estimate


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Brief):
    """Whether the values of plain traces are a martingale.

    Attributes
    ----------
    cells : tuple of Cell
        By step and bin.
    drift : tuple of Interval
        By step, over all bins.
    mean_error_lower : float
        Lower confidence bound on the mean of |rho - 1| over prefixes in proportion to pi_ref V.
    bellman_error_lower : float
        On the Bellman error, by the step where most is seen.
    log_unit : float
        log of the unit of values; 0 but for logs so large that their values are no floats.
    """

    cells: tuple[Cell, ...]
    drift: tuple[Interval, ...]
    mean_error_lower: float
    bellman_error_lower: float
    log_unit: float


def calibrate(log: Log, boot: Bootstrap, level: float, bins: int = BINS) -> Calibration:
    """The drift of V by step and bin of equal visits, and what it says of the Bellman error from below."""
    finite = log.log_value[np.isfinite(log.log_value)]
    log_unit = float(finite.max()) if len(finite) and np.abs(finite).max() > _LARGE else 0.0
    value = np.exp(log.log_value - log_unit)
    # The steps that have a next one.
    line = np.flatnonzero(np.append(log.position[1:] > log.position[:-1], False))
    step, run = log.position[line], log.run_of_line[line]
    here, off = value[line], value[line + 1] - value[line]
    cell, edges = _binned(step, here, bins)
    ones = np.ones(len(line))
    drifts = boot.means(cell, run, off, ones).intervals(level)
    visits = np.bincount(cell)
    means = np.bincount(cell, here) / visits
    cells = tuple(
        Cell(log.first_step + t, low, high, int(n), float(mean), drift)
        for (t, low, high), n, mean, drift in zip(edges, visits, means, drifts, strict=True)
    )
    by_step = boot.means(step, run, off, ones).intervals(level)
    mean, largest = _lower(step, run, here, off, cell, boot, level)
    return Calibration(cells, tuple(by_step), mean, largest, log_unit)


def _binned(step: IntArray, value: FloatArray, bins: int) -> tuple[IntArray, list[tuple[int, float, float]]]:
    """The cell of each visit, and the step and bounds of each cell; equal values are never parted."""
    cell = np.empty(len(step), np.int64)
    edges: list[tuple[int, float, float]] = []
    for t in range(int(step.max()) + 1):
        mine = np.flatnonzero(step == t)
        count = max(1, min(bins, len(mine) // LEAST_VISITS))
        sample = np.sort(value[mine])
        upper = np.unique(sample[np.arange(1, count + 1) * len(mine) // count - 1])
        cell[mine] = len(edges) + np.searchsorted(upper, value[mine])
        lower = [float(sample[0]), *upper[:-1].tolist()]
        edges += [(t, low, high) for low, high in zip(lower, upper.tolist(), strict=True)]
    return cell, edges


def _lower(
    step: IntArray, run: IntArray, here: FloatArray, off: FloatArray, cell: IntArray, boot: Bootstrap, level: float
) -> tuple[float, float]:
    """Lower bounds on the mean of |rho - 1|, over all steps and at the step where the runs that learn see most."""
    learns = boot.half()[run]
    side = np.sign(np.bincount(cell[learns], off[learns], int(cell.max()) + 1))[cell]
    horizon = int(step.max()) + 1

    def limits(half: BoolArray, column: IntArray) -> tuple[FloatArray, IntArray]:
        means = boot.means(column[half], run[half], (side * off)[half], here[half])
        visits = np.bincount(column[half], minlength=horizon).astype(np.int64)
        return np.where(means.error > 0.0, means.at(1.0 - level), 0.0), visits

    if not learns.any() or learns.all():
        return 0.0, 0.0
    whole = limits(~learns, np.zeros_like(step))[0]
    hopes, seen = limits(learns, step)
    found, tested = limits(~learns, step)
    enough = np.minimum(seen, tested)[: min(len(hopes), len(found))] >= LEAST_VISITS
    if not enough.any():
        return max(0.0, float(whole[0])), 0.0
    best = int(np.argmax(np.where(enough, np.nan_to_num(hopes[: len(enough)], neginf=-1.0), -1.0)))
    return max(0.0, float(whole[0])), max(0.0, float(found[best]))
