"""Beam search: a deterministic search for one leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.graphs.potentials import ahead
from treesim.instances.instance import Instance
from treesim.laws.law import Law, LeafLaw, WalkLaw
from treesim.laws.walks import OnePath
from treesim.samplers.base import Cost, Sampler
from treesim.samplers.draws import Draws, Paths
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_one_of


@dataclass(frozen=True)
class BeamSearch(Sampler):
    """Beam search: of all children of the beam keep the `width` best, and return the best leaf.

    A beam holds paths; ties go to the one that comes first. The law is one path x, so its TV is 1 - pi~(x).

    Parameters
    ----------
    width : int
    score : str
        ``target`` ranks a prefix by pi_ref(prefix) V^(prefix), the intermediate target; ``value`` by V^ alone.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> round(BeamSearch(width=4).law(instance).tv(instance.target).lo, 4)
    0.8025
    """

    width: int
    score: str = "target"
    name: ClassVar[str] = "beam"

    def __post_init__(self) -> None:
        require_at_least("width", self.width, 1)
        require_one_of("score", self.score, ("target", "value"))

    def _search(self, instance: Instance) -> tuple[Paths, int]:
        """The path found, and how many children were looked at."""
        graph = instance.graph
        beam, prob = np.zeros(1, np.int64), Scaled.from_float([1.0])
        weight = prob
        history = np.empty((1, 0), np.int32)
        looked_at = 0
        for t in range(graph.horizon):
            layer = graph.layer(t)
            start, degree = layer.ptr[beam] - layer.ptr[0], layer.ptr[beam + 1] - layer.ptr[beam]
            first = np.cumsum(degree) - degree
            edge = np.arange(degree.sum()) - np.repeat(first - start, degree)
            live = layer.prob[edge] > 0
            edge, parent = edge[live], np.repeat(np.arange(len(beam)), degree)[live]
            looked_at += len(edge)
            child_prob = prob[parent] * Scaled.from_float(layer.prob[edge])
            seen, below = ahead(graph, t, instance.value)
            score, potential = below[seen.ends(edge)], graph.potential(t)
            if potential is not None:
                score *= weight[parent]
            if self.score == "target":
                score = score * child_prob
            best = np.lexsort((np.arange(len(edge)), -score.mantissa, -score.exponent, score.mantissa == 0))
            # The beam stays in the order of the paths, so that candidates are numbered in it too.
            kept = np.sort(best[: self.width]) if t + 1 < graph.horizon else best[:1]
            beam, prob = layer.ends(edge[kept]), child_prob[kept]
            if potential is not None:
                weight = weight[parent[kept]] * potential[edge[kept]]
            history = np.concatenate([history[parent[kept]], edge[kept, None].astype(np.int32)], axis=1)
        return Paths(beam, history if graph.keeps_edges else None), looked_at

    def law(self, instance: Instance) -> Law:
        best, _ = self._search(instance)
        if best.edges is not None:
            return WalkLaw(OnePath(instance.graph, best.edges[0]))
        prob = np.zeros(instance.graph.n_leaves)
        prob[best.leaf] = 1.0
        return LeafLaw(Scaled.from_float(prob))

    def cost(self, instance: Instance) -> Cost:
        looked_at = float(self._search(instance)[1])
        return Cost(looked_at, looked_at)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        best, looked_at = self._search(instance)
        return Draws(*best.take(np.zeros(n, np.int64)), n * looked_at, n * looked_at)
