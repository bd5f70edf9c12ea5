"""Exponential without a reward model for prefixes, flat with one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from treesim.demos.page import DISTANCE, SHARP_BOUND, TARGET, TOTAL_VARIATION, Track
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.tv import TV
from treesim.samplers import BestOfN, GuidedSMC, Importance, Sampler
from treesim.studies.scaling import least, slope
from treesim.tables import number, table
from treesim.theory.bounds import guidance_bound


@dataclass(frozen=True)
class Row:
    """One horizon of the blow-up demo.

    Attributes
    ----------
    horizon : int
    best_of_n, importance : int or None
        Least N with TV <= delta; None if no N up to 2^40 was found.
    epsilon : float
    guided : TV
        Of exact single-particle guidance by a value of Bellman error `epsilon`.
    guided_bound : float
        The largest it could be.
    guided_queries : float
        Values that guidance asks for.
    """

    horizon: int
    best_of_n: int | None
    importance: int | None
    epsilon: float
    guided: TV
    guided_bound: float
    guided_queries: float

    def steps_drawn(self, least: int | None) -> float | None:
        """Steps drawn from pi_ref to get `least` sequences."""
        return None if least is None else least * self.horizon


def run(horizons: Iterable[int], delta: float = 0.1, seed: int = 0) -> Iterator[Row]:
    """Least compute for TV <= `delta` against the horizon, without and with a reward model for partial answers.

    At every step two of four continuations are right, and pi_ref does not know which; each wrong one divides the
    reward by 50 T. Best-of-N and importance resampling see the reward at the end only. Guidance sees V*, every node of
    it wrong by a factor 1 + 1/(4T) up or down at random.

    Examples
    --------
    >>> [(row.importance, round(row.guided.hi, 3)) for row in run([2, 4])]
    [(9, 0.0), (36, 0.031)]
    """
    for horizon in horizons:
        epsilon = 1.0 / (4 * horizon)
        instance = right_steps(horizon, epsilon, seed)
        guided = GuidedSMC()

        def meets(sampler: Sampler, instance: Instance = instance) -> bool:
            return sampler.law(instance).tv(instance.target).hi <= delta

        yield Row(
            horizon=horizon,
            best_of_n=least(lambda n: meets(BestOfN(n))),
            importance=least(lambda n: meets(Importance(n))),
            epsilon=epsilon,
            guided=guided.law(instance).tv(instance.target),
            guided_bound=guidance_bound(horizon, epsilon).sharp,
            guided_queries=guided.cost(instance).value_queries,
        )


def right_steps(horizon: int, epsilon: float, seed: int = 0) -> Instance:
    """The instance of the blow-up demo, with a value of Bellman error `epsilon`."""
    return family(
        "uniform",
        horizon=horizon,
        branching=4,
        reward=f"right-steps:right=2,penalty={50 * horizon}",
        perturbation="random-sign",
        epsilon=epsilon,
        seed=seed,
    )


def growth_per_step(rows: list[Row], pick: Callable[[Row], int | None]) -> float | None:
    """The factor by which a count grows with each step: least squares of its log on the horizon."""
    points = [(row.horizon, math.log(count)) for row in rows if (count := pick(row))]
    if len({horizon for horizon, _ in points}) < 2:
        return None
    return math.exp(slope(points))


def page(seed: int = 0, track: Track = iter) -> Page:
    """Distances of best-of-N, importance resampling and guidance: sliders over T, epsilon T and N."""
    horizons, shares, sizes = (2, 3, 4, 5, 6, 7, 8), (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0), [2**k for k in range(15)]

    @cache
    def tv(horizon: int, share: float, sampler: Sampler) -> float:
        instance = right_steps(horizon, share / horizon, seed)
        return sampler.law(instance).tv(instance.target).hi

    def state(horizon: int, share: float, size: int) -> State:
        drawn = {"best-of-N": (BestOfN, ORANGE), "importance resampling": (Importance, BLUE)}
        by_size = [
            Curve(f"{name} (exact)", [(n, tv(horizon, shares[0], kind(n))) for n in sizes], colour)
            for name, (kind, colour) in drawn.items()
        ]
        by_horizon = [
            Curve(
                f"{name}, N = {size} (exact)", [(t, tv(t, shares[0], kind(size))) for t in horizons], colour, marks=True
            )
            for name, (kind, colour) in drawn.items()
        ]
        guided = tv(horizon, share, GuidedSMC())
        by_size.append(Curve("guided, one particle (exact)", [(n, guided) for n in sizes], GREEN))
        by_horizon.append(
            Curve("guided (exact)", [(t, tv(t, share, GuidedSMC())) for t in horizons], GREEN, marks=True)
        )
        most = [(t, guidance_bound(t, share / t).sharp) for t in horizons]
        by_horizon.append(Curve("guided, at most", most, GREY, dash=True))
        return State([by_size, by_horizon], [
            f"T = {horizon}: {4**horizon} sequences, of which {2**horizon} are right at every step.",
            f"Importance resampling from N = {size} draws, {size * horizon} steps: "
            f"TV {tv(horizon, shares[0], Importance(size)):.4f}.",
            f"One guided particle, {4 * horizon} values asked, Bellman error {share / horizon:.4g}: TV {guided:.4f}.",
        ])  # fmt: skip

    sliders = (
        Slider("horizon T", horizons, 4),
        Slider("Bellman error, times T", shares, 2),
        Slider("sequences drawn, N", sizes[::2], 3),
    )
    return Page(
        "Exponential without a reward model for prefixes, flat with one",
        (
            "At every step two of four continuations are right, and the reference policy does not know which. "
            "Best-of-N and importance resampling see the reward only at the end; guidance asks a reward model at "
            "each step, whose one-step (Bellman) error is the second slider divided by T. The target, and the distance "
            "of a sampler's law to it:",
            TARGET,
            TOTAL_VARIATION,
            "One guided particle with Bellman error ε is never farther than",
            SHARP_BOUND,
        ),
        sliders,
        (
            Panel("Nearer with more draws", Axis("sequences drawn, N", log=True), DISTANCE),
            Panel("Farther with more steps", Axis("horizon T"), DISTANCE),
        ),
        states(sliders, state, track),
    )


def figure(rows: list[Row], delta: float) -> Figure:
    """Compute for TV <= delta against the horizon, and the TV of guidance beside its bound."""
    # A layout that is known: finding one means drawing twice.
    figure = Figure(figsize=(11, 4.4))
    figure.subplots_adjust(left=0.065, right=0.99, top=0.93, bottom=0.115, wspace=0.19)
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
    legend(compute, fontsize=10)
    quality.plot(horizons, [row.guided_bound for row in rows], ":", color=GREY, label="largest possible (sharp 4.3)")
    quality.plot(horizons, [row.guided.hi for row in rows], "D-", color=GREEN, label="guided, one particle", ms=5)
    quality.axhline(delta, color="k", lw=0.8)
    quality.annotate(f"δ = {delta:g}", (horizons[0], delta), xytext=(0, 4), textcoords="offset points")
    quality.set_ylim(bottom=0)
    dress(quality, "Guidance by V̂ with Bellman error 1/(4T)", "horizon T", "total variation to the target (exact)")
    legend(quality, fontsize=10)
    return figure


def document(rows: list[Row], delta: float, seed: int) -> dict[str, Any]:
    """The demo as a document."""
    return {
        "delta": delta,
        "seed": seed,
        "rows": [
            {
                "horizon": row.horizon,
                "best_of_n": {"least": row.best_of_n, "reference_draws": row.steps_drawn(row.best_of_n)},
                "importance": {"least": row.importance, "reference_draws": row.steps_drawn(row.importance)},
                "guided": {
                    "epsilon": row.epsilon,
                    "value_queries": row.guided_queries,
                    "bound": row.guided_bound,
                    "tv": row.guided.document(),
                },
            }
            for row in rows
        ],
        "growth_per_step": {
            "best_of_n": growth_per_step(rows, lambda row: row.best_of_n),
            "importance": growth_per_step(rows, lambda row: row.importance),
        },
    }


def words(rows: list[Row], delta: float) -> str:
    """The demo in words."""
    headers = [
        "T", "best-of-N: N", "steps drawn", "importance: N", "steps drawn", "guided: TV", "at most", "values asked"
    ]  # fmt: skip
    lines = [
        [row.horizon, number(row.best_of_n, 9), number(row.steps_drawn(row.best_of_n), 9),
         number(row.importance, 9), number(row.steps_drawn(row.importance), 9),
         f"{row.guided.hi:.4f}", f"{row.guided_bound:.4f}", number(row.guided_queries)] for row in rows
    ]  # fmt: skip
    growth = growth_per_step(rows, lambda row: row.importance)
    return (
        "At every step two of four continuations are right, and the reference policy does not know which.\n"
        "Best-of-N and importance resampling see the reward only at the end. Guidance asks a reward model\n"
        f"at each step, whose one-step (Bellman) error is 1/(4T). Least compute for TV <= {delta:g}, exact:\n\n"
        + table(headers, lines)
        + (
            ""
            if growth is None
            else f"\n\nWithout a reward model N grows by a factor of {growth:.2f} a step; with one, a single particle\n"
            "stays within reach of the target at any horizon, for four values a step."
        )
    )
