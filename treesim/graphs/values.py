r"""Optimal twist and audit: what is true of a reward, and how far an approximate value is from it.

The optimal twist V*(v) = E_{pi_ref}[phi | v] solves V*(v) = sum_c p(c|v) V*(c) with V* = phi at level T; its value
at the root is the partition function Z. An approximate value V^ is audited by the two numbers the theory needs,

- Bellman error: the smallest epsilon with 1/(1 + epsilon) <= (P V^)(v) / V^(v) <= 1 + epsilon above level T,
- ratio bound: the smallest L with 1/L <= V^(c) / V^(v) <= L along every step of positive probability,

both over the prefixes that pi_ref reaches. Source: Zhu & Lu (2026), section 3, assumptions 3.1 and 3.2.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import Brief, FloatArray
from treesim.errors import RewardError
from treesim.graphs.layered import Layer, LayeredGraph
from treesim.graphs.potentials import ahead, forward_mass, has_potentials, live_reach
from treesim.kernels.arithmetic import LN2
from treesim.kernels.audit import NOTHING_FOUND, PAIRS, audit_pairs, audit_parents, look_ahead, look_ahead_shared
from treesim.kernels.backward import common_exponent, expect_children, expect_pairs, expect_shared, has_pairs
from treesim.notebook import bars, card
from treesim.runtime.threads import chunked, parts_of, thread_map
from treesim.scaled import Scaled, exp_or_inf, put_exponentials
from treesim.tables import number

# Of a reward, in nats.
LARGEST_LOG = 1e8


def optimal_twist(graph: LayeredGraph, log_reward: ArrayLike | Scaled) -> Scaled:
    """The optimal twist, V*(v) = E_{pi_ref}[phi | v], one pass from the leaves to the root.

    Parameters
    ----------
    graph : LayeredGraph
    log_reward : array_like or Scaled, shape [n_leaves]
        log phi, in nats; ``-inf`` where the reward is zero, at least one leaf that pi_ref reaches above it.

    Returns
    -------
    Scaled, shape [n_nodes]
        V*; its ``log()`` is in nats, entry 0 is Z.

    Raises
    ------
    RewardError
        If a reward is NaN or +inf, their number is wrong, or all that can be reached are zero.

    References
    ----------
    Zhu & Lu (2026), section 3.

    Examples
    --------
    >>> from treesim import Tree
    >>> tree = Tree.complete(branching=2, horizon=1)
    >>> optimal_twist(tree, np.log([1.0, 3.0])).log().round(3)
    array([0.693, 0.   , 1.099])
    """
    twist = Scaled.empty(graph.n_nodes)
    put_reward(graph, log_reward, twist[graph.leaves])
    for t in reversed(range(graph.horizon)):
        expect_level(graph, t, twist)
    if twist.mantissa[0] == 0.0:
        raise RewardError("the reward is zero at every leaf that pi_ref reaches, expected at least one above zero")
    return twist.frozen()


def expect_level(graph: LayeredGraph, t: int, value: Scaled) -> None:
    """Set `value` at level `t` to its expectation one step ahead, P V."""
    expect_ahead(*ahead(graph, t, value), value[graph.level(t)])


def value_between(graph: LayeredGraph, inner: Scaled, reward: Scaled) -> Scaled:
    """V^ of every node, given that of levels 1 to T - 1: the reward at the leaves, P V^ at the root.

    Examples
    --------
    >>> from treesim import Tree
    >>> tree = Tree.complete(branching=2, horizon=2)
    >>> inner, reward = Scaled.from_float(np.array([1.0, 3.0])), Scaled.from_float(np.array([1.0, 1.0, 2.0, 4.0]))
    >>> value_between(tree, inner, reward).to_float().tolist()
    [2.0, 1.0, 3.0, 1.0, 1.0, 2.0, 4.0]
    """
    value = Scaled.zeros(1).followed_by(inner).followed_by(reward)
    expect_level(graph, 0, value)
    return value.frozen()


def expect_ahead(layer: Layer, below: Scaled, out: Scaled | None = None) -> Scaled:
    """P V of the parents of a layer, given V of the children; written to `out` if there is one."""
    if out is None:
        out = Scaled.empty(len(layer.ptr) - 1)
    arrays, numbers, out_numbers = tuple(layer), below.numbers, out.room
    is_uniform, common = common_exponent(numbers[1]) if len(layer.child) else (False, 0)
    is_paired = _is_paired(layer)

    def expect(lo: int, hi: int) -> None:
        if is_paired:
            expect_pairs(lo, hi, arrays, numbers, out_numbers)
        elif is_uniform:
            expect_shared(lo, hi, arrays, numbers, common, out_numbers)
        else:
            expect_children(lo, hi, arrays, numbers, out_numbers)

    chunked(expect, len(out), len(layer.prob))
    return out


def _is_paired(layer: Layer) -> bool:
    """Whether it is a tree's, and every parent has two children."""
    return not len(layer.child) and len(layer.prob) == 2 * len(layer.ptr) - 2 and bool(has_pairs(layer.ptr))


def put_reward(graph: LayeredGraph, log_reward: ArrayLike | Scaled, room: Scaled) -> None:
    """Write the reward of every leaf to its place; raises `RewardError` on bad numbers."""
    if not isinstance(log_reward, Scaled):
        log_reward = np.asarray(log_reward, np.float64)
    size = len(log_reward) if isinstance(log_reward, Scaled) else np.shape(log_reward)
    if size not in (graph.n_leaves, (graph.n_leaves,)):
        raise RewardError(f"log reward has shape {size}, expected one number for each of {graph.n_leaves} leaves")
    if isinstance(log_reward, Scaled):
        room.mantissa[:], room.exponent[:] = log_reward.mantissa, log_reward.exponent
        return
    if put_exponentials(log_reward, room, LARGEST_LOG):
        return
    bad = int(np.argmin((np.abs(log_reward) <= LARGEST_LOG) | (log_reward == -np.inf)))
    expected = "at most 1e8 in size" if np.isfinite(log_reward[bad]) else "a number or -inf"
    raise RewardError(f"log reward of leaf {bad} is {log_reward[bad]}, expected {expected}")


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Brief):
    """How far an approximate value is from a martingale under pi_ref, and how fast it moves.

    Attributes
    ----------
    bellman_error : float
        epsilon, the supremum over reachable prefixes above level T; infinite where exactly one of V^ and P V^ is
        zero.
    bellman_error_node : int
        Where it is attained.
    sup, mean_reference, mean_target : ndarray, shape [horizon]
        Level by level, of max(rho, 1/rho) - 1 with rho = P V^ / V^: supremum, mean under pi_ref, mean under pi~.
    ratio_bound : float
        L; infinite where a value is zero on one end of a step of positive probability.
    log_ratio_bound : float
        log L, finite also where L is too large for a float.
    ratio_bound_step : tuple of int
        The two nodes between which it is attained.
    log_partition : float
        log Z, in nats.

    Examples
    --------
    >>> from treesim import family
    >>> audit = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.1).audit
    >>> round(audit.bellman_error, 12), audit.sup.round(3).tolist()
    (0.1, [0.1, 0.1, 0.1])
    """

    bellman_error: float
    bellman_error_node: int
    sup: FloatArray
    mean_reference: FloatArray
    mean_target: FloatArray
    ratio_bound: float
    log_ratio_bound: float
    ratio_bound_step: tuple[int, int]
    log_partition: float

    def _repr_html_(self) -> str:
        start, end = self.ratio_bound_step
        return card(
            "Audit",
            [
                ("log Z", number(self.log_partition)),
                ("Bellman error", f"{number(self.bellman_error)}, at node {self.bellman_error_node}"),
                (
                    "ratio bound L",
                    f"{number(self.ratio_bound)}, from node {start} to {end}",
                ),
            ],
            bars(np.where(np.isfinite(self.sup), self.sup, 0.0).tolist(), "Bellman error by level"),
        )


def audit(graph: LayeredGraph, value: Scaled, twist: Scaled) -> Audit:
    """Audit an approximate value, one pass from the root to the leaves.

    Parameters
    ----------
    graph : LayeredGraph
    value : Scaled, shape [n_nodes]
        V^.
    twist : Scaled, shape [n_nodes]
        V*, from `optimal_twist`.

    Returns
    -------
    Audit

    References
    ----------
    Zhu & Lu (2026), assumptions 3.1 (ratio bound) and 3.2 (Bellman error).

    Examples
    --------
    >>> from treesim import Tree
    >>> tree = Tree.complete(branching=2, horizon=2)
    >>> twist = optimal_twist(tree, np.log([1.0, 2.0, 3.0, 6.0]))
    >>> exact = audit(tree, twist, twist)
    >>> round(exact.bellman_error, 12), round(exact.ratio_bound, 12)
    (0.0, 2.0)
    """
    horizon = graph.horizon
    sup, mean_reference, mean_target = np.zeros(horizon), np.zeros(horizon), np.zeros(horizon)
    worst, worst_node = (-1.0, 0.0), 0
    log_ratio, ratio_step = -1.0, (0, 1)
    reach = live_reach(graph)
    ways = _weights_of_ways(graph, reach)
    levels = [_level(graph, t, value, twist, reach[t], ways[t]) for t in range(horizon)]
    parts = [(t, part) for t in range(horizon) for part in itertools.pairwise(_parts(graph, t))]
    edges = sum(len(graph.layer(t).prob) for t in range(horizon))
    audited = thread_map(lambda part: _audit_part(levels[part[0]], *part[1]), parts, work=edges)
    for (t, _), part in zip(parts, audited, strict=True):
        sup[t] = max(sup[t], part.error)
        if (part.error, part.log_error) > worst:
            worst, worst_node = (part.error, part.log_error), graph.level(t).start + part.parent
        mean_reference[t] += part.mean_reference
        mean_target[t] += part.mean_target
        if part.log_ratio > log_ratio:
            log_ratio, layer = part.log_ratio, graph.layer(t)
            source = int(np.searchsorted(layer.ptr, part.edge + layer.ptr[0], side="right")) - 1
            child = int(layer.ends(np.array([part.edge]))[0])
            ratio_step = (graph.level(t).start + source, graph.level(t + 1).start + child)
    return Audit(
        bellman_error=float(sup.max()),
        bellman_error_node=worst_node,
        sup=sup,
        mean_reference=mean_reference,
        mean_target=mean_target,
        ratio_bound=exp_or_inf(log_ratio) if has_potentials(graph) else _linear_ratio(value, ratio_step, log_ratio),
        log_ratio_bound=log_ratio,
        ratio_bound_step=ratio_step,
        log_partition=float(math.log(twist.mantissa[0]) + int(twist.exponent[0]) * LN2),
    )


class _Part(NamedTuple):
    """What some parents of a level find: sup error, its log where it is beyond floats, and its parent, mean errors,
    log of the largest ratio, the ratio and its edge."""

    error: float
    log_error: float
    parent: int
    mean_reference: float
    mean_target: float
    log_ratio: float
    ratio: float
    edge: int


def _parts(graph: LayeredGraph, t: int) -> list[int]:
    """Bounds of the parts of level `t` that are audited one by one; all of it, where all edges are to be weighed."""
    n = graph.n_level(t)
    return [0, n] if has_potentials(graph) else parts_of(n, len(graph.layer(t).prob))


def _weights_of_ways(graph: LayeredGraph, reach: list[FloatArray]) -> list[Scaled | None]:
    """Level by level, the mean product of the potentials on the ways to each node; None where all of them are one."""
    if not has_potentials(graph):
        return [None] * graph.horizon
    return [
        mass.over(Scaled.from_float(np.where(prob > 0, prob, 1.0)))
        for mass, prob in zip(forward_mass(graph), reach, strict=True)
    ]


class _Level(NamedTuple):
    """What the parents of a level compare: the kernel that looks ahead, arrays of the layer, V^ of the children, and
    for `audit_parents` reach, V^, V* and log Z."""

    look: Callable[..., Any]
    layer: tuple[Any, ...]
    below: tuple[Any, Any]
    compared: tuple[Any, ...]


def _level(graph: LayeredGraph, t: int, value: Scaled, twist: Scaled, reach: FloatArray, ways: Scaled | None) -> _Level:
    """What the parents of level `t` compare."""
    (layer, below), here, here_twist = ahead(graph, t, value), value[graph.level(t)], twist[graph.level(t)]
    if ways is not None:
        here_twist *= ways
    if _is_paired(layer):
        look = audit_pairs
    elif len(layer.child) and graph.smallest_step(t) > 0 and common_exponent(below.numbers[1])[0]:
        look = look_ahead_shared
    else:
        look = look_ahead
    root = (twist.mantissa[0], twist.exponent[0])
    return _Level(look, tuple(layer), below.numbers, (reach, here.numbers, here_twist.numbers, root))


def _audit_part(level: _Level, start: int, stop: int) -> _Part:
    """What the parents ``start..stop`` of a level find."""
    look, layer, below, compared = level
    if look is audit_pairs:
        room = (*Scaled.empty(PAIRS).room, *np.empty((4, PAIRS)))
        return _Part(*audit_pairs(start, stop, layer, *compared, room, below, NOTHING_FOUND))
    seen = (*Scaled.empty(stop - start).room, *np.empty((2, stop - start)))
    look(start, stop, layer, below, seen)
    return _Part(*audit_parents(start, stop, layer, *compared, seen, below, NOTHING_FOUND))


def _linear_ratio(value: Scaled, step: tuple[int, int], log_ratio: float) -> float:
    """The ratio bound without a detour through its log where both ends share an exponent."""
    (a, b), (e, f) = value.mantissa[list(step)], value.exponent[list(step)]
    if e == f and a > 0 and b > 0:
        return float(max(a / b, b / a))
    return exp_or_inf(log_ratio)
