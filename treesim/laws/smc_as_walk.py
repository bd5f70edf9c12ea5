"""SMC that is a walk: where the weights to come do not depend on where the particles are.

If at every level all nodes offer the same weights with the same probabilities, each step of an output is one of N draws
kept in proportion to its weight, whatever the population did before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.graphs.layered import LayeredGraph
from treesim.kernels.one_of_n import select_by_log
from treesim.kernels.race import race_by_log
from treesim.laws.walks import POOL_ERROR, Proposal, Steps
from treesim.scaled import Scaled

SAME_CHANCE = 1e-13  # probabilities this near, relatively, count as one


def smc_as_walk(proposal: Proposal, particles: int, by_race: bool = False) -> Steps | None:
    """The steps of an output of SMC with `particles` particles, resampled multinomially at every step, and by a race at
    the end if so asked.

    None if somewhere the weights to come depend on where the particles are.
    """
    graph = proposal.graph
    log_factors = []
    for t in range(graph.horizon):
        layer, gain = graph.layer(t), proposal.log_gain(t)
        prob = np.where(graph.reach[t][layer.sources()] > 0, proposal.steps.edges(t).to_float(), 0.0)
        offers = _same_offers(layer.ptr, prob, np.where(prob > 0, gain, np.nan), proposal.same_weight)
        if offers is None:
            return None
        weights, chances, place = offers
        log_h = np.empty(len(weights))
        if by_race and t + 1 == graph.horizon:
            race_by_log(chances, weights, float(particles), log_h)
        else:
            select_by_log(chances, weights, float(particles), -np.inf, log_h)
        log_factors.append(np.where(place >= 0, log_h[place], 0.0))
    return _CompetingSteps(graph, proposal.steps, log_factors, proposal.same_weight)


@dataclass(frozen=True, eq=False, repr=False)
class _CompetingSteps(Steps):
    """Steps of a particle that others of the same law compete with at each level, whatever they did before."""

    graph: LayeredGraph
    inner: Steps
    log_factor: list[FloatArray]
    same_weight: float

    @cached_property
    def relative_error(self) -> float:  # type: ignore[override]
        return self.inner.relative_error + POOL_ERROR + self.same_weight + SAME_CHANCE

    def edges(self, t: int) -> Scaled:
        return self.inner.edges(t) * Scaled.from_log(self.log_factor[t])


def _same_offers(
    ptr: IntArray, prob: FloatArray, log_gain: FloatArray, same_weight: float
) -> tuple[FloatArray, FloatArray, IntArray] | None:
    """The weights that every live parent offers, their probabilities, and the place of each edge's weight among them
    (-1 for dead edges); None if not all offer the same."""
    live = np.flatnonzero(prob > 0)
    order = live[np.argsort(log_gain[live])]
    is_new = np.ones(len(order), bool)
    is_new[1:] = np.diff(np.maximum(log_gain[order], -1e300)) > same_weight
    weights = log_gain[order[is_new]]
    parents = len(ptr) - 1
    if len(weights) > int(np.diff(ptr).max()):
        return None
    place = np.full(len(prob), -1)
    place[order] = np.cumsum(is_new) - 1
    source = np.repeat(np.arange(parents), np.diff(ptr))[live]
    chances = np.bincount(source * len(weights) + place[live], prob[live], parents * len(weights))
    table = chances.reshape(parents, -1)[np.unique(source)]
    if np.abs(table - table[0]).max() > SAME_CHANCE * table[0].min():
        return None
    return weights, table[0], place
