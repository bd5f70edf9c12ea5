"""What losses learn from: how often each prefix was visited, and with what return; exactly, or from simulated paths.

Every loss needs a prefix's visits r(v) and returns m(v) = E[phi; v] / Z only: exactly pi_ref(v) and pi~(v), from paths
their averages. So exact and sampled training are one code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import LearningError
from treesim.graphs.layered import LayeredGraph
from treesim.instances.instance import Instance
from treesim.laws.walks import GuidedSteps, ReferenceSteps, Steps, marginals
from treesim.samplers import Base, GuidedSMC
from treesim.spec import require_one_of, require_whole

PATHS = ("reference", "target")


@dataclass(frozen=True, eq=False, repr=False)
class Visits(Brief):
    """Visits and returns of the prefixes of levels 1 to T - 1, in the order of their nodes.

    Attributes
    ----------
    reference, target : ndarray, shape [n_inner]
        r and m; each sums to 1 on every level.
    log_partition : float
        log Z as the paths tell it, in nats.
    paths : str
        The law of the training paths, pi_ref or pi~: ``reference`` or ``target``.
    law : Steps
        The same as a walk.
    seen : ndarray of int, shape [n, horizon - 1], or None
        The prefixes of each simulated path, as rows of the arrays above; None for the law itself.
    leaves : FloatArray, shape [n], or None
        log phi at the ends of the simulated paths.

    Examples
    --------
    >>> from treesim import family
    >>> visits = exact_visits(family("uniform", horizon=2, seed=1))
    >>> visits.reference.tolist(), visits.target.round(3).tolist()
    ([0.5, 0.5], [0.889, 0.111])
    """

    reference: FloatArray
    target: FloatArray
    log_partition: float
    paths: str
    law: Steps
    seen: IntArray | None = None
    leaves: FloatArray | None = None

    @property
    def weight(self) -> FloatArray:
        """Visits by the training paths."""
        return self.reference if self.paths == "reference" else self.target


def exact_visits(instance: Instance, paths: str = "reference") -> Visits:
    """The visits of endless training.

    Parameters
    ----------
    instance : Instance
    paths : str
        The law of the training paths, for losses that depend on it.

    Examples
    --------
    >>> from treesim import family
    >>> exact_visits(family("product", horizon=2, ratio=3.0)).target
    array([0.25, 0.75])
    """
    require_one_of("paths", paths, PATHS)
    laws = _laws(instance)
    reference, target = (_inner(law) for law in laws)
    return Visits(reference, target, instance.audit.log_partition, paths, laws[PATHS.index(paths)])


def sampled_visits(instance: Instance, n: int, paths: str = "reference", seed: int = 0) -> Visits:
    """The visits of `n` simulated paths.

    Paths from pi_ref give visits, and returns by their rewards, whose mean stands for Z. Paths from pi~ give returns by
    how often they pass; visits are pi_ref itself and Z the true one, which only a laboratory knows.

    Raises
    ------
    LearningError
        If no path has a reward above zero.

    Examples
    --------
    >>> from treesim import family
    >>> visits = sampled_visits(family("uniform", horizon=2, seed=1), n=100, seed=1)
    >>> visits.reference.tolist(), visits.target.round(3).tolist()
    ([0.53, 0.47], [0.894, 0.106])
    """
    require_one_of("paths", paths, PATHS)
    require_whole("samples", n, 1)
    graph, laws = instance.graph, _laws(instance)
    sampler = Base() if paths == "reference" else GuidedSMC()
    draws = sampler.simulate(Instance(graph, instance.twist), n, seed=seed)
    edges = graph.path_edges(draws.leaf, draws.edges)
    seen, first = np.empty((n, graph.horizon - 1), np.int64), graph.level(1).start
    for t in range(graph.horizon - 1):
        seen[:, t] = graph.layer(t).ends(edges[:, t].astype(np.int64)) + graph.level(t + 1).start - first
    size = graph.leaves.start - first
    log_reward = instance.log_reward[draws.leaf]
    if paths == "target":
        share = np.bincount(seen.ravel(), minlength=size) / n
        return Visits(_inner(laws[0]), share, instance.audit.log_partition, paths, laws[1], seen, log_reward)
    top = float(log_reward.max())
    if top == -math.inf:
        raise LearningError(f"none of {n} paths from pi_ref has a reward above zero; draw more, or paths of the target")
    reward = np.exp(log_reward - top)
    weight = np.repeat(reward / reward.sum(), graph.horizon - 1)
    return Visits(
        np.bincount(seen.ravel(), minlength=size) / n,
        np.bincount(seen.ravel(), weight, minlength=size).astype(np.float64),
        top + math.log(reward.mean()), paths, laws[0], seen, log_reward,
    )  # fmt: skip


def mean_log_returns(instance: Instance, visits: Visits) -> FloatArray:
    """E[log phi; v] under the training paths, shape [n_inner]."""
    graph = instance.graph
    size = len(visits.reference)
    if visits.seen is not None and visits.leaves is not None:
        weight = np.repeat(visits.leaves / len(visits.leaves), graph.horizon - 1)
        return np.bincount(visits.seen.ravel(), weight, minlength=size).astype(np.float64)
    mean, rows = instance.log_reward, []
    for t in reversed(range(1, graph.horizon)):
        layer = graph.layer(t)
        edge = visits.law.edges(t).to_float()
        worth = np.where(edge > 0, mean[layer.ends(np.arange(len(edge)))], 0.0)
        mean = np.add.reduceat(edge * worth, layer.ptr[:-1] - layer.ptr[0])
        rows.append(mean)
    return visits.weight * np.concatenate(rows[::-1])


def _laws(instance: Instance) -> tuple[Steps, Steps]:
    """pi_ref and the target, as walks."""
    return ReferenceSteps(instance.graph), GuidedSteps(instance.graph, instance.twist)


def _inner(law: Steps) -> FloatArray:
    """The mass of every node of levels 1 to T - 1."""
    masses = [mass.to_float() for mass, _ in marginals(law)]
    return np.concatenate(masses[:-1])


def inner_level(graph: LayeredGraph, t: int) -> slice:
    """The rows of a level from 1 to T - 1."""
    first = graph.level(1).start
    return slice(graph.level(t).start - first, graph.level(t).stop - first)
