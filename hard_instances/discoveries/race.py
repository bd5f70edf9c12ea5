"""One race is a chain of Metropolis-Hastings, and nowhere seen farther than importance resampling."""

from __future__ import annotations

from functools import cache

from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.corrected import corrected_law, log_extreme_ratios
from treesim.laws.law import LeafLaw
from treesim.samplers import SMC, Importance, Race
from treesim.studies.experiment import Experiment, Points
from treesim.theory.correction import race_bound
from treesim.theory.verification import Check

SAME = 1e-14
RACE, RESAMPLING = "race, or Metropolis-Hastings", "importance resampling"


@cache
def race() -> Discovery:
    """Keep the draw of the largest reward / uniform: the law of independent Metropolis-Hastings, in one parallel round.

    Examples
    --------
    >>> all(check.holds for check in race().checks)
    True
    """
    checks = []
    for seed in range(4):
        instance = family("random-branching", horizon=4, branching=3, seed=seed)
        reference = LeafLaw(instance.reference.prob)
        largest = log_extreme_ratios(reference, instance.target)[1]
        for n in (2, 8, 64):
            law = Race(n).law(instance)
            chain = corrected_law(reference, instance.target, n)
            tv = law.tv(instance.target).hi
            checks += [
                Check("race", f"TV to {n - 1} updates of Metropolis-Hastings, seed {seed}, in 1e-14",
                      law.tv(chain).hi / SAME, 1.0),
                Check("race", f"TV of race:n={n}, seed {seed}, against (1 - 1/C)^N", tv, race_bound(n, largest)),
                *_not_farther(n, instance, seed),
            ]  # fmt: skip
    instance = family("random-branching", horizon=4, branching=3, seed=0)
    sizes = (1, 2, 4, 8, 16, 32, 64, 128)
    curves: dict[str, Points] = {
        RESAMPLING: [(n, Importance(n).law(instance).tv(instance.target).hi) for n in sizes],
        RACE: [(n, Race(n).law(instance).tv(instance.target).hi) for n in sizes],
    }
    at_16 = {name: curve[4][1] for name, curve in curves.items()}
    small = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.5)
    ends = {final: SMC(4, final=final).law(small).tv(small.target).hi for final in ("weight", "race")}
    checks.append(
        Check("race", "TV of smc:particles=4,final=race, against smc:particles=4", ends["race"], ends["weight"])
    )
    return Discovery(
        "race",
        "Of N draws keep the one of the largest reward / uniform number: its law is that of independent Metropolis-"
        "Hastings after N - 1 updates, and nowhere was it found farther from the target than importance resampling.",
        checks,
        Experiment(
            "One of N draws from pi_ref kept by its reward, on a random tree",
            f"With 16 draws a race is at {at_16[RACE]:.2g}, importance resampling at {at_16[RESAMPLING]:.2g}; at the "
            f"end of SMC (N = 4, T = 3) it takes the TV from {ends['weight']:.3g} to {ends['race']:.3g}.",
            "draws N", "total variation (exact)", curves, log_x=True, log_y=True,
            figures={f"{name}, N = 16": tv for name, tv in at_16.items()},
        ),
    )  # fmt: skip


def _not_farther(n: int, instance: Instance, seed: int) -> list[Check]:
    """TV, KL and chi^2 of a race against those of importance resampling."""
    laws, target = [kind(n).law(instance) for kind in (Race, Importance)], instance.target
    found: dict[str, list[float | None]] = {
        "TV": [law.tv(target).hi for law in laws],
        "KL": [law.kl(target) for law in laws],
        "chi^2": [law.chi2(target) for law in laws],
    }
    return [
        Check("race", f"{name} of race:n={n}, seed {seed}, against importance", near, far)
        for name, (near, far) in found.items()
        if near is not None and far is not None
    ]
