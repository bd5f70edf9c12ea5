"""Score cards, drawn: a figure of dots, and a page with a curve for each axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE, axes_or_new, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State
from treesim.studies.battery import BATTERY, BUDGETS, VERSION
from treesim.studies.score_card import ScoreCard
from treesim.studies.verdicts import verdicts

COLOURS = (BLUE, ORANGE, PURPLE, NAVY)
MARKERS = ("o", "s", "^", "D")
NOBODY = "nobody"
# An interval that is narrower is drawn as its middle.
NARROW = 0.02


def draw_scores(cards: Sequence[ScoreCard], rivals: Mapping[str, ScoreCard], ax: Axes | None = None) -> Axes:
    """The scores of cards by axis, among those of others.

    Parameters
    ----------
    cards : sequence of ScoreCard
        Told apart by colours and markers, up to four.
    rivals : mapping of str to ScoreCard
        Grey dots.
    ax : Axes, optional
    """
    ax = axes_or_new(ax)
    names = [axis.name for axis in BATTERY]
    for place, name in enumerate(names):
        ax.plot(
            [rival.score(name) for rival in rivals.values()], [place] * len(rivals), "o", color=GREY, ms=4, alpha=0.3
        )
        for card, colour, marker in zip(cards, COLOURS, MARKERS, strict=False):
            lo, hi = card.score_range(name)
            ax.plot([lo, hi], [place, place], "-", color=colour, lw=3, alpha=0.4)
            ax.plot([card.score(name)], [place], marker, color=colour, ms=8)
    dress(ax, f"Score card, battery {VERSION}", f"1 - TV, mean over budgets of {_listed(BUDGETS)} a step", "")
    ax.set_xlim(-0.02, 1.02)
    ax.xaxis.set_major_locator(NullLocator())
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=8, ls="", label=card.sampler)
        for card, colour, marker in zip(cards, COLOURS, MARKERS, strict=False)
    ]  # fmt: skip
    if rivals:
        handles.append(Line2D([], [], color=GREY, marker="o", ms=4, ls="", alpha=0.5, label="published samplers"))
    legend(ax, handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    return ax


def score_figure(cards: Sequence[ScoreCard], rivals: Mapping[str, ScoreCard]) -> Figure:
    """`draw_scores` as a figure of its own."""
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    draw_scores(cards, rivals, figure.subplots())
    return figure


def score_page(cards: Sequence[ScoreCard], rivals: Mapping[str, ScoreCard]) -> Page:
    """A page: verdicts, the scores, and TV against the budget for every axis; a slider puts a rival beside it."""
    best = sorted(rivals.values(), key=lambda card: -card.total)
    beside = [None, *best]
    several = len(cards) > 1
    story = [
        f"Every axis is a small experiment whose target is known exactly: TV 0 is perfect. Of each sampler the largest "
        f"size is played that draws, and asks values of, at most {_listed(BUDGETS)} prefixes for every step. Its score "
        "is 1 - TV, the mean over these budgets; a budget too small for it counts as TV 1. The slider puts a published "
        "sampler beside it, the best first.",
    ]
    for card in cards:
        story += [
            f"{card.sampler}: {line}." if several else f"{line[0].upper()}{line[1:]}."
            for line in verdicts(card, rivals)
        ]
    places = Axis("axis: its number is that of the panels below", low=0.5, high=len(BATTERY) + 0.5)
    panels = [Panel("0. Score by axis", places, Axis("1 - TV, mean over budgets", low=0.0, high=1.0))]
    panels += [
        Panel(
            f"{number}. {axis.name}",
            Axis("prefixes drawn, and values asked, a step", log=True, low=BUDGETS[0], high=BUDGETS[-1]),
            Axis("total variation to the target", low=0.0, high=1.0),
            [f"{axis.question[0].upper()}{axis.question[1:]}"],
        )
        for number, axis in enumerate(BATTERY, 1)
    ]
    named = [NOBODY, *(card.sampler for card in best)]
    states = [State(_panels(cards, rival, best), _notes(cards, rival)) for rival in beside]
    title = f"Score card: {', '.join(card.sampler for card in cards)}"
    return Page(title, story, [Slider("Beside it", named)], panels, states)


def _panels(cards: Sequence[ScoreCard], rival: ScoreCard | None, best: Sequence[ScoreCard]) -> list[list[Curve]]:
    """The curves of every panel."""
    lines = list(zip(cards, COLOURS, strict=False))
    if rival is not None:
        lines.append((rival, GREY))
    scores = [Curve(card.sampler, _scores(card), colour, marks=True) for card, colour in lines]
    panels = [scores]
    for axis in BATTERY:
        curves = [curve for card, colour in lines for curve in _curves(card, axis.name, colour)]
        if best:
            curves.append(Curve("the best published", _best(best, axis.name), GREEN, dash=True))
        panels.append(curves)
    return panels


def _scores(card: ScoreCard) -> list[tuple[float, float | None]]:
    return [(float(number), card.score(axis.name)) for number, axis in enumerate(BATTERY, 1)]


def _curves(card: ScoreCard, name: str, colour: str) -> list[Curve]:
    """TV against the budget, and the ends of intervals that are not narrow."""
    marks = card.marks[name]
    kinds = _listed(dict.fromkeys(mark.tv.kind for mark in marks if mark.tv is not None)) or "cannot play"
    middle = [(float(mark.budget), None if mark.tv is None else mark.tv.mid) for mark in marks]
    curves = [Curve(f"{card.sampler} ({kinds})", middle, colour, marks=True)]
    if any(mark.tv is not None and mark.tv.width > NARROW for mark in marks):
        for what in ("lo", "hi"):
            ends = [(float(mark.budget), None if mark.tv is None else getattr(mark.tv, what)) for mark in marks]
            word = "at least" if what == "lo" else "at most"
            curves.append(Curve(f"{card.sampler}, {word}", ends, colour, dash=True))
    return curves


def _best(cards: Sequence[ScoreCard], name: str) -> list[tuple[float, float | None]]:
    """The least TV at every budget that is proven of one of them."""
    least: list[tuple[float, float | None]] = []
    for place, budget in enumerate(BUDGETS):
        found = [tv.hi for card in cards for tv in [card.marks[name][place].tv] if tv is not None]
        least.append((float(budget), min(found, default=None)))
    return least


def _notes(cards: Sequence[ScoreCard], rival: ScoreCard | None) -> list[str]:
    if rival is None:
        return []
    return [
        f"{card.sampler} scores {card.total:.3f} and {rival.sampler} {rival.total:.3f}; "
        f"it is better on {_listed(name for name in card.marks if card.score(name) > rival.score(name)) or 'no axis'}"
        for card in cards
    ]  # fmt: skip


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
