"""Power sampling: suffix Metropolis for a power of pi_ref, a block of tokens at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_positive


class _Token(NamedTuple):
    """The prefix that a token ends, and log of its weight p^alpha / q, q what it was drawn from."""

    prefix: Prefix
    log_weight: float


@dataclass
class PowerSampling:
    """Aim at pi_ref^alpha, of all paths: the reward plays no part.

    Each block of so many `tokens` is drawn by powers of token probabilities, p^alpha / sum p^alpha; then `steps` times
    the suffix after a uniform cut, anywhere in what is written so far, is drawn anew, and taken or not by
    Metropolis-Hastings.

    References
    ----------
    Karan & Du (2025), "Reasoning with Sampling: Your Base Model is Smarter Than You Think", arXiv 2510.14901; code in
    github.com/aakaran/reasoning-with-sampling.
    """

    steps: int
    alpha: float = 4.0
    tokens: int = 1

    def __post_init__(self) -> None:
        require_at_least("steps", self.steps, 0)
        require_positive("alpha", self.alpha)
        require_at_least("tokens", self.tokens, 1)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        way: list[_Token] = []
        while len(way) < oracle.horizon:
            length = min(len(way) + self.tokens, oracle.horizon)
            way = self._extended(oracle, rng, way, length)
            for _ in range(self.steps):
                cut = rng.integers(length)
                offer = self._extended(oracle, rng, way[:cut], length)
                log_ratio = math.fsum(new.log_weight - old.log_weight for new, old in zip(offer, way, strict=True))
                if log_ratio >= 0.0 or rng.random() < math.exp(log_ratio):
                    way = offer
        return way[-1].prefix

    def _extended(self, oracle: Oracle, rng: np.random.Generator, way: list[_Token], length: int) -> list[_Token]:
        way = list(way)
        while len(way) < length:
            children = oracle.children(way[-1].prefix if way else oracle.root)
            powers = [prob**self.alpha for _, prob in children]
            norm = math.fsum(powers)
            i = rng.choice(len(children), p=[power / norm for power in powers])
            way.append(_Token(children[i][0], math.log(norm)))
        return way
