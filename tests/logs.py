"""Pool guidance enumerated, in rational arithmetic and plain loops: every pool of every step, and what is kept."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from treesim import Instance
from treesim.measure import Log


class Outcome(NamedTuple):
    """All that happens in one run: its probability, the nodes it visits, its pools and which child was kept."""

    prob: Fraction
    nodes: tuple[int, ...]
    pools: tuple[tuple[int, ...], ...]
    kept: tuple[int, ...]


def rational(instance: Instance) -> tuple[list[Fraction], list[list[tuple[int, Fraction]]]]:
    """Values, and children with their probabilities, of every node of a tree."""
    tree = instance.graph
    prob = [Fraction(p).limit_denominator(10**6) for p in tree.edge_prob.tolist()]
    children = [
        [(k + 1, prob[k]) for k in range(tree.edge_ptr[v], tree.edge_ptr[v + 1])] for v in range(len(tree.edge_ptr) - 1)
    ]
    value = [Fraction(v).limit_denominator(10**6) for v in instance.value.to_float().tolist()]
    return value, children + [[] for _ in range(tree.n_leaves)]


def every_outcome(instance: Instance, pool: int) -> list[Outcome]:
    """Every run of positive probability; of a pool of zeros each child is kept as often."""
    value, children = rational(instance)
    found = [Outcome(Fraction(1), (0,), (), ())]
    for _ in range(instance.horizon):
        longer = []
        for run in found:
            for drawn in itertools.product(children[run.nodes[-1]], repeat=pool):
                total = sum(value[c] for c, _ in drawn)
                for k, (child, _) in enumerate(drawn):
                    keep = value[child] / total if total else Fraction(1, pool)
                    prob = run.prob * math.prod(p for _, p in drawn) * keep
                    if prob:
                        pools = (*run.pools, tuple(c for c, _ in drawn))
                        longer.append(Outcome(prob, (*run.nodes, child), pools, (*run.kept, k)))
        found = longer
    return found


def log_of(instance: Instance, outcomes: list[Outcome]) -> Log:
    """The log that has these runs."""
    with np.errstate(divide="ignore"):
        log_value = np.log(instance.value.to_float())
    horizon, pool = instance.horizon, len(outcomes[0].pools[0])
    nodes = np.array([run.nodes[:-1] for run in outcomes])
    pools = np.array([run.pools for run in outcomes])
    n = len(outcomes)
    return Log(
        list(range(n)), horizon * np.arange(n + 1), 0, log_value[nodes].ravel(), pool * np.arange(n * horizon + 1),
        log_value[pools].ravel(), np.array([run.kept for run in outcomes]).ravel(),
    )  # fmt: skip


def as_often_as_likely(outcomes: list[Outcome]) -> list[Outcome]:
    """Each outcome as many times as its probability says: means over these runs are expectations."""
    n = math.lcm(*(run.prob.denominator for run in outcomes))
    assert n < 10**6
    return [run for run in outcomes for _ in range(int(run.prob * n))]
