"""Independent Metropolis-Hastings needs log 1/delta updates."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from treesim.hard_instances.discoveries.discovery import ROUNDING, Discovery
from treesim.laws.corrected import corrected_law
from treesim.laws.law import LeafLaw
from treesim.scaled import Scaled
from treesim.studies.experiment import Experiment, Points
from treesim.studies.scaling import slope
from treesim.theory.verification import Check


@cache
def log_not_loglog() -> Discovery:
    """On two-point weights the distance after n Metropolis-Hastings updates is TV_0 ((1 - p)(1 - k^-2))^n: log 1/delta.

    Examples
    --------
    >>> all(check.holds for check in log_not_loglog().checks)
    True
    """
    checks = []
    curves: dict[str, Points] = {}
    slopes = {}
    for k, p in ((1.5, 0.2), (math.e, 0.1), (5.0, 0.02)):
        proposal, target = two_points(p, k)
        start = proposal.tv(target).hi
        rate = (1 - p) * (1 - k**-2)
        off = max(
            abs(corrected_law(proposal, target, n + 1).tv(target).hi / (start * rate**n) - 1) for n in (1, 2, 5, 10)
        )
        checks.append(Check("log", f"TV over its closed form - 1, k = {k:.3g}, p = {p:g}", off, ROUNDING))
        needed = [math.ceil(math.log(start / 10.0**-power) / -math.log(rate)) for power in range(2, 17)]
        label = f"k = {k:.3g}, p = {p:g}"
        curves[label] = [(power * math.log(10), float(n)) for power, n in zip(range(2, 17), needed, strict=True)]
        slopes[label] = slope(curves[label])
        checks.append(
            Check(
                "log",
                f"updates a nat of 1/delta, off 1 / log(1/rate), {label}",
                abs(slopes[label] * -math.log(rate) - 1),
                0.02,
            )
        )
    return Discovery(
        "log-not-loglog",
        "Independent Metropolis-Hastings needs Theta(log 1/delta) updates, even from exact guidance: log log 1/delta is"
        " out of its reach.",
        checks,
        Experiment(
            "Updates for TV <= delta on two-point weights W in {1/k, k}, P(W = k) = p (closed form)",
            "Updates a nat of 1/delta: " + ", ".join(f"{name}: {value:.3g}" for name, value in slopes.items()) + ".",
            "log 1/delta (nats)", "updates n", curves, figures=slopes,
        ),
    )  # fmt: skip


def two_points(p: float, k: float) -> tuple[LeafLaw, LeafLaw]:
    """A proposal that gives its points p and 1 - p, and the target, k^2 times as likely on the first."""
    proposal = np.array([p, 1 - p])
    target = proposal * np.array([k, 1 / k])
    return LeafLaw(Scaled.from_float(proposal)), LeafLaw(Scaled.from_float(target / target.sum()))
