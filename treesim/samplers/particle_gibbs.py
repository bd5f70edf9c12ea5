"""Particle Gibbs: a Markov chain on paths whose move is one run of conditional SMC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import FloatArray
from treesim.instances.instance import Instance
from treesim.laws.law import LeafLaw
from treesim.laws.smc import conditional_laws
from treesim.samplers.base import Cost, Sampler, remembered
from treesim.samplers.draws import Draws
from treesim.samplers.smc import SMC
from treesim.scaled import Scaled
from treesim.spec import require_at_least


@dataclass(frozen=True)
class ParticleGibbs(Sampler):
    """Particle Gibbs (iterated conditional SMC): keep one path in a run of SMC, draw the next from its particles.

    The first path is the output of SMC. Each sweep pins the path: one of the N particles takes it and survives every
    resampling; the next path is one of all N in proportion to their weights. pi~ is stationary, for any N and V^ > 0.

    Parameters
    ----------
    particles : int
        N, the pinned one included.
    sweeps : int
        How often the path is drawn anew; 0 is SMC.
    resampling, threshold, proposal, pool
        As those of `SMC`.

    References
    ----------
    Andrieu, Doucet & Holenstein (2010), "Particle Markov chain Monte Carlo methods", section 2.4.3; Chopin & Singh
    (2015), "On particle Gibbs sampling", for resampling other than multinomial.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=1", seed=1)
    >>> [round(ParticleGibbs(4, sweeps).law(instance).tv(instance.target).lo, 4) for sweeps in (0, 1, 10)]
    [0.2002, 0.1466, 0.0553]
    """

    particles: int
    sweeps: int
    resampling: str = "multinomial"
    threshold: float = 1.0
    proposal: str = "reference"
    pool: int = 0
    name: ClassVar[str] = "particle-gibbs"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 2)
        require_at_least("sweeps", self.sweeps, 0)
        _ = self.start

    @property
    def start(self) -> SMC:
        """The sampler of the first path."""
        return SMC(self.particles, self.resampling, self.threshold, self.proposal, self.pool)

    def law(self, instance: Instance) -> LeafLaw:
        """The exact law of the leaf after the sweeps, on a small tree, for multinomial resampling at every step.

        Raises
        ------
        NoExactLaw
            Otherwise; the message says why, and what it would cost.
        """
        self.start.require_chain(self.name)
        rows = transition(instance, self.particles, self.proposal)
        first = self.start.law(instance)
        assert isinstance(first, LeafLaw)
        law = first.prob.to_float() @ np.linalg.matrix_power(rows, self.sweeps)
        return LeafLaw(Scaled.from_float(np.maximum(law, 0.0)))

    def cost(self, instance: Instance) -> Cost:
        """The expected cost: that of a run of SMC for the start and for each sweep."""
        one = self.start.cost(instance)
        runs = self.sweeps + 1
        return Cost(one.reference_draws * runs, one.value_queries * runs)

    def draws_per_output(self, instance: Instance) -> int:
        return self.start.draws_per_output(instance)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        draws = self.start.block(instance, n, rng)
        asked, read = draws.reference_draws, draws.value_queries
        for _ in range(self.sweeps):
            draws = self._sweep(instance, draws, rng)
            asked, read = asked + draws.reference_draws, read + draws.value_queries
        return Draws(draws.leaf, draws.edges, asked, read)

    def moves(self, instance: Instance, n: int, rng: np.random.Generator) -> float:
        """Share of the sweeps of `n` chains that change the path."""
        draws, moved = self.start.block(instance, n, rng), 0
        for _ in range(max(1, self.sweeps)):
            before, draws = draws, self._sweep(instance, draws, rng)
            old, new = (instance.graph.path_edges(one.leaf, one.edges) for one in (before, draws))
            moved += int((old != new).any(axis=1).sum())
        return moved / (n * max(1, self.sweeps))

    def _sweep(self, instance: Instance, draws: Draws, rng: np.random.Generator) -> Draws:
        pinned = instance.graph.path_edges(draws.leaf, draws.edges)
        keeps_ancestry = instance.graph.keeps_edges
        return self.start.clouds(instance, len(pinned), rng, keeps_ancestry=keeps_ancestry, pinned=pinned).draw()

    def ratio(
        self, instance: Instance, edges: NDArray[np.int32], runs: int, rng: np.random.Generator
    ) -> FloatArray | None:
        """That of the start: no sweep takes the chain further from pi~."""
        return self.start.ratio(instance, edges, runs, rng)


@remembered
def transition(instance: Instance, particles: int, proposal: str) -> FloatArray:
    """The law of the leaf after one sweep of particle Gibbs, given the leaf before it, on a small tree.

    Returns
    -------
    ndarray, shape [n_leaves, n_leaves]
        Multinomial resampling at every step. Rows of leaves that cannot be reached are zero.

    Raises
    ------
    NoExactLaw
        If the graph is no tree, or the chain has too many states.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=1", seed=1)
    >>> target = instance.target.prob.to_float()
    >>> bool(np.allclose(target @ transition(instance, 3, "reference"), target))
    True
    """
    instance.graph.require_tree("particle-gibbs has an exact law on trees; unroll a small trellis, or estimate its TV")
    smc = SMC(particles, proposal=proposal)
    return conditional_laws(smc.mechanism(instance), particles, f"particle-gibbs:particles={particles}")
