"""Errors that point every way add like sqrt(T), not T: TV is about erf(sqrt(KL) / 2)."""

from __future__ import annotations

from functools import cache

from treesim.empirical.measure import distance
from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.instances.families import family
from treesim.laws.density_ratio import Effort
from treesim.samplers import GuidedSMC
from treesim.studies.experiment import Experiment, Points
from treesim.studies.scaling import fit
from treesim.theory.bounds import guidance_bound
from treesim.theory.verification import Check

HORIZONS = (8, 16, 32, 64, 128)
EPSILON, WIDTH = 0.05, 1e-4
TV, KL, B = "TV, signs at random (certified)", "erf(sqrt(KL) / 2)", "B, signs at random"
ONE_WAY = "TV, signs that agree along a path: 4.3, sharp"
# From where on S is a sum of enough terms, and how near the prediction then is.
LONG, NEAR = 16, 0.03
SAME = 1e-12


@cache
def errors_add_like_roots() -> Discovery:
    """With errors of random sign TV grows like sqrt(T), as KL predicts; with signs that agree along a path like T.

    Examples
    --------
    >>> all(check.holds for check in errors_add_like_roots().checks)
    True
    """
    curves: dict[str, Points] = {name: [] for name in (ONE_WAY, B, TV, KL)}
    checks = []
    for horizon in HORIZONS:
        instance = family("markov", horizon=horizon, states=3, perturbation="random-sign", epsilon=EPSILON)
        found, tv = instance.guidance, distance(GuidedSMC(), instance, Effort(WIDTH), runs=0)
        one_way = family("sharpest-guidance", horizon=horizon, epsilon=EPSILON)
        heights = {
            ONE_WAY: distance(GuidedSMC(), one_way, Effort(WIDTH), runs=0).mid, B: min(1.0, found.average_case_bound),
            TV: tv.mid, KL: found.predicted_tv,
        }  # fmt: skip
        for name, height in heights.items():
            curves[name].append((float(horizon), height))
        sharp = guidance_bound(horizon, EPSILON).sharp
        claim = f"TV, signs that agree, T = {horizon}, attains"
        checks.append(Check("sharp 4.3", claim, heights[ONE_WAY], sharp - SAME, at_most=False))
        if horizon >= LONG:
            off = max(abs(found.predicted_tv / end - 1.0) for end in (tv.lo, tv.hi))
            checks.append(Check("KL", f"erf(sqrt(KL) / 2) / TV - 1, T = {horizon}", off, NEAR))
            spread = found.log_residual_sd**2 / 2 / found.kl_target_to_guided
            checks.append(Check("KL", f"sd^2 / 2 over KL - 1, T = {horizon}", abs(spread - 1.0), NEAR))
    powers = {}
    # Sums of many terms on one side; on the other, before TV nears 1 and stops growing.
    for name, horizons in ((TV, HORIZONS[2:]), (ONE_WAY, HORIZONS[:3])):
        fits = fit({int(t): tv for t, tv in curves[name] if t in horizons})
        assert fits is not None
        powers[name] = fits.power.exponent
    checks += [
        Check("KL", "exponent of T in TV, signs at random", powers[TV], 0.6),
        Check("KL", "exponent of T in TV, signs that agree", powers[ONE_WAY], 0.9, at_most=False),
    ]
    last = {name: curve[-1][1] for name, curve in curves.items()}
    return Discovery(
        "errors-add-like-roots",
        "With errors that point every way, the TV of guidance is erf(sqrt(KL) / 2) and grows like sqrt(T): KL adds up "
        "the squares of what errors differ among siblings. With errors that agree along a path it grows like T.",
        checks,
        Experiment(
            f"Guidance at Bellman error {EPSILON:g}: a chain with signs at random, and the tree where they agree",
            f"At T = {HORIZONS[-1]} TV is {last[TV]:.3f}, KL predicts {last[KL]:.3f}; B is {last[B]:.3g}. Signs that "
            f"agree along a path give {last[ONE_WAY]:.3f}. Fitted: T^{powers[TV]:.2f} and T^{powers[ONE_WAY]:.2f}.",
            "horizon T", "total variation", curves, log_x=True, log_y=True,
            figures={"power, random signs": powers[TV], "power, agreeing signs": powers[ONE_WAY]},
        ),
    )  # fmt: skip
