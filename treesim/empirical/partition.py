r"""Estimates of the partition function beside log Z itself: bounds from both sides, and errors that one run tells.

SMC's estimate Z^ has no bias, so E[log Z^] <= log Z; and with a path of the target pinned (conditional SMC) Z / Z^ has
none, so E[log Z^] >= log Z there. Whoever does not know Z has these means alone. What they lack of log Z, or exceed it
by, are KL divergences between SMC with all its particles and the target with as many others: at least those of the
output alone, and often far more.

How much Z^ varies is what one run is said to tell by its genealogy. With w the last weights, of mean one, E_i the
particle of the first step that the last one i descends from, and multinomial resampling at each of T steps,

    V = 1 - (N / (N - 1))^T N^-2 sum_{E_i != E_j} w_i w_j

has E[Z^^2 V] = Var(Z^), exactly. When all last particles descend from one, V = 1 whatever the truth is. Of a mean f^
that the last particles estimate, such as the target mass of one last node,
N^-2 sum_e (sum_{E_i = e} w_i (f_i - f^))^2 tends to the variance as N grows, and is zero when all descend from one.

Source: Grosse, Ghahramani & Adams (2015); Zhao et al. (2024), proposition 5.1; Chan & Lai (2013); Lee & Whiteley
(2018), "Variance estimation in the particle filter".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import NoExactLaw
from treesim.graphs.potentials import forward_mass, mass_below
from treesim.instances.instance import Instance
from treesim.laws.partition import relative_variance
from treesim.laws.smc import expected_log_estimates
from treesim.laws.walks import GuidedSteps
from treesim.samplers import SMC
from treesim.samplers.draws import draw_guided
from treesim.samplers.smc import Clouds, covers


@dataclass(frozen=True, eq=False, repr=False)
class Moment(Brief):
    """A mean under the target as runs of SMC estimate it: how likely its likeliest last node is.

    Attributes
    ----------
    node : int
        Numbered from 0 within level T.
    prob : float
        Its mass under the target, exact.
    mean, variance : float
        Of the runs' estimates; the variance is that of runs, not a law's.
    one_run_variance, one_run_spread : float
        Mean over runs of what each tells of the variance by its genealogy, and standard deviation from run to run.
    """

    node: int
    prob: float
    mean: float
    variance: float
    one_run_variance: float
    one_run_spread: float


@dataclass(frozen=True, eq=False, repr=False)
class Partition(Brief):
    """What runs of SMC say of Z, and what is true.

    Attributes
    ----------
    log_partition : float
        log Z.
    lower, upper : float or None
        Means of log Z^ over free runs, and over as many runs with a path of the target pinned; None for the second
        where V^ is zero on a path of the target.
    lower_error, upper_error : float or None
        Their standard errors.
    relative_variance : float or None
        Var(Z^ / Z), exact for any N; None for resampling other than multinomial at every step, pools, and graphs that
        are too large.
    one_run_variance, one_run_spread : float or None
        Mean over runs of the estimate V of that, weighed by (Z^ / Z)^2 as it is unbiased; and standard deviation of V
        from run to run. None where the estimate is not for these runs.
    coalesced : float or None
        Share of the runs whose last particles descend from one of the first step: V = 1 says nothing there.
    moment : Moment or None
        None where `one_run_variance` is.
    """

    log_partition: float
    lower: float
    lower_error: float
    upper: float | None
    upper_error: float | None
    relative_variance: float | None
    one_run_variance: float | None
    one_run_spread: float | None
    coalesced: float | None
    moment: Moment | None = field(repr=False)

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return {
            "log_partition": self.log_partition,
            "lower": {"mean": self.lower, "error": self.lower_error},
            "upper": None if self.upper is None else {"mean": self.upper, "error": self.upper_error},
            "relative_variance": self.relative_variance,
            "one_run": None if self.one_run_variance is None else {
                "mean": self.one_run_variance, "spread": self.one_run_spread, "coalesced": self.coalesced,
            },
            "moment": None if self.moment is None else vars(self.moment),
        }  # fmt: skip


def partition_of_runs(sampler: SMC, instance: Instance, clouds: Clouds, rng: np.random.Generator) -> Partition:
    """What free runs say, and as many pinned ones.

    Parameters
    ----------
    sampler : SMC
    instance : Instance
    clouds : Clouds
        Runs with their ancestry, particles apart.
    rng : numpy.random.Generator
        Of the pinned runs.
    """
    n, log_z = len(clouds.log_partition), instance.audit.log_partition
    upper = upper_error = None
    if covers(instance):
        path = draw_guided(instance.graph, instance.twist, n, rng)
        pinned = instance.graph.path_edges(*path)
        upper, upper_error = _mean(sampler.clouds(instance, n, rng, pinned=pinned).log_partition)
    lower, lower_error = _mean(clouds.log_partition)
    one_run = spread = coalesced = variance = moment = None
    is_multinomial = sampler.resampling == "multinomial" and sampler.threshold == 1.0
    if is_multinomial and sampler.proposal != "pool":
        root = float(instance.value.log()[0])
        variance = relative_variance(sampler.mechanism(instance), sampler.particles, root, log_z)
    if is_multinomial and sampler.particles > 1:
        moment = moment_of_runs(instance, clouds)
        found, has_one = one_run_variances(clouds)
        alive = np.isfinite(clouds.log_partition)
        square = np.exp(2.0 * (clouds.log_partition[alive] - log_z))
        one_run = float((square * found[alive]).sum() / n)
        spread, coalesced = float(found[alive].std()) if alive.any() else math.nan, float(has_one.mean())
    return Partition(log_z, lower, lower_error, upper, upper_error, variance, one_run, spread, coalesced, moment)


def moment_of_runs(instance: Instance, clouds: Clouds) -> Moment:
    """What runs say of the mass of the target's likeliest last node, those that lost all their particles left out."""
    graph = instance.graph
    mass = mass_below(graph, graph.horizon - 1, forward_mass(graph)[-1])
    log_mass = (mass * instance.twist[graph.leaves]).log() - instance.audit.log_partition
    node = int(np.argmax(log_mass))
    alive = np.isfinite(clouds.log_partition)
    weight = clouds.weight[alive] / clouds.weight.shape[1]
    is_there = clouds.leaf[alive] == node
    estimate = (weight * is_there).sum(axis=1)
    apart = _by_ancestor(weight * (is_there - estimate[:, None]), _ancestors(clouds)[alive])
    told = (apart**2).sum(axis=1)
    return Moment(
        node, math.exp(float(log_mass[node])), float(estimate.mean()), float(estimate.var(ddof=1)), float(told.mean()),
        float(told.std()),
    )  # fmt: skip


def one_run_variances(clouds: Clouds) -> tuple[FloatArray, FloatArray]:
    """V of each run with multinomial resampling at every step; and 1 where its particles have one ancestor, else 0.

    Parameters
    ----------
    clouds : Clouds
        With their ancestry, particles apart.

    Returns
    -------
    ndarray, shape [n]
    ndarray, shape [n]
    """
    weight, horizon = clouds.weight, len(clouds.history)
    size, eve = weight.shape[1], _ancestors(clouds)
    held = _by_ancestor(weight, eve) / size
    # What is held by different ancestors: 1 less the sum of squares, without cancelling where one holds nearly all.
    apart = (held * (1.0 - held)).sum(axis=1)
    has_one = (eve == eve[:, :1]).all(axis=1).astype(np.float64)
    return 1.0 - (size / (size - 1.0)) ** horizon * np.where(has_one > 0, 0.0, apart), has_one


def _ancestors(clouds: Clouds) -> IntArray:
    """Which particle of the first step each last one descends from, shape [n, particles]."""
    n, size = clouds.weight.shape
    eve = np.tile(np.arange(size), (n, 1))
    for _, origin in clouds.history[1:]:
        eve = np.take_along_axis(eve, origin.astype(np.int64), axis=1)
    return eve


def _by_ancestor(number: FloatArray, eve: IntArray) -> FloatArray:
    """Sums over the particles of each ancestor, shape [n, particles]."""
    n, size = number.shape
    slot = eve + size * np.arange(n)[:, None]
    return np.bincount(slot.ravel(), number.ravel(), n * size).reshape(n, size).astype(np.float64, copy=False)


def exact_means(sampler: SMC, instance: Instance) -> tuple[float, float] | None:
    """E[log Z^] of free and of pinned runs, exactly: log Z lies between; None where there is no exact law.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("hmm", horizon=4, states=2, lookahead=0, seed=1)
    >>> lower, upper = exact_means(SMC(3), instance)
    >>> lower < instance.audit.log_partition < upper
    True
    """
    try:
        sampler.require_chain(sampler.name)
        steps = GuidedSteps(instance.graph, instance.twist)
        found = expected_log_estimates(sampler.mechanism(instance), steps, sampler.particles, sampler.name)
    except NoExactLaw:
        return None
    root = float(instance.value.log()[0])
    return found[0] + root, found[1] + root


def _mean(log_estimate: FloatArray) -> tuple[float, float]:
    """A mean and its standard error; -inf where a run has lost all its particles."""
    if not np.isfinite(log_estimate).all():
        return -math.inf, math.nan
    return float(log_estimate.mean()), float(log_estimate.std() / math.sqrt(len(log_estimate)))
