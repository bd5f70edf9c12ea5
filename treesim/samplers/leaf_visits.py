"""The leaves that a walk with backtracking visits, one after the other, without following its steps.

From a node v of a tree the walk either reaches a leaf below it or goes back to the parent. Which of the two comes first
has a chance that follows from those of its children, for the plain walk and for the one with momentum; and below v the
leaf has the same law wherever the walk came from. So the law of the next leaf is one pass up and one pass down.

With b = P V^ / V^, S the chance that a guided step from v ends at a leaf before it comes back to v: the plain walk
reaches a leaf first with probability b S / (1 + b S). With momentum, coming from above, that is b S if b <= 1 and else
b S / (1 + S (b - 1)); and coming from below, 0 and S (b - 1) / (1 + S (b - 1)).
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from treesim.arrays import FloatArray, IntArray, log_sums, never
from treesim.graphs.tree import Tree


class Entrance(NamedTuple):
    """What becomes of a walk that comes to each inner node, all logs of shape [n_internal].

    Attributes
    ----------
    log_reach : ndarray
        That it reaches a leaf below before it goes back to the parent.
    log_back : ndarray
        That it does not.
    log_descents : ndarray
        How often it goes down from the node before either, in expectation.
    """

    log_reach: FloatArray
    log_back: FloatArray
    log_descents: FloatArray

    @classmethod
    def room(cls, n: int) -> Entrance:
        """Nothing known yet."""
        return cls(*(np.full(n, -np.inf) for _ in range(3)))

    def put(self, here: slice, *parts: FloatArray) -> None:
        """What is known of some nodes."""
        for array, part in zip(self, parts, strict=True):
            array[here] = part


class LeafVisits:
    """The leaves that a walk visits, from the root on.

    Parameters
    ----------
    tree : Tree
    parent : ndarray of int64, shape [n_nodes]
    log_odds : ndarray, shape [n_internal]
        log b; inf at the root.
    log_share : ndarray, shape [n_edges]
        log of the probability of each edge, given that the walk goes down.
    momentum : bool
    """

    def __init__(
        self, tree: Tree, parent: IntArray, log_odds: FloatArray, log_share: FloatArray, *, momentum: bool
    ) -> None:
        self.tree, self.parent, self.log_share = tree, parent, log_share
        n = len(log_odds)
        # log S and log (1 - S) of each node, and the leaf below it by the next step that ends at one.
        self.log_hit, self.log_miss = np.empty(n), np.empty(n)
        self.down = np.empty(tree.n_edges)
        self.from_above = Entrance.room(n)
        self.from_below = Entrance.room(n) if momentum else self.from_above
        for t in reversed(range(tree.horizon)):
            here, edges, ptr = tree.level(t), self._edges(t), tree.layer(t).ptr
            reach, back = self._reach(t + 1)
            ahead = log_share[edges] + reach
            hit, miss = log_sums(ahead, ptr), log_sums(never(log_share[edges] + back), ptr)
            self.log_hit[here], self.log_miss[here] = hit, miss
            with np.errstate(invalid="ignore"):
                self.down[edges] = np.exp(never(ahead - np.repeat(hit, np.diff(ptr))))
            if momentum:
                self._with_momentum(here, log_odds[here], hit, miss)
            else:
                with np.errstate(invalid="ignore"):
                    x = never(log_odds[here] + hit)
                parts = -np.logaddexp(0.0, -x), -np.logaddexp(0.0, x), -np.logaddexp(-log_odds[here], hit)
                self.from_above.put(here, *parts)

    def _with_momentum(self, here: slice, log_b: FloatArray, hit: FloatArray, miss: FloatArray) -> None:
        rises = log_b > 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            # log (1 - 1/b), and log (1/b + S (1 - 1/b)).
            turn = np.where(rises, np.log(-np.expm1(-np.abs(log_b))), -np.inf)
            norm = np.where(rises, np.logaddexp(-log_b, hit + turn), 0.0)
            fall = np.minimum(log_b, 0.0)
            lost = np.where(rises, miss - log_b - norm, np.logaddexp(miss + fall, np.log(-np.expm1(fall))))
            self.from_above.put(here, hit + fall - norm, never(lost), fall - norm)
            below = np.where(rises, -log_b - norm, 0.0)
            self.from_below.put(here, hit + turn - norm, never(below), turn - norm)

    @cached_property
    def log_first(self) -> FloatArray:
        """log of the law of the first leaf, shape [n_leaves]."""
        mass = np.zeros(1)
        for t in range(self.tree.horizon):
            edges, ptr = self._edges(t), self.tree.layer(t).ptr
            ahead = self.log_share[edges] + self._reach(t + 1)[0]
            hit = self.log_hit[self.tree.level(t)]
            with np.errstate(invalid="ignore"):
                mass = np.repeat(mass - np.where(np.isneginf(hit), 0.0, hit), np.diff(ptr)) + ahead
        return mass

    def law(self, leaf: int) -> FloatArray:
        """log of the law of the leaf visited as number `leaf`, from 1 on, shape [n_leaves]."""
        if leaf == 1:
            return self.log_first
        law = np.exp(self.log_first)
        for _ in range(leaf - 1):
            law = self._next(law)[0]
        with np.errstate(divide="ignore"):
            return np.log(law)

    def expected_visits(self, leaf: int) -> FloatArray:
        """Expected visits to each inner node until the leaf of that number, shape [n_internal]."""
        start = np.zeros(len(self.log_hit))
        start[0] = 1.0
        visits = self._visits(start, np.zeros(len(start)))
        law = np.exp(self.log_first) if leaf > 1 else np.empty(0)
        for _ in range(leaf - 1):
            law, arrivals = self._next(law)
            visits += self._visits(np.zeros(len(start)), arrivals)
        return visits

    def _next(self, law: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The law of the leaf after one of law `law`; and how often the walk comes to each inner node on its way up,
        before it goes down at all."""
        tree = self.tree
        up = np.zeros(len(self.log_hit))
        mass = law
        for t in reversed(range(tree.horizon)):
            here = tree.level(t)
            up[here] = np.add.reduceat(mass, tree.layer(t).ptr[:-1] - tree.layer(t).ptr[0])
            mass = up[here] * np.exp(self.from_below.log_back[here])
        room = np.zeros(1)
        for t in range(tree.horizon):
            here = tree.level(t)
            caught = room + up[here] * np.exp(self.from_below.log_reach[here])
            room = np.repeat(caught, np.diff(tree.layer(t).ptr)) * self.down[self._edges(t)]
        return room, up

    def _visits(self, from_above: FloatArray, from_below: FloatArray) -> FloatArray:
        """Visits that follow from first arrivals at inner nodes, from above at the root, from below anywhere."""
        tree = self.tree
        arrivals = from_above.copy()
        visits = np.empty(len(arrivals))
        with np.errstate(over="ignore"):
            for t in range(tree.horizon):
                here = tree.level(t)
                descents = _times(arrivals[here], self.from_above.log_descents[here])
                descents += _times(from_below[here], self.from_below.log_descents[here])
                visits[here] = arrivals[here] + from_below[here] + _times(descents, self.log_miss[here])
                if t + 1 < tree.horizon:
                    down = np.repeat(descents, np.diff(tree.layer(t).ptr))
                    arrivals[tree.level(t + 1)] = _times(down, self.log_share[self._edges(t)])
        return visits

    def _edges(self, t: int) -> slice:
        """The edges from level `t`."""
        below = self.tree.level(t + 1)
        return slice(below.start - 1, below.stop - 1)

    def _reach(self, t: int) -> tuple[FloatArray, FloatArray]:
        """From above at each node of level `t`: log of the chance of a leaf first, and of the parent; a leaf is one."""
        here = self.tree.level(t)
        if t == self.tree.horizon:
            return np.zeros(self.tree.n_leaves), np.full(self.tree.n_leaves, -np.inf)
        return self.from_above.log_reach[here], self.from_above.log_back[here]


def _times(number: FloatArray, log_factor: FloatArray) -> FloatArray:
    """number exp(log_factor), zero where the number is, infinite where it is beyond floats."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.where(number > 0.0, np.exp(np.log(number) + log_factor), 0.0)
