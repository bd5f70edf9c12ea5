"""Divergences of two walks on a graph that add up, or multiply, along the path: exact at any horizon."""

from __future__ import annotations

import numpy as np

from treesim.kernels.density_ratio import edge_log_ratios
from treesim.laws.walks import Steps


def path_divergences(p: Steps, q: Steps) -> tuple[float, float]:
    """KL(q || p), in nats, and chi^2(q || p) of two walks on a graph, exactly, by a backward recursion.

    KL(v) = sum_e q(e) (log q/p + KL(c)); chi^2(v) = sum_e [(q - p)^2 / p + q^2/p chi^2(c)]: no term is negative in the
    second, and infinite where q goes and p does not.
    """
    graph = q.graph
    kl, chi2 = np.zeros(graph.n_leaves), np.zeros(graph.n_leaves)
    for t in reversed(range(graph.horizon)):
        layer = graph.layer(t)
        p_edge, q_edge = p.edges(t), q.edges(t)
        log_ratio = np.empty(len(q_edge))
        edge_log_ratios(p_edge.numbers, q_edge.numbers, log_ratio)
        used = ~np.isnan(log_ratio)
        ends = layer.ends(np.arange(len(used)))
        mass = q_edge.to_float()
        with np.errstate(over="ignore", invalid="ignore"):
            surprise = np.where(used, mass * (kl[ends] - np.where(used, log_ratio, 0.0)), 0.0)
            # (q - p)^2 / p = q (q/p - 1) - (q - p)
            excess = np.expm1(-np.where(used, log_ratio, 0.0))
            own = np.where(used, mass * excess * -np.expm1(np.where(used, log_ratio, 0.0)), p_edge.to_float())
            later = np.where(used & (chi2[ends] > 0), mass * (excess + 1.0) * chi2[ends], 0.0)
        starts = layer.ptr[:-1] - layer.ptr[0]
        kl = np.add.reduceat(surprise, starts)
        chi2 = np.add.reduceat(own + later, starts)
    return max(0.0, float(kl[0])), float(chi2[0])
