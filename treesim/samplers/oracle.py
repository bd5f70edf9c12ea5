"""The oracle: what a sampler may see in the theory's query model, and the ledger of what it asked.

A sampler starts at the empty prefix, draws children from pi_ref, and asks the value of prefixes it has reached. It may
not guess: a prefix that was never drawn or listed is unknown to it, and asking its value is an error. Source: Zhu & Lu
(2026), section 4, the oracle model of Theorems 4.1 and 4.2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import OracleError
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.kernels.arithmetic import LN2
from treesim.kernels.walk import edge_at
from treesim.scaled import exp_or_inf


class Prefix(NamedTuple):
    """A prefix that an oracle has handed out.

    Attributes
    ----------
    choices : tuple of int
        Which child was taken at each step so far.
    node : int
        Its node, numbered from 0 within the level.
    edges : tuple of int
        The edge of each step, numbered within its layer.
    """

    choices: tuple[int, ...]
    node: int
    edges: tuple[int, ...]

    @property
    def level(self) -> int:
        """t, how many tokens it has."""
        return len(self.choices)


class Oracle:
    """Draws from pi_ref and values of reached prefixes, counted level by level.

    Attributes
    ----------
    horizon : int
        T.

    Examples
    --------
    >>> from treesim import family
    >>> oracle = Oracle(family("product", horizon=2, ratio=3.0), np.random.default_rng(0))
    >>> child = oracle.draw(oracle.root)
    >>> child.choices, round(oracle.value(child), 9), oracle.value_queries.tolist()
    ((1,), 3.0, [0, 1, 0])
    >>> oracle.value(Prefix((0,), 0, (0,)))
    Traceback (most recent call last):
    treesim.errors.OracleError: prefix (0,) was never reached: draw it or list it before asking its value
    """

    def __init__(self, instance: Instance, rng: np.random.Generator) -> None:
        self._graph, self._value, self._rng = instance.graph, instance.value, rng
        self._weighs = has_potentials(instance.graph)
        self._reached: set[tuple[int, ...]] = {()}
        self.horizon = self._graph.horizon
        self._drawn, self._asked = [0] * (self.horizon + 1), [0] * (self.horizon + 1)

    def __repr__(self) -> str:
        drawn, asked = self.spent
        return f"Oracle(horizon={self.horizon}, {drawn} prefixes drawn, {asked} values asked)"

    @property
    def reference_draws(self) -> IntArray:
        """Prefixes of each level that were drawn or listed, shape [horizon + 1]."""
        return np.array(self._drawn, np.int64)

    @property
    def value_queries(self) -> IntArray:
        """Values of prefixes of each level that were asked, shape [horizon + 1]."""
        return np.array(self._asked, np.int64)

    @property
    def spent(self) -> tuple[int, int]:
        """All draws and all queries so far."""
        return sum(self._drawn), sum(self._asked)

    @property
    def branching(self) -> int:
        """The largest number of children that a prefix has."""
        return self._graph.max_degree

    @property
    def root(self) -> Prefix:
        """The empty prefix."""
        return Prefix((), 0, ())

    def draw(self, prefix: Prefix) -> Prefix:
        """A child drawn from pi_ref.

        Raises
        ------
        OracleError
            If the prefix was never reached, or is complete.
        """
        start, stop, prob = self._edges(prefix)
        return self._reach(prefix, int(edge_at(start, stop, prob, self._rng.random())), start)

    def children(self, prefix: Prefix) -> list[tuple[Prefix, float]]:
        """All children that pi_ref can draw, with their probabilities: the token-level regime. Each counts as drawn.

        Raises
        ------
        OracleError
            If the prefix was never reached, or is complete.
        """
        start, stop, prob = self._edges(prefix)
        return [(self._reach(prefix, k, start), float(prob[k])) for k in range(start, stop) if prob[k] > 0]

    def value(self, prefix: Prefix) -> float:
        """V^ of a reached prefix, linear; at level T the reward. May be inf where it leaves the range of a float.

        Potentials on the way are part of both.
        """
        return exp_or_inf(self.log_value(prefix))

    def log_value(self, prefix: Prefix) -> float:
        """log V^ of a reached prefix, in nats.

        Raises
        ------
        OracleError
            If the prefix was never reached.
        """
        self.require_reached(prefix, "asking its value")
        self._asked[prefix.level] += 1
        return self._log_value(prefix)

    def _log_value(self, prefix: Prefix) -> float:
        node = self._graph.level(prefix.level).start + prefix.node
        mantissa = float(self._value.mantissa[node])
        log_value = math.log(mantissa) + int(self._value.exponent[node]) * LN2 if mantissa > 0 else -math.inf
        return log_value + self._log_potential(prefix) if self._weighs and mantissa > 0 else log_value

    def _log_potential(self, prefix: Prefix) -> float:
        """log of the product of the potentials on the way to a prefix."""
        log_product = 0.0
        for t, edge in enumerate(prefix.edges):
            potential = self._graph.potential(t)
            assert potential is not None
            mantissa = float(potential.mantissa[edge])
            if mantissa == 0.0:
                return -math.inf
            log_product += math.log(mantissa) + int(potential.exponent[edge]) * LN2
        return log_product

    def _edges(self, prefix: Prefix) -> tuple[int, int, FloatArray]:
        self.require_reached(prefix, "going on from it")
        if prefix.level == self.horizon:
            raise OracleError(f"prefix {prefix.choices} is complete: it has no children")
        layer = self._graph.layer(prefix.level)
        base = layer.ptr[0]
        return int(layer.ptr[prefix.node] - base), int(layer.ptr[prefix.node + 1] - base), layer.prob

    def _reach(self, prefix: Prefix, edge: int, start: int) -> Prefix:
        child = self._child(prefix, edge, start)
        self._reached.add(child.choices)
        self._drawn[child.level] += 1
        return child

    def _child(self, prefix: Prefix, edge: int, start: int) -> Prefix:
        layer = self._graph.layer(prefix.level)
        node = int(layer.child[edge]) if len(layer.child) else edge
        return Prefix((*prefix.choices, edge - start), node, (*prefix.edges, edge))

    def require_reached(self, prefix: Prefix, purpose: str) -> None:
        """Raise `OracleError` unless a prefix was reached."""
        if prefix.choices not in self._reached:
            raise OracleError(f"prefix {prefix.choices} was never reached: draw it or list it before {purpose}")
