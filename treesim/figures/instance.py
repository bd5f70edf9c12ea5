"""An instance drawn: Bellman error by level, value profile, and small graphs whole."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from treesim.arrays import FloatArray
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE, dress
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance

LARGEST_DRAWN = 64


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


def _draw_errors(axes: Axes, instance: Instance) -> None:
    audit = instance.audit
    levels = np.arange(instance.graph.horizon)
    for label, colour, style, errors in (
        ("supremum", ORANGE, "o-", audit.sup),
        ("mean under π̃", BLUE, "s-", audit.mean_target),
        ("mean under π_ref", GREEN, "D-", audit.mean_reference),
    ):
        axes.plot(levels, np.where(np.isfinite(errors), errors, np.nan), style, color=colour, label=label, ms=4)
    axes.set_ylim(0, 1.3 * max(1e-9, float(audit.sup[np.isfinite(audit.sup)].max(initial=0.0))))
    dress(axes, f"Bellman error by level (ε = {audit.bellman_error:.4g})", "level t", "max(ρ, 1/ρ) − 1")
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
