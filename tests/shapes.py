"""Graphs and values from a seed: where hypothesis would draw simple ones, nothing here is simple."""

import itertools

import numpy as np

from treesim import Instance, Layer, Scaled, Trellis


def trellis(seed: int, horizon: int = 3, nodes: int = 3, edges: int = 3) -> Instance:
    """A trellis of at most so many nodes a level and edges a node, with values of no particular quality.

    A tenth of the inner values and of the probabilities are zero; no two ratios have a step in common.
    """
    rng = np.random.default_rng(seed)
    sizes = [1, *rng.integers(2, nodes, horizon, endpoint=True).tolist()]
    layers = []
    for parents, children in itertools.pairwise(sizes):
        degree = rng.integers(2, edges, parents, endpoint=True)
        prob = []
        for n in degree.tolist():
            weight = rng.gamma(1.0, size=n) * (rng.random(n) > 0.1)
            weight = weight if weight.any() else np.ones(n)
            prob += (weight / weight.sum()).tolist()
        child = rng.integers(0, children, len(prob)).astype(np.int32)
        layers.append(Layer(np.cumsum([0, *degree.tolist()]), np.array(prob), child))
    graph = Trellis(np.cumsum([0, *sizes]), layers, np.arange(horizon))
    value = np.exp(rng.normal(size=graph.n_nodes))
    inner = np.arange(1, graph.leaves.start)
    value[inner[rng.random(len(inner)) < 0.1]] = 0.0
    return Instance(graph, Scaled.from_float(value))
