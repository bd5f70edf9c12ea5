"""The demos as pages with sliders: what they tell for one choice of parameters, for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from treesim.decoding.constrained import AutomatonValue, ExactValue, LookaheadValue, Problem
from treesim.demos.demos import ConstrainedRow, Failures, constrained_row, failures, right_steps
from treesim.empirical.diagnosis import Diagnosis
from treesim.errors import ConstraintError
from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.walks import GuidedSteps, ReferenceSteps, marginals
from treesim.samplers import Base, BestOfN, GuidedSMC, Importance, Sampler
from treesim.theory.bounds import guidance_bound

Track = Callable[..., Any]
_TV = Axis("total variation to the target", low=0.0, high=1.0)


def blowup_page(seed: int = 0, track: Track = iter) -> Page:
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
            "each step, whose one-step (Bellman) error is the second slider divided by T.",
        ),
        sliders,
        (
            Panel("Nearer with more draws", Axis("sequences drawn, N", log=True), _TV),
            Panel("Farther with more steps", Axis("horizon T"), _TV),
        ),
        states(sliders, state, track),
    )


def guidance_page(seed: int = 0, track: Track = iter) -> Page:
    """Bounds and exact distances of a guided particle: sliders over T, epsilon T and paths offered H."""
    horizons, offers = (2, 4, 6, 8, 10), (1, 2, 4, 8, 16, 32)
    shares = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
    kinds = {"adversarial": ("V̂ the worst found", ORANGE), "random-sign": ("V̂ off at random", BLUE)}

    @cache
    def instance(kind: str, horizon: int, share: float) -> Instance:
        return family("dirichlet", horizon=horizon, perturbation=kind, epsilon=share / horizon, seed=seed)

    @cache
    def final(kind: str, horizon: int, share: float, mh: int) -> float:
        found = instance(kind, horizon, share)
        return GuidedSMC(mh=mh).law(found).tv(found.target).hi

    @cache
    def prefixes(kind: str, horizon: int, share: float) -> list[tuple[float, float]]:
        found = instance(kind, horizon, share)
        walk, reference = marginals(GuidedSteps(found.graph, found.value)), marginals(ReferenceSteps(found.graph))
        points: list[tuple[float, float]] = []
        for t, ((law, _), (reach, _)) in enumerate(zip(walk, reference, strict=True), start=1):
            log_target = (reach * found.value[found.graph.level(t)]).log()
            target = np.exp(log_target - log_target.max())
            points.append((t, float(abs(law.to_float() - target / target.sum()).sum()) / 2))
        return points

    def bounds(points: list[tuple[float, int, float]]) -> list[Curve]:
        found = [(x, guidance_bound(t, epsilon)) for x, t, epsilon in points]
        return [
            Curve("2 t ε (Theorem 4.3)", [(x, bound.value) for x, bound in found], GREY, dash=True),
            Curve("sharp bound", [(x, bound.sharp) for x, bound in found], NAVY),
        ]

    def state(horizon: int, share: float, mh: int) -> State:
        by_step = bounds([(t, t, share / horizon) for t in range(1, horizon + 1)])
        by_error = bounds([(s, horizon, s / horizon) for s in shares])
        for kind, (label, colour) in kinds.items():
            by_step.append(Curve(f"{label} (exact)", prefixes(kind, horizon, share), colour, marks=True))
            points = [(s, final(kind, horizon, s, mh)) for s in shares]
            by_error.append(Curve(f"{label}, H = {mh} (exact)", points, colour, marks=True))
        bound = guidance_bound(horizon, share / horizon)
        worst, random = (final(kind, horizon, share, mh) for kind in kinds)
        return State([by_step, by_error], [
            f"T = {horizon}, ε = {share / horizon:.4g}: 2 T ε = {bound.value:.4g}, sharp bound {bound.sharp:.4g}.",
            f"Exact TV after H = {mh} paths offered (Metropolis-Hastings): {worst:.3g} for the worst V̂ found, "
            f"{random:.3g} for a V̂ that is off at random.",
        ])  # fmt: skip

    sliders = (
        Slider("horizon T", horizons, 3),
        Slider("Bellman error, times T", shares, 5),
        Slider("paths offered, H", offers),
    )
    return Page(
        "How far is a guided particle from the target?",
        (
            "A value V̂ with Bellman error ε guides one particle down a Dirichlet tree. The paper bounds the "
            "distance of its first t steps to the prefixes that V̂ asks for (π_ref V̂) by 2 t ε; the sharp bound "
            "is a quarter of that, and never above one. With H > 1 paths are offered, and Metropolis-Hastings "
            "keeps one; the bounds are those of H = 1.",
        ),
        sliders,
        (
            Panel("Step by step, one path", Axis("steps t"), _TV),
            Panel("At the end, against the Bellman error", Axis("ε T", log=True), _TV),
        ),
        states(sliders, state, track),
    )


def constrained_page(
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
    def fixed(horizon: int) -> list[ConstrainedRow]:
        return [
            constrained_row(problem(horizon), "the model alone", Base(), ExactValue(), seed),
            constrained_row(problem(horizon), "sees the constraint only", GuidedSMC(), AutomatonValue(), seed),
            constrained_row(problem(horizon), "the optimal twist", GuidedSMC(), ExactValue(), seed),
        ]

    @cache
    def looking(horizon: int, letters: int) -> ConstrainedRow:
        name = f"looks {letters} letters ahead"
        return constrained_row(problem(horizon), name, GuidedSMC(), LookaheadValue(letters), seed)

    def state(horizon: int, letters: int) -> State:
        alone, automaton, twist = fixed(horizon)
        rows = [(alone, GREY), (automaton, ORANGE), (looking(horizon, letters), GREEN), (twist, BLUE)]
        course = [Curve(f"{row.name} (exact)", list(enumerate(row.progress, start=1)), colour) for row, colour in rows]
        distance = [
            Curve(f"{row.name} (certified)", [(k, row.tv.hi) for k in ahead], colour, dash=True)
            for row, colour in rows if row is not rows[2][0]
        ]  # fmt: skip
        distance.append(
            Curve("looks ahead (certified)", [(k, looking(horizon, k).tv.hi) for k in ahead], GREEN, marks=True)
        )
        return State([course, distance], [f"{row.name}, TV at most {row.tv.hi:.3g}: “{row.text}”" for row, _ in rows])

    sliders = (
        Slider("letters to write, T", horizons, len(horizons) // 2),
        Slider("letters the value looks ahead", ahead, 3),
    )
    return Page(
        f"A language model of letters, and a text that {wish}",
        (
            f"An n-gram model writes T letters; wanted are its own texts, given that the text {wish}. It writes "
            "letter by letter, guided by values that see more or less of the future.",
        ),
        sliders,
        (
            Panel(
                "Texts so far that meet the constraint", Axis("letters written"), Axis("probability", low=0.0, high=1.0)
            ),
            Panel("Distance to the texts wanted", Axis("letters looked ahead"), _TV),
        ),
        states(sliders, state, track),
    )


def failures_page(seed: int = 0, track: Track = iter) -> Page:
    """Collapse, degeneracy, slow-down: sliders over N and T."""
    sizes, horizons = (10, 30, 100, 300), (10, 20, 50, 100, 200)

    def lines(found: Failures, pick: Callable[[Diagnosis], Any]) -> list[Curve]:
        return [
            Curve(f"{label} (estimated)", list(enumerate(pick(diagnosis).tolist(), start=1)), colour)
            for label, diagnosis, colour in (
                ("resampling at every step", found.collapse, ORANGE),
                ("no resampling", found.degeneracy, BLUE),
            )
        ]

    def state(size: int, horizon: int) -> State:
        found = failures(size, horizon, seed)
        always, never = found.collapse, found.degeneracy
        assert always.ancestors is not None and never.ess is not None
        draws = Curve("importance resampling (exact)", list(found.draws.items()), GREEN, marks=True)
        return State([lines(found, lambda d: d.ancestors), lines(found, lambda d: d.ess), [draws]], [
            f"Resampled at every step, the last {size} particles have {always.ancestors[0] * size:.1f} ancestors.",
            f"Never resampled, their effective sample size at T = {horizon} is {never.ess[-1] * size:.1f}.",
        ])  # fmt: skip

    sliders = (Slider("particles N", sizes, 2), Slider("horizon T", horizons, 3))
    level, share = Axis("level t"), Axis("share of N", low=0.0, high=1.0)
    return Page(
        "Three ways to fail: collapse, degeneracy, slow-down",
        (
            "N particles go down the product model, where a one is worth twice a zero. Resampled at every step "
            "they soon have few ancestors; never resampled, few of them carry all the weight; and samplers that "
            "see the reward at the end only need exponentially many draws.",
        ),
        sliders,
        (
            Panel("Ancestors of the last population", level, share),
            Panel("Effective sample size", level, share),
            Panel("Draws for TV ≤ 0.1", Axis("horizon T"), Axis("least N", log=True)),
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
