"""What is true of logs of an instance, from exact laws."""

import numpy as np

from treesim import GuidedSMC, Scaled
from treesim.graphs.values import expect_ahead
from treesim.laws.pools import _paths
from treesim.laws.walks import PoolSteps, marginals


def guided_truth(instance, pool):
    """Of pool guidance: errors by step under its own law, and what its weights are like."""
    graph, value = instance.graph, instance.value
    visited = [Scaled.from_float([1.0]), *(mass for mass, _ in marginals(PoolSteps(graph, value, pool)))]
    square, mean = [], []
    for t in range(graph.horizon):
        ahead = expect_ahead(graph.layer(t), value[graph.level(t + 1)]).log()
        rho, mass = np.exp(ahead - value[graph.level(t)].log()), visited[t].to_float()
        square.append(float(mass @ (rho - 1.0) ** 2))
        mean.append(float(mass @ rho))
    _, log_mass, log_weight = _paths(graph, value, pool, "mh=1")
    mass, weight = np.exp(log_mass), np.exp(log_weight)
    weight = weight / (mass @ weight)
    order = np.argsort(weight)
    mass, weight = mass[order], weight[order]
    above, below = 1.0 - np.cumsum(mass) + mass, np.cumsum(mass * weight) - mass * weight
    second = float(mass @ weight**2)
    return {
        "mean_square": square, "rho": mean, "B": instance.guidance.average_case_bound,
        "epsilon": instance.audit.bellman_error, "L": instance.audit.ratio_bound,
        "tv": GuidedSMC(pool=pool).law(instance).tv(instance.target).hi,
        "bound": float(mass @ np.maximum(0.0, 1.0 - weight)), "chi_square": second - 1.0, "share": 1.0 / second,
        "acceptance": float(mass @ (below + weight * above)),
    }  # fmt: skip


def traces_truth(instance):
    """Level by level: pi_ref's law of the prefix, V and P V."""
    graph, value = instance.graph, instance.value
    return [
        (
            graph.reach[t],
            value[graph.level(t)].to_float(),
            expect_ahead(graph.layer(t), value[graph.level(t + 1)]).to_float(),
        )
        for t in range(graph.horizon)
    ]
