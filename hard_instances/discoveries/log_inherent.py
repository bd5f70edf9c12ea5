"""log 1/delta is inherent in every correction, and Chebyshev selection reaches it."""

from __future__ import annotations

import math
from functools import cache

from treesim.hard_instances.correction_game import PLAYERS, correction_game
from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.hard_instances.unknown_root import unknown_root
from treesim.samplers import ExactGuided, GuidedSMC
from treesim.studies.experiment import Experiment, Points
from treesim.theory.correction import (
    contraction,
    correction_lower_bound,
    correction_rate,
    exact_tail,
    selection_bound,
)
from treesim.theory.verification import Check

SIZES = (2, 4, 6, 8, 12)


@cache
def log_inherent() -> Discovery:
    """No correction of N guided paths is within rho^N / 2 on all instances, and Chebyshev selection is within 4 of it.

    Examples
    --------
    >>> all(check.holds for check in log_inherent().checks)
    True
    """
    bound = 2.0
    curves: dict[str, Points] = {"no algorithm below": [(n, correction_lower_bound(n, bound)) for n in SIZES]}
    checks = []
    for player in PLAYERS:
        curves[player] = [(n, correction_game(n, bound).worst[player]) for n in SIZES]
    for k, n in ((1.5, 4), (2.0, 8), (math.e, 8), (5.0, 16)):
        least = correction_lower_bound(n, k)
        for player, worst in correction_game(n, k).worst.items():
            claim = f"worst TV of {player}, N = {n}, k = {k:.3g}"
            # A grid of p may miss 0.2 % of an error, and a linear program 1e-9 of it.
            checks.append(Check("lower bound", claim, worst, 0.998 * least - 1e-9, at_most=False))
    for k, n in ((1.5, 2), (1.5, 8), (2.0, 4), (2.0, 12), (2.5, 12)):
        worst = correction_game(n, k).worst["Chebyshev selection"]
        checks.append(Check("selection", f"worst TV of selection, N = {n}, k = {k:g}", worst, selection_bound(n, k)))
    horizon, epsilon = 8, 0.1
    k = (1 + epsilon) ** (horizon - 1)
    for n in (4, 8):
        worst = max(
            GuidedSMC(chebyshev=n).law(instance).tv(instance.target).hi
            for share in (0.02, 0.1, 0.2, 0.3, 0.5, 0.8)
            for instance in [unknown_root(horizon, epsilon, share)]
        )
        checks.append(Check("selection", f"worst TV of chebyshev={n} on unknown-root", worst, selection_bound(n, k)))
    ratio = unknown_root(horizon, epsilon).audit.ratio_bound
    for n in (1, 10, 100):
        tail = exact_tail(n, epsilon, horizon, ratio)
        claim = f"P(draws > {n}) of {ExactGuided.name}, p near 0"
        checks.append(Check("lower bound", claim, tail, correction_lower_bound(n, k), at_most=False))
    slow = {n: correction_game(n, 4.0).worst["any algorithm"] for n in (24, 40)}
    fell = math.log(slow[24] / slow[40]) / 16
    checks.append(Check("rate", "nats a draw of any algorithm, k = 4", fell, correction_rate(4.0)))
    checks.append(Check("rate", "the same, at least 0.98 of it", fell, 0.98 * correction_rate(4.0), at_most=False))
    rates = {name: math.log(curves[name][1][1] / curves[name][3][1]) / 4 for name in curves}
    return Discovery(
        "log-inherent",
        "Every correction that learns pi_ref by drawing needs log(1/(2 delta)) / log(1/rho) guided paths, rho = "
        "(k - 1) / (k + 1), k = (1 + epsilon)^(T - 1); Chebyshev selection takes log(2/delta) / log(1/rho), if k < 3.",
        checks,
        Experiment(
            f"Worst TV over all p after N draws at a root of unknown shares p, 1 - p, weights k and 1/k, k = {bound:g}",
            f"From N = 4 to 8, nats a draw: {rates['no algorithm below']:.3g} for the bound, "
            f"{rates['Chebyshev selection']:.3g} for Chebyshev selection, {rates['race = MH']:.3g} for Metropolis-"
            f"Hastings, {rates['importance (SIR)']:.3g} for importance resampling.",
            "draws N", "worst total variation over p", curves, log_y=True,
            figures={"rho": contraction(bound), **{f"nats a draw: {name}": rate for name, rate in rates.items()}},
        ),
    )  # fmt: skip
