"""The first leaf of value-guided backtracking is drawn from a harmonic measure."""

from __future__ import annotations

from functools import cache

import numpy as np

from treesim.hard_instances.discoveries.discovery import ROUNDING, Discovery
from treesim.instances.families import family
from treesim.laws.law import Law, LeafLaw, WalkLaw
from treesim.samplers import Backtracking, GuidedSMC
from treesim.studies.experiment import Experiment, Points
from treesim.theory.verification import Check


@cache
def first_leaf() -> Discovery:
    """The first leaf that backtracking hits is drawn from the harmonic measure: exact for V*, flat where errors add up.

    Examples
    --------
    >>> all(check.holds for check in first_leaf().checks)
    True
    """
    kind = Backtracking(0, stop="first-leaf")
    checks = []
    for seed in range(4):
        instance = family("random-branching", horizon=6, branching=3, seed=seed)
        tv = kind.law(instance).tv(instance.target).hi
        checks.append(Check("first leaf", "TV of first-leaf backtracking with V*", tv, ROUNDING))
    horizons, ratio = (4, 6, 8, 10, 12, 14), 1.2
    curves: dict[str, Points] = {"guided, one particle": [], "backtracking, first leaf": []}
    for t in horizons:
        instance = family("error-amplification", horizon=t, ratio=ratio, form="tree")
        for name, sampler in zip(curves, (GuidedSMC(), kind), strict=True):
            curves[name].append((t, sampler.law(instance).tv(instance.target).hi))
    guided, backtracking = (curve[-1][1] for curve in curves.values())
    checks.append(Check("first leaf", "TV on error-amplification, T = 14, against guidance", backtracking, guided / 2))
    flat = max(y for _, y in curves["backtracking, first leaf"][2:]) / curves["backtracking, first leaf"][2][1]
    checks.append(Check("first leaf", "growth of that TV from T = 8 to 14", flat, 1.1))
    plain: Points = [
        (t, _given_a_leaf(Backtracking(t * t).law(instance), instance.target))
        for t in horizons
        for instance in [family("error-amplification", horizon=t, ratio=ratio, form="tree")]
    ]
    return Discovery(
        "first-leaf",
        "The first leaf that value-guided backtracking hits has the law of a harmonic measure: the target itself for "
        "V*, and no farther with T on the instances where guidance amplifies its errors.",
        checks,
        Experiment(
            f"Error amplification: every value off by a factor of {ratio:g}, up or down with the last token",
            f"Guidance goes from {curves['guided, one particle'][0][1]:.3f} to {guided:.3f}; the first leaf stays at "
            f"{backtracking:.3f}.",
            "horizon T", "total variation (exact)", {**curves, "backtracking, T^2 steps, given a leaf": plain},
        ),
    )  # fmt: skip


def _given_a_leaf(law: Law, target: LeafLaw | WalkLaw) -> float:
    """TV of a law to the target, given that it returns something."""
    assert isinstance(law, LeafLaw)
    return 0.5 * float(np.abs(law.prob.to_float() / (1 - law.failure) - target.prob.to_float()).sum())
