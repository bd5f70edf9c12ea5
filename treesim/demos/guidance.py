"""How far is one guided particle from the target: the paper's bound, the sharp one, and exact distances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from treesim.demos.page import DISTANCE, SHARP_BOUND, TOTAL_VARIATION, Track
from treesim.figures.style import BLUE, GREY, NAVY, ORANGE, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.walks import GuidedSteps, ReferenceSteps, marginals
from treesim.samplers import GuidedSMC
from treesim.tables import number, table
from treesim.theory.bounds import guidance_bound

# epsilon T
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Row:
    """One Bellman error of the guidance demo.

    Attributes
    ----------
    epsilon : float
    paper, sharp : float
        2 T epsilon of Theorem 4.3, and tanh((T - 1) log(1 + epsilon) / 2).
    adversarial, random_sign : float
        Exact TV of guidance on a Dirichlet tree whose V^ is the worst the adversary finds, and off at random.
    """

    epsilon: float
    paper: float
    sharp: float
    adversarial: float
    random_sign: float


def run(horizon: int, epsilons: Iterable[float], seed: int = 0) -> Iterator[Row]:
    """The paper's bound on guidance, the sharp one, and exact distances between zero and it.

    Examples
    --------
    >>> row = next(run(4, [0.1]))
    >>> row.random_sign <= row.adversarial <= row.sharp <= row.paper
    True
    """
    for epsilon in epsilons:
        tv = []
        for perturbation in ("adversarial", "random-sign"):
            instance = family("dirichlet", horizon=horizon, perturbation=perturbation, epsilon=epsilon, seed=seed)
            tv.append(GuidedSMC().law(instance).tv(instance.target).hi)
        bound = guidance_bound(horizon, epsilon)
        yield Row(epsilon, bound.value, bound.sharp, *tv)


def page(seed: int = 0, track: Track = iter) -> Page:
    """Bounds and exact distances of a guided particle: sliders over T, epsilon T and paths offered H."""
    horizons, offers = (2, 4, 6, 8, 10), (1, 2, 4, 8, 16, 32)
    shares = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
    kinds = {"adversarial": ("V̂ the worst found", ORANGE), "random-sign": ("V̂ off at random", BLUE)}

    @cache
    def instance(kind: str, horizon: int, share: float) -> Instance:
        return family("dirichlet", horizon=horizon, perturbation=kind, epsilon=share / horizon, seed=seed)

    @cache
    def final(kind: str, horizon: int, share: float, mh: int) -> float:
        noisy = instance(kind, horizon, share)
        return GuidedSMC(mh=mh).law(noisy).tv(noisy.target).hi

    @cache
    def prefixes(kind: str, horizon: int, share: float) -> list[tuple[float, float]]:
        noisy = instance(kind, horizon, share)
        walk, reference = marginals(GuidedSteps(noisy.graph, noisy.value)), marginals(ReferenceSteps(noisy.graph))
        points: list[tuple[float, float]] = []
        for t, ((law, _), (reach, _)) in enumerate(zip(walk, reference, strict=True), start=1):
            log_target = (reach * noisy.value[noisy.graph.level(t)]).log()
            target = np.exp(log_target - log_target.max())
            points.append((t, float(abs(law.to_float() - target / target.sum()).sum()) / 2))
        return points

    def bounds(points: list[tuple[float, int, float]]) -> list[Curve]:
        bounded = [(x, guidance_bound(t, epsilon)) for x, t, epsilon in points]
        return [
            Curve("2 t ε (Theorem 4.3)", [(x, bound.value) for x, bound in bounded], GREY, dash=True),
            Curve("sharp bound", [(x, bound.sharp) for x, bound in bounded], NAVY),
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
            SHARP_BOUND,
            TOTAL_VARIATION,
        ),
        sliders,
        (
            Panel("Step by step, one path", Axis("steps t"), DISTANCE),
            Panel("At the end, against the Bellman error", Axis("ε T", log=True), DISTANCE),
        ),
        states(sliders, state, track),
    )


def figure(rows: list[Row], horizon: int) -> Figure:
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
    legend(axes, fontsize=9, loc="center right", bbox_to_anchor=(1.0, 0.42))
    return figure


def document(rows: list[Row], horizon: int, seed: int) -> dict[str, Any]:
    """The demo as a document."""
    return {"horizon": horizon, "seed": seed, "rows": [vars(row) for row in rows]}


def words(rows: list[Row], horizon: int) -> str:
    """The demo in words."""
    lines = [
        [number(row.epsilon * horizon), number(row.paper), number(row.sharp), number(row.adversarial),
         number(row.random_sign)] for row in rows
    ]  # fmt: skip
    return (
        f"One particle is guided for T = {horizon} steps by a value whose Bellman error is epsilon. The paper bounds\n"
        "its distance to the target by 2 T epsilon; the sharp bound is a quarter of that, and never above one. Exact\n"
        "distances on a Dirichlet tree, where V^ is the worst there is, and where its errors have random signs:\n\n"
        + table(["epsilon T", "2 T epsilon", "sharp bound", "TV, adversarial", "TV, random"], lines)
    )
