"""Power sampling: suffix Metropolis for a power of pi_ref, a block of tokens at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of, require_positive
from treesim.zoo.moves import drawn


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

    With ``ends=padded`` all paths have length T, those that end early going on by steps that are certain, and the chain
    is reversible. ``ends=cut`` is what the public code does: a prefix that can go on in one way only has ended, what
    follows is left out, offers are no longer than the text is, and of two texts the first tokens alone are compared, as
    many as the shorter has. So texts become shorter and never longer, and one that is cut before its end stays so: it
    counts as nothing.

    References
    ----------
    Karan & Du (2025), "Reasoning with Sampling: Your Base Model is Smarter Than You Think", arXiv 2510.14901; code in
    github.com/aakaran/reasoning-with-sampling.
    """

    steps: int
    alpha: float = 4.0
    tokens: int = 1
    ends: str = "padded"

    def __post_init__(self) -> None:
        require_at_least("steps", self.steps, 0)
        require_positive("alpha", self.alpha)
        require_at_least("tokens", self.tokens, 1)
        require_one_of("ends", self.ends, ("padded", "cut"))

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One output; None for a text that is cut before its end."""
        way: list[_Token] = []
        for _ in range(math.ceil(oracle.horizon / self.tokens)):
            way = self._extended(oracle, rng, way, min(len(way) + self.tokens, oracle.horizon))
            for _ in range(self.steps):
                length = len(way)
                cut = rng.integers(length)
                offer = self._extended(oracle, rng, way[:cut], length)
                log_ratio = math.fsum(new.log_weight - old.log_weight for new, old in zip(offer, way, strict=False))
                if log_ratio >= 0.0 or rng.random() < math.exp(log_ratio):
                    way = offer
            if self._has_ended(oracle, way[-1].prefix):
                break
        last = way[-1].prefix
        if last.level < oracle.horizon and not self._has_ended(oracle, last):
            return None
        return drawn(oracle, last, oracle.horizon - last.level)

    def _extended(self, oracle: Oracle, rng: np.random.Generator, way: list[_Token], length: int) -> list[_Token]:
        way = list(way)
        while len(way) < length and not (way and self._has_ended(oracle, way[-1].prefix)):
            children = oracle.children(way[-1].prefix if way else oracle.root)
            powers = [prob**self.alpha for _, prob in children]
            norm = math.fsum(powers)
            i = rng.choice(len(children), p=[power / norm for power in powers])
            way.append(_Token(children[i][0], math.log(norm)))
        return way

    def _has_ended(self, oracle: Oracle, prefix: Prefix) -> bool:
        """Whether a prefix that may be cut goes on in one way only."""
        return self.ends == "cut" and (prefix.level == oracle.horizon or len(oracle.children(prefix)) == 1)
