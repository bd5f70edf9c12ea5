"""CARS: rejection sampling under a constraint, which never tries twice what it has seen fail."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.zoo.constraint_trie import ConstraintTrie


@dataclass
class CARS:
    """Draw from pi_ref given that V^ > 0 all along, exactly: paths by pi_ref until one is valid.

    At each prefix that is new its children are checked, and what is invalid is taken out of all later paths; the path
    itself goes on by pi_ref, unmasked, else it would be biased. Only the first token is masked from the start.

    References
    ----------
    Parys et al. (2025), "Constrained Adaptive Rejection Sampling", arXiv 2510.01902; code in
    github.com/LargeLorisModels/casa.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("uniform", horizon=2, reward="sparse:share=0.5", seed=2)
    >>> exact_law(CARS(), instance).law.tv(instance.target).hi < 1e-12
    True
    """

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One output, or None where nothing is valid."""
        trie = ConstraintTrie(oracle)
        trie.visit(oracle.root)
        trie.learn([oracle.root])
        while trie.ahead(oracle.root) > 0.0:
            way = [oracle.root]
            while way[-1].level < oracle.horizon and trie.ahead(way[-1]) > 0.0:
                is_new = trie.visit(way[-1])
                children = trie.children[way[-1]]
                weights = [prob for _, prob in children] if is_new else trie.weights(way[-1])
                total = math.fsum(weights)
                way.append(children[rng.choice(len(children), p=[each / total for each in weights])][0])
            if trie.ahead(way[-1]) > 0.0:
                return way[-1]
            trie.learn(way[:-1])
        return None
