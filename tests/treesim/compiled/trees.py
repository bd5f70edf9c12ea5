"""Compiled trees that tests share, so that each is compiled once a process; and what is true of them, in fractions."""

import math
from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from treesim import compiled_tree


@compiled_tree
class Ones:
    """Counts the ones of a biased coin; everything is known in closed form."""

    horizon: int = 6
    up: float = 0.3
    ratio: float = 1.5
    tilt: float = 1.4

    def root(self):
        return 0

    def children(self, state):
        return (state, state + 1), (1.0 - self.up, self.up)

    def reward(self, state):
        return self.ratio**state

    def value(self, state):
        return self.tilt**state


@compiled_tree
class Scrambled:
    """Up to three children whose probabilities, rewards and values come from the bits of a number; some are zero."""

    horizon: int = 5
    seed: int = 0
    rewards: int = 5
    zeros: int = 3

    def root(self):
        return self.seed * 2654435761 % 1000003

    def children(self, state):
        a, b, c = 1.0 + state % 7, 1.0 * (state // 7 % 5), 1.0 * (state // 35 % 4)
        if self.zeros == 0:
            b, c = b + 1.0, c + 1.0
        total = a + b + c
        first = (state * 48271 + 11) % 1000003
        return (first, (first * 69621 + 5) % 1000003, (first + state) % 1000003), (a / total, b / total, c / total)

    def reward(self, state):
        level = state % (self.rewards + self.zeros)
        return 0.0 if level < self.zeros else 0.25 + 0.7 * (level - self.zeros)

    def value(self, state):
        return 0.0 if state % 11 < 5 * (self.zeros - 2) else 0.5 + state % 13 / 5.0


@compiled_tree
class Written:
    """States of two parts, one to `branching` children by the state."""

    horizon: int = 4
    branching: int = 3
    weight: tuple = (1.0, 2.0, 0.5)
    jump: float = 7.0

    def root(self):
        return (0, 1.0)

    def children(self, state):
        place, size = state
        n = 1 + (place + 1) % self.branching
        prob = np.empty(n)
        for k in range(n):
            prob[k] = 1.0 / n
        # Numba has no arrays of tuples: three children, of which as many as there are have a probability.
        p = (prob[0], prob[1] if n > 1 else 0.0, prob[2] if n > 2 else 0.0)
        w = self.weight
        return ((place + 1, size * w[0]), (place + 2, size * w[1]), (place + 3, size * w[2])), p

    def reward(self, state):
        return state[1]

    def value(self, state):
        # Level 1 stands out: the largest ratio is none of the last step.
        return self.jump if state[0] == 1 else state[1] * 1.1


@compiled_tree
class Wide:
    """Children as arrays, more and more of them; no value."""

    horizon: int = 4

    def root(self):
        return 1

    def children(self, state):
        n = 1 + state % 6
        states, prob = np.empty(n, np.int64), np.empty(n)
        for k in range(n):
            states[k] = state + k + 1
            prob[k] = (k + 1) / (n * (n + 1) / 2)
        return states, prob

    def reward(self, state):
        return 1.0 + state % 3


class Truth(NamedTuple):
    """What is true of a compiled tree, in fractions of the floats that its functions return."""

    partition: Fraction
    nodes: int
    paths: int
    sup: list
    mean_reference: list
    mean_target: list
    ratio: float
    guided: Fraction | None
    rewards: dict


def truth(tree) -> Truth:
    """Every figure by recursion over all prefixes, from the functions as they were written."""
    T, has_value = tree.horizon, hasattr(tree, "value")

    def children(state):
        states, prob = tree.children(state)
        return [(s, Fraction(float(p))) for s, p in zip(states, prob, strict=True) if p > 0]

    def value(state, t):
        return Fraction(float(tree.reward(state) if t == T else tree.value(state)))

    counts = [0, 0]
    rewards = defaultdict(Fraction)

    def twist(state, t, reach):
        counts[0] += 1
        if t == T:
            counts[1] += 1
            rewards[float(tree.reward(state))] += reach
            return Fraction(float(tree.reward(state)))
        return sum(p * twist(s, t + 1, reach * p) for s, p in children(state))

    partition = twist(tree.root(), 0, Fraction(1))
    sup, reference, target = [0] * T, [0] * T, [0] * T
    found = {"ratio": Fraction(1), "gap": Fraction(0)}

    def star(state, t):
        return value(state, T) if t == T else sum(p * star(s, t + 1) for s, p in children(state))

    def walk(state, t, reach, guided):
        v, below = value(state, t), children(state)
        ahead = sum(p * value(s, t + 1) for s, p in below)
        error = _over(max(v, ahead), min(v, ahead)) - 1
        sup[t] = max(sup[t], error)
        reference[t] += reach * error if error else 0
        mass = reach * star(state, t) / partition
        target[t] += mass * error if mass and error else 0
        if t == T - 1:
            found["gap"] += abs(guided - mass)
        for s, p in below:
            w = value(s, t + 1)
            if v or w:
                found["ratio"] = max(found["ratio"], _over(max(v, w), min(v, w)))
            if t < T - 1:
                walk(s, t + 1, reach * p, guided * p * (w / ahead if ahead else 1))

    if has_value:
        walk(tree.root(), 0, Fraction(1), Fraction(1))
    return Truth(
        partition, *counts, sup, reference, target, found["ratio"], found["gap"] / 2 if has_value else None,
        dict(rewards),
    )  # fmt: skip


def _over(top, bottom):
    if bottom:
        return top / bottom
    return math.inf if top else Fraction(1)


@compiled_tree
class Two:
    """A chain that forgets all but its last step, told by a float."""

    horizon: int = 5

    def root(self):
        return 0.5

    def children(self, state):
        return (0.0, 1.0), (0.25 + 0.5 * state, 0.75 - 0.5 * state)

    def reward(self, state):
        return 1.0 + state
