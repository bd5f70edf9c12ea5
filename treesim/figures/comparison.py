"""TV against compute, drawn."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE, axes_or_new, dress, headline, legend
from treesim.studies.compare import Comparison, Point

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, NAVY, GREY)
MARKERS = ("o", "s", "^", "D", "P", "X")
DASHES = ("-", "--", ":", "-.")
# (colour, marker, dashes) by (series, instance).
Looks = dict[tuple[str, str], tuple[str, str, str]]
AXES = {"values": "values asked for one output", "draws": "prefixes drawn for one output"}

# Distances below this are rounding.
_ROUNDING = 1e-12


def draw_comparison(comparison: Comparison, ax: Axes | None = None, x: str = "values") -> Axes:
    """TV against one kind of compute, a curve for each series on each instance.

    Colours are series; markers and dashes are instances, or series where there is one instance. An interval is a bar; a
    hollow marker is an upper bound: nothing but zero is known to be below.

    Parameters
    ----------
    comparison : Comparison
    ax : Axes, optional
    x : str
        ``values`` or ``draws``.

    Examples
    --------
    >>> from treesim import compare, family
    >>> found = compare([family("uniform", horizon=4, seed=1)], ["importance"], vary={"n": [1, 4, 16]})
    >>> draw_comparison(found, x="draws").get_xlabel()
    'prefixes drawn for one output'
    """
    ax = axes_or_new(ax)
    looks = _looks(comparison)
    known = [(each.tv.lo + each.tv.hi) / 2 for each in comparison.points if _is_known(each)]
    foot = min(known, default=_ROUNDING) / 3
    for (label, instance), points in comparison.curves().items():
        colour, marker, dash = looks[label, instance]
        costs = [getattr(each, x) for each in points]
        heights = [(each.tv.lo + each.tv.hi) / 2 if _is_known(each) else max(each.tv.hi, foot) for each in points]
        ax.plot(costs, heights, dash, color=colour, lw=1.3)
        for cost, height, each in zip(costs, heights, points, strict=True):
            ax.plot([cost], [height], marker, color=colour, ms=5, mfc=colour if _is_known(each) else "white")
            if _is_known(each) and each.tv.hi > each.tv.lo:
                ax.plot([cost, cost], [each.tv.lo, each.tv.hi], "-", color=colour, lw=3, alpha=0.35)
    dress(ax, f"TV against {AXES[x].partition(' for')[0]}", AXES[x], "total variation to the target")
    ax.set_yscale("log")
    costs = [getattr(each, x) for each in comparison.points]
    if min(costs) >= 1:
        ax.set_xscale("log")
    else:
        ax.set_xscale("symlog", linthresh=1.0)
        ax.set_xlim(-0.15, 1.5 * max(1.0, *costs))
    legend(ax, handles=_handles(comparison, looks))
    return ax


def comparison_figure(comparison: Comparison) -> Figure:
    """TV against values asked, and against draws, with one legend.

    Examples
    --------
    >>> from treesim import compare, family
    >>> found = compare([family("uniform", horizon=4, seed=1)], ["importance"], vary={"n": [1, 4, 16]})
    >>> [ax.get_xlabel() for ax in comparison_figure(found).axes]
    ['values asked for one output', 'prefixes drawn for one output']
    """
    entries = len({label for label, _ in comparison.curves()}) + len(comparison.instances)
    figure = Figure(figsize=(11, 4.2 + 0.11 * entries), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, x in zip(panels, AXES, strict=True):
        draw_comparison(comparison, panel, x)
    handles = panels[0].get_legend().legend_handles
    for panel in panels:
        panel.get_legend().remove()
    below = figure.legend(handles=handles, loc="outside lower center", ncols=2 if entries > 2 else 1, frameon=False)
    for text in below.get_texts():
        text.set_parse_math(False)
    if len(comparison.instances) == 1:
        headline(figure, comparison.instances[0])
    return figure


def _is_known(point: Point) -> bool:
    """Whether the TV is known to be above zero, and above rounding."""
    return point.tv.lo > 0 and point.tv.hi > _ROUNDING


def _looks(comparison: Comparison) -> Looks:
    """Colour, marker and dashes of each curve, by series and instance."""
    curves, instances = comparison.curves(), comparison.instances
    lines = list(dict.fromkeys(label for label, _ in curves))
    looks = {}
    for label, instance in curves:
        line = lines.index(label)
        place = instances.index(instance) if len(instances) > 1 else line
        dash = DASHES[instances.index(instance) % len(DASHES)]
        looks[label, instance] = (COLOURS[line % len(COLOURS)], MARKERS[place % len(MARKERS)], dash)
    return looks


def _handles(comparison: Comparison, looks: Looks) -> list[Line2D]:
    """What the legend shows: each series, and each instance if there are several."""
    several = len(comparison.instances) > 1
    lines = {label: (colour, "" if several else marker) for (label, _), (colour, marker, _) in looks.items()}
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=5, lw=2, label=label)
        for label, (colour, marker) in lines.items()
    ]  # fmt: skip
    if several:
        shown = {instance: (marker, dash) for (_, instance), (_, marker, dash) in looks.items()}
        handles += [
            Line2D([], [], color=GREY, marker=marker, ms=5, ls=dash, label=name)
            for name, (marker, dash) in shown.items()
        ]  # fmt: skip
    if not all(map(_is_known, comparison.points)):
        handles.append(Line2D([], [], color=GREY, marker="o", mfc="white", ms=5, ls="", label="hollow: at most"))
    return handles
