"""The expected reward of a law, where the end of a path does not tell what it is worth."""

from __future__ import annotations

import numpy as np

from treesim.arrays import read_only
from treesim.graphs.layered import NO_CHILD, Layer, LayeredGraph
from treesim.graphs.potentials import has_potentials, path_potential
from treesim.graphs.values import expect_ahead
from treesim.laws.law import Law, PathListLaw, WalkLaw
from treesim.scaled import Scaled


def expected_reward(law: Law, graph: LayeredGraph, reward: Scaled) -> float | None:
    """Expected reward of a path, its potentials among it, linear; infinite where it leaves the range of a float.

    Parameters
    ----------
    law : Law
    graph : LayeredGraph
        Whose potentials count.
    reward : Scaled, shape [n_leaves]
        phi.

    Returns
    -------
    float or None
        None if it is not known.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("markov", horizon=50, reward="additive:beta=9", seed=1)
    >>> mean = expected_reward(instance.reference, instance.graph, instance.reward)
    >>> bool(abs(np.log(mean) - instance.audit.log_partition) < 1e-12)
    True
    """
    if not has_potentials(graph):
        return law.expected(reward)
    if isinstance(law, WalkLaw):
        mean = reward
        for t in reversed(range(graph.horizon)):
            layer, potential = graph.layer(t), graph.potential(t)
            assert potential is not None
            each = law.steps.edges(t) * potential * mean[layer.child]
            mean = expect_ahead(Layer(layer.ptr, read_only(np.ones_like(layer.prob)), NO_CHILD), each)
        return float(mean.to_float()[0])
    if isinstance(law, PathListLaw):
        ends = graph.layer(graph.horizon - 1).ends(law.edges[:, -1].astype(np.int64))
        return float((law.prob * path_potential(graph, law.edges) * reward[ends]).to_float().sum())
    return None
