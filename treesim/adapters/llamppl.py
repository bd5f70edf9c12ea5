"""llamppl on a tree: a model that takes one step of pi_ref at a time and scores it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from llamppl import Model, smc_standard

from treesim.adapters.draws import pick, seeded
from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of

GUIDES = ("score", "twist", "terminal-twist")


class TreeWalk(Model):
    """A particle.

    Parameters
    ----------
    oracle : Oracle
    guide : str
        ``score``: each step scores log V_t - log V_{t-1}. ``twist``: each step twists by log V_t, and the last scores
        the reward. ``terminal-twist``: as that, but the reward too is a twist, which the library undoes when the
        particle finishes.
    """

    def __init__(self, oracle: Oracle, guide: str) -> None:
        super().__init__()
        self.oracle, self.guide = oracle, guide
        self.prefix: Prefix = oracle.root
        self.log_value = 0.0

    def immutable_properties(self) -> set[str]:
        return {"oracle", "guide", "prefix"}

    async def step(self) -> None:
        self.prefix = self.oracle.draw(self.prefix)
        before, self.log_value = self.log_value, self.oracle.log_value(self.prefix)
        last = self.prefix.level == self.oracle.horizon
        if self.guide == "score":
            self.score(self.log_value - before)
        elif last and self.guide == "twist":
            self.score(self.log_value)
        else:
            self.twist(self.log_value)
        if last:
            self.finish()


@dataclass(frozen=True)
class SMC:
    """llamppl.smc_standard; the output is drawn by the last weights."""

    particles: int = 16
    threshold: float = 0.5
    guide: str = "score"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_one_of("guide", self.guide, GUIDES)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One run."""
        with seeded(rng):
            particles = asyncio.run(smc_standard(TreeWalk(oracle, self.guide), self.particles, self.threshold))
        chosen = pick([particle.weight for particle in particles], rng)
        return None if chosen is None else particles[chosen].prefix


ALGORITHMS = {"smc": SMC}
