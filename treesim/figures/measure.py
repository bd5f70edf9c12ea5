"""What logs tell, drawn: Bellman errors by step, weights of runs, and reliability diagrams."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from treesim.errors import MeasureError
from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE, axes_or_new, dress, headline, legend
from treesim.measure import Measurement
from treesim.tables import number

# Steps of a reliability diagram that have a colour of their own.
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, NAVY, GREY)


def measurement_figure(found: Measurement) -> Figure:
    """Of guided logs mean squares and weights, of plain traces the reliability diagram and the drift.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure import measure_log
    >>> from treesim.measure.simulation import guided_log
    >>> figure = measurement_figure(measure_log(guided_log(family("dirichlet", horizon=3), pool=4, runs=200)))
    >>> len(figure.axes)
    2
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    if found.calibration is None:
        headline(figure, f"{found.runs} runs of guided generation; intervals at level {found.level:g}")
        draw_mean_square(found, left)
        draw_weights(found, right)
    else:
        headline(figure, f"{found.runs} traces; intervals at level {found.level:g}")
        draw_reliability(found, left)
        draw_drift(found, right)
    return figure


def draw_mean_square(found: Measurement, ax: Axes | None = None) -> Axes:
    """The mean square Bellman error by step, and what the noise of pools makes of it.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure import measure_log
    >>> from treesim.measure.simulation import guided_log
    >>> found = measure_log(guided_log(family("dirichlet", horizon=3), pool=4, runs=200))
    >>> draw_mean_square(found).get_xlabel()
    'step'
    """
    ax = axes_or_new(ax)
    known = [(row.step, row.mean_square) for row in found.steps if row.mean_square is not None]
    shown = [(step, each) for step, each in known if np.isfinite(each.estimate)]
    if shown:
        step = [t for t, _ in shown]
        estimate = np.array([each.estimate for _, each in shown])
        ends = np.array([[each.lo, each.hi] for _, each in shown]).T
        error = np.where(np.isfinite(ends), np.abs(ends - estimate), 0.0)
        ax.errorbar(step, estimate, error, fmt="o", color=BLUE, ms=4, capsize=3, label="unbiased (U-statistic)")
    plug_in = [(row.step, row.plug_in) for row in found.steps if row.plug_in is not None and np.isfinite(row.plug_in)]
    ax.plot([t for t, _ in plug_in], [y for _, y in plug_in], "_", color=ORANGE, ms=12, mew=2,
            label="plug-in: with the noise of pools")  # fmt: skip
    ax.axhline(0.0, color=GREY, lw=0.8)
    dress(ax, "Mean square Bellman error of visited prefixes", "step", "mean of (ρ − 1)²")
    legend(ax)
    return ax


def draw_weights(found: Measurement, ax: Axes | None = None) -> Axes:
    """The weights R of the runs over their mean, in ascending order: flat where what was sampled is the target.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure import measure_log
    >>> from treesim.measure.simulation import guided_log
    >>> found = measure_log(guided_log(family("dirichlet", horizon=3), pool=4, runs=200))
    >>> len(draw_weights(found).lines[0].get_ydata())
    200
    """
    ax = axes_or_new(ax)
    if found.log_weight is None or found.tv_upper is None:
        raise MeasureError("plain traces have no weights, expected a log with pools")
    top = float(found.log_weight.max())
    weight = np.sort(np.exp(found.log_weight - top)) if np.isfinite(top) else np.zeros(found.runs)
    weight = weight / weight.mean() if weight.any() else weight
    share = (np.arange(found.runs) + 0.5) / found.runs
    ax.plot(share, weight, color=BLUE, lw=1.6, label="R / mean")
    ax.axhline(1.0, color=GREY, lw=0.8)
    ax.fill_between(share, weight, 1.0, where=weight < 1.0, color=ORANGE, alpha=0.35, lw=0,
                    label=f"its area bounds the TV: {number(found.tv_upper.estimate, 2)}, "
                          f"at most {number(found.tv_upper.hi, 2)}")  # fmt: skip
    dress(ax, "Weights of the runs", "share of the runs, by weight", "R / mean of R")
    ax.xaxis.set_major_locator(MaxNLocator())
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    legend(ax)
    return ax


def draw_reliability(found: Measurement, ax: Axes | None = None) -> Axes:
    """Mean value a step later against mean value, by step and bin; on the diagonal where values are right.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure import measure_log
    >>> from treesim.measure.simulation import reference_log
    >>> found = measure_log(reference_log(family("dirichlet", horizon=3), runs=500))
    >>> draw_reliability(found).get_xlabel()
    'mean value of a bin'
    """
    ax = axes_or_new(ax)
    if found.calibration is None:
        raise MeasureError("a log with pools has no reliability diagram, expected plain traces")
    cells = found.calibration.cells
    steps = sorted({cell.step for cell in cells})
    # A few steps, spread out: a colour each.
    chosen = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, len(COLOURS)).round().astype(int)).tolist()]
    for step, colour in zip(chosen, COLOURS, strict=False):
        mine = [cell for cell in cells if cell.step == step]
        x, y = np.array([cell.value for cell in mine]), np.array([cell.following for cell in mine])
        ends = x + np.array([[cell.drift.lo, cell.drift.hi] for cell in mine]).T
        error = np.where(np.isfinite(ends), np.abs(ends - y), 0.0)
        ax.errorbar(x, y, error, fmt="o-", color=colour, ms=4, lw=1, capsize=2, label=f"step {step}")
    ends = [min(cell.value for cell in cells), max(cell.value for cell in cells)]
    ax.plot(ends, ends, color=GREY, lw=0.8, ls=":")
    dress(ax, "Reliability: are values the mean of what follows?", "mean value of a bin", "mean value a step later")
    ax.xaxis.set_major_locator(MaxNLocator())
    legend(ax)
    return ax


def draw_drift(found: Measurement, ax: Axes | None = None) -> Axes:
    """E[V_{t+1} - V_t] by step: zero where values are right.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure import measure_log
    >>> from treesim.measure.simulation import reference_log
    >>> found = measure_log(reference_log(family("dirichlet", horizon=3), runs=500))
    >>> draw_drift(found).get_xlabel()
    'step'
    """
    ax = axes_or_new(ax)
    rows = [(row.step, row.drift) for row in found.steps if row.drift is not None]
    estimate = np.array([drift.estimate for _, drift in rows])
    ends = np.array([[drift.lo, drift.hi] for _, drift in rows]).T
    error = np.where(np.isfinite(ends), np.abs(ends - estimate), 0.0)
    ax.errorbar([step for step, _ in rows], estimate, error, fmt="o", color=BLUE, ms=4, capsize=3)
    ax.axhline(0.0, color=GREY, lw=0.8)
    dress(ax, "Drift of the value", "step", "mean of the next value less this one")
    return ax
