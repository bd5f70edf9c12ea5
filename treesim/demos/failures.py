"""Three ways to fail, side by side: particle collapse, weight degeneracy, exponential slow-down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from treesim.arrays import Brief
from treesim.demos.page import Track
from treesim.empirical.diagnosis import Diagnosis, diagnose
from treesim.figures.formulas import above, formula, join, over
from treesim.figures.style import BLUE, GREEN, ORANGE, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.instances.families import family
from treesim.samplers import SMC, Importance
from treesim.studies.scaling import least, scale


@dataclass(frozen=True, eq=False, repr=False)
class Failures(Brief):
    """Three ways in which samplers fail, side by side.

    Attributes
    ----------
    collapse, degeneracy : Diagnosis
        Of SMC that resamples at every step, and of SMC that never does, on the same instance.
    particles, horizon : int
    draws : dict of int to int
        Least N of importance resampling with TV <= 0.1, by horizon.
    """

    collapse: Diagnosis
    degeneracy: Diagnosis
    particles: int
    horizon: int
    draws: dict[int, int]


def run(particles: int = 100, horizon: int = 100, seed: int = 0) -> Failures:
    """Particle collapse, weight degeneracy, exponential slow-down.

    Examples
    --------
    >>> failures = run(particles=50, horizon=100)
    >>> failures.collapse.verdict[0][:17], failures.degeneracy.verdict[0][:17]
    ('particle collapse', 'weight degeneracy')
    """
    instance = family("product", horizon=horizon, ratio=2.0)
    always = diagnose(SMC(particles), instance, seed=seed, partition=False)
    never = diagnose(SMC(particles, threshold=1e-9), instance, seed=seed, partition=False)
    return Failures(always, never, particles, horizon, slow_down())


@cache
def slow_down() -> dict[int, int]:
    """Least N of importance resampling with TV <= 0.1 by horizon, where one of two continuations is right each time."""
    rows = scale("uniform", "importance", range(2, 13, 2), delta=0.1, reward="right-steps:right=1,penalty=100")
    return {row.horizon: row.least for row in rows if row.least}


@cache
def draws_on_product(horizon: int) -> int | None:
    """Least N of importance resampling with TV <= 0.1 on the product model, where the particles of `run` fail.

    Examples
    --------
    >>> [draws_on_product(horizon) for horizon in (10, 50, 100)]
    [9, 384, 20429]
    """
    instance = family("product", horizon=horizon, ratio=2.0)
    return least(lambda n: Importance(n).law(instance).tv(instance.target).hi <= 0.1)


def page(seed: int = 0, track: Track = iter) -> Page:
    """Collapse, degeneracy, slow-down: sliders over N and T."""
    sizes, horizons = (10, 30, 100, 300), (10, 20, 50, 100, 200)
    steps = (2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 125, 150, 175, 200)

    def lines(failures: Failures, pick: Callable[[Diagnosis], Any]) -> list[Curve]:
        return [
            Curve(f"{label} (estimated)", list(enumerate(pick(diagnosis).tolist(), start=1)), colour)
            for label, diagnosis, colour in (
                ("resampling at every step", failures.collapse, ORANGE),
                ("no resampling", failures.degeneracy, BLUE),
            )
        ]

    def state(size: int, horizon: int) -> State:
        failures = run(size, horizon, seed)
        always, never = failures.collapse, failures.degeneracy
        assert always.ancestors is not None and never.ess is not None
        draws: list[tuple[float, float | None]] = [(t, draws_on_product(t)) for t in steps if t <= horizon]
        slow = [
            Curve("importance resampling (exact)", draws, GREEN, marks=True),
            Curve(f"N = {size}", [(t, size) for t, _ in draws], "currentColor", dash=True),
        ]
        return State([lines(failures, lambda d: d.ancestors), lines(failures, lambda d: d.ess), slow], [
            f"Resampled at every step, the last {size} particles have {always.ancestors[0] * size:.1f} ancestors.",
            f"Never resampled, their effective sample size at T = {horizon} is {never.ess[-1] * size:.1f}.",
            f"For TV ≤ 0.1 at T = {horizon} importance resampling needs N = {draws_on_product(horizon)}; N = {size} "
            f"is enough up to T = {max(t for t, n in draws if n is not None and n <= size)}.",
        ])  # fmt: skip

    sliders = (Slider("particles N", sizes, 2), Slider("horizon T", horizons, 3))
    level, share = Axis("level t"), Axis("share of N", low=0.0, high=1.0)
    return Page(
        "Three ways to fail: collapse, degeneracy, slow-down",
        (
            "N particles go down the product model, where a one is worth twice a zero. Resampled at every step "
            "they soon have few ancestors; never resampled, few of them carry all the weight; and samplers that "
            "see the reward at the end only need exponentially many draws. The effective sample size, as a share of "
            "N, of particles with weights w:",
            formula(over("ESS", "N"), " = ", over(above("(∑ w)", "2"), join("N ∑ ", above("w", "2")))),
        ),
        sliders,
        (
            Panel("Ancestors of the last population", level, share),
            Panel("Effective sample size", level, share),
            Panel("Draws for TV ≤ 0.1", Axis("horizon T"), Axis("least N", log=True)),
        ),
        states(sliders, state, track),
    )


def figure(failures: Failures) -> Figure:
    """Collapse, degeneracy and slow-down, one panel each."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    collapse, degeneracy, slow = figure.subplots(1, 3)
    levels = np.arange(1, failures.horizon + 1)
    for axes, pick, title, y in (
        (collapse, "ancestors", "Particle collapse", "share that the last population descends from"),
        (degeneracy, "ess", "Weight degeneracy", "effective sample size / N"),
    ):
        axes.plot(levels, getattr(failures.collapse, pick), color=ORANGE, lw=2, label="resampling at every step")
        axes.plot(levels, getattr(failures.degeneracy, pick), color=BLUE, lw=2, label="no resampling")
        axes.set_ylim(-0.02, 1.3)
        dress(axes, f"{title} (N = {failures.particles})", "level t", y)
        legend(axes, fontsize=9, loc="upper left")
    slow.plot(list(failures.draws), list(failures.draws.values()), "D-", color=GREEN, ms=5)
    slow.set_yscale("log")
    dress(slow, "Exponential slow-down: draws for TV ≤ 0.1", "horizon T", "least N of importance resampling (exact)")
    return figure


def document(failures: Failures, seed: int) -> dict[str, Any]:
    """The demo as a document."""

    def health(of: Diagnosis) -> dict[str, Any]:
        assert of.ess is not None and of.ancestors is not None
        return {"ess": of.ess.tolist(), "ancestors": of.ancestors.tolist(), "verdict": list(of.verdict)}

    return {
        "particles": failures.particles,
        "horizon": failures.horizon,
        "seed": seed,
        "resampling": health(failures.collapse),
        "no_resampling": health(failures.degeneracy),
        "importance_draws": {str(t): n for t, n in failures.draws.items()},
    }


def words(failures: Failures) -> str:
    """The demo in words."""
    always, never, particles = failures.collapse, failures.degeneracy, failures.particles
    assert always.ancestors is not None and always.ess is not None and never.ess is not None
    (short, few), *_, (long, many) = failures.draws.items()
    alive, ess = always.ancestors[0] * particles, always.ess.min() * particles
    return (
        f"{particles} particles go {failures.horizon} steps down the product model (a one is worth twice a zero).\n\n"
        f"- Resampled at every step they collapse: the last population descends from {alive:.1f} of the {particles} "
        f"that\n  took the first step. Their weights stay fine: ESS is {ess:.0f} or more.\n"
        f"- Never resampled they all live, and their weights degenerate: at the end ESS is "
        f"{never.ess[-1] * particles:.1f} of {particles}.\n"
        "- Without a value for prefixes samplers slow down: where one of two continuations is right at each step,\n"
        f"  importance resampling takes {few} draws for TV <= 0.1 at T = {short}, and {many} at T = {long}."
    )
