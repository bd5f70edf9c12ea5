"""Code depth and boosting depth chosen apart: a lower bound with exponent 2."""

from __future__ import annotations

import math
from functools import cache

from treesim.errors import TreeError
from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.hard_instances.hidden_prefix import hidden_prefix_certificate
from treesim.studies.experiment import Experiment, Points
from treesim.studies.scaling import slope
from treesim.theory.verification import Check


@cache
def sharper_hidden_prefix() -> Discovery:
    """Code depth and boosting depth chosen apart: the exponent of the lower bound comes to 2, that of the upper bound.

    Examples
    --------
    >>> all(check.holds for check in sharper_hidden_prefix().checks)
    True
    """
    epsilon, horizons = 0.1, tuple(range(30, 241, 30))
    paper: Points = [(t, _best(t, epsilon, 2, (0,))[0]) for t in horizons]
    curves = {"depth 2 T / 3 (Theorem 4.2)": paper}
    exponents = {"depth 2 T / 3": _exponent(paper, epsilon)}
    checks = []
    for branching in (2, 8, 64):
        curve: Points = [(t, _best(t, epsilon, branching, range(1, t))[0]) for t in horizons]
        curves[f"best depth, B = {branching}"] = curve
        exponents[f"B = {branching}"] = exponent = _exponent(curve, epsilon)
        predicted = 2 / (1 + 2 * math.log(1 + epsilon) / math.log(branching))
        # Whole depths and words, and the constant (1/6), cost a little at these T.
        checks.append(
            Check("sharp 4.2", f"exponent of the price, B = {branching}", exponent, 0.97 * predicted, at_most=False)
        )
        checks.append(Check("sharp 4.2", f"exponent against that of guided paths + MH, B = {branching}", exponent, 2.0))
    return Discovery(
        "sharper-hidden-prefix",
        "With the code and the boost of the hidden prefix at depths of their own, TV <= 1/3 costs (1 + epsilon)^(c T) "
        "queries with c = 2 / (1 + 2 log(1 + epsilon) / log B), near 2; the paper's instance has c = 2/3.",
        checks,
        Experiment(
            f"Queries that TV <= 1/3 costs any sampler in the oracle model, epsilon = {epsilon:g}",
            "Exponents c: " + ", ".join(f"{name} {value:.3f}" for name, value in exponents.items()) + ".",
            "horizon T", "queries, at least", curves, log_y=True, figures=exponents,
        ),
    )  # fmt: skip


def _best(horizon: int, epsilon: float, branching: int, depths: range | tuple[int, ...]) -> tuple[float, int]:
    """The largest price of the hidden prefix over some depths, and the depth."""
    priced = []
    for depth in depths:
        try:
            certificate = hidden_prefix_certificate(horizon, epsilon, branching, depth, "trellis")
        except TreeError:
            continue
        priced.append((certificate.queries, depth))
    return max(priced)


def _exponent(curve: Points, epsilon: float) -> float:
    """c of (1 + epsilon)^(c T), by least squares on the second half."""
    return slope([(x, math.log(y)) for x, y in curve[len(curve) // 2 :]]) / math.log1p(epsilon)
