"""ASAp, grammar-aligned decoding: masked decoding that learns where masks lead into a dead end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least
from treesim.zoo.constraint_trie import ConstraintTrie


@dataclass
class ASAp:
    """Aim at pi_ref given that V^ > 0 all along: the last of `samples` paths, each drawn by what the others have shown.

    Each token is drawn by its probability times what may still be valid ahead of it, 1 where nothing is known yet.
    ``samples=1`` is masked (locally constrained) decoding. Paths that come to a dead end are begun anew.

    References
    ----------
    Park et al. (2024), "Grammar-Aligned Decoding", NeurIPS, arXiv 2405.21047; code in
    github.com/ebmoon/transformers-GAD.

    Examples
    --------
    >>> from treesim import exact_law, tree_of_model
    >>> from treesim.decoding.masking import constrained_texts
    >>> tree = tree_of_model(lambda prefixes: [[0.9, 0.1]] * len(prefixes), "ab".__getitem__, horizon=2)
    >>> instance = constrained_texts(tree, ".*b.*")
    >>> [round(exact_law(ASAp(n), instance).law.tv(instance.target).mid, 4) for n in (1, 2, 8)]
    [0.4263, 0.0426, 0.0]
    """

    samples: int

    def __post_init__(self) -> None:
        require_at_least("samples", self.samples, 1)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One output, or None where nothing is valid."""
        trie, done = ConstraintTrie(oracle), 0
        while done < self.samples:
            way = [oracle.root]
            while way[-1].level < oracle.horizon:
                trie.visit(way[-1])
                weights = trie.weights(way[-1])
                total = math.fsum(weights)
                if total == 0.0:
                    break
                way.append(trie.children[way[-1]][rng.choice(len(weights), p=[each / total for each in weights])][0])
            done += way[-1].level == oracle.horizon
            trie.learn(way[: oracle.horizon])
            if trie.ahead(oracle.root) == 0.0:
                return None
        return way[-1]
