"""An instance drawn: Bellman error by level, what guidance loses, values, and the graph, of large ones what counts."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from treesim.arrays import FloatArray, IntArray
from treesim.figures.edge_labels import label_edges
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE, axes_or_new, dress, headline, legend
from treesim.graphs.guidance import normal_tv
from treesim.graphs.layered import LayeredGraph
from treesim.instances.instance import Instance

# Trees of more leaves, and trellises of more nodes, are not drawn whole.
LARGEST_TREE, LARGEST_TRELLIS = 512, 256
# How many leaves of a larger tree are drawn, and up to how many nodes are named.
SHOWN, LARGEST_NAMED = 128, 64


def instance_figure(instance: Instance) -> Figure:
    """Bellman error by level, what guidance loses there, value profile, and the graph.

    Examples
    --------
    >>> from treesim import family
    >>> figure = instance_figure(family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.1))
    >>> len(figure.axes)
    5
    """
    drawn = not instance.graph.keeps_edges or instance.graph.n_nodes <= LARGEST_TRELLIS
    figure = Figure(figsize=(15, 8) if drawn else (15, 4.2), layout="constrained")
    headline(figure, instance.title)
    grid = figure.add_gridspec(2 if drawn else 1, 3, height_ratios=[1, 1.2] if drawn else None)
    draw_bellman_error(instance, figure.add_subplot(grid[0, 0]))
    draw_guidance(instance, figure.add_subplot(grid[0, 1]))
    draw_value_profile(instance, figure.add_subplot(grid[0, 2]))
    if drawn:
        draw_graph(instance, figure.add_subplot(grid[1, :]))
    return figure


def draw_bellman_error(instance: Instance, ax: Axes | None = None) -> Axes:
    """Bellman error by level: supremum, mean under pi~ and mean under pi_ref.

    Parameters
    ----------
    instance : Instance
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, in a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from treesim import family
    >>> ax = draw_bellman_error(family("product", horizon=4, ratio=2.0))
    >>> ax.lines[0].get_ydata().round(9).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    ax, audit = axes_or_new(ax), instance.audit
    levels = np.arange(instance.graph.horizon)
    for label, colour, style, errors in (
        ("supremum", ORANGE, "o-", audit.sup),
        ("mean under π̃", BLUE, "s-", audit.mean_target),
        ("mean under π_ref", GREEN, "D-", audit.mean_reference),
    ):
        ax.plot(levels, np.where(np.isfinite(errors), errors, np.nan), style, color=colour, label=label, ms=4)
    ax.set_ylim(0, 1.3 * max(1e-9, float(audit.sup[np.isfinite(audit.sup)].max(initial=0.0))))
    dress(ax, f"Bellman error by level (ε = {audit.bellman_error:.4g})", "level t", "max(ρ, 1/ρ) − 1")
    legend(ax)
    return ax


def draw_guidance(instance: Instance, ax: Axes | None = None) -> Axes:
    """How far guided sampling gets from the target step by step: what three measures of its error have added up to.

    The average-case bound B adds like the errors; the prediction erf(sqrt(KL) / 2) like their squares.

    Examples
    --------
    >>> from treesim import family
    >>> ax = draw_guidance(family("sharpest-guidance", horizon=4, epsilon=0.1))
    >>> [line.get_ydata()[-1].round(4).item() for line in ax.lines]
    [0.142, 0.1133, 0.142]
    """
    ax, found, errors = axes_or_new(ax), instance.guidance, instance.audit.sup
    levels = np.arange(1, instance.horizon + 1)
    with np.errstate(invalid="ignore"):
        sharp = np.tanh(np.cumsum(np.where(levels > 1, np.log1p(errors), 0.0)) / 2.0)
    for label, colour, style, tv in (
        ("at most, by the suprema (4.3, sharp)", ORANGE, "o-", sharp),
        ("about, by KL", BLUE, "s-", np.vectorize(normal_tv)(np.cumsum(found.kl_by_level))),
        ("at most, B by averages", GREEN, "D-", np.minimum(1.0, np.cumsum(found.tv_by_level))),
    ):
        ax.plot(levels, tv, style, color=colour, label=label, ms=4)
    ax.set_ylim(0, None)
    dress(ax, f"TV of guidance to the target: at most {min(1.0, found.average_case_bound):.4g}", "steps t", "TV")
    legend(ax)
    return ax


def draw_value_profile(instance: Instance, ax: Axes | None = None) -> Axes:
    """Range and mean, over the reachable prefixes of a level, of log V^ - log Z beside log V* - log Z.

    Examples
    --------
    >>> from treesim import family
    >>> ax = draw_value_profile(family("product", horizon=4, ratio=2.0))
    >>> [line.get_label()[:2] for line in ax.lines]
    ['V*', 'V̂']
    """
    ax, graph, log_partition = axes_or_new(ax), instance.graph, instance.audit.log_partition
    levels = np.arange(graph.horizon + 1)
    for label, colour, value in (("V*", BLUE, instance.twist), ("V̂", ORANGE, instance.value)):
        profile = np.full((3, len(levels)), np.nan)
        for t, reach in enumerate(graph.reachable()):
            log_value = value[graph.level(t)].log()[reach]
            log_value = log_value[np.isfinite(log_value)] - log_partition
            if len(log_value):
                profile[:, t] = log_value.min(), log_value.mean(), log_value.max()
        ax.fill_between(levels, profile[0], profile[2], color=colour, alpha=0.15, lw=0)
        ax.plot(levels, profile[1], color=colour, label=f"{label}: mean and range over prefixes")
    dress(ax, f"Value profile (log Z = {log_partition:.4g})", "level t", "log V − log Z (nats)")
    legend(ax)
    return ax


def draw_graph(instance: Instance, ax: Axes | None = None) -> Axes:
    """The tree or trellis: line width is pi_ref, colour is V^, hollow nodes have value zero.

    Edges are labelled with the tokens that they write, on levels where there is room for all of them.
    Of a tree of more than 512 leaves, the paths to the 128 leaves of largest target mass.

    Examples
    --------
    >>> from treesim import family
    >>> ax = draw_graph(family("uniform", horizon=12))
    >>> ax.get_title(loc="left")[:36]
    'The 128 leaves of largest target mas'
    """
    ax, graph = axes_or_new(ax), instance.graph
    title = "Trellis" if graph.keeps_edges else "Tree"
    kept = [np.arange(graph.n_level(t)) for t in range(graph.horizon + 1)]
    if not graph.keeps_edges and graph.n_leaves > LARGEST_TREE:
        mass = instance.target.prob.to_float()
        leaves = np.sort(np.argsort(-mass, kind="stable")[:SHOWN])
        title = f"The {SHOWN} leaves of largest target mass ({mass[leaves].sum():.3g} of it)"
        kept = [np.zeros(1, np.int64), *map(np.unique, graph.path_edges(leaves, None).T)]
    _draw_kept(instance, kept, ax)
    ax.set_title(f"{title}: line width is π_ref, hollow nodes have value zero", loc="left", fontsize=11)
    ax.set_axis_off()
    ax.margins(0.03, 0.08)
    return ax


def _draw_kept(instance: Instance, kept: list[IntArray], ax: Axes) -> None:
    """Draw the nodes of every level that are kept, and the edges between them."""
    graph = instance.graph
    widest = max(map(len, kept))
    across = _places(graph, kept, widest)
    for t in range(graph.horizon):
        layer = graph.layer(t)
        source, end = layer.sources(), layer.ends(np.arange(len(layer.prob)))
        shown = np.isin(source, kept[t]) & np.isin(end, kept[t + 1])
        source, end = np.searchsorted(kept[t], source[shown]), np.searchsorted(kept[t + 1], end[shown])
        starts = np.stack([across[t][source], np.full(len(source), -t)], axis=1)
        ends = np.stack([across[t + 1][end], np.full(len(end), -t - 1)], axis=1)
        widths = 0.3 + 3 * layer.prob[shown]
        lines = list(np.stack([starts, ends], axis=1))
        ax.add_collection(LineCollection(lines, linewidths=widths, colors="#bbbbbb"))
        tokens, vocabulary = graph.edge_tokens(t), graph.vocabulary
        if tokens is not None and vocabulary is not None:
            words = [vocabulary[token] for token in tokens[shown].tolist()]
            label_edges(ax, starts, ends, words, (widest + 1, graph.horizon + 1))
    node = np.concatenate([graph.level(t).start + nodes for t, nodes in enumerate(kept)])
    x, y = np.concatenate(across), -np.repeat(np.arange(len(kept)), [len(nodes) for nodes in kept])
    log_value = instance.value[node].log() - instance.audit.log_partition
    alive = np.isfinite(log_value)
    size = 400 / np.sqrt(widest)
    ax.scatter(x[~alive], y[~alive], s=size, facecolors="white", edgecolors=GREY, zorder=2)
    limit = max(1e-9, float(np.abs(log_value[alive]).max()))
    points = ax.scatter(
        x[alive], y[alive], c=log_value[alive], s=size, cmap="coolwarm", vmin=-limit, vmax=limit, zorder=3
    )
    if ax.figure is not None:
        ax.figure.colorbar(points, ax=ax, label="log V̂ − log Z (nats)", shrink=0.8)
    if graph.names is not None and len(node) <= LARGEST_NAMED:
        for i, name in enumerate(graph.names[int(number)] for number in node):
            if name is not None:
                ax.annotate(
                    str(name), (x[i], y[i]), xytext=(0, 3 + size**0.5 / 2), textcoords="offset points", ha="center",
                    fontsize=7, parse_math=False,
                )  # fmt: skip


def _places(graph: LayeredGraph, kept: list[IntArray], widest: int) -> list[FloatArray]:
    """Where the kept nodes of each level stand: those of a tree over the middle of their children."""
    across: list[FloatArray] = [np.arange(len(nodes), dtype=np.float64) + (widest - len(nodes)) / 2 for nodes in kept]
    if not graph.keeps_edges:
        for t in reversed(range(graph.horizon)):
            parent = np.searchsorted(kept[t], graph.layer(t).sources()[kept[t + 1]])
            across[t] = np.bincount(parent, across[t + 1]) / np.bincount(parent)
    return across
