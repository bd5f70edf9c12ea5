"""Block best-of-N: the best of N continuations, a block of tokens at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least
from treesim.zoo.moves import drawn


@dataclass
class BlockBestOfN:
    """Draw n continuations of so many `tokens` from pi_ref, keep the one of the largest V^, and go on from it.

    ``tokens=1`` is stepwise best-of-N, blocks of T tokens are best-of-N.

    References
    ----------
    Mudgal et al. (2024), "Controlled Decoding from Language Models", ICML, arXiv 2310.17022: blockwise best-of-K.
    """

    n: int
    tokens: int = 1

    def __post_init__(self) -> None:
        require_at_least("n", self.n, 1)
        require_at_least("tokens", self.tokens, 1)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            pool = [drawn(oracle, prefix, self.tokens) for _ in range(self.n)]
            prefix = max(pool, key=oracle.log_value)
        return prefix
