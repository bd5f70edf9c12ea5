"""What runs told, drawn: diagnosis and identification."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from treesim.empirical.diagnosis import Diagnosis, genealogy
from treesim.empirical.identification import Identification
from treesim.errors import SpecError
from treesim.figures.style import BLUE, GREEN, GREY, ORANGE, axes_or_new, dress, headline, legend
from treesim.samplers.smc import Clouds

LARGEST_BARS = 32


def diagnosis_figure(diagnosis: Diagnosis, clouds: Clouds | None, title: str) -> Figure:
    """ESS and distinct ancestors by level, and for small populations the genealogy of one run.

    Examples
    --------
    >>> from treesim import SMC, diagnose, family
    >>> from treesim.empirical.diagnosis import one_run
    >>> instance = family("product", horizon=5, ratio=2.0)
    >>> figure = diagnosis_figure(diagnose(SMC(8), instance), one_run(SMC(8), instance), "smc, 8 particles")
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['Health of the population (200 runs)', 'Genealogy of one run: coloured lines survive']
    """
    figure = Figure(figsize=(11 if clouds else 6, 4.4), layout="constrained")
    headline(figure, f"{title} — {'; '.join(diagnosis.verdict)}")
    health, *others = figure.subplots(1, 2 if clouds else 1, squeeze=False)[0]
    draw_health(diagnosis, health)
    if clouds:
        draw_genealogy(clouds, others[0])
    return figure


def draw_health(diagnosis: Diagnosis, ax: Axes | None = None) -> Axes:
    """Effective sample size and distinct ancestors by level, as shares of N.

    Examples
    --------
    >>> from treesim import SMC, diagnose, family
    >>> diagnosis = diagnose(SMC(10), family("product", horizon=5, ratio=2.0))
    >>> bool((draw_health(diagnosis).lines[0].get_ydata() == diagnosis.ess).all())
    True
    """
    ax = axes_or_new(ax)
    if diagnosis.ess is None or diagnosis.ancestors is None:
        raise SpecError("there are no particles inside these runs, expected those of smc or particle-gibbs")
    levels = np.arange(1, len(diagnosis.ess) + 1)
    ax.plot(levels, diagnosis.ess, "o-", color=BLUE, ms=4, label="effective sample size / N")
    ax.plot(levels, diagnosis.ancestors, "s-", color=ORANGE, ms=4, label="ancestors of the last population / N")
    ax.set_ylim(0, 1.25)
    legend(ax)
    dress(ax, f"Health of the population ({diagnosis.runs} runs)", "level t", "share of particles (mean)")
    return ax


def draw_genealogy(clouds: Clouds, ax: Axes | None = None) -> Axes:
    """Who descends from whom in the first run; its history must have been kept.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> from treesim.empirical.diagnosis import one_run
    >>> draw_genealogy(one_run(SMC(8), family("product", horizon=5, ratio=2.0))).get_ylabel()
    'particle'
    """
    ax = axes_or_new(ax)
    parents, alive = genealogy(clouds, 0)
    for colour, width, shown in ((GREY, 0.4, 0), (ORANGE, 1.4, 1)):
        lines = [
            [(t, parents[t, i]), (t + 1, i)] for t in range(1, len(parents)) for i in np.flatnonzero(alive[t] == shown)
        ]
        ax.add_collection(LineCollection(lines, colors=colour, linewidths=width))
    ax.autoscale()
    dress(ax, "Genealogy of one run: coloured lines survive", "level t", "particle")
    ax.grid(visible=False)
    return ax


def audit_figure(identified: Identification, title: str) -> Figure:
    """Observed frequencies beside the target and the law that fits, the exponents, and TV against size.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> from treesim.empirical.identification import identify_law
    >>> found = identify_law(sampler("sp-gsmc"), family("uniform", horizon=2, seed=1), runs=500)
    >>> len(audit_figure(found, "guided").axes)
    3
    """
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    headline(figure, f"{title}: {identified.verdict}")
    laws, exponents, sizes = figure.subplots(1, 3, width_ratios=[1.6, 1, 1])
    draw_frequencies(identified, laws)
    draw_exponents(identified, exponents)
    draw_sizes(identified, sizes)
    return figure


def draw_frequencies(identified: Identification, ax: Axes | None = None) -> Axes:
    """Observed frequencies of the leaves, beside the target and the law that fits best; the 32 likeliest leaves.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> from treesim.empirical.identification import identify_law
    >>> found = identify_law(sampler("sp-gsmc"), family("uniform", horizon=2, seed=1), runs=500)
    >>> len(draw_frequencies(found).patches)  # four leaves: target, runs, the law that fits
    12
    """
    ax = axes_or_new(ax)
    shown = np.argsort(-np.maximum(identified.target, identified.frequencies), kind="stable")[:LARGEST_BARS]
    shown.sort()
    place = np.arange(len(shown))
    for shift, law, colour, label in (
        (-0.27, identified.target, BLUE, "target (exact)"),
        (0.0, identified.frequencies, ORANGE, f"{identified.runs} runs"),
        (0.27, identified.fitted, GREEN, "best π_ref ∏ V_t^a_t"),
    ):
        ax.bar(place + shift, law[shown], width=0.27, color=colour, label=label)
    dress(ax, "Law of the leaf", "leaf", "probability")
    ax.set_xticks(place, [str(leaf) for leaf in shown], fontsize=8)
    legend(ax)
    return ax


def draw_exponents(identified: Identification, ax: Axes | None = None) -> Axes:
    """How often the value of each step is counted, beside what a correct sampler has.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> from treesim.empirical.identification import identify_law
    >>> found = identify_law(sampler("sp-gsmc"), family("uniform", horizon=2, seed=1), runs=500)
    >>> draw_exponents(found).get_xlabel()
    'step t'
    """
    ax = axes_or_new(ax)
    horizon = len(identified.exponents)
    steps = np.arange(1, horizon + 1)
    ax.plot(steps, np.eye(horizon)[-1], "_", color=BLUE, ms=22, mew=2, label="target: 0, .., 0, 1")
    for each in identified.exponents:
        if each.estimate is not None and each.low is not None and each.high is not None:
            error = [[each.estimate - each.low], [each.high - each.estimate]]
            ax.errorbar([each.step], [each.estimate], error, fmt="o", color=ORANGE, capsize=3)
    dress(ax, "How often V_t is counted", "step t", "exponent (99% interval)")
    legend(ax)
    return ax


def draw_sizes(identified: Identification, ax: Axes | None = None) -> Axes:
    """TV to the target against the size of the sampler.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> from treesim.empirical.identification import identify_law
    >>> found = identify_law(sampler("smc:particles=4"), family("uniform", horizon=2, seed=1), runs=500)
    >>> draw_sizes(found).get_ylabel()
    'total variation'
    """
    ax = axes_or_new(ax)
    x = [row.size if row.size is not None else 1 for row in identified.rows]
    middle = [(row.tv.lo + row.tv.hi) / 2 for row in identified.rows]
    half = [(row.tv.hi - row.tv.lo) / 2 for row in identified.rows]
    ax.errorbar(x, middle, half, fmt="o-", color=ORANGE, capsize=3, label="TV (estimated, 99% interval)")
    ax.axhline(identified.floor, color=GREY, lw=0.8, ls=":", label="what exact draws have")
    ax.set_ylim(bottom=0)
    dress(ax, "Distance to the target", "particles, or size", "total variation")
    ax.set_xscale("log")
    ax.set_xticks(x, [str(size) for size in x])
    ax.xaxis.set_minor_formatter(NullFormatter())
    legend(ax)
    return ax
