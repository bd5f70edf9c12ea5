"""Up to where one guided particle is enough, and how many are needed beyond."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from treesim.hard_instances.discoveries.discovery import ROUNDING, Discovery
from treesim.instances.families import family
from treesim.laws.one_of_n import weighted_pick
from treesim.samplers import GuidedSMC
from treesim.scaled import Scaled
from treesim.studies.experiment import Experiment, Points, Surface
from treesim.studies.scaling import least, slope
from treesim.theory.verification import Check


@cache
def single_or_many() -> Discovery:
    """One guided particle is enough exactly up to (T - 1) log(1 + epsilon) = 2 atanh(delta); beyond, N grows like e^x.

    Examples
    --------
    >>> all(check.holds for check in single_or_many().checks)
    True
    """
    horizon = 12
    checks = []
    for delta in (0.01, 0.05, 0.2, 0.5):
        x = 2 * math.atanh(delta)
        instance = family("sharpest-guidance", horizon=horizon, epsilon=math.expm1(x / (horizon - 1)))
        tv = GuidedSMC().law(instance).tv(instance.target).hi
        checks.append(Check("phase", f"TV at the threshold for {delta:g}, over it", abs(tv / delta - 1), ROUNDING))
    for seed in range(4):
        instance = family("dirichlet", horizon=6, perturbation="adversarial", epsilon="1/T", seed=seed)
        x = 5 * math.log1p(instance.audit.bellman_error)
        tv = GuidedSMC().law(instance).tv(instance.target).hi
        checks.append(Check("phase", "TV of one guided particle", tv, math.tanh(x / 2)))
    xs, deltas = [0.05 * 1.3**k for k in range(18)], [0.01 * 1.25**k for k in range(18)]
    needed = [[_particles_for(x, delta) for x in xs] for delta in deltas]
    growth: Points = [(x, float(_particles_for(x, 0.05))) for x in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)]
    worst: Points = [(x, float(_particles_for(x, 0.05, worst=True))) for x in (1.0, 2.0, 3.0, 4.0)]
    own, any_p = (slope([(x, math.log(n)) for x, n in curve[-3:]]) for curve in (growth, worst))
    checks.append(Check("phase", "exponent of N in x, worst two-point law, off 2", abs(any_p - 2), 0.1))
    return Discovery(
        "single-or-many",
        "One guided particle is within delta on all instances just if x = (T - 1) log(1 + epsilon) <= 2 atanh(delta); "
        "beyond that N guided particles, resampled once, need N to grow like e^(2 x).",
        checks,
        Experiment(
            "Least N of guided particles with one resampling, on two-point laws of the weight e^(+-x), TV <= 0.05",
            f"N grows like e^({own:.2f} x) on the worst tree for guidance, like e^({any_p:.2f} x) on the worst "
            "two-point law.",
            "x = (T - 1) log(1 + epsilon)", "least N (exact)",
            {"worst tree for one particle": growth, "worst two-point law": worst}, log_y=True,
            figures={"exponent": own, "worst exponent": any_p},
            surface=Surface(xs, deltas, [[math.log10(n) for n in row] for row in needed],
                    "x = (T - 1) log(1 + epsilon)", "TV delta", "log10 of the least N",
                    "One particle is enough above x = 2 atanh(delta)", [(2 * math.atanh(d), d) for d in deltas]),
        ),
    )  # fmt: skip


@cache
def _particles_for(x: float, delta: float, worst: bool = False) -> int:
    """Least N of N guided paths, one drawn by its weight, on the two-point law of the worst tree, or on the worst."""
    shares = [1 / (1 + math.exp(x))] if not worst else [1 / (1 + math.exp(c * x)) for c in np.linspace(0.5, 2.5, 21)]
    return max(resampled(x, delta, p) for p in shares)


def resampled(x: float, delta: float, p: float) -> int:
    """Least N of N paths, one drawn by its weight, whose weights are e^x with probability p, and else e^-x."""
    weight, prob = Scaled.from_log(np.array([-x, x])), np.array([1 - p, p])
    target = p * math.exp(x) / (p * math.exp(x) + (1 - p) * math.exp(-x))
    needed = least(lambda n: abs(p * math.exp(weighted_pick(weight, prob, n)[1]) - target) <= delta)
    assert needed is not None
    return needed
