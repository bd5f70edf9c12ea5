"""Beam search with lookahead: sampled beams, judged by where they lead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from treesim.errors import SpecError
from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least


@dataclass
class LookaheadBeam:
    """Of `beams` sampled prefixes keep the best beams / width, and draw `width` next tokens for each.

    A prefix is as good as V^ of what it becomes in `lookahead` more tokens, each the likeliest; the rollout is thrown
    away. Among complete paths the best comes out. Built-in `beam` is another: it samples nothing.

    References
    ----------
    Snell et al. (2024), "Scaling LLM Test-Time Compute Optimally", arXiv 2408.03314, beam search and lookahead search;
    code in github.com/huggingface/search-and-learn.
    """

    beams: int
    width: int = 2
    lookahead: int = 1

    def __post_init__(self) -> None:
        require_at_least("beams", self.beams, 1)
        require_at_least("width", self.width, 1)
        require_at_least("lookahead", self.lookahead, 0)
        if self.beams % self.width:
            raise SpecError(f"beams is {self.beams}, expected a multiple of the width, {self.width}")

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        beams = [oracle.root] * self.beams
        while True:
            beams = sorted(map(oracle.draw, beams), key=partial(self._score, oracle), reverse=True)
            if beams[0].level == oracle.horizon:
                return beams[0]
            beams = [prefix for prefix in beams[: self.beams // self.width] for _ in range(self.width)]

    def _score(self, oracle: Oracle, prefix: Prefix) -> float:
        for _ in range(min(self.lookahead, oracle.horizon - prefix.level)):
            prefix = max(oracle.children(prefix), key=lambda child: child[1])[0]
        return oracle.log_value(prefix)
