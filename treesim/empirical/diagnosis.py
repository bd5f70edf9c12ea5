"""Diagnosis of a sampler's runs: what went wrong inside, by its name.

- *weight degeneracy*: a few particles hold all the weight; ESS / N, where ESS = (sum w)^2 / sum w^2, tells.
- *particle collapse*: the population descends from a few ancestors; distinct ancestors by level tell.
- *stuck chain*: Metropolis-Hastings refuses nearly all offers, or sweeps keep the path; the acceptance rate tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.empirical.partition import Partition, partition_of_runs
from treesim.instances.instance import Instance, require_instance
from treesim.runtime.seeds import Stream, generator
from treesim.samplers import SMC, GuidedSMC, ParticleGibbs, Sampler
from treesim.samplers.registry import SamplerLike
from treesim.samplers.registry import sampler as sampler_of
from treesim.samplers.smc import Clouds

FEW = 0.1  # below a tenth of the particles the verdict is spoken
STUCK = 0.1
MOST_PARTICLES = 1 << 22
MOST_DRAWN = 128


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Brief):
    """What runs of a sampler look like inside.

    Attributes
    ----------
    runs : int
    ess : ndarray, shape [horizon], or None
        Mean over runs of ESS / N after each step, before resampling.
    weight_range : ndarray, shape [horizon], or None
        Mean over runs of the largest weight over the mean weight.
    ancestors : ndarray, shape [horizon], or None
        Mean over runs of the share of distinct particles, after each step, from which the last population descends.
    log_partition_spread : float or None
        Standard deviation of log of the estimates of Z, over runs where it is not zero.
    extinct : float or None
        Share of runs in which all weights were zero at some step.
    acceptance : float or None
        Share of the offers that a Metropolis-Hastings chain took, the first left aside; of the sweeps of particle
        Gibbs that changed the path.
    verdict : tuple of str
        One line for each failure found, or one that says that none was.
    partition : Partition or None
        What the runs say of Z, beside the truth.

    Examples
    --------
    >>> from treesim import family
    >>> found = diagnose("smc:particles=16", family("product", horizon=20, ratio=3.0))
    >>> found.ess.round(2)[[0, 9, 19]].tolist(), found.ancestors.round(2)[[0, 9, 19]].tolist()
    ([0.81, 0.81, 0.8], [0.1, 0.16, 1.0])
    """

    runs: int
    ess: FloatArray | None
    weight_range: FloatArray | None
    ancestors: FloatArray | None
    log_partition_spread: float | None
    extinct: float | None
    acceptance: float | None
    verdict: tuple[str, ...]
    partition: Partition | None = None


def diagnose(
    sampler: SamplerLike, instance: Instance, n: int = 200, seed: int = 0, partition: bool = True
) -> Diagnosis:
    """Look into `n` runs of a sampler.

    Parameters
    ----------
    sampler : Sampler, or what `treesim.sampler` makes one of
        SMC, particle Gibbs and guided chains show their insides; of other samplers nothing is known.
    instance : Instance
    n : int
    seed : int
    partition : bool
        Whether to look at what particles say of Z, too; it takes about as long again.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=100, ratio=1.1)
    >>> diagnose(SMC(100), instance).verdict
    ('particle collapse: the last population descends from 2.3 of 100 particles at level 1',)
    """
    sampler, rng = sampler_of(sampler), generator(seed, Stream.DIAGNOSIS)
    require_instance(instance, "diagnose")
    if isinstance(sampler, SMC):
        return _of_particles(sampler, instance, n, rng, partition)
    if isinstance(sampler, ParticleGibbs):
        diagnosis = _of_particles(sampler.start, instance, n, rng, partition)
        rate = sampler.moves(instance, diagnosis.runs, rng)
        stuck = (f"stuck chain: {rate:.1%} of the sweeps change the path",) if rate < STUCK else ()
        return replace(diagnosis, acceptance=rate, verdict=(*diagnosis.verdict, *stuck))
    if isinstance(sampler, GuidedSMC) and sampler.mh > 1:
        rate = sampler.acceptance(instance, n, rng)
        verdict = f"stuck chain: {rate:.1%} of the offers are taken" if rate < STUCK else "the chain moves"
        return Diagnosis(n, None, None, None, None, None, rate, (verdict,))
    return Diagnosis(n, None, None, None, None, None, None, ("nothing inside this sampler to look at",))


def genealogy(clouds: Clouds, run: int) -> tuple[IntArray, IntArray]:
    """Which particle of the step before each particle came from, and which particles the last population descends from.

    Returns
    -------
    parents : ndarray of int, shape [horizon, particles]
        Row t: for each particle after step t + 1, the particle after step t.
    alive : ndarray of int, shape [horizon, particles]
        1 where the last population descends from the particle.
    """
    parents = np.stack([origin[run] for _, origin in clouds.history]).astype(np.int64)
    alive = np.zeros_like(parents)
    alive[-1] = 1
    for t in reversed(range(len(parents) - 1)):
        alive[t][parents[t + 1][alive[t + 1] == 1]] = 1
    return parents, alive


def one_run(sampler: Sampler, instance: Instance, seed: int = 0) -> Clouds | None:
    """One run with its ancestry, to be drawn; None where the population or the horizon is too large for a picture."""
    if not isinstance(sampler, SMC) or sampler.particles > MOST_DRAWN or instance.graph.horizon > MOST_DRAWN:
        return None
    return sampler.clouds(instance, 1, generator(seed, Stream.DIAGNOSIS, 0), keeps_ancestry=True, apart=True)


def _of_particles(sampler: SMC, instance: Instance, n: int, rng: np.random.Generator, partition: bool) -> Diagnosis:
    n = max(1, min(n, MOST_PARTICLES // sampler.particles))
    clouds = sampler.clouds(instance, n, rng, keeps_ancestry=True, apart=True)
    size = sampler.particles
    ess, weight_range = np.array([[ess.mean() / size, largest.mean()] for ess, largest in clouds.seen]).T
    ancestors = np.mean([genealogy(clouds, run)[1].mean(axis=1) for run in range(n)], axis=0)
    log_z = clouds.log_partition
    alive = np.isfinite(log_z)
    spread = float(log_z[alive].std()) if alive.sum() > 1 else float("nan")
    verdict = []
    worst = int(np.argmin(ess))
    if ess[worst] < FEW and size > 1:
        verdict.append(f"weight degeneracy: ESS is {ess[worst] * size:.1f} of {size} particles at level {worst + 1}")
    if ancestors[0] < FEW and size > 1:
        few = ancestors[0] * size
        verdict.append(f"particle collapse: the last population descends from {few:.1f} of {size} particles at level 1")
    if not alive.all():
        verdict.append(f"extinction: all weights were zero at some step in {1 - alive.mean():.1%} of the runs")
    return Diagnosis(
        n, ess, weight_range, ancestors, spread, float(1 - alive.mean()), None,
        tuple(verdict or ["neither weight degeneracy nor particle collapse"]),
        partition_of_runs(sampler, instance, clouds, rng) if partition else None,
    )  # fmt: skip
