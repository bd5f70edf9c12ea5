r"""The estimate of the partition function that a run of SMC makes: how much it varies, exactly.

With multinomial resampling at every step Z^ is unbiased, and its second moment follows two particles: each step they
come from two parents with probability 1 - 1/N, from one with 1/N. So E[Z^^2] is a backward recursion over pairs of
nodes, for any N: with w the weight gained on an edge,

    F(v, v') = (1 - 1/N) E[w w' F(c, c')] + (1/N) (E[w^2 F(c, c) | v] + E[w^2 F(c, c) | v']) / 2.

Source: Cerou, Del Moral & Guyader (2011), "A nonasymptotic theorem for unnormalized Feynman-Kac particle models".
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sparse

from treesim.arrays import FloatArray
from treesim.laws.walks import Proposal
from treesim.scaled import expm1_or_inf

# Pairs of nodes of a level times edges, over all levels: beyond it nobody waits.
LARGEST_WORK = 2e10


def relative_variance(proposal: Proposal, particles: int, log_root: float, log_partition: float) -> float | None:
    """Var(Z^ / Z) of SMC with multinomial resampling at every step, exactly; None where it would take too long.

    Parameters
    ----------
    proposal : Proposal
    particles : int
        N.
    log_root : float
        log V^ of the root, where every estimate starts.
    log_partition : float
        log Z.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("perfect-value", horizon=100)
    >>> one = relative_variance(SMC(16).mechanism(instance), 16, 0.0, 0.0)
    >>> round(one, 4), round((1 + 1 / (4 * 16)) ** 100 - 1, 4)
    (3.7134, 3.7134)
    """
    graph = proposal.graph
    work = sum(float(graph.n_level(t) + graph.n_level(t + 1)) * len(graph.layer(t).prob) for t in range(graph.horizon))
    if work > LARGEST_WORK:
        return None
    pair, log_scale = np.ones((graph.n_leaves, graph.n_leaves)), 0.0
    for t in reversed(range(graph.horizon)):
        layer, prob, log_gain = graph.layer(t), proposal.steps.edges(t).to_float(), proposal.log_gain(t)
        live = (prob > 0) & np.isfinite(log_gain)
        if not live.any():
            return 0.0
        top = float(log_gain[live].max())
        gain = np.where(live, np.exp(np.where(live, log_gain - top, 0.0)), 0.0)
        ends = layer.ends(np.arange(len(prob)))
        shape = graph.n_level(t), graph.n_level(t + 1)
        moved = sparse.csr_array((prob * gain, (layer.sources(), ends)), shape)
        alone = np.add.reduceat(prob * gain**2 * np.diag(pair)[ends], layer.ptr[:-1] - layer.ptr[0])
        apart: FloatArray = moved @ (moved @ pair.T).T
        pair = (1.0 - 1.0 / particles) * apart + (alone[:, None] + alone) / (2.0 * particles)
        largest = float(pair.max())
        if largest == 0.0:
            return 0.0
        pair /= largest
        log_scale += 2.0 * top + math.log(largest)
    return max(0.0, expm1_or_inf(log_scale + math.log(pair[0, 0]) + 2.0 * (log_root - log_partition)))
