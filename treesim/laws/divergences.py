"""Divergences of two walks on a graph that add up, or multiply, along the path: exact at any horizon."""

from __future__ import annotations

import numpy as np

from treesim.arrays import log_sums, never
from treesim.kernels.density_ratio import edge_log_ratios
from treesim.laws.walks import Steps
from treesim.scaled import exp_or_inf

# Of log(p/q), beyond which q is negligible beside p.
_LARGE = 40.0


def path_divergences(p: Steps, q: Steps) -> tuple[float, float]:
    """KL(q || p), in nats, and chi^2(q || p) of two walks on a graph, exactly, by a backward recursion.

    KL(v) = sum_e q(e) (log q/p + KL(c)); chi^2(v) = sum_e [(q - p)^2 / p + q^2/p chi^2(c)]: no term is negative in the
    second, and infinite where q goes and p does not.
    """
    graph = q.graph
    kl, log_chi2 = np.zeros(graph.n_leaves), np.full(graph.n_leaves, -np.inf)
    for t in reversed(range(graph.horizon)):
        layer = graph.layer(t)
        p_edge, q_edge = p.edges(t), q.edges(t)
        log_ratio = np.empty(len(q_edge))
        edge_log_ratios(p_edge.numbers, q_edge.numbers, log_ratio)
        used = ~np.isnan(log_ratio)
        log_ratio[~used] = 0.0
        ends = layer.ends(np.arange(len(used)))
        with np.errstate(invalid="ignore"):
            further = kl[ends] - log_ratio
            # A mass that is too small for a float still makes the whole infinite where q goes and p does not.
            surprise = np.where(used, np.where(np.isposinf(further), np.inf, q_edge.to_float() * further), 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            log_growth = q_edge.log() - log_ratio
            # (q - p)^2 / p = q^2 / p (1 - p/q)^2
            log_own = np.where(used, log_growth + 2.0 * np.log(np.abs(np.expm1(log_ratio))), p_edge.log())
        large = used & (log_ratio > _LARGE)
        log_own[large] = p_edge.log()[large]
        with np.errstate(invalid="ignore"):
            log_later = np.where(used, log_growth, -np.inf) + np.where(used, log_chi2[ends], -np.inf)
        kl = np.add.reduceat(surprise, layer.ptr[:-1] - layer.ptr[0])
        log_chi2 = log_sums(np.logaddexp(log_own, never(log_later)), layer.ptr)
    return max(0.0, float(kl[0])), exp_or_inf(float(log_chi2[0]))
