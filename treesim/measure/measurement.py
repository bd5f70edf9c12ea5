"""What a log tells: everything that the others of this wing measure, in one object."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import MeasureError
from treesim.measure.calibration import BINS, Calibration, calibrate
from treesim.measure.intervals import Bootstrap, Interval
from treesim.measure.log import Log, read_log
from treesim.measure.residuals import (
    bellman_error_lower,
    by_step,
    choice_score,
    exponent,
    pool_means,
    ratio_seen,
    squares,
)
from treesim.measure.weights import (
    Paths,
    Steps,
    UpperTV,
    acceptance,
    average_case,
    log_weights,
    mean_square_weight,
    normalised,
    paths_needed,
    steps_of,
    tv_upper,
)
from treesim.runtime.seeds import Stream, generator

DEFAULT_LEVEL, DEFAULT_DELTA = 0.95, 0.1
# Below so many runs, and so many that count, a note says that intervals are rough.
FEW_RUNS, FEW_EFFECTIVE = 20, 30
# Standard deviations beyond which a choice is not in proportion to value, and log of values of roots that are the same.
_FAR, _SAME_ROOT = 5.0, 1e-9


@dataclass(frozen=True)
class Step:
    """A step of the runs of a log.

    Attributes
    ----------
    step : int
    visits : int
        Runs that have it.
    mean_square : Interval or None
        Of (rho - 1)^2 over the prefixes visited, unbiased; None for pools of one, and plain traces.
    plug_in : float or None
        Mean of (pool mean of r - 1)^2: what the noise of pools makes of it.
    ratio : Interval or None
        Mean of rho.
    drift : Interval or None
        Of plain traces: E[V_{t+1} - V_t].

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure.simulation import guided_log
    >>> instance = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.3)
    >>> step = measure_log(guided_log(instance, pool=8, runs=500)).steps[1]
    >>> step.visits, step.mean_square.lo <= step.mean_square.estimate <= step.plug_in
    (500, True)
    """

    step: int
    visits: int
    mean_square: Interval | None
    plug_in: float | None
    ratio: Interval | None
    drift: Interval | None

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return asdict(self)


@dataclass(frozen=True, eq=False, repr=False)
class Measurement(Brief):
    """What a log tells.

    Attributes
    ----------
    kind : str
        ``guided`` (with pools) or ``traces``.
    runs, roots : int
        How many, and from how many different values they start.
    level, delta : float
        Of every interval and bound, and what `paths` are for.
    steps : tuple of Step
    bellman_error_lower : float
        Lower confidence bound on the supremum, epsilon.
    ratio_bound_seen : float
        The largest ratio of neighbouring values seen: L is at least that.
    average_case_bound : Interval or None
        B of exact guidance: the estimate is of a number that is larger by the noise of pools, the interval is for B.
    tv_upper : UpperTV or None
        Between the law of what was sampled and its target.
    ess, acceptance : Interval or None
        Effective number of runs, and how often Metropolis-Hastings would take one.
    paths : Paths or None
        How many of them corrections need for TV <= delta.
    trend_by_step, trend_by_length : Interval or None
        b, where the mean square goes like (step + 1)^b, and like (length of the run)^b.
    choice_score : float or None
        How far the choice of children is from one in proportion to value, in standard deviations.
    calibration : Calibration or None
        Of plain traces.
    log_weight : ndarray, shape [runs], or None
        log R.
    notes : tuple of str
        What a reader must know before believing the rest.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure.simulation import guided_log
    >>> instance = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.3)
    >>> found = measure_log(guided_log(instance, pool=8, runs=500))
    >>> found.kind, found.bellman_error_lower <= instance.audit.bellman_error, round(found.tv_upper.hi, 2)
    ('guided', True, 0.23)
    """

    kind: str
    runs: int
    roots: int
    level: float
    delta: float
    steps: tuple[Step, ...]
    bellman_error_lower: float
    ratio_bound_seen: float
    average_case_bound: Interval | None
    tv_upper: UpperTV | None
    ess: Interval | None
    acceptance: Interval | None
    paths: Paths | None
    trend_by_step: Interval | None
    trend_by_length: Interval | None
    choice_score: float | None
    calibration: Calibration | None
    log_weight: FloatArray | None
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        found = {
            "kind": self.kind, "runs": self.runs, "roots": self.roots, "level": self.level, "delta": self.delta,
            "steps": [step.document() for step in self.steps], "bellman_error_lower": self.bellman_error_lower,
            "ratio_bound_seen": self.ratio_bound_seen, "average_case_bound": _document(self.average_case_bound),
            "tv_upper": _document(self.tv_upper), "ess": self.ess and self.ess.estimate,
            "acceptance": self.acceptance and self.acceptance.estimate,
            "intervals": {"ess": _document(self.ess), "acceptance": _document(self.acceptance)},
            "paths": self.paths and asdict(self.paths),
            "trend": {"by_step": _document(self.trend_by_step), "by_length": _document(self.trend_by_length)},
            "choice_score": self.choice_score, "notes": list(self.notes),
        }  # fmt: skip
        if self.calibration is not None:
            found |= {
                "mean_error_lower": self.calibration.mean_error_lower,
                "log_unit": self.calibration.log_unit,
                "cells": [asdict(cell) | {"following": cell.following} for cell in self.calibration.cells],
            }
        return found


def measure_log(
    log: Log | str | Path, scale: str | None = None, delta: float = DEFAULT_DELTA, level: float = DEFAULT_LEVEL,
    seed: int = 0, chi_square: float | None = None, bins: int = BINS,
) -> Measurement:  # fmt: skip
    """What a log of guided generation tells, or plain traces.

    Parameters
    ----------
    log : Log, str or Path
        A file is read by `read_log`.
    scale : str, optional
        Of the values of a file.
    delta : float
        The TV for which `paths` are wanted.
    level : float
        Of intervals (two-sided) and bounds (one-sided).
    seed : int
        Of the resamples.
    chi_square : float, optional
        A number that Var R / (E R)^2 does not exceed, if one is known: see `tv_upper`.
    bins : int
        Of values, for plain traces.

    Raises
    ------
    MeasureError
        If the file is no log, there are fewer than two runs, or a parameter is out of range.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure.simulation import guided_log
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.2, seed=1)
    >>> found = measure_log(guided_log(instance, pool=8, runs=1000))
    >>> found.bellman_error_lower <= 0.2, found.ratio_bound_seen <= instance.audit.ratio_bound * (1 + 1e-12)
    (True, True)
    >>> found.average_case_bound.lo < instance.guidance.average_case_bound < found.average_case_bound.hi
    True
    """
    for what, number in (("delta", delta), ("level", level)):
        if not 0.0 < number < 1.0:
            raise MeasureError(f"{what} is {number:g}, expected a number between 0 and 1")
    if chi_square is not None and not 0.0 < chi_square < math.inf:
        raise MeasureError(f"chi_square is {chi_square:g}, expected a positive number")
    log = log if isinstance(log, Log) else read_log(log, scale)
    runs = len(log.runs)
    if runs < 2:
        raise MeasureError(f"{log.name} has one run, and intervals are from differences between runs; expected more")
    if not log.is_guided and log.lengths.max() < 2:
        raise MeasureError(f"{log.name} has no run of two steps, expected values that follow each other")
    if chi_square is not None and not log.is_guided:
        raise MeasureError(
            f"{log.name} has plain traces, which have no weights that chi_square could bound; leave it out"
        )
    boot = Bootstrap(runs, generator(seed, Stream.MEASUREMENT, 2))
    first = log.log_value[log.start[:-1]]
    roots = len(np.unique(np.round(first / _SAME_ROOT) if np.isfinite(first).all() else first))
    if log.is_guided:
        return _guided(log, roots, delta, level, chi_square, boot)
    return _traces(log, roots, delta, level, bins, boot)


def _guided(log: Log, roots: int, delta: float, level: float, chi_square: float | None, boot: Bootstrap) -> Measurement:
    steps, runs = steps_of(log), len(log.runs)
    pairs, plug_in = squares(steps)
    *_, log_weight = log_weights(log, steps)
    weight = normalised(log_weight)
    bound = tv_upper(log_weight, level, chi_square)
    several, has_weight = roots > 1, bool(weight.any())
    if several:
        bound = UpperTV(min(1.0, 2.0 * bound.estimate), min(1.0, 2.0 * bound.hi), level)
    ess = acceptance_rate = None
    if has_weight:
        squared = boot.of_runs(mean_square_weight(weight)).intervals(level)[0]
        ess = Interval(*(runs / max(1.0, end) for end in (squared.estimate, squared.hi, squared.lo)))
        if not several:
            acceptance_rate = _acceptance(weight, boot, level)
    score = choice_score(steps, log.kept)
    return Measurement(
        kind="guided", runs=runs, roots=roots, level=level, delta=delta,
        steps=_rows(log, steps, pairs, plug_in, boot, level),
        bellman_error_lower=bellman_error_lower(steps, boot, level),
        ratio_bound_seen=ratio_seen(steps.ratio),
        average_case_bound=None if several else _average_case(log, steps, boot, level),
        tv_upper=bound, ess=ess, acceptance=acceptance_rate,
        paths=None if several else paths_needed(log_weight, delta),
        trend_by_step=_trend(steps.position + 1, pairs, steps, boot, level),
        trend_by_length=_trend(log.lengths[steps.run], pairs, steps, boot, level),
        choice_score=score, calibration=None, log_weight=log_weight,
        notes=_notes(runs, roots, score, weight, steps),
    )  # fmt: skip


def _rows(
    log: Log, steps: Steps, pairs: FloatArray, plug_in: FloatArray, boot: Bootstrap, level: float
) -> tuple[Step, ...]:
    """The steps as rows."""
    visits = np.bincount(steps.position)
    square = by_step(steps, pairs, boot, level)
    ratio = by_step(steps, pool_means(steps), boot, level)
    mean = np.bincount(steps.position, plug_in) / visits
    return tuple(
        Step(log.first_step + t, int(visits[t]), None if math.isnan(square[t].estimate) else square[t],
             float(mean[t]), ratio[t], None)
        for t in range(len(visits))
    )  # fmt: skip


def _average_case(log: Log, steps: Steps, boot: Bootstrap, level: float) -> Interval:
    """B: the plug-in, and an interval from the lower estimate to the upper."""
    upper, lower = average_case(log, steps)
    runs, risk = np.arange(boot.runs), (1.0 - level) / 2.0
    means = boot.means(
        np.repeat([0, 1], boot.runs), np.tile(runs, 2), np.concatenate([upper, lower]), np.ones(2 * boot.runs)
    )
    return Interval(float(means.mean[0]), max(0.0, float(means.at(risk)[1])), float(means.at(1.0 - risk)[0]))


def _acceptance(weight: FloatArray, boot: Bootstrap, level: float) -> Interval:
    """The acceptance rate, with three standard deviations of what pairs add to it."""
    influence, more = acceptance(weight)
    found = boot.of_runs(influence).intervals(level)[0]
    return Interval(found.estimate, max(0.0, found.lo - 3.0 * more), min(1.0, found.hi + 3.0 * more))


def _trend(x: IntArray, pairs: FloatArray, steps: Steps, boot: Bootstrap, level: float) -> Interval | None:
    known = np.isfinite(pairs)
    if np.isinf(pairs).any() or not known.any():
        return None
    return exponent(x[known].astype(np.float64), pairs[known], steps.run[known], boot, level)


def _traces(log: Log, roots: int, delta: float, level: float, bins: int, boot: Bootstrap) -> Measurement:
    found = calibrate(log, boot, level, bins)
    runs, visits = len(log.runs), np.bincount(log.position)
    inner = np.flatnonzero(log.position > 0)
    with np.errstate(invalid="ignore"):
        log_ratio = log.log_value[inner] - log.log_value[inner - 1]
    rows = tuple(
        Step(log.first_step + t, int(visits[t]), None, None, None, drift) for t, drift in enumerate(found.drift)
    )
    error = found.bellman_error_lower
    grown = np.isposinf(log_ratio).any()
    with np.errstate(over="ignore"):
        seen = float(np.exp(np.nanmax(np.abs(log_ratio)))) if not np.isnan(log_ratio).all() else 1.0
    return Measurement(
        kind="traces", runs=runs, roots=roots, level=level, delta=delta, steps=rows,
        bellman_error_lower=math.inf if grown else error, ratio_bound_seen=seen, average_case_bound=None,
        tv_upper=None, ess=None, acceptance=None, paths=None, trend_by_step=None, trend_by_length=None,
        choice_score=None, calibration=found, log_weight=None,
        notes=(f"{runs} runs are few: intervals are rough",) if runs < FEW_RUNS else (),
    )  # fmt: skip


def _notes(runs: int, roots: int, score: float, weight: FloatArray, steps: Steps) -> tuple[str, ...]:
    """What a reader must know before believing the rest."""
    notes = []
    if runs < FEW_RUNS:
        notes.append(f"{runs} runs are few: intervals are rough")
    if abs(score) > _FAR:
        notes.append(
            f"children were not kept in proportion to value ({score:+.1f} standard deviations): the weights R, and all "
            "that comes of them, are of another sampler"
        )
    if roots > 1:
        notes.append(
            f"runs start from {roots} values, those of several prompts: the TV is the mean over prompts, its bound "
            "twice that of one prompt; what corrections of one prompt need is not said"
        )
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if weight.any() else 0.0
    if effective < FEW_EFFECTIVE:
        notes.append(
            f"the weights R of {runs} runs count for {effective:.1f}: what rests on them (TV, B, ESS, acceptance, "
            "paths) has not seen their tail"
        )
    if np.isinf(steps.ratio).any():
        notes.append(
            "a prefix of value 0 has children of value: the TV is to the target on paths along which values are above 0"
        )
    return tuple(notes)


def _document(part: Interval | UpperTV | None) -> dict[str, float] | None:
    return None if part is None else part.document()
