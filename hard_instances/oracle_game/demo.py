"""The demo of the oracle game: find the prefix that V^ hides, and pay for every prefix you look at."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from treesim.demos.page import Track
from treesim.errors import TreesimError
from treesim.figures.formulas import formula, over
from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.hard_instances.certificate import Certificate, certificate
from treesim.hard_instances.hidden_prefix import hidden_prefix, hidden_prefix_certificate
from treesim.hard_instances.oracle_game.game import (
    RIVALS,
    SEARCH,
    PriceRow,
    SuccessCurve,
    exact_curve,
    fitted_exponent,
    prices,
)
from treesim.tables import number, table

COLOURS = (GREY, GREEN, ORANGE, BLUE, PURPLE, NAVY)


def figure(curves: list[SuccessCurve], rows: list[PriceRow], proof: Certificate) -> Figure:
    """Probability of returning the hidden prefix against queries, and the price of nearness against the horizon."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    chance, price = figure.subplots(1, 2, width_ratios=[1.35, 1])
    names = list(dict.fromkeys(curve.strategy for curve in curves))
    colours = dict(zip(names, itertools.cycle(COLOURS)))
    known = {curve.strategy for curve in curves if curve.kind == "exact"}
    for curve in curves:
        exact = curve.kind == "exact"
        error = None if exact else 2 * np.sqrt(curve.success * (1 - curve.success) / curve.games)
        chance.errorbar(
            curve.queries, curve.success, error, fmt="-" if exact else "o", ms=4, capsize=2, lw=1.8 if exact else 0.8,
            color=colours[curve.strategy],
            label=f"{curve.strategy.replace('{}', 'N')}{'' if exact else ' (played)'}"
            if exact or curve.strategy not in known
            else None,
        )  # fmt: skip
    chance.axhline(proof.forced_hit, color="k", lw=0.8, ls=":")
    chance.annotate("needed for TV ≤ 1/3", (curves[0].queries[-1], proof.forced_hit), xytext=(0, 4),
                    textcoords="offset points", fontsize=9, ha="right")  # fmt: skip
    chance.set_xscale("log")
    chance.set_ylim(-0.03, 1.3)
    chance.set_yticks(np.linspace(0, 1, 6))
    dress(chance, f"One of {proof.hidden} prefixes is the good one (T = {proof.horizon})", "queries spent",
           "probability of returning it")  # fmt: skip
    chance.xaxis.set_major_locator(LogLocator())
    legend(chance, fontsize=8.5, ncols=2, loc="upper left")
    horizons = [row.horizon for row in rows]
    price.plot(horizons, [row.bound for row in rows], "s-", color=GREY, ms=4, label="any sampler, at least")
    price.plot(horizons, [row.best_of_n for row in rows], "o-", color=ORANGE, ms=4, label="best-of-N (exact)")
    price.set_yscale("log")
    dress(price, f"Price of TV ≤ 1/3: exp({fitted_exponent(rows):.3f} T), at least", "horizon T", "queries")
    legend(price)
    return figure


def page(branching: int = 2, seed: int = 0, track: Track = iter) -> Page:
    """Chance of finding the hidden prefix, and the price of nearness: sliders over T, epsilon and queries.

    Both panels follow all of them: what the chosen queries buy at the chosen horizon is marked on its curve.
    """
    horizons, epsilons = (3, 6, 9), (0.5, 0.75, 1.0)
    budgets = [float(2**k) for k in range(2, 13)]
    grid = np.array(budgets)
    colours = dict(zip(("best possible", SEARCH, *RIVALS), (GREY, GREEN, ORANGE, BLUE), strict=True))

    @cache
    def game(horizon: int, epsilon: float) -> tuple[Certificate, list[SuccessCurve]]:
        instance = hidden_prefix(horizon, epsilon, branching, form="trellis", seed=seed)
        return certificate(instance), [exact_curve(name, instance, grid) for name in colours]

    @cache
    def price(epsilon: float) -> list[Curve]:
        rows = list(prices(range(3, 61, 3), epsilon, branching))
        return [
            Curve("any sampler, at least", [(row.horizon, row.bound) for row in rows], GREY, marks=True),
            Curve("best-of-N (exact)", [(row.horizon, row.best_of_n) for row in rows], ORANGE, marks=True),
        ]

    def state(horizon: int, epsilon: float, budget: float) -> State:
        proof, curves = game(horizon, epsilon)
        chances = [
            Curve(
                f"{curve.strategy.replace('{}', 'N')} (exact)",
                list(zip(curve.queries.tolist(), curve.success.tolist(), strict=True)),
                colours[curve.strategy],
                marks=True,
            )
            for curve in curves
        ]
        chances.append(
            Curve("needed for TV ≤ 1/3", [(q, proof.forced_hit) for q in budgets], "currentColor", dash=True)
        )
        within = [(curve.strategy.replace("{}", "N"), curve.success[curve.queries <= budget]) for curve in curves]
        best = curves[0].success[curves[0].queries == budget].tolist()
        chances.append(Curve("best possible with q queries", [(budget, each) for each in best], NAVY, marks=True))
        least, *_ = price(epsilon)
        prices_at = [
            *price(epsilon),
            Curve("q queries", [(t, budget) for t, _ in least.points], "currentColor", dash=True),
            Curve(f"any sampler at T = {horizon}, at least", [(horizon, proof.queries)], NAVY, marks=True),
        ]
        return State([chances, prices_at], [
            f"One of {proof.hidden} prefixes is the good one; the target is on it with chance {proof.target_mass:.4f}.",
            f"Every sampler within TV 1/3 needs {proof.queries:.4g} queries or more.",
            f"With {budget:.0f} queries: "
            + ", ".join(f"{name} {success[-1] if len(success) else 0.0:.4f}" for name, success in within) + ".",
        ])  # fmt: skip

    sliders = (
        Slider("horizon T", horizons, 2),
        Slider("Bellman error ε", epsilons, 2),
        Slider("queries q", [int(budget) for budget in budgets], 4),
    )
    return Page(
        "The oracle game: find the prefix that V̂ hides",
        (
            "One of many equally likely prefixes is the good one, and V̂ does not tell which until it is behind "
            "you. Every prefix you look at costs a query: without guessing, no strategy that has looked at q of H "
            "prefixes returns the good one with probability above q / H. The target is on it with probability m, so "
            "whoever is within TV 1/3 of it needs",
            formula(over("q", "H"), " ≥ m − ", over("1", "3")),
        ),
        sliders,
        (
            Panel(
                "Probability of returning it",
                Axis("queries", log=True),
                Axis("probability", low=0.0, high=1.0),
            ),
            Panel("Price of TV ≤ 1/3", Axis("horizon T"), Axis("queries", log=True)),
        ),
        states(sliders, state, track),
    )


def price_rows(epsilon: float, branching: int) -> list[PriceRow]:
    """The price of nearness at every third horizon up to 60 that hides at least two prefixes."""
    return list(prices([t for t in range(3, 61, 3) if _hides(t, epsilon, branching)], epsilon, branching))


def document(curves: list[SuccessCurve], rows: list[PriceRow], proof: Certificate, epsilon: float) -> dict[str, Any]:
    """The demo as a document."""
    return {
        "horizon": proof.horizon,
        "epsilon": epsilon,
        "hidden": proof.hidden,
        "target_mass": proof.target_mass,
        "forced_hit": proof.forced_hit,
        "query_bound": proof.queries,
        "curves": [
            {
                "strategy": curve.strategy,
                "kind": curve.kind,
                "games": curve.games,
                "queries": curve.queries.tolist(),
                "success": curve.success.tolist(),
            }
            for curve in curves
        ],
        "prices": [vars(row) for row in rows],
        "exponent": fitted_exponent(rows),
        "exponent_of_theorem": 2 / 3 * math.log1p(epsilon),
    }


def words(
    curves: list[SuccessCurve], rows: list[PriceRow], proof: Certificate, epsilon: float, budgets: list[float]
) -> str:
    """The demo in words."""
    names = list(dict.fromkeys(curve.strategy for curve in curves))
    games = max(curve.games or 0 for curve in curves)
    lines = []
    for budget in budgets:
        cells = [number(budget)]
        for name in names:
            values = [
                (curve.kind, curve.success[index]) for curve in curves if curve.strategy == name
                for index in [int(abs(curve.queries - budget).argmin())] if curve.queries[index] == budget
            ]  # fmt: skip
            text = " ".join(f"({value:.2f})" if kind == "estimated" else f"{value:.4f}" for kind, value in values)
            cells.append(text or "-")
        lines.append(cells)
    return (
        f"One of {proof.hidden} equally likely prefixes is the good one, and V^ does not tell which until it is\n"
        f"behind you. The target is on it with probability {proof.target_mass:.4f}; so a sampler within TV 1/3 must\n"
        f"return it with probability {proof.forced_hit:.4f}, and needs {proof.queries:.1f} queries at least: without "
        f"guessing no\nstrategy succeeds with probability above q / {proof.hidden}. Probability of returning it, by "
        f"queries q\n(exact; in brackets, {games} games):\n\n"
        + table(["queries", *names], lines)
        + f"\n\nThe price grows as exp({fitted_exponent(rows):.4f} T); Theorem "
        f"4.{1 if float(epsilon).is_integer() else 2} says (1 + epsilon)^(2 T / 3) = "
        f"exp({2 / 3 * math.log1p(epsilon):.4f} T)."
    )


def _hides(horizon: int, epsilon: float, branching: int) -> bool:
    """Whether at least two prefixes can be hidden."""
    try:
        hidden_prefix_certificate(horizon, epsilon, branching, form="trellis")
    except TreesimError:
        return False
    return True
