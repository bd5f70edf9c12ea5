"""What runs told, drawn: diagnosis and identification."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from treesim.empirical.diagnosis import Diagnosis, genealogy
from treesim.empirical.identification import Identification
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE, dress
from treesim.samplers.base import Clouds

LARGEST_BARS = 32


def diagnosis_figure(diagnosis: Diagnosis, clouds: Clouds | None, title: str) -> Figure:
    """ESS and distinct ancestors by level, and for small populations the genealogy of one run."""
    figure = Figure(figsize=(11 if clouds else 6, 4.4), layout="constrained")
    figure.suptitle(f"{title} — {'; '.join(diagnosis.verdict)}", fontsize=10, color=GREY, wrap=True)
    axes = figure.subplots(1, 2 if clouds else 1, squeeze=False)[0]
    assert diagnosis.ess is not None and diagnosis.ancestors is not None
    levels = np.arange(1, len(diagnosis.ess) + 1)
    axes[0].plot(levels, diagnosis.ess, "o-", color=BLUE, ms=4, label="effective sample size / N")
    axes[0].plot(levels, diagnosis.ancestors, "s-", color=ORANGE, ms=4, label="ancestors of the last population / N")
    axes[0].set_ylim(0, 1.25)
    axes[0].legend(frameon=False, fontsize=9)
    dress(axes[0], f"Health of the population ({diagnosis.runs} runs)", "level t", "share of particles (mean)")
    if clouds:
        parents, alive = genealogy(clouds, 0)
        for colour, width, shown in ((GREY, 0.4, 0), (ORANGE, 1.4, 1)):
            lines = [
                [(t, parents[t, i]), (t + 1, i)]
                for t in range(1, len(parents)) for i in np.flatnonzero(alive[t] == shown)
            ]  # fmt: skip
            axes[1].add_collection(LineCollection(lines, colors=colour, linewidths=width))
        axes[1].autoscale()
        dress(axes[1], "Genealogy of one run: coloured lines survive", "level t", "particle")
        axes[1].grid(visible=False)
    return figure


def audit_figure(identified: Identification, title: str) -> Figure:
    """Observed frequencies beside the target and the law that fits, the exponents, and TV against size."""
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    figure.suptitle(f"{title}: {identified.verdict}", fontsize=10, color=GREY, wrap=True)
    laws, exponents, sizes = figure.subplots(1, 3, width_ratios=[1.6, 1, 1])
    shown = np.argsort(-np.maximum(identified.target, identified.frequencies), kind="stable")[:LARGEST_BARS]
    shown.sort()
    place = np.arange(len(shown))
    for shift, law, colour, label in (
        (-0.27, identified.target, BLUE, "target (exact)"),
        (0.0, identified.frequencies, ORANGE, f"{identified.runs} runs"),
        (0.27, identified.fitted, GREEN, "best π_ref ∏ V_t^a_t"),
    ):
        laws.bar(place + shift, law[shown], width=0.27, color=colour, label=label)
    laws.set_xticks(place, [str(leaf) for leaf in shown], fontsize=8)
    dress(laws, "Law of the leaf", "leaf", "probability")
    laws.set_xticks(place, [str(leaf) for leaf in shown], fontsize=8)
    laws.legend(frameon=False, fontsize=9)
    horizon = len(identified.exponents)
    steps = np.arange(1, horizon + 1)
    exponents.plot(steps, np.eye(horizon)[-1], "_", color=BLUE, ms=22, mew=2, label="target: 0, .., 0, 1")
    for each in identified.exponents:
        if each.estimate is not None and each.low is not None and each.high is not None:
            error = [[each.estimate - each.low], [each.high - each.estimate]]
            exponents.errorbar([each.step], [each.estimate], error, fmt="o", color=ORANGE, capsize=3)
    dress(exponents, "How often V_t is counted", "step t", "exponent (99% interval)")
    exponents.legend(frameon=False, fontsize=9)
    x = [row.size if row.size is not None else 1 for row in identified.rows]
    middle = [(row.tv.lo + row.tv.hi) / 2 for row in identified.rows]
    half = [(row.tv.hi - row.tv.lo) / 2 for row in identified.rows]
    sizes.errorbar(x, middle, half, fmt="o-", color=ORANGE, capsize=3, label="TV (estimated, 99% interval)")
    sizes.axhline(identified.floor, color=GREY, lw=0.8, ls=":", label="what exact draws have")
    sizes.set_ylim(bottom=0)
    dress(sizes, "Distance to the target", "particles, or size", "total variation")
    sizes.set_xscale("log")
    sizes.set_xticks(x, [str(size) for size in x])
    sizes.xaxis.set_minor_formatter(NullFormatter())
    sizes.legend(frameon=False, fontsize=9)
    return figure
