"""Speculative soft best-of-N: a draft proposes, weights correct, and where they are low pi_ref proposes itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least
from treesim.zoo.moves import log_or_never, pick


@dataclass
class SpeculativeBestOfN:
    """Each token is one of n of a draft q, by V^ p / q; if what came is below `threshold`, one of n of pi_ref, by V^.

    The draft is pi_ref flattened, q in proportion to p^draft: ``draft=0`` is uniform over what pi_ref can draw,
    ``draft=1`` pi_ref itself. The threshold is on V^ p / q in units of V^ of the prefix before; ``threshold=inf`` is
    built-in ``sp-gsmc:pool=n``.

    References
    ----------
    Geuter, Mroueh & Alvarez-Melis (2026), "Guided Speculative Inference for Efficient Test-Time Alignment of LLMs",
    ICLR, arXiv 2506.04118, with exp(beta r) = V^; code in github.com/j-geuter/GSI.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("dirichlet", horizon=2, perturbation="exact")
    >>> [round(exact_law(SpeculativeBestOfN(n), instance).law.tv(instance.target).mid, 4) for n in (1, 2, 3)]
    [0.2909, 0.1119, 0.0718]
    """

    n: int
    draft: float = 0.5
    threshold: float = 0.5

    def __post_init__(self) -> None:
        require_at_least("n", self.n, 1)
        require_at_least("draft", self.draft, 0)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        prefix, before = oracle.root, oracle.log_value(oracle.root)
        while prefix.level < oracle.horizon:
            children = oracle.children(prefix)
            powers = [prob**self.draft for _, prob in children]
            law = [power / math.fsum(powers) for power in powers]
            pool = [rng.choice(len(children), p=law) for _ in range(self.n)]
            values = [oracle.log_value(children[i][0]) for i in pool]
            tilted = [value + math.log(children[i][1] / law[i]) for i, value in zip(pool, values, strict=True)]
            taken = pick(range(self.n), tilted, rng)
            child, value = children[pool[taken]][0], values[taken]
            if tilted[taken] < before + log_or_never(self.threshold):
                fresh = [oracle.draw(prefix) for _ in range(self.n)]
                values = [oracle.log_value(each) for each in fresh]
                child, value = pick(list(zip(fresh, values, strict=True)), values, rng)
            prefix, before = child, value
        return prefix
