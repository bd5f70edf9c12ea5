"""Constrained decoding: a language model of letters that must write a given word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from treesim.decoding.constrained import AutomatonValue, ExactValue, LookaheadValue, PartialValue, Problem
from treesim.demos.page import DISTANCE, REFERENCE, TOTAL_VARIATION, Track
from treesim.errors import ConstraintError
from treesim.figures.formulas import formula, join, over
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.instances.instance import Instance
from treesim.laws.law import WalkLaw
from treesim.laws.tv import TV
from treesim.laws.walks import ReferenceSteps, marginals
from treesim.samplers import Base, GuidedSMC, Sampler
from treesim.tables import distance, number, table


@dataclass(frozen=True)
class Row:
    """One way to write the texts of the constrained demo.

    Attributes
    ----------
    name : str
    bellman_error : float or None
        Of the value that guides; None without one.
    meets : float
        Probability that a text meets the constraint, exact.
    tv : TV
        To the model's own texts among those that meet it.
    queries : float
        Values asked for a text, in expectation.
    progress : list of float, length horizon
        Probability that what is written after t tokens meets the constraint, exact.
    text : str
        One text.
    """

    name: str
    bellman_error: float | None
    meets: float
    tv: TV
    queries: float
    progress: list[float]
    text: str


def run(problem: Problem, seed: int = 0, width: float = 1e-3) -> Iterator[Row]:
    """The same model and constraint: written by the model alone, guided by crude values, and by the optimal twist.

    Examples
    --------
    >>> from treesim.decoding.constrained import pose
    >>> rows = list(run(pose(horizon=20, order=2, contains=("python",))))
    >>> [row.name for row in rows]
    ['the model alone', 'sees the constraint only', 'looks 10 letters ahead', 'the optimal twist']
    >>> rows[0].meets < 1e-4, round(rows[-1].meets, 12), rows[-1].tv.hi < 1e-9
    (True, 1.0, True)
    """
    ways: list[tuple[str, Sampler, PartialValue]] = [
        ("the model alone", Base(), ExactValue()),
        ("sees the constraint only", GuidedSMC(), AutomatonValue()),
        ("looks 10 letters ahead", GuidedSMC(), LookaheadValue(10)),
        ("the optimal twist", GuidedSMC(), ExactValue()),
    ]
    for name, sampler, kind in ways:
        yield one_row(problem, name, sampler, kind, seed, width)


def one_row(
    problem: Problem, name: str, sampler: Sampler, kind: PartialValue, seed: int = 0, width: float = 1e-3
) -> Row:
    """One way to write the texts: a sampler, and the value it is guided by."""
    graph = problem.product.trellis
    instance = Instance(graph, kind.value(problem))
    law = sampler.law(instance)
    steps = law.steps if isinstance(law, WalkLaw) else ReferenceSteps(graph)
    edges = sampler.simulate(instance, 1, seed).edges
    assert edges is not None
    progress = [float(mass.to_float()[problem.meets].sum()) for mass, _ in marginals(steps)]
    return Row(
        name=name,
        bellman_error=None if isinstance(sampler, Base) else instance.audit.bellman_error,
        meets=progress[-1],
        tv=law.tv(instance.target, width=width),
        queries=sampler.cost(instance).value_queries,
        progress=progress,
        text=graph.text(edges[0]),
    )


def page(
    problem: Callable[[int], Problem], horizons: Sequence[int], wish: str, seed: int = 0, track: Track = iter
) -> Page:
    """Constrained decoding: sliders over the letters to write and how far ahead the value looks.

    Parameters
    ----------
    problem : callable
        The problem with a given number of letters.
    horizons : sequence of int
        Where no text meets the constraint, the number is left out.
    wish : str
        The constraint in words, to go after "that".
    """
    problem, ahead = cache(problem), (1, 2, 5, 10, 15, 20)
    horizons = [t for t in sorted(set(horizons)) if _feasible(problem, t)]

    @cache
    def fixed(horizon: int) -> list[Row]:
        return [
            one_row(problem(horizon), "the model alone", Base(), ExactValue(), seed),
            one_row(problem(horizon), "sees the constraint only", GuidedSMC(), AutomatonValue(), seed),
            one_row(problem(horizon), "the optimal twist", GuidedSMC(), ExactValue(), seed),
        ]

    @cache
    def looking(horizon: int, letters: int) -> Row:
        name = f"looks {letters} letters ahead"
        return one_row(problem(horizon), name, GuidedSMC(), LookaheadValue(letters), seed)

    def state(horizon: int, letters: int) -> State:
        alone, automaton, twist = fixed(horizon)
        shown = [(alone, GREY), (automaton, ORANGE), (looking(horizon, letters), GREEN), (twist, BLUE)]
        course = [Curve(f"{row.name} (exact)", list(enumerate(row.progress, start=1)), colour) for row, colour in shown]
        distance = [
            Curve(f"{row.name} (certified)", [(k, row.tv.hi) for k in ahead], colour, dash=True)
            for row, colour in shown if row is not shown[2][0]
        ]  # fmt: skip
        distance.append(
            Curve("looks ahead (certified)", [(k, looking(horizon, k).tv.hi) for k in ahead], GREEN, marks=True)
        )
        return State([course, distance], [f"{row.name}, TV at most {row.tv.hi:.3g}: “{row.text}”" for row, _ in shown])

    sliders = (
        Slider("letters to write, T", horizons, len(horizons) // 2),
        Slider("letters the value looks ahead", ahead, 3),
    )
    return Page(
        f"A language model of letters, and a text that {wish}",
        (
            f"An n-gram model writes T letters; wanted are its own texts, given that the text {wish}. It writes "
            "letter by letter, guided by values that see more or less of the future. The texts wanted, C being those "
            "that meet the constraint, and the distance of a way to write, P, to them:",
            formula("π̃(x) = ", over(join(REFERENCE, "(x)"), join(REFERENCE, "(C)")), " , x ∈ C"),
            TOTAL_VARIATION,
        ),
        sliders,
        (
            Panel(
                "Texts so far that meet the constraint", Axis("letters written"), Axis("probability", low=0.0, high=1.0)
            ),
            Panel("Distance to the texts wanted", Axis("letters looked ahead"), DISTANCE),
        ),
        states(sliders, state, track),
    )


def _feasible(problem: Callable[[int], Problem], horizon: int) -> bool:
    """Whether some text of this length meets the constraint."""
    try:
        problem(horizon)
    except ConstraintError:
        return False
    return True


def figure(rows: list[Row], what: str) -> Figure:
    """When the constraint is met, and how far each way of writing is from the model's own texts that meet it."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    course, distance = figure.subplots(1, 2, width_ratios=[1.5, 1])
    colours = [GREY, ORANGE, GREEN, BLUE]
    for row, colour in zip(rows, colours, strict=True):
        course.plot(np.arange(1, len(row.progress) + 1), row.progress, color=colour, label=row.name, lw=2)
    course.set_ylim(-0.02, 1.05)
    dress(course, f"Texts so far that meet: {what}", "tokens written", "probability (exact)")
    legend(course)
    heights = [(row.tv.lo + row.tv.hi) / 2 for row in rows]
    bars = distance.barh([row.name for row in rows], heights, color=colours)
    distance.bar_label(bars, [f"{height:.3f}" for height in heights], padding=4)
    distance.invert_yaxis()
    distance.set_xlim(0, 1.18)
    dress(distance, "Distance to the model's texts that meet it", "total variation (certified)", "")
    distance.grid(axis="y", visible=False)
    distance.xaxis.set_major_locator(MaxNLocator(6))
    return figure


def document(rows: list[Row], problem: Problem, what: str, seed: int) -> dict[str, Any]:
    """The demo as a document."""
    graph = problem.product.trellis
    return {
        "constraint": what,
        "horizon": graph.horizon,
        "seed": seed,
        "paths_log2": graph.log2_paths,
        "rows": [
            {
                "name": row.name,
                "bellman_error": row.bellman_error,
                "meets": row.meets,
                "value_queries": row.queries,
                "text": row.text,
                "tv": row.tv.document(),
                "progress": row.progress,
            }
            for row in rows
        ],
    }


def words(rows: list[Row], problem: Problem, what: str, order: int) -> str:
    """The demo in words."""
    graph = problem.product.trellis
    lines = [
        [row.name, number(row.bellman_error), number(row.meets), distance(row.tv.lo, row.tv.hi),
         number(row.queries), row.text] for row in rows
    ]  # fmt: skip
    return (
        f"An n-gram model of letters (n = {order}) writes {graph.horizon} letters, one of 2^{graph.log2_paths:.0f} "
        f"texts. Wanted: its own\ntexts, given that the text {what}. Each row writes letter by letter, guided by a "
        "value of its\nown; the first by none. Probabilities are exact, distances certified.\n\n"
        + table(["guided by", "Bellman error", "P(meets it)", "TV", "values asked", "one text"], lines)
    )
