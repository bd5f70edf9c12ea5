"""Studies drawn: experiments and laws of scaling."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE, axes_or_new, dress, legend
from treesim.instances.families import family
from treesim.samplers import sampler
from treesim.studies.experiment import Experiment, Surface
from treesim.studies.scaling import Fits, Need

COLOURS = (BLUE, ORANGE, GREEN, GREY, PURPLE, NAVY)
STYLES = ("o-", "s--", "D-", "^--")
# Up to so many places on a logarithmic axis each has its number.
MOST_TICKS = 9


def experiment_figure(experiment: Experiment) -> Figure:
    """The curves of an experiment, and its map.

    Examples
    --------
    >>> from treesim.hard_instances.discoveries import DISCOVERIES
    >>> figure = experiment_figure(DISCOVERIES["log-not-loglog"]().experiment)
    >>> len(figure.axes)
    1
    """
    figure = Figure(figsize=(7.5 if experiment.surface is None else 14, 4.8), layout="constrained")
    curves, *others = figure.subplots(1, 1 if experiment.surface is None else 2, squeeze=False)[0]
    draw_curves(experiment, curves)
    if experiment.surface is not None:
        draw_surface(experiment.surface, others[0])
    return figure


def draw_curves(experiment: Experiment, ax: Axes | None = None) -> Axes:
    """The curves of an experiment.

    Examples
    --------
    >>> from treesim.hard_instances.discoveries import DISCOVERIES
    >>> experiment = DISCOVERIES["log-not-loglog"]().experiment
    >>> draw_curves(experiment).get_xlabel() == experiment.x
    True
    """
    ax = axes_or_new(ax)
    # Curves that lie on each other show through.
    for (label, curve), colour, style in zip(
        experiment.curves.items(), itertools.cycle(COLOURS), itertools.cycle(STYLES)
    ):
        ax.plot(*np.array(curve).T, style, color=colour, ms=4, label=label)
    dress(ax, "\n".join(textwrap.wrap(experiment.question, 80)), experiment.x, experiment.y)
    ax.set_xscale("log" if experiment.log_x else "linear")
    ax.set_yscale("log" if experiment.log_y else "linear")
    places = sorted({x for curve in experiment.curves.values() for x, _ in curve})
    if experiment.log_x and len(places) <= MOST_TICKS:
        ax.set_xticks(places, [f"{x:g}" for x in places])
        ax.xaxis.set_minor_formatter(NullFormatter())
    if not experiment.log_y:
        ax.set_ylim(bottom=0)
    legend(ax)
    return ax


def scaling_figure(
    series: Mapping[str, list[Need]], fits: Mapping[str, Fits | None], family: str, delta: float
) -> Figure:
    """The least parameter against the horizon with both fits: a power is a line on the left, an exponential on the
    right.

    Examples
    --------
    >>> from treesim.studies.scaling import fit, scale
    >>> rows = list(scale("uniform", "importance", [2, 3, 4], delta=0.2))
    >>> fits = {"importance": fit({row.horizon: row.least for row in rows})}
    >>> len(scaling_figure({"importance": rows}, fits, "uniform", 0.2).axes)
    2
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for (label, rows), colour in zip(series.items(), itertools.cycle((BLUE, ORANGE, GREEN, GREY))):
        known = [row for row in rows if row.least is not None]
        fitted = fits[label]
        growths = (None, None) if fitted is None else (fitted.power, fitted.exponential)
        for panel, growth in zip(axes, growths, strict=True):
            panel.plot([row.horizon for row in known], [row.least for row in known], "o", color=colour, label=label)
            if growth is not None and len(known) > 1:
                t = np.linspace(known[0].horizon, known[-1].horizon, 100)
                line = growth.intercept + growth.exponent * (np.log(t) if panel is axes[0] else t)
                panel.plot(t, np.exp(line), "-", color=colour, lw=1)
    for panel, title in zip(axes, ("a power of T", "an exponential in T"), strict=True):
        panel.set_yscale("log")
        dress(panel, f"{family}: least parameter for TV ≤ {delta:g}, as {title}",
              "horizon T", "least parameter")  # fmt: skip
        legend(panel, fontsize=8)
    axes[0].set_xscale("log")
    ticks = sorted({row.horizon for rows in series.values() for row in rows})
    axes[0].set_xticks(ticks, [str(t) for t in ticks])
    axes[0].xaxis.set_minor_formatter(NullFormatter())
    return figure


def draw_surface(surface: Surface, ax: Axes | None = None) -> Axes:
    """A quantity over two axes; where it has both signs, the line where it is zero.

    Examples
    --------
    >>> surface = Surface([1.0, 2.0], [1.0, 4.0], [[-1.0, 0.5], [0.5, 1.0]], "epsilon", "N", "gain", "Where it pays")
    >>> draw_surface(surface).get_ylabel()
    'N'
    """
    ax = axes_or_new(ax)
    z = np.array(surface.z)
    limit, signed = float(np.abs(z).max()), bool(z.min() < 0 < z.max())
    # Both signs show, even where one is a thousand times larger.
    norm = SymLogNorm(linthresh=limit / 1000, vmin=-limit, vmax=limit) if signed else None
    shown = ax.pcolormesh(
        surface.x, surface.y, z, cmap="coolwarm" if signed else "Oranges", norm=norm, shading="nearest"
    )
    if surface.line is not None:
        ax.plot(*np.array(surface.line).T, color="k", lw=1.2)
    elif signed:
        ax.contour(surface.x, surface.y, z, levels=[0.0], colors="k", linewidths=1.2)
    dress(ax, surface.title, surface.x_label, surface.y_label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(min(surface.x), max(surface.x))
    ax.set_ylim(min(surface.y), max(surface.y))
    if ax.figure is not None:
        ax.figure.colorbar(shown, ax=ax, label=surface.z_label)
    return ax


def rivals_figure(name: str, specs: Mapping[str, str], horizons: list[int], **parameters: Any) -> Figure:
    """Bellman error by level on a small instance of a family, and the exact TV of samplers against the horizon.

    Parameters
    ----------
    name : str
        The family.
    specs : mapping of str to str
        What the legend says, and the sampler.
    horizons : list of int
    **parameters
        Of the family.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    profile, distance = figure.subplots(1, 2)
    small = family(name, horizon=horizons[0], **parameters)
    levels = np.arange(small.graph.horizon)
    profile.bar(levels, small.audit.sup, color=ORANGE, width=0.6)
    profile.set_ylim(bottom=0, top=max(1e-3, 1.3 * float(small.audit.sup.max())))
    if small.audit.bellman_error < 1e-9:
        profile.annotate("zero at every level", (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
        profile.set_yticks([])
    dress(profile, f"Bellman error by level (T = {horizons[0]})", "level t", "largest over prefixes")
    for (label, spec), colour in zip(specs.items(), itertools.cycle((ORANGE, GREEN, BLUE, GREY))):
        tv = []
        for horizon in horizons:
            instance = family(name, horizon=horizon, **parameters)
            distance_to_target = sampler(spec).law(instance).tv(instance.target)
            tv.append((distance_to_target.lo + distance_to_target.hi) / 2)
        distance.plot(horizons, tv, "o-", color=colour, label=label, ms=4)
    distance.set_ylim(-0.02, 1.02)
    dress(distance, name, "horizon T", "total variation to the target (exact)")
    legend(distance)
    return figure
