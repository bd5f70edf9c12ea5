"""Beam search: a deterministic search for one leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.instance import Instance
from treesim.law import Law
from treesim.samplers.base import Cost, Draws, Sampler
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_one_of


@dataclass(frozen=True)
class BeamSearch(Sampler):
    """Beam search: of all children of the beam keep the `width` best, and return the best leaf.

    Ties go to the node that is numbered first. The law is one leaf x, so its TV is 1 - pi~(x).

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

    def _search(self, instance: Instance) -> tuple[int, int]:
        """The leaf found, and how many children were looked at."""
        tree = instance.tree
        beam, prob = np.zeros(1, np.int64), Scaled.from_float([1.0])
        looked_at = 0
        for t in range(tree.horizon):
            layer = tree.layer(t)
            start, degree = layer.ptr[beam] - layer.ptr[0], layer.ptr[beam + 1] - layer.ptr[beam]
            first = np.cumsum(degree) - degree
            edge = np.arange(degree.sum()) - np.repeat(first - start, degree)
            live = layer.prob[edge] > 0
            edge, parent = edge[live], np.repeat(np.arange(len(beam)), degree)[live]
            looked_at += len(edge)
            child = layer.child[edge] if len(layer.child) else edge
            child_prob = prob[parent] * Scaled.from_float(layer.prob[edge])
            score = instance.value[tree.level(t + 1)][child]
            if self.score == "target":
                score = score * child_prob
            best = np.lexsort((child, -score.mantissa, -score.exponent, score.mantissa == 0))[: self.width]
            beam, prob = child[best], child_prob[best]
        return int(beam[0]), looked_at

    def law(self, instance: Instance) -> Law:
        prob = np.zeros(instance.tree.n_leaves)
        prob[self._search(instance)[0]] = 1.0
        return Law(Scaled.from_float(prob))

    def cost(self, instance: Instance) -> Cost:
        looked_at = float(self._search(instance)[1])
        return Cost(looked_at, looked_at)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        leaf, looked_at = self._search(instance)
        return Draws(np.full(n, leaf), n * looked_at, n * looked_at)
