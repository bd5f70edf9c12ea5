"""What is known of a constraint so far: which prefixes are valid, and how much of pi_ref may still be."""

from __future__ import annotations

import math

from treesim.samplers.oracle import Oracle, Prefix


class ConstraintTrie:
    """The prefixes that were visited, with the probability that a continuation by pi_ref is valid, as far as is known.

    A prefix is valid where V^ > 0.

    Attributes
    ----------
    children : dict of Prefix to list of (Prefix, float)
        Of each prefix that was visited: its children and their probabilities.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self.children: dict[Prefix, list[tuple[Prefix, float]]] = {}
        self._ahead: dict[Prefix, float] = {}

    def visit(self, prefix: Prefix) -> bool:
        """List the children of a prefix, and ask which are valid; False if that was done before."""
        if prefix in self.children:
            return False
        self.children[prefix] = self._oracle.children(prefix)
        for child, _ in self.children[prefix]:
            self._ahead[child] = 1.0 if self._oracle.log_value(child) > -math.inf else 0.0
        return True

    def ahead(self, prefix: Prefix) -> float:
        """At most how probable it is that pi_ref goes on from here to a valid path."""
        return self._ahead.get(prefix, 1.0)

    def weights(self, prefix: Prefix) -> list[float]:
        """Of a visited prefix: the probability of each child, times what may be valid ahead of it."""
        return [prob * self.ahead(child) for child, prob in self.children[prefix]]

    def learn(self, way: list[Prefix]) -> None:
        """Take over, from the end of a way of visited prefixes to its start, what is known of children."""
        for prefix in reversed(way):
            self._ahead[prefix] = math.fsum(self.weights(prefix))
