"""DVTS: independent greedy searches side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least


@dataclass
class DVTS:
    """Diverse verifier tree search: `subtrees` searches that each keep the best of `width` next tokens; the best path.

    References
    ----------
    Beeching, Tunstall & Rush (2024), "Scaling test-time compute with open models"; code in
    github.com/huggingface/search-and-learn.
    """

    subtrees: int
    width: int = 2

    def __post_init__(self) -> None:
        require_at_least("subtrees", self.subtrees, 1)
        require_at_least("width", self.width, 1)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        found = [self._searched(oracle) for _ in range(self.subtrees)]
        return max(found, key=lambda end: end[0])[1]

    def _searched(self, oracle: Oracle) -> tuple[float, Prefix]:
        """The path of one subtree, behind its reward."""
        prefix, score = oracle.root, 0.0
        while prefix.level < oracle.horizon:
            pool = [oracle.draw(prefix) for _ in range(self.width)]
            scores = [oracle.log_value(child) for child in pool]
            score = max(scores)
            prefix = pool[scores.index(score)]
        return score, prefix
