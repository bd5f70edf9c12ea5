"""The oracle game as a page with sliders."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from treesim.figures import web_page as page
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE
from treesim.hard_instances.certificate import Certificate, certificate
from treesim.hard_instances.hidden_prefix import hidden_prefix
from treesim.hard_instances.oracle_game.game import RIVALS, SEARCH, Curve, exact_curve, prices


def hidden_leaf_page(branching: int = 2, seed: int = 0, track: Callable[..., Any] = iter) -> page.Page:
    """Chance of finding the hidden prefix, and the price of nearness: sliders over T, epsilon and queries."""
    horizons, epsilons = (3, 6, 9), (0.5, 0.75, 1.0)
    budgets = [float(2**k) for k in range(2, 13)]
    grid = np.array(budgets)
    colours = dict(zip(("best possible", SEARCH, *RIVALS), (GREY, GREEN, ORANGE, BLUE), strict=True))

    @cache
    def game(horizon: int, epsilon: float) -> tuple[Certificate, list[Curve]]:
        instance = hidden_prefix(horizon, epsilon, branching, form="trellis", seed=seed)
        return certificate(instance), [exact_curve(name, instance, grid) for name in colours]

    @cache
    def price(epsilon: float) -> list[page.Curve]:
        rows = list(prices(range(6, 61, 3), epsilon, branching))
        return [
            page.Curve("any sampler, at least", [(row.horizon, row.bound) for row in rows], GREY, marks=True),
            page.Curve("best-of-N (exact)", [(row.horizon, row.best_of_n) for row in rows], ORANGE, marks=True),
        ]

    def state(horizon: int, epsilon: float, budget: float) -> page.State:
        found, curves = game(horizon, epsilon)
        chances = [
            page.Curve(
                f"{curve.strategy.replace('{}', 'N')} (exact)",
                list(zip(curve.queries.tolist(), curve.success.tolist(), strict=True)),
                colours[curve.strategy],
                marks=True,
            )
            for curve in curves
        ]
        chances.append(
            page.Curve("needed for TV ≤ 1/3", [(q, found.forced_hit) for q in budgets], "currentColor", dash=True)
        )
        within = [(curve.strategy.replace("{}", "N"), curve.success[curve.queries <= budget]) for curve in curves]
        return page.State([chances, price(epsilon)], [
            f"One of {found.hidden} prefixes is the good one; the target is on it with chance {found.target_mass:.4f}.",
            f"Every sampler within TV 1/3 needs {found.queries:.4g} queries or more.",
            f"With {budget:.0f} queries: "
            + ", ".join(f"{name} {success[-1] if len(success) else 0.0:.4f}" for name, success in within) + ".",
        ])  # fmt: skip

    sliders = (
        page.Slider("horizon T", horizons, 2),
        page.Slider("Bellman error ε", epsilons, 2),
        page.Slider("queries q", [int(budget) for budget in budgets], 4),
    )
    return page.Page(
        "The oracle game: find the prefix that V̂ hides",
        (
            "One of many equally likely prefixes is the good one, and V̂ does not tell which until it is behind "
            "you. Every prefix you look at costs a query: without guessing, no strategy that has looked at q of H "
            "prefixes returns the good one with probability above q / H.",
        ),
        sliders,
        (
            page.Panel(
                "Probability of returning it",
                page.Axis("queries", log=True),
                page.Axis("probability", low=0.0, high=1.0),
            ),
            page.Panel("Price of TV ≤ 1/3", page.Axis("horizon T"), page.Axis("queries", log=True)),
        ),
        page.states(sliders, state, track),
    )
