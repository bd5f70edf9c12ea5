"""Figures of hard instances and of the oracle game."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from treesim.figures.plots import dress
from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE
from treesim.hard_instances.certificate import Certificate
from treesim.hard_instances.oracle_game.game import Curve, PriceRow
from treesim.instances.families import family
from treesim.samplers import sampler

COLOURS = (GREY, GREEN, ORANGE, BLUE, PURPLE, NAVY)


def hidden_leaf_figure(curves: list[Curve], rows: list[PriceRow], found: Certificate, exponent: float) -> Figure:
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
    chance.axhline(found.forced_hit, color="k", lw=0.8, ls=":")
    chance.annotate("needed for TV ≤ 1/3", (curves[0].queries[-1], found.forced_hit), xytext=(0, 4),
                    textcoords="offset points", fontsize=9, ha="right")  # fmt: skip
    chance.set_xscale("log")
    chance.set_ylim(-0.03, 1.3)
    chance.set_yticks(np.linspace(0, 1, 6))
    dress(chance, f"One of {found.hidden} prefixes is the good one (T = {found.horizon})", "queries spent",
           "probability of returning it")  # fmt: skip
    chance.xaxis.set_major_locator(LogLocator())
    chance.legend(frameon=False, fontsize=8.5, ncols=2, loc="upper left")
    horizons = [row.horizon for row in rows]
    price.plot(horizons, [row.bound for row in rows], "s-", color=GREY, ms=4, label="any sampler, at least")
    price.plot(horizons, [row.best_of_n for row in rows], "o-", color=ORANGE, ms=4, label="best-of-N (exact)")
    price.set_yscale("log")
    dress(price, f"Price of TV ≤ 1/3: exp({exponent:.3f} T), at least", "horizon T", "queries")
    price.legend(frameon=False, fontsize=9)
    return figure


def rivals_figure(name: str, specs: Mapping[str, str], horizons: list[int], **parameters: Any) -> Figure:
    """Bellman error by level on a small instance of a family, and the exact TV of samplers against the horizon.

    Parameters
    ----------
    name : str
        The family.
    specs : mapping of str to str
        What the legend says, and the sampler.
    horizons : list of int
    **parameters
        Of the family.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    profile, distance = figure.subplots(1, 2)
    small = family(name, horizon=horizons[0], **parameters)
    levels = np.arange(small.graph.horizon)
    profile.bar(levels, small.audit.sup, color=ORANGE, width=0.6)
    profile.set_ylim(bottom=0, top=max(1e-3, 1.3 * float(small.audit.sup.max())))
    if small.audit.bellman_error < 1e-9:
        profile.annotate("zero at every level", (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
        profile.set_yticks([])
    dress(profile, f"Bellman error by level (T = {horizons[0]})", "level t", "largest over prefixes")
    for (label, spec), colour in zip(specs.items(), itertools.cycle((ORANGE, GREEN, BLUE, GREY))):
        tv = []
        for horizon in horizons:
            instance = family(name, horizon=horizon, **parameters)
            found = sampler(spec).law(instance).tv(instance.target)
            tv.append((found.lo + found.hi) / 2)
        distance.plot(horizons, tv, "o-", color=colour, label=label, ms=4)
    distance.set_ylim(-0.02, 1.02)
    dress(distance, name, "horizon T", "total variation to the target (exact)")
    distance.legend(frameon=False, fontsize=9)
    return figure
