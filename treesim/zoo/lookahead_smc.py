"""Twisted SMC with lookahead: the twist of a prefix is what V^ is on average a few tokens later."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least
from treesim.zoo.moves import drawn, filtered, log_or_never, multinomial


@dataclass
class LookaheadSMC:
    """SMC whose twist is the mean of V^ over `rollouts` continuations of `depth` tokens by pi_ref, thrown away after.

    Means of rollouts are unbiased, so that with the particles the output tends to the target, whatever V^ is; with
    ``depth=T`` the twist needs no value but the reward. ``depth=0,rollouts=1`` is built-in `smc`.

    References
    ----------
    The lookahead variant of Markovic-Voronov et al. (2026), "Sampling for Quality", arXiv 2604.16453, by its abstract;
    that the twist is a plain mean is our choice. Giannone et al. (2025), arXiv 2510.05825, modulate weights likewise.
    """

    particles: int
    depth: int = 1
    rollouts: int = 1

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_at_least("depth", self.depth, 0)
        require_at_least("rollouts", self.rollouts, 1)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""

        def log_twist(prefix: Prefix) -> float:
            if prefix.level == oracle.horizon:
                return oracle.log_value(prefix)
            values = [oracle.log_value(drawn(oracle, prefix, self.depth)) for _ in range(self.rollouts)]
            top = max(values)
            if top == -math.inf:
                return top
            return top + log_or_never(math.fsum(math.exp(value - top) for value in values) / self.rollouts)

        return filtered(oracle, rng, self.particles, log_twist, multinomial)
