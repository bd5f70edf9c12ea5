"""REBASE: a tree search that shares its width among prefixes by their rewards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_positive
from treesim.zoo.moves import shares

# Shares that are whole but for rounding are not rounded up.
_ROUNDING = 1e-9


@dataclass
class Rebase:
    """Reward balanced search: of `width` prefixes each gets children by its softmax share; out comes the best path.

    The score of a prefix is log V^, so that with ``temperature=1`` shares are in proportion to V^. The best share is
    rounded up first, then the best of what is left; so the width is never exceeded.

    References
    ----------
    Wu et al. (2024), "Inference Scaling Laws", arXiv 2408.00724; the rounding is that of the authors' code,
    github.com/thu-wyz/inference_scaling.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("dirichlet", horizon=2, perturbation="exact")
    >>> [round(exact_law(Rebase(width), instance).law.tv(instance.target).mid, 4) for width in (1, 2, 3)]
    [0.5283, 0.2093, 0.1165]
    """

    width: int
    temperature: float = 1.0

    def __post_init__(self) -> None:
        require_at_least("width", self.width, 1)
        require_positive("temperature", self.temperature)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        front, widths = [oracle.root], [self.width]
        while True:
            front = [oracle.draw(prefix) for prefix, width in zip(front, widths, strict=True) for _ in range(width)]
            scores = [oracle.log_value(prefix) for prefix in front]
            if front[0].level == oracle.horizon:
                return front[scores.index(max(scores))]
            widths = self._widths([score / self.temperature for score in scores])

    def _widths(self, log_weights: Sequence[float]) -> list[int]:
        """How many children each prefix gets."""
        share, left = shares(log_weights), self.width
        widths = [0] * len(share)
        order = sorted(range(len(share)), key=lambda i: -share[i])
        # What each and those behind it have together.
        rests = list(accumulate(share[i] for i in reversed(order)))
        for i, rest in zip(order, reversed(rests), strict=True):
            if left == 0 or rest == 0.0:
                break
            widths[i] = math.ceil(left * share[i] / rest - _ROUNDING)
            left -= widths[i]
        return widths
