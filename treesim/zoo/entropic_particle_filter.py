"""The entropic particle filter: resampling that is flattened while particles are few and the text is young."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.errors import SpecError
from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of
from treesim.zoo.moves import pick, shares


@dataclass
class EntropicParticleFilter:
    """Particles that move by pi_ref and are resampled at every step, systematically, by V^(s_1:t) to some power.

    The power is below one where ESS is less than `threshold` N and less than `early` of the tokens are written:
    min(1, ESS / N / (1 - t/T)). Weights are values, not ratios of values as in SMC, so what survived is rewarded at
    each step again. After the last resampling one is selected: the best, or (``select=sample``) one by its reward.

    References
    ----------
    Giannone et al. (2025), "Mitigating Premature Exploitation in Particle-based Monte Carlo for Inference-Time
    Scaling", arXiv 2510.05825, entropic annealing, as in its_hub 1.2, `EntropicParticleFiltering`: particles weigh by
    the odds of their scores; V^ are the odds here.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("dirichlet", horizon=2, perturbation="exact")
    >>> [round(exact_law(EntropicParticleFilter(n), instance).law.tv(instance.target).mid, 4) for n in (1, 2, 3)]
    [0.5283, 0.2484, 0.1025]
    """

    particles: int
    threshold: float = 0.5
    early: float = 0.5
    select: str = "argmax"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        if not 0.0 <= self.early <= 1.0:
            raise SpecError(f"early is {self.early}, expected a share of the tokens, from 0 to 1")
        require_one_of("select", self.select, ("argmax", "sample"))

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        cloud = [oracle.root] * self.particles
        for t in range(1, oracle.horizon + 1):
            cloud = [oracle.draw(prefix) for prefix in cloud]
            scores = [oracle.log_value(prefix) for prefix in cloud]
            power = self._power(shares(scores), t / oracle.horizon)
            ends = np.cumsum(shares([score * power for score in scores]))
            comb = (np.arange(self.particles) + rng.random()) / self.particles
            parents = np.searchsorted(ends, comb).clip(max=self.particles - 1)
            cloud, scores = [cloud[i] for i in parents], [scores[i] for i in parents]
        return pick(cloud, scores, rng) if self.select == "sample" else cloud[scores.index(max(scores))]

    def _power(self, share: list[float], progress: float) -> float:
        """One over the temperature."""
        ess = 1.0 / math.fsum(each**2 for each in share) / self.particles
        if ess >= self.threshold or progress >= self.early:
            return 1.0
        return min(1.0, ess / (1.0 - progress))
