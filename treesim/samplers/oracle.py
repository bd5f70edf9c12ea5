"""The oracle: what a sampler may see in the theory's query model, and the ledger of what it asked.

A sampler starts at the empty prefix, draws children from pi_ref, and asks the value of prefixes it has reached. It may
not guess: a prefix that was never drawn or listed is unknown to it, and asking its value is an error. Source: Zhu & Lu
(2026), section 4, the oracle model of Theorems 4.1 and 4.2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from treesim.arrays import IntArray
from treesim.errors import OracleError
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.kernels.arithmetic import LN2
from treesim.kernels.walk import edge_at
from treesim.samplers.base import remembered
from treesim.scaled import Scaled, exp_or_inf


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

    Examples
    --------
    >>> from treesim import family
    >>> oracle = Oracle(family("uniform", horizon=2), np.random.default_rng(1))
    >>> prefix = oracle.draw(oracle.draw(oracle.root))
    >>> prefix.choices, prefix.level, prefix.node
    ((1, 1), 2, 3)
    """

    choices: tuple[int, ...]
    node: int
    edges: tuple[int, ...]

    @property
    def level(self) -> int:
        """t, how many tokens it has."""
        return len(self.choices)


class Edges(NamedTuple):
    """The edges of a prefix, as plain Python has them.

    Attributes
    ----------
    start : int
        The first, numbered within its layer.
    prob : list of float
        pi_ref of each.
    ends : list of int
        The node that each leads to.
    """

    start: int
    prob: list[float]
    ends: list[int]

    def child(self, prefix: Prefix, choice: int) -> Prefix:
        """The prefix that one of them leads to."""
        choices, _, edges = prefix
        return Prefix((*choices, choice), self.ends[choice], (*edges, self.start + choice))


class Known:
    """What runs on an instance have looked up: arrays are slow to read one number at a time.

    Parameters
    ----------
    instance : Instance
    """

    # Beyond it nothing is kept: the table would outgrow the instance.
    LARGEST = 1 << 17

    def __init__(self, instance: Instance) -> None:
        graph = instance.graph
        self.layers = [graph.layer(t) for t in range(graph.horizon)]
        self.starts = [graph.level(t).start for t in range(graph.horizon + 1)]
        self.value = instance.value
        self.edges: dict[tuple[int, int], Edges] = {}
        self.logs: dict[tuple[int, int], float] = {}

    def edges_of(self, level: int, node: int) -> Edges:
        """The edges of a node of a level below T."""
        ptr, prob, child = self.layers[level]
        start, stop = int(ptr[node] - ptr[0]), int(ptr[node + 1] - ptr[0])
        ends = child[start:stop].tolist() if len(child) else list(range(start, stop))
        found = Edges(start, prob[start:stop].tolist(), ends)
        if len(self.edges) < self.LARGEST:
            self.edges[level, node] = found
        return found

    def log_value(self, level: int, node: int) -> float:
        """log V^ of a node of a level, in nats."""
        place = self.starts[level] + node
        found = _log(self.value, place)
        if len(self.logs) < self.LARGEST:
            self.logs[level, node] = found
        return found


def _log(numbers: Scaled, place: int) -> float:
    """log of one of some numbers."""
    mantissa = float(numbers.mantissa[place])
    return math.log(mantissa) + int(numbers.exponent[place]) * LN2 if mantissa > 0 else -math.inf


@remembered
def _known(instance: Instance) -> Known:
    return Known(instance)


# On lists the loop itself is faster than a call into compiled code.
_edge_at = edge_at.py_func


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
        self._graph, self._known, self._rng = instance.graph, _known(instance), rng
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
        edges = self._edges(prefix)
        choice = _edge_at(0, len(edges.prob), edges.prob, self._rng.random())
        return self._reach(edges.child(prefix, int(choice)))

    def children(self, prefix: Prefix) -> list[tuple[Prefix, float]]:
        """All children that pi_ref can draw, with their probabilities: the token-level regime. Each counts as drawn.

        Raises
        ------
        OracleError
            If the prefix was never reached, or is complete.
        """
        edges = self._edges(prefix)
        return [(self._reach(edges.child(prefix, k)), p) for k, p in enumerate(edges.prob) if p > 0]

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
        if prefix[0] not in self._reached:
            self.require_reached(prefix, "asking its value")
        level = len(prefix[0])
        self._asked[level] += 1
        found = self._known.logs.get((level, prefix[1]))
        if found is None:
            found = self._known.log_value(level, prefix[1])
        return found + self._log_potential(prefix) if self._weighs and found > -math.inf else found

    def _log_potential(self, prefix: Prefix) -> float:
        """log of the product of the potentials on the way to a prefix."""
        log_product = 0.0
        for t, edge in enumerate(prefix.edges):
            potential = self._graph.potential(t)
            assert potential is not None
            log_product += _log(potential, edge)
        return log_product

    def _edges(self, prefix: Prefix) -> Edges:
        if prefix[0] not in self._reached:
            self.require_reached(prefix, "going on from it")
        level = len(prefix[0])
        if level == self.horizon:
            raise OracleError(f"prefix {prefix.choices} is complete: it has no children")
        return self._known.edges.get((level, prefix[1])) or self._known.edges_of(level, prefix[1])

    def _reach(self, child: Prefix) -> Prefix:
        self._reached.add(child[0])
        self._drawn[len(child[0])] += 1
        return child

    def require_reached(self, prefix: Prefix, purpose: str) -> None:
        """Raise `OracleError` unless a prefix was reached."""
        if prefix.choices not in self._reached:
            raise never_reached(prefix, purpose)


def never_reached(prefix: Prefix, purpose: str) -> OracleError:
    """What tells a sampler that it guesses."""
    return OracleError(f"prefix {prefix.choices} was never reached: draw it or list it before {purpose}")
