"""Sampling from the target exactly costs O(L T^2) values."""

from __future__ import annotations

import math
from functools import cache

from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.instances.families import family
from treesim.samplers import ExactGuided
from treesim.studies.experiment import Experiment, Points
from treesim.studies.scaling import fit
from treesim.theory.bounds import algorithm_2_plan
from treesim.theory.verification import Check


@cache
def exact_guided() -> Discovery:
    """The exact guided sampler costs O(L T^2) values, and its law is pi~.

    Examples
    --------
    >>> all(check.holds for check in exact_guided().checks)
    True
    """
    checks = []
    for seed in range(4):
        instance = family("dirichlet", horizon=6, perturbation="random-sign", epsilon="0.5/T", seed=seed)
        horizon, epsilon, ratio = 6, instance.audit.bellman_error, instance.audit.ratio_bound
        checks.append(Check("exact", "TV of exact-guided", ExactGuided().law(instance).tv(instance.target).hi, 0.0))
        rounds = math.e * (1 + epsilon) ** (2 * (horizon - 1))
        most = rounds * horizon * ratio * ((1 + epsilon) + 9.5 * (horizon + 1))
        checks.append(Check("exact", "draws of exact-guided", ExactGuided().cost(instance).reference_draws, most))
    horizons = (10, 20, 40, 80, 160, 320)
    exact: Points = []
    plans: Points = []
    for t in horizons:
        instance = family("markov", horizon=t, states=2, perturbation="random-sign", epsilon="0.25/T", seed=1)
        exact.append((t, ExactGuided().cost(instance).value_queries))
        audit = instance.audit
        plan = algorithm_2_plan(t, audit.bellman_error, audit.ratio_bound, 0.01, 0.01)
        plans.append((t, float(plan.pool * plan.steps * t)))
    growth = fit({int(t): cost for t, cost in exact})
    assert growth is not None
    return Discovery(
        "exact-guided",
        "Sampling from the target exactly, with no delta, costs O(L T^2) values in expectation if epsilon = O(1/T).",
        checks,
        Experiment(
            "Values asked: the exact sampler, and Algorithm 2 as its theorem plans it for TV <= 0.01 (a Markov chain)",
            f"The exact sampler's cost grows like T^{growth.power.exponent:.2f}; at T = {horizons[-1]} it is "
            f"{plans[-1][1] / exact[-1][1]:.0f} times below the plan of Algorithm 2.",
            "horizon T", "values asked", {"exact-guided (exact expectation)": exact, "Algorithm 2, planned": plans},
            log_x=True, log_y=True, figures={"exponent": growth.power.exponent},
        ),
    )  # fmt: skip
