"""Majority vote: of N answers the one that most paths give."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of
from treesim.zoo.moves import drawn


@dataclass
class Majority:
    """Of n paths by pi_ref the first of those whose answer has most votes; ties are broken by chance.

    The answer of a path is its last `answer` tokens, or the whole path where that is 0. A path has one vote
    (``weight=count``, self-consistency) or as many as its reward says (``weight=reward``, weighted majority).

    References
    ----------
    Wang et al. (2023), "Self-Consistency Improves Chain of Thought Reasoning", ICLR, arXiv 2203.11171. Weighted: Wu et
    al. (2024), "Inference Scaling Laws", arXiv 2408.00724.
    """

    n: int
    weight: str = "count"
    answer: int = 0

    def __post_init__(self) -> None:
        require_at_least("n", self.n, 1)
        require_one_of("weight", self.weight, ("count", "reward"))
        require_at_least("answer", self.answer, 0)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        paths = [drawn(oracle, oracle.root, oracle.horizon) for _ in range(self.n)]
        logs = [oracle.log_value(path) if self.weight == "reward" else 0.0 for path in paths]
        top = max(logs)
        votes: dict[tuple[int, ...], list[float]] = defaultdict(list)
        for path, each in zip(paths, logs, strict=True):
            votes[path.choices[-self.answer :]].append(math.exp(each - top) if top > -math.inf else 1.0)
        sums = {answer: math.fsum(each) for answer, each in votes.items()}
        best = [answer for answer, total in sums.items() if total == max(sums.values())]
        winner = best[rng.integers(len(best))]
        return next(path for path in paths if path.choices[-self.answer :] == winner)
