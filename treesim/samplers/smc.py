"""Sequential Monte Carlo with N particles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from treesim.errors import NoExactLaw, SpecError
from treesim.instance import Instance
from treesim.kernels.particles import (
    MULTINOMIAL,
    RESIDUAL,
    STRATIFIED,
    SYSTEMATIC,
    inherit,
    normalise,
    pick_particle,
    propose_optimal,
    propose_pool,
    propose_reference,
    resample,
)
from treesim.law import OutputLaw, walk_law
from treesim.multisets import Proposal, smc_law
from treesim.samplers.base import Clouds, Cost, Draws, Sampler
from treesim.scaled import FloatArray, IntArray, Scaled
from treesim.spec import require_at_least, require_one_of, require_positive
from treesim.steps import GuidedSteps, PoolSteps, ReferenceSteps, descend
from treesim.tree import Tree
from treesim.values import expect_ahead

SCHEMES = {"multinomial": MULTINOMIAL, "residual": RESIDUAL, "stratified": STRATIFIED, "systematic": SYSTEMATIC}


@dataclass(frozen=True)
class SMC(Sampler):
    """SMC with N particles: propose, weigh, resample; at level T one particle is kept in proportion to its weight.

    Where all weights of a population are zero they count as equal, and the estimate of Z is zero.

    Parameters
    ----------
    particles : int
        N.
    resampling : str
        ``multinomial``, ``residual``, ``stratified`` or ``systematic``.
    threshold : float
        Resample when ESS < threshold * N; 1 resamples at every step.
    proposal : str
        ``reference``: pi_ref, weight G = V^(child) / V^(parent); ``optimal``: in proportion to pi_ref V^, weight
        (P V^) / V^ of the parent; ``pool``: one of `pool` draws, weight the pool's mean of V^ over V^ of the parent.
    pool : int
        M, for the proposal of that name.

    References
    ----------
    Zhu & Lu (2026), Theorem 5.1 (reference proposal, multinomial resampling at every step); Douc & Cappe (2005) for
    the resampling schemes; Gordon, Salmond & Smith (1993).

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(SMC(N).law(instance).tv(instance.target).lo, 4) for N in (1, 2, 4)]
    [0.2801, 0.146, 0.0707]
    """

    particles: int
    resampling: str = "multinomial"
    threshold: float = 1.0
    proposal: str = "reference"
    pool: int = 0
    name: ClassVar[str] = "smc"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_one_of("resampling", self.resampling, SCHEMES)
        require_one_of("proposal", self.proposal, ("reference", "optimal", "pool"))
        require_positive("threshold", self.threshold)
        if self.threshold > 1:
            raise SpecError(f"threshold is {self.threshold}, expected at most 1: resample at every step")
        if (self.proposal == "pool") != (self.pool > 0):
            raise SpecError(f"proposal is {self.proposal!r} and pool {self.pool}, expected pool=M for proposal=pool")

    def law(self, instance: Instance) -> OutputLaw:
        """The exact law of the output, for multinomial resampling at every step.

        It is a walk if N = 1, or if all nodes of a level offer the same weights with the same probabilities; else it
        is known on small trees, and on trellises of few nodes a level and not too many paths.

        Raises
        ------
        NoExactLaw
            Otherwise; the message says why, and what it would cost.
        """
        name = f"smc:particles={self.particles}"
        if self.particles == 1 and self.proposal == "pool":
            return walk_law(PoolSteps(instance.graph, instance.value, self.pool))
        if self.particles > 1 and (self.resampling != "multinomial" or self.threshold < 1 or self.proposal == "pool"):
            raise NoExactLaw(
                "smc has an exact law for multinomial resampling at every step and the reference or optimal proposal; "
                "estimate its TV from runs"
            )
        return smc_law(self._proposal(instance), self.particles, name)

    def _proposal(self, instance: Instance) -> Proposal:
        graph, value = instance.graph, instance.value

        def reference_gain(t: int) -> FloatArray:
            layer, edges = graph.layer(t), np.arange(len(graph.layer(t).prob))
            return value[graph.level(t + 1)][layer.ends(edges)].over(before(t)[layer.sources()]).log()

        def optimal_gain(t: int) -> FloatArray:
            layer = graph.layer(t)
            ahead = expect_ahead(layer, value[graph.level(t + 1)])
            return ahead.over(before(t)).log()[layer.sources()]

        def before(t: int) -> Scaled:
            here = value[graph.level(t)]
            return Scaled(np.where(here.mantissa > 0, here.mantissa, 1.0), here.exponent)

        if self.proposal == "optimal":
            return Proposal(GuidedSteps(graph, value), optimal_gain)
        return Proposal(ReferenceSteps(graph), reference_gain)

    def cost(self, instance: Instance) -> Cost:
        """The expected cost of one run.

        With the optimal proposal it is that of N guided walks: exact where all nodes have as many children, near it
        where they do not, resampling moving the particles elsewhere.
        """
        steps = float(self.particles * instance.graph.horizon)
        if self.proposal == "optimal":
            steps = self.particles * descend(GuidedSteps(instance.graph, instance.value))[1]
        return Cost(steps * max(1, self.pool), steps * max(1, self.pool))

    def draws_per_output(self, instance: Instance) -> int:
        return self.particles * max(1, self.pool)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        keeps_paths = not isinstance(instance.graph, Tree)
        clouds = self.clouds(instance, n, rng, keeps_ancestry=keeps_paths)
        chosen = np.empty(n, np.int64)
        pick_particle(clouds.weight, rng, chosen)
        rows = np.arange(n)
        leaf = clouds.leaf[rows, chosen]
        edges = np.empty((n, instance.graph.horizon), np.int32) if keeps_paths else None
        if edges is not None:
            for t in reversed(range(instance.graph.horizon)):
                edges[:, t] = clouds.edges[t][rows, chosen]
                chosen = clouds.ancestors[t][rows, chosen].astype(np.int64)
        return Draws(leaf, edges, clouds.reference_draws, clouds.value_queries, clouds.log_partition)

    def population(self, instance: Instance, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """The last population of each of `n` runs, and its weights, which sum to one."""
        clouds = self.clouds(instance, n, rng)
        return clouds.leaf, clouds.weight / self.particles

    def clouds(self, instance: Instance, n: int, rng: np.random.Generator, keeps_ancestry: bool = False) -> Clouds:
        """`n` runs: their last populations, and the ancestry if it is to be kept."""
        graph, value = instance.graph, instance.value
        shape = (n, self.particles)
        node, edge, ancestor = np.zeros(shape, np.int64), np.empty(shape, np.int64), np.empty(shape, np.int64)
        weight, ess, log_z = np.ones(shape), np.empty(n), np.zeros(n)
        effective: list[FloatArray] = []
        largest: list[FloatArray] = []
        history: list[NDArray[np.int32]] = []
        ancestry: list[NDArray[np.int32]] = []
        least = math.inf if self.threshold >= 1.0 else self.threshold * self.particles
        ancestor[:] = np.arange(self.particles)
        reads = 0
        for t in range(graph.horizon):
            here, ahead = value[graph.level(t)], value[graph.level(t + 1)]
            where = (*graph.layer(t), here.mantissa, here.exponent, ahead.mantissa, ahead.exponent)
            if self.proposal == "optimal":
                reads += propose_optimal(*where, node, weight, edge, rng)
            elif self.proposal == "pool":
                propose_pool(*where, self.pool, node, weight, edge, rng)
                reads += self.pool * node.size
            else:
                propose_reference(*where, node, weight, edge, rng)
                reads += node.size
            normalise(weight, log_z, ess)
            effective.append(ess.copy())
            largest.append(weight.max(axis=1))
            if keeps_ancestry:
                history.append(edge.astype(np.int32))
                ancestry.append(ancestor.astype(np.int32))
            if t + 1 < graph.horizon:
                resample(weight, ess, least, SCHEMES[self.resampling], rng, ancestor)
                inherit(ancestor, edge, node)
            else:
                node[:] = edge
            if len(graph.layer(t).child):
                node[:] = graph.layer(t).ends(node)
        root = value[:1].log()[0]
        log_z += 0.0 if math.isinf(root) else root
        return Clouds(node, weight, log_z, reads, reads, effective, largest, history, ancestry)
