"""Figures, drawn without a display."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from treesim.arrays import FloatArray
from treesim.demos.demos import BlowupRow, ConstrainedRow, Failures, GuidanceRow
from treesim.empirical.diagnosis import Diagnosis, genealogy
from treesim.empirical.identification import Identification
from treesim.errors import TreesimError
from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance
from treesim.runtime.files import write_whole
from treesim.samplers.base import Clouds
from treesim.studies.experiments import Experiment, Surface
from treesim.studies.scaling import Fits, Need

LARGEST_DRAWN = 64
LARGEST_BARS = 32


def figure_path(path: Path) -> Path:
    """The path, if its ending is one that figures can have."""
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise TreesimError(f"{path} ends in {path.suffix!r}, expected .png, .pdf or .svg")
    return path


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, PDF or SVG, whole or not at all."""
    FigureCanvasAgg(figure)
    write_whole(figure_path(path), lambda temporary: figure.savefig(temporary, dpi=150))


def instance_figure(instance: Instance) -> Figure:
    """Bellman error by level, value profile, and for small graphs the graph."""
    graph = instance.graph
    drawn = graph.n_leaves <= LARGEST_DRAWN if isinstance(graph, Tree) else graph.n_nodes <= 2 * LARGEST_DRAWN
    figure = Figure(figsize=(11, 8) if drawn else (11, 4.2), layout="constrained")
    figure.suptitle(instance.parameter_text, fontsize=10, color=GREY, wrap=True)
    grid = figure.add_gridspec(2 if drawn else 1, 2, height_ratios=[1, 1.2] if drawn else None)
    _draw_errors(figure.add_subplot(grid[0, 0]), instance)
    _draw_profile(figure.add_subplot(grid[0, 1]), instance)
    if drawn:
        _draw_graph(figure.add_subplot(grid[1, :]), instance)
    return figure


def blowup_figure(rows: list[BlowupRow], delta: float) -> Figure:
    """Compute for TV <= delta against the horizon, and the TV of guidance beside its bound."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    compute, quality = figure.subplots(1, 2)
    horizons = [row.horizon for row in rows]
    series: list[tuple[str, str, str, list[float | None]]] = [
        ("best-of-N", ORANGE, "o-", [row.steps_drawn(row.best_of_n) for row in rows]),
        ("importance resampling", BLUE, "s--", [row.steps_drawn(row.importance) for row in rows]),
        ("guided, one particle", GREEN, "D-", [row.guided_queries for row in rows]),
    ]
    for label, colour, style, counts in series:
        compute.plot(horizons, [np.nan if c is None else c for c in counts], style, color=colour, label=label, ms=5)
    compute.set_yscale("log")
    dress(compute, f"Least compute for TV ≤ {delta:g}", "horizon T", "steps drawn or values asked")
    compute.legend(frameon=False)
    quality.plot(horizons, [row.guided_bound for row in rows], ":", color=GREY, label="largest possible (sharp 4.3)")
    quality.plot(horizons, [row.guided_tv for row in rows], "D-", color=GREEN, label="guided, one particle", ms=5)
    quality.axhline(delta, color="k", lw=0.8)
    quality.annotate(f"δ = {delta:g}", (horizons[0], delta), xytext=(0, 4), textcoords="offset points")
    quality.set_ylim(bottom=0)
    dress(quality, "Guidance by V̂ with Bellman error 1/(4T)", "horizon T", "total variation to the target (exact)")
    quality.legend(frameon=False)
    return figure


def constrained_figure(rows: list[ConstrainedRow], what: str) -> Figure:
    """When the constraint is met, and how far each way of writing is from the model's own texts that meet it."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    course, distance = figure.subplots(1, 2, width_ratios=[1.5, 1])
    colours = [GREY, ORANGE, GREEN, BLUE]
    for row, colour in zip(rows, colours, strict=True):
        course.plot(np.arange(1, len(row.progress) + 1), row.progress, color=colour, label=row.name, lw=2)
    course.set_ylim(-0.02, 1.05)
    dress(course, f"Texts so far that meet: {what}", "tokens written", "probability (exact)")
    course.legend(frameon=False, fontsize=9)
    heights = [(row.tv.lo + row.tv.hi) / 2 for row in rows]
    bars = distance.barh([row.name for row in rows], heights, color=colours)
    distance.bar_label(bars, [f"{height:.3f}" for height in heights], padding=4)
    distance.invert_yaxis()
    distance.set_xlim(0, 1.18)
    dress(distance, "Distance to the model's texts that meet it", "total variation (certified)", "")
    distance.grid(axis="y", visible=False)
    distance.xaxis.set_major_locator(MaxNLocator(6))
    return figure


def guidance_figure(rows: list[GuidanceRow], horizon: int) -> Figure:
    """Bounds on guidance and exact distances against the Bellman error."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    x = [row.epsilon * horizon for row in rows]
    axes.plot(x, [row.paper for row in rows], "--", color=GREY, label="Theorem 4.3: 2 T ε")
    axes.plot(x, [row.sharp for row in rows], "-", color="k", label="sharp: tanh((T − 1) log(1 + ε) / 2)")
    axes.plot(x, [row.adversarial for row in rows], "o-", color=ORANGE, ms=4, label="exact TV, adversarial V̂")
    axes.plot(x, [row.random_sign for row in rows], "s-", color=BLUE, ms=4, label="exact TV, V̂ off at random")
    axes.set_ylim(-0.02, 1.05)
    dress(axes, f"One guided particle, T = {horizon}", "ε T", "total variation to the target")
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.legend(frameon=False, fontsize=9, loc="center right", bbox_to_anchor=(1.0, 0.42))
    return figure


def failures_figure(found: Failures) -> Figure:
    """Collapse, degeneracy and slow-down, one panel each."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    collapse, degeneracy, slow = figure.subplots(1, 3)
    levels = np.arange(1, found.horizon + 1)
    for axes, pick, title, y in (
        (collapse, "ancestors", "Particle collapse", "share that the last population descends from"),
        (degeneracy, "ess", "Weight degeneracy", "effective sample size / N"),
    ):
        axes.plot(levels, getattr(found.collapse, pick), color=ORANGE, lw=2, label="resampling at every step")
        axes.plot(levels, getattr(found.degeneracy, pick), color=BLUE, lw=2, label="no resampling")
        axes.set_ylim(-0.02, 1.3)
        dress(axes, f"{title} (N = {found.particles})", "level t", y)
        axes.legend(frameon=False, fontsize=9, loc="upper left")
    slow.plot(list(found.draws), list(found.draws.values()), "D-", color=GREEN, ms=5)
    slow.set_yscale("log")
    dress(slow, "Exponential slow-down: draws for TV ≤ 0.1", "horizon T", "least N of importance resampling (exact)")
    return figure


def experiment_figure(found: Experiment) -> Figure:
    """The curves of an experiment, and its map."""
    figure = Figure(figsize=(7.5 if found.surface is None else 14, 4.8), layout="constrained")
    axes, *others = figure.subplots(1, 1 if found.surface is None else 2, squeeze=False)[0]
    for (label, curve), colour in zip(found.curves.items(), itertools.cycle((BLUE, ORANGE, GREEN, GREY, PURPLE, NAVY))):
        x, y = np.array(curve).T
        axes.plot(x, y, "o-", color=colour, ms=4, label=label)
    dress(axes, "\n".join(textwrap.wrap(found.question, 80)), found.x, found.y)
    axes.set_xscale("log" if found.log_x else "linear")
    axes.set_yscale("log" if found.log_y else "linear")
    if not found.log_y:
        axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    if found.surface is not None:
        _draw_surface(others[0], found.surface)
    return figure


def scaling_figure(
    series: Mapping[str, list[Need]], fits: Mapping[str, Fits | None], family: str, delta: float
) -> Figure:
    """The least parameter against the horizon with both fits: a power is a line on the left, an exponential on the
    right."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for (label, rows), colour in zip(series.items(), itertools.cycle((BLUE, ORANGE, GREEN, GREY))):
        known = [row for row in rows if row.least is not None]
        found = fits[label]
        growths = (None, None) if found is None else (found.power, found.exponential)
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
        panel.legend(frameon=False, fontsize=8)
    axes[0].set_xscale("log")
    ticks = sorted({row.horizon for rows in series.values() for row in rows})
    axes[0].set_xticks(ticks, [str(t) for t in ticks])
    axes[0].xaxis.set_minor_formatter(NullFormatter())
    return figure


def diagnosis_figure(found: Diagnosis, clouds: Clouds | None, title: str) -> Figure:
    """ESS and distinct ancestors by level, and for small populations the genealogy of one run."""
    figure = Figure(figsize=(11 if clouds else 6, 4.4), layout="constrained")
    figure.suptitle(f"{title} — {'; '.join(found.verdict)}", fontsize=10, color=GREY, wrap=True)
    axes = figure.subplots(1, 2 if clouds else 1, squeeze=False)[0]
    assert found.ess is not None and found.ancestors is not None
    levels = np.arange(1, len(found.ess) + 1)
    axes[0].plot(levels, found.ess, "o-", color=BLUE, ms=4, label="effective sample size / N")
    axes[0].plot(levels, found.ancestors, "s-", color=ORANGE, ms=4, label="ancestors of the last population / N")
    axes[0].set_ylim(0, 1.25)
    axes[0].legend(frameon=False, fontsize=9)
    dress(axes[0], f"Health of the population ({found.runs} runs)", "level t", "share of particles (mean)")
    if clouds:
        parents, alive = genealogy(clouds, 0)
        for colour, width, shown in ((GREY, 0.4, 0), (ORANGE, 1.4, 1)):
            lines = [
                [(t, parents[t, i]), (t + 1, i)]
                for t in range(1, len(parents)) for i in np.flatnonzero(alive[t] == shown)
            ]  # fmt: skip
            axes[1].add_collection(LineCollection(lines, colors=colour, linewidths=width))
        axes[1].autoscale()
        dress(axes[1], "Genealogy of one run: coloured lines survive", "level t", "particle")
        axes[1].grid(visible=False)
    return figure


def audit_figure(found: Identification, title: str) -> Figure:
    """Observed frequencies beside the target and the law that fits, the exponents, and TV against size."""
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    figure.suptitle(f"{title}: {found.verdict}", fontsize=10, color=GREY, wrap=True)
    laws, exponents, sizes = figure.subplots(1, 3, width_ratios=[1.6, 1, 1])
    shown = np.argsort(-np.maximum(found.target, found.frequencies), kind="stable")[:LARGEST_BARS]
    shown.sort()
    place = np.arange(len(shown))
    for shift, law, colour, label in (
        (-0.27, found.target, BLUE, "target (exact)"),
        (0.0, found.frequencies, ORANGE, f"{found.runs} runs"),
        (0.27, found.fitted, GREEN, "best π_ref ∏ V_t^a_t"),
    ):
        laws.bar(place + shift, law[shown], width=0.27, color=colour, label=label)
    laws.set_xticks(place, [str(leaf) for leaf in shown], fontsize=8)
    dress(laws, "Law of the leaf", "leaf", "probability")
    laws.set_xticks(place, [str(leaf) for leaf in shown], fontsize=8)
    laws.legend(frameon=False, fontsize=9)
    horizon = len(found.exponents)
    steps = np.arange(1, horizon + 1)
    exponents.plot(steps, np.eye(horizon)[-1], "_", color=BLUE, ms=22, mew=2, label="target: 0, .., 0, 1")
    for each in found.exponents:
        if each.estimate is not None and each.low is not None and each.high is not None:
            error = [[each.estimate - each.low], [each.high - each.estimate]]
            exponents.errorbar([each.step], [each.estimate], error, fmt="o", color=ORANGE, capsize=3)
    dress(exponents, "How often V_t is counted", "step t", "exponent (99% interval)")
    exponents.legend(frameon=False, fontsize=9)
    x = [row.size if row.size is not None else 1 for row in found.rows]
    middle = [(row.tv.lo + row.tv.hi) / 2 for row in found.rows]
    half = [(row.tv.hi - row.tv.lo) / 2 for row in found.rows]
    sizes.errorbar(x, middle, half, fmt="o-", color=ORANGE, capsize=3, label="TV (estimated, 99% interval)")
    sizes.axhline(found.floor, color=GREY, lw=0.8, ls=":", label="what exact draws have")
    sizes.set_ylim(bottom=0)
    dress(sizes, "Distance to the target", "particles, or size", "total variation")
    sizes.set_xscale("log")
    sizes.set_xticks(x, [str(size) for size in x])
    sizes.xaxis.set_minor_formatter(NullFormatter())
    sizes.legend(frameon=False, fontsize=9)
    return figure


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, labels and a light grid."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_surface(axes: Axes, surface: Surface) -> None:
    z = np.array(surface.z)
    limit, signed = float(np.abs(z).max()), bool(z.min() < 0 < z.max())
    # Both signs show, even where one is a thousand times larger.
    norm = SymLogNorm(linthresh=limit / 1000, vmin=-limit, vmax=limit) if signed else None
    shown = axes.pcolormesh(
        surface.x, surface.y, z, cmap="coolwarm" if signed else "Oranges", norm=norm, shading="nearest"
    )
    if surface.line is not None:
        axes.plot(*np.array(surface.line).T, color="k", lw=1.2)
    elif signed:
        axes.contour(surface.x, surface.y, z, levels=[0.0], colors="k", linewidths=1.2)
    dress(axes, surface.title, surface.x_label, surface.y_label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(surface.x), max(surface.x))
    axes.set_ylim(min(surface.y), max(surface.y))
    if axes.figure is not None:
        axes.figure.colorbar(shown, ax=axes, label=surface.z_label)


def _draw_errors(axes: Axes, instance: Instance) -> None:
    found = instance.audit
    levels = np.arange(instance.graph.horizon)
    for label, colour, style, errors in (
        ("supremum", ORANGE, "o-", found.sup),
        ("mean under π̃", BLUE, "s-", found.mean_target),
        ("mean under π_ref", GREEN, "D-", found.mean_reference),
    ):
        axes.plot(levels, np.where(np.isfinite(errors), errors, np.nan), style, color=colour, label=label, ms=4)
    axes.set_ylim(0, 1.3 * max(1e-9, float(found.sup[np.isfinite(found.sup)].max(initial=0.0))))
    dress(axes, f"Bellman error by level (ε = {found.bellman_error:.4g})", "level t", "max(ρ, 1/ρ) − 1")
    axes.legend(frameon=False, fontsize=9)


def _draw_profile(axes: Axes, instance: Instance) -> None:
    """Range and mean, over the reachable prefixes of a level, of log V^ - log Z beside log V* - log Z."""
    graph, log_partition = instance.graph, instance.audit.log_partition
    levels = np.arange(graph.horizon + 1)
    for label, colour, value in (("V*", BLUE, instance.twist), ("V̂", ORANGE, instance.value)):
        profile = np.full((3, len(levels)), np.nan)
        for t, reach in enumerate(graph.reachable()):
            log_value = value[graph.level(t)].log()[reach]
            log_value = log_value[np.isfinite(log_value)] - log_partition
            if len(log_value):
                profile[:, t] = log_value.min(), log_value.mean(), log_value.max()
        axes.fill_between(levels, profile[0], profile[2], color=colour, alpha=0.15, lw=0)
        axes.plot(levels, profile[1], color=colour, label=f"{label}: mean and range over prefixes")
    dress(axes, f"Value profile (log Z = {log_partition:.4g})", "level t", "log V − log Z (nats)")
    axes.legend(frameon=False, fontsize=9)


def _draw_graph(axes: Axes, instance: Instance) -> None:
    graph = instance.graph
    widest = max(graph.n_level(t) for t in range(graph.horizon + 1))
    across = np.empty(graph.n_nodes)
    across[graph.leaves] = np.arange(graph.n_leaves) + (widest - graph.n_leaves) / 2
    level = np.repeat(np.arange(graph.horizon + 1), np.diff(graph.level_ptr))
    lines: list[FloatArray] = []
    widths: list[float] = []
    for t in reversed(range(graph.horizon)):
        layer, here, below = graph.layer(t), graph.level(t), graph.level(t + 1)
        source, end = layer.sources(), layer.ends(np.arange(len(layer.prob)))
        if isinstance(graph, Tree):
            across[here] = np.bincount(source, across[below][end]) / np.diff(layer.ptr)
        else:
            across[here] = np.arange(graph.n_level(t)) + (widest - graph.n_level(t)) / 2
        ends = [[across[here][source], -np.full(len(source), t)], [across[below][end], -np.full(len(end), t + 1)]]
        lines.extend(np.array(ends).transpose(2, 0, 1))
        widths.extend(0.3 + 3 * layer.prob)
    axes.add_collection(LineCollection(lines, linewidths=widths, colors="#bbbbbb"))
    log_value = instance.value.log() - instance.audit.log_partition
    alive = np.isfinite(log_value)
    size = 400 / np.sqrt(widest)
    axes.scatter(across[~alive], -level[~alive], s=size, facecolors="white", edgecolors=GREY, zorder=2)
    limit = max(1e-9, float(np.abs(log_value[alive]).max()))
    shown = axes.scatter(
        across[alive], -level[alive], c=log_value[alive], s=size, cmap="coolwarm", vmin=-limit, vmax=limit, zorder=3
    )
    if axes.figure is not None:
        axes.figure.colorbar(shown, ax=axes, label="log V̂ − log Z (nats)", shrink=0.8)
    if graph.names is not None and graph.n_nodes <= LARGEST_DRAWN:
        for node, name in enumerate(graph.names):
            if name is not None:
                axes.annotate(
                    str(name), (across[node], -level[node]), xytext=(0, 3 + size**0.5 / 2), textcoords="offset points",
                    ha="center", fontsize=7,
                )  # fmt: skip
    title = "Tree" if isinstance(graph, Tree) else "Trellis"
    axes.set_title(f"{title}: line width is π_ref, hollow nodes have value zero", loc="left", fontsize=11)
    axes.set_axis_off()
    axes.margins(0.03, 0.08)
