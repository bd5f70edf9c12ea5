"""Continuations of every prefix by pi_ref, and what they are worth in the mean."""

from __future__ import annotations

import numpy as np

from treesim.arrays import FloatArray, log_sums
from treesim.graphs.layered import LayeredGraph
from treesim.kernels.walk import step_reference
from treesim.runtime.memory import require_memory
from treesim.runtime.seeds import Stream, generator
from treesim.scaled import Scaled

# Walkers that go down at once.
_BLOCK = 1 << 20


def mean_rollouts(graph: LayeredGraph, twist: Scaled, k: int, seed: int = 0) -> Scaled:
    """The mean reward of `k` continuations by pi_ref of each node, the reward itself at level T.

    Parameters
    ----------
    graph : LayeredGraph
    twist : Scaled, shape [n_nodes]
        V*, of which the rewards are read.
    k : int
    seed : int

    Returns
    -------
    Scaled, shape [n_nodes]

    Examples
    --------
    >>> from treesim import Tree, optimal_twist
    >>> tree = Tree.complete(branching=2, horizon=2)
    >>> mean_rollouts(tree, optimal_twist(tree, np.log([1.0, 2.0, 3.0, 6.0])), k=1000).log().round(2)[:3]
    array([1.08, 0.42, 1.52])
    """
    require_memory(24.0 * max(_BLOCK, k), f"{k} continuations of a prefix")
    log_reward = twist[graph.leaves].log()
    levels = [_of_level(graph, t, log_reward, k, generator(seed, Stream.PERTURBATION, t)) for t in range(graph.horizon)]
    return Scaled.from_log(np.concatenate([*levels, log_reward]))


def _of_level(graph: LayeredGraph, t: int, log_reward: FloatArray, k: int, rng: np.random.Generator) -> FloatArray:
    """log of the mean reward of the nodes of one level."""
    n, block = graph.n_level(t), max(1, _BLOCK // k)
    means = []
    for start in range(0, n, block):
        nodes = np.arange(start, min(n, start + block))
        walker, log_potential = np.repeat(nodes, k), np.zeros(len(nodes) * k)
        for u in range(t, graph.horizon):
            layer = graph.layer(u)
            step_reference(layer.ptr, layer.prob, walker, rng)
            potential = graph.potential(u)
            if potential is not None:
                log_potential += potential.log()[walker]
            walker = layer.ends(walker)
        means.append(log_sums(log_reward[walker] + log_potential, np.arange(len(nodes) + 1) * k) - np.log(k))
    return np.concatenate(means)
