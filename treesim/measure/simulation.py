"""Logs of known truth: pool guidance and pi_ref simulated on an instance, to see what a log tells of it."""

from __future__ import annotations

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import MeasureError
from treesim.graphs.layered import Layer
from treesim.graphs.potentials import refuse_potentials
from treesim.instances.instance import Instance
from treesim.measure.log import Log
from treesim.runtime.seeds import Stream, generator


def guided_log(instance: Instance, pool: int, runs: int, seed: int = 0) -> Log:
    """The log of independent runs of pool guidance, the sampler ``sp-gsmc:pool=M``.

    Parameters
    ----------
    instance : Instance
    pool : int
        M.
    runs : int
    seed : int

    Examples
    --------
    >>> from treesim import family
    >>> log = guided_log(family("product", horizon=3, ratio=2.0), pool=4, runs=100)
    >>> len(log.runs), int(log.lengths.max()), len(log.log_pool)
    (100, 3, 1200)
    """
    rng = generator(seed, Stream.MEASUREMENT, 0)
    return _log(instance, pool, runs, rng, True)


def reference_log(instance: Instance, runs: int, seed: int = 0) -> Log:
    """The plain traces of independent paths of pi_ref: the values of their prefixes, the last of them the reward.

    Examples
    --------
    >>> from treesim import family
    >>> log = reference_log(family("product", horizon=3, ratio=2.0), runs=100)
    >>> log.is_guided, int(log.lengths.max())
    (False, 4)
    """
    return _log(instance, 1, runs, generator(seed, Stream.MEASUREMENT, 1), False)


def _log(instance: Instance, pool: int, runs: int, rng: np.random.Generator, is_guided: bool) -> Log:
    if pool < 1 or runs < 1:
        raise MeasureError(f"there are {runs} runs with pools of {pool}, expected at least one of each")
    graph, log_value = instance.graph, instance.value.log()
    refuse_potentials(graph, "what a log records of a path", MeasureError)
    horizon = graph.horizon
    node, rows = np.zeros(runs, np.int64), np.arange(runs)
    values = np.empty((runs, horizon + 1))
    pools, kept = np.empty((runs, horizon, pool)), np.empty((runs, horizon), np.int64)
    values[:, 0] = log_value[0]
    for t in range(horizon):
        layer = graph.layer(t)
        child = layer.ends(_drawn(layer, node, pool, rng).ravel()).reshape(runs, pool)
        worth = log_value[graph.level(t + 1)][child]
        # The largest of log V plus a Gumbel number is in proportion to V; in a pool of zeros the first.
        with np.errstate(invalid="ignore"):
            choice = np.argmax(worth + rng.gumbel(size=worth.shape), axis=1)
        node, pools[:, t], kept[:, t] = child[rows, choice], worth, choice
        values[:, t + 1] = worth[rows, choice]
    lines = horizon if is_guided else horizon + 1
    start = lines * np.arange(runs + 1)
    if not is_guided:
        return Log(list(range(runs)), start, 0, values.ravel(), np.zeros(runs * lines + 1, np.int64), np.zeros(0),
                   np.zeros(0, np.int64), "simulated")  # fmt: skip
    return Log(list(range(runs)), start, 0, values[:, :-1].ravel(), pool * np.arange(runs * lines + 1), pools.ravel(),
               kept.ravel(), "simulated")  # fmt: skip


def _drawn(layer: Layer, node: IntArray, pool: int, rng: np.random.Generator) -> IntArray:
    """Edges drawn from pi_ref, `pool` of each node, shape [n, pool]."""
    live = np.flatnonzero(layer.prob > 0.0)
    until: FloatArray = np.cumsum(layer.prob[live])
    ptr = np.searchsorted(live, layer.ptr - layer.ptr[0])
    before = np.append(0.0, until)[ptr]
    low, high = before[node][:, None], before[node + 1][:, None]
    found = np.searchsorted(until, low + rng.random((len(node), pool)) * (high - low), side="right")
    return live[np.clip(found, ptr[node][:, None], ptr[node + 1][:, None] - 1)]
