"""Metropolis on random suffixes: a Markov chain on whole sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import IntArray
from treesim.instances.instance import Instance
from treesim.kernels.random_suffix import suffix_step
from treesim.kernels.walk import step_reference
from treesim.laws.law import LeafLaw
from treesim.samplers.base import Cost, Sampler
from treesim.samplers.draws import Draws, Paths
from treesim.scaled import Scaled
from treesim.spec import require_at_least


@dataclass(frozen=True)
class RandomSuffix(Sampler):
    """Random-suffix Metropolis: cut the sequence at a random place, write the rest anew, accept by the reward's ratio.

    It starts with a draw from pi_ref. At each step the first t tokens stay, t uniform in 0..T-1, the rest is drawn from
    pi_ref, and the new sequence y takes the place of x with probability min(1, phi(y) / phi(x)); 0/0 counts as 1.

    Parameters
    ----------
    steps : int

    References
    ----------
    Faria et al. (2024), "QUEST: quality-aware Metropolis-Hastings sampling for machine translation".

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(RandomSuffix(n).law(instance).tv(instance.target).lo, 4) for n in (0, 4, 16)]
    [0.2801, 0.0909, 0.0117]
    """

    steps: int
    name: ClassVar[str] = "random-suffix"

    def __post_init__(self) -> None:
        require_at_least("steps", self.steps, 0)

    def law(self, instance: Instance) -> LeafLaw:
        """The exact law of the leaf; each step costs O(T n_leaves)."""
        tree = instance.graph.require_tree(
            "random-suffix has an exact law on trees; unroll a small trellis, or estimate its TV"
        )
        prob = instance.reference.prob.to_float()
        log_reward = instance.log_reward
        prefix = np.arange(tree.n_leaves)
        levels = []
        for t in reversed(range(tree.horizon)):
            prefix = tree.layer(t).sources()[prefix]
            order = np.lexsort((log_reward, prefix))
            starts = np.concatenate([[0], np.cumsum(np.bincount(prefix, minlength=tree.n_level(t)))])
            levels.append((starts, order))
        law = prob.copy()
        for _ in range(self.steps):
            out = np.zeros(len(law))
            for starts, order in levels:
                suffix_step(starts, order, prob, log_reward, law, out)
            law = out / tree.horizon
        return LeafLaw(Scaled.from_float(law))

    def cost(self, instance: Instance) -> Cost:
        horizon = instance.graph.horizon
        return Cost(horizon + self.steps * (horizon + 1) / 2, self.steps + 1.0)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        graph = instance.graph
        edges = np.empty((n, graph.horizon), np.int32)
        nodes = np.zeros((n, graph.horizon + 1), np.int64)
        draws = 0

        def rewrite(cut: IntArray, edges: NDArray[np.int32], nodes: IntArray) -> int:
            for t in range(graph.horizon):
                rows = np.flatnonzero(cut <= t)
                node = nodes[rows, t]
                layer = graph.layer(t)
                step_reference(layer.ptr, layer.prob, node, rng)
                edges[rows, t] = node
                nodes[rows, t + 1] = layer.ends(node)
            return int((graph.horizon - cut).sum())

        draws += rewrite(np.zeros(n, np.int64), edges, nodes)
        for _ in range(self.steps):
            cut = rng.integers(0, graph.horizon, n)
            new_edges, new_nodes = edges.copy(), nodes.copy()
            draws += rewrite(cut, new_edges, new_nodes)
            old, new = (
                instance.path_reward(way[:, -1], along).log() for way, along in ((nodes, edges), (new_nodes, new_edges))
            )
            taken = np.log1p(-rng.random(n)) + old <= new
            edges[taken], nodes[taken] = new_edges[taken], new_nodes[taken]
        paths = Paths(nodes[:, -1].copy(), edges if graph.keeps_edges else None)
        return Draws(*paths, draws, n * (self.steps + 1))
