"""A perfect value does not save particles."""

from __future__ import annotations

import math
from functools import cache

from treesim.hard_instances.counting_ones import binomial_tv
from treesim.hard_instances.discoveries.discovery import ROUNDING, Discovery
from treesim.hard_instances.extinction import extinction, particles_to_survive, survival
from treesim.instances.families import family
from treesim.laws.law import LeafLaw
from treesim.samplers import SMC, Importance
from treesim.studies.experiment import Experiment
from treesim.studies.scaling import fit, least
from treesim.theory.verification import Check


@cache
def perfect_value_particles() -> Discovery:
    """With V^ = V* particles still need N of order sqrt(T), or log T / log log T where steps can end them all.

    Examples
    --------
    >>> all(check.holds for check in perfect_value_particles().checks)
    True
    """
    needed = {t: _particles_on_the_product(t) for t in (10, 100, 1_000, 10_000)}
    known = {10: 12, 100: 36, 1_000: 110, 10_000: 346}
    checks = [Check("sqrt T", f"least N at T = {t}, off {known[t]}", abs(n - known[t]), 0.0) for t, n in needed.items()]
    for t, n in ((10, 5), (200, 16)):
        instance = family("perfect-value", horizon=t, ratio=3.0)
        off = abs(SMC(n).law(instance).tv(instance.target).hi - product_tv(t, n))
        checks.append(Check("sqrt T", f"TV of SMC, off that of independent bits, T = {t}, N = {n}", off, ROUNDING))
    growth = fit(dict(needed))
    assert growth is not None
    checks.append(Check("sqrt T", "exponent of N in T, off 1/2", abs(growth.power.exponent - 0.5), 0.02))
    for t, bad, n in ((10, 0.5, 4), (50, 0.3, 3), (200, 0.2, 5)):
        instance = extinction(t, bad)
        off = abs(SMC(n).law(instance).tv(instance.target).hi - (1 - survival(t, bad, n)))
        checks.append(Check("extinction", f"TV, off 1 - (1 - bad^N)^T, T = {t}, N = {n}", off, ROUNDING))
    survive = [
        (float(t), float(particles_to_survive(t, 1 / math.log(t), 0.05))) for t in (10, 100, 1_000, 10_000, 10**6)
    ]
    return Discovery(
        "perfect-value-particles",
        "A perfect value does not save particles: on the normalised product model TV <= 0.05 takes N = 3.46 sqrt(T) of "
        "them, where one guided particle is exact.",
        checks,
        Experiment(
            "Least N of SMC for TV <= 0.05 with V^ = V*: product model (r = 3), and steps that end paths (1 / log T)",
            f"N grows like T^{growth.power.exponent:.3f} on the product model, {needed[10_000]} at T = 10,000; "
            f"against extinction {survive[-1][1]:.0f} are enough at T = 1,000,000.",
            "horizon T", "least N (exact)",
            {"product model": [(float(t), float(n)) for t, n in needed.items()], "extinction": survive},
            log_x=True, log_y=True, figures={"exponent": growth.power.exponent},
        ),
    )  # fmt: skip


def product_tv(horizon: int, particles: int) -> float:
    """TV of SMC on the product model, r = 3: the bits of its output are independent, each with the law of one step."""
    one_step = Importance(particles).law(family("product", horizon=1, ratio=3.0))
    assert isinstance(one_step, LeafLaw)
    return binomial_tv(horizon, 0.75, float(one_step.prob.to_float()[1]))


def _particles_on_the_product(horizon: int) -> int:
    needed = least(lambda n: product_tv(horizon, n) <= 0.05)
    assert needed is not None
    return needed
