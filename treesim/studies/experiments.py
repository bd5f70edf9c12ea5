"""Experiments: the questions of the paper's programme and its open ones, each answered by one call.

Each returns curves; every point is exact or certified unless its label says estimated. One that takes long has
parameters ``store`` and ``report``: where results are kept as they come, and who is told how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from treesim.empirical.diagnosis import diagnose
from treesim.instances.families import family
from treesim.samplers import GuidedSMC
from treesim.studies.corrections import corrections, nearest, phases, pools, steps
from treesim.studies.experiment import Experiment, Points
from treesim.studies.learned import learned
from treesim.studies.scaling import fit, scale


@cache
def bellman(seed: int = 0) -> Experiment:
    """How large is the Bellman error of a noisy value, step by step and against T, if its noise is of order 1/T?

    Examples
    --------
    >>> -1.7 < bellman().figures["exponent"] < -0.7
    True
    """
    horizons = (4, 6, 8, 10, 12)
    worst: Points = []
    by_step: dict[str, Points] = {}
    for horizon in horizons:
        noise = f"log-normal:sigma={0.3 / horizon}"
        audit = family("dirichlet", horizon=horizon, perturbation=noise, seed=seed).audit
        worst.append((horizon, float(audit.mean_target.mean())))
        if horizon in (horizons[0], horizons[-1]):
            by_step[f"by step, T = {horizon}"] = [(t + 1.0, float(error)) for t, error in enumerate(audit.mean_target)]
    fits = fit({int(t): error for t, error in worst})
    assert fits is not None
    power = fits.power
    return Experiment(
        "Bellman error (mean under the target) of V* times log-normal noise of sigma = 0.3 / T",
        f"It falls like T^{power.exponent:.2f} (95%: {power.low:.2f} to {power.high:.2f}); O(1/T) is T^-1.",
        "T, or step", "Bellman error", {"mean over steps, against T": worst, **by_step}, log_x=True, log_y=True,
        figures={"exponent": power.exponent},
    )  # fmt: skip


@cache
def particles(delta: float = 0.05) -> Experiment:
    """How many particles are needed against T, with and without a value for prefixes?

    Examples
    --------
    >>> result = particles()
    >>> 0.3 < result.figures["power with"] < 0.7, result.figures["rate without"] > 0.05
    (True, True)
    """
    with_value = {row.horizon: row.least for row in scale("product", "smc", (8, 16, 32, 64, 128), delta, ratio=2.0)}
    without = {
        row.horizon: row.least
        for row in scale("product", "importance", (8, 16, 24, 32, 48, 64), delta, ratio=2.0, form="trellis")
    }
    power, rate = (fit({t: n for t, n in counts.items() if n is not None}) for counts in (with_value, without))
    assert power is not None and rate is not None
    curves = {
        "SMC, V^ of each prefix": [(float(t), float(n)) for t, n in with_value.items() if n],
        "importance resampling, the reward only": [(float(t), float(n)) for t, n in without.items() if n],
    }
    answer = (
        f"With a value N grows like T^{power.power.exponent:.2f} ({power.verdict}); without one like "
        f"exp({rate.exponential.exponent:.3f} T) ({rate.verdict})."
    )
    return Experiment(
        f"Least N for TV <= {delta:g} on the product model, ratio 2", answer,
        "horizon T", "least N", curves, log_x=True, log_y=True,
        figures={"power with": power.power.exponent, "rate without": rate.exponential.exponent},
    )  # fmt: skip


@cache
def acceptance(horizon: int = 5, epsilon: float = 0.2, seed: int = 0) -> Experiment:
    """How often are offers taken as the vocabulary grows?

    Examples
    --------
    >>> all(0 < rate <= 1 for _, rate in acceptance(horizon=3).curves["guided paths (estimated)"])
    True
    """
    points = []
    for branching in (2, 3, 4, 6, 8, 12):
        instance = family(
            "dirichlet", horizon=horizon, branching=branching, perturbation="random-sign", epsilon=epsilon, seed=seed
        )
        rate = diagnose(GuidedSMC(mh=20), instance, n=2_000, seed=seed).acceptance
        points.append((float(branching), float(rate or 0.0)))
    return Experiment(
        f"Share of offers that Metropolis-Hastings takes, T = {horizon}, epsilon = {epsilon:g}",
        f"From {points[0][1]:.3f} with 2 tokens to {points[-1][1]:.3f} with {points[-1][0]:.0f}.",
        "tokens B", "acceptance rate (estimated)", {"guided paths (estimated)": points},
    )  # fmt: skip


@cache
def tokens(horizon: int = 4, branching: int = 12, seed: int = 0) -> Experiment:
    """Is it better to ask for all B tokens of a step, or to draw a pool?

    Examples
    --------
    >>> result = tokens(horizon=3, branching=4)
    >>> result.curves["a pool of M"][0][1] > result.curves["all tokens of each step"][0][1]
    True
    """
    instance = family(
        "dirichlet", horizon=horizon, branching=branching, perturbation="random-sign", epsilon=0.05, seed=seed
    )
    target = instance.target
    whole = GuidedSMC()
    pools = []
    for size in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        kind = GuidedSMC(pool=size)
        pools.append((kind.cost(instance).value_queries, kind.law(instance).tv(target).hi))
    exact = (whole.cost(instance).value_queries, whole.law(instance).tv(target).hi)
    equal = min(pools, key=lambda point: abs(point[0] - exact[0]))
    return Experiment(
        f"Token-level regime: B = {branching} tokens, T = {horizon}, epsilon = 0.05",
        f"All tokens cost {exact[0]:.0f} values and are {exact[1]:.4f} off; the pool nearest in cost, {equal[0]:.0f}, "
        f"is {equal[1]:.4f} off.",
        "values asked", "total variation (exact)",
        {"a pool of M": pools, "all tokens of each step": [exact]}, log_x=True, log_y=True,
    )  # fmt: skip


EXPERIMENTS: dict[str, Callable[..., Experiment]] = {
    "bellman": bellman,
    "learned": learned,
    "particles": particles,
    "corrections": corrections,
    "pools": pools,
    "acceptance": acceptance,
    "tokens": tokens,
    "phases": phases,
    "steps": steps,
    "nearest": nearest,
}
