r"""The kinds of particles of SMC: where they stand and what they weigh; and which prefixes are the same to SMC.

SMC sees of a prefix only what comes after it: with which probabilities its particles gain which weights, and so on
down. Two prefixes of a level are the same to it if a step gains the same weights with the same probabilities, to
prefixes that are the same: V^ may differ there, by a factor, so more prefixes are the same to SMC than have identical
futures. The coarsest such classes are made from level T up. Let the kind of a particle be the class in which it stands,
and the weight it has just gained. Then

    law(path) = P(kinds on the way) prod_t p(edge_t) / p(kind_t | class of its parent),

P being the law of the kinds on the way of an output when SMC runs on the classes. For couple the two: particles move
and are resampled alike, and given the kinds on the way of an output its edges are independent draws of the proposal
among the edges of those kinds, for no weight depends on which they are.

Source: Kemeny & Snell (1960), "Finite Markov chains", section 6.3: lumpable chains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.graphs.layered import LayeredGraph
from treesim.laws.walks import Proposal

SAME_CHANCE = 1e-13  # probabilities this near, relatively, count as one
_ZERO = -1e300  # stands for the log of zero where weights are compared
_MOST_SPREAD = 8.0  # tolerances that numbers of one group may be apart


class Kinds(NamedTuple):
    """The kinds of particles after a step, and the steps that lead to them.

    Attributes
    ----------
    node, log_weight : ndarray, shape [n_kinds]
        Where particles of each kind stand, and what they weigh.
    source, prob, kind : ndarray, shape [n_steps]
        The parents, the probabilities and the kinds of the steps that particles can take, parent by parent.
    edge : ndarray, shape [n_steps]
        The edges of these steps; where prefixes are merged there are none.
    parents : int
        How many nodes there are on the level of the parents.
    """

    node: IntArray
    log_weight: FloatArray
    source: IntArray
    prob: FloatArray
    kind: IntArray
    edge: IntArray
    parents: int


def kinds_of(proposal: Proposal) -> Iterator[Kinds]:
    """Level by level, the kinds of the particles, each node being itself."""
    graph, live = proposal.graph, np.ones(1, bool)
    for t in range(graph.horizon):
        step = _live_edges(proposal, t, live)
        gain = proposal.log_gain(t)[step.edge]
        kind, first = _pairs(step.end, _groups(gain, proposal.same_weight))
        yield Kinds(step.end[first], gain[first], step.source, step.prob, kind, step.edge, graph.n_level(t))
        live = step.is_end


@dataclass(frozen=True, eq=False, repr=False)
class MergedKinds(Brief):
    """The kinds of the particles where prefixes that are the same to SMC are one.

    Attributes
    ----------
    kinds : list of Kinds
        Step by step; nodes are classes.
    edge_kind : list of ndarray, each of shape [n_edges of the layer]
        The kind of a particle that takes the edge; -1 where none does.
    edge_share : list of ndarray, each of shape [n_edges of the layer]
        p(edge) / p(kind | class of the parent), zero where no particle goes.
    """

    kinds: list[Kinds]
    edge_kind: list[IntArray]
    edge_share: list[FloatArray]


def merged_kinds(proposal: Proposal, particles: int = 1, most: float = math.inf) -> MergedKinds | int:
    """The kinds where all prefixes that are the same to SMC are one.

    If `particles` particles make more than `most` multisets of the kinds of a level, the number of those kinds.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("product", horizon=6, ratio=2.0, form="tree")
    >>> [len(kinds.node) for kinds in merged_kinds(SMC(2).mechanism(instance)).kinds]
    [2, 2, 2, 2, 2, 2]
    """
    graph = proposal.graph
    steps, live = [], np.ones(1, bool)
    for t in range(graph.horizon):
        steps.append(_live_edges(proposal, t, live))
        live = steps[-1].is_end
    merged = MergedKinds([], [], [])
    group = np.zeros(graph.n_leaves, np.int64)
    for t in reversed(range(graph.horizon)):
        step = steps[t]
        gain = proposal.log_gain(t)[step.edge]
        kind, first = _pairs(group[step.end], _groups(gain, proposal.same_weight))
        n_kinds = len(first)
        if t + 1 < graph.horizon and math.comb(n_kinds + particles - 1, particles) > most:
            return n_kinds
        # What a node offers: the kinds that its steps lead to, each once.
        offer, at = np.unique(step.source * n_kinds + kind, return_inverse=True)
        source, offered = np.divmod(offer, n_kinds)
        chance = np.bincount(at, step.prob, len(offer))
        node, start, degree = np.unique(source, return_index=True, return_counts=True)
        code, _ = _pairs(offered, _groups(np.log(chance), SAME_CHANCE))
        classes, stand_in = _same_rows(code, start, degree)
        rows = np.concatenate([np.arange(start[v], start[v] + degree[v]) for v in stand_in.tolist()])
        merged.kinds.append(
            Kinds(
                group[step.end][first], gain[first],
                np.repeat(np.arange(len(stand_in)), degree[stand_in]), chance[rows], offered[rows],
                np.empty(0, np.int64), len(stand_in),
            )
        )  # fmt: skip
        edge_kind, share = np.full(step.edges, -1), np.zeros(step.edges)
        edge_kind[step.edge], share[step.edge] = kind, step.prob / chance[at]
        merged.edge_kind.append(edge_kind)
        merged.edge_share.append(share)
        group = np.full(graph.n_level(t), -1)
        group[node] = classes
    for parts in (merged.kinds, merged.edge_kind, merged.edge_share):
        parts.reverse()
    return merged


@dataclass(frozen=True, eq=False, repr=False)
class Ways(Brief):
    """The ways of particles by their kinds, and which of them each path of the graph goes.

    Attributes
    ----------
    parent, kind : list of ndarray, each of shape [n_ways of the level]
        Level by level: which way this one extends, and the kind of its last particle.
    way : ndarray, shape [n_paths]
        Of every path that particles can go.
    share : ndarray, shape [n_paths]
        The probability of the path among those that go the same way.
    end : ndarray, shape [n_paths]
        Its node of level T.
    edges : ndarray of int32, shape [n_paths, horizon]
        Its edges, on a trellis; on a tree none.
    """

    parent: list[IntArray]
    kind: list[IntArray]
    way: IntArray
    share: FloatArray
    end: IntArray
    edges: NDArray[np.int32]


def n_paths(graph: LayeredGraph, merged: MergedKinds) -> float:
    """How many paths particles can go."""
    count: FloatArray = np.ones(1)
    for t in range(graph.horizon):
        layer, live = graph.layer(t), np.flatnonzero(merged.edge_kind[t] >= 0)
        count = np.bincount(layer.ends(live), count[layer.sources()[live]], graph.n_level(t + 1)).astype(np.float64)
    return float(count.sum())


def ways_of(graph: LayeredGraph, merged: MergedKinds) -> Ways:
    """All ways, and all paths that go them.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("hidden-prefix", horizon=9, form="tree")
    >>> ways = ways_of(instance.graph, merged_kinds(SMC(2).mechanism(instance)))
    >>> len(ways.way), len(ways.kind[-1])
    (64, 7)
    """
    parents, kinds = [], []
    at, way, share = np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1)
    edges = np.empty((1, 0), np.int32)
    for t in range(graph.horizon):
        layer, n_kinds = graph.layer(t), len(merged.kinds[t].node)
        edge = layer.edges_of(at)
        path = np.repeat(np.arange(len(at)), np.diff(layer.ptr)[at])
        live = merged.edge_kind[t][edge] >= 0
        edge, path = edge[live], path[live]
        longer, way = np.unique(way[path] * n_kinds + merged.edge_kind[t][edge], return_inverse=True)
        parent, kind = np.divmod(longer, n_kinds)
        parents.append(parent)
        kinds.append(kind)
        share = share[path] * merged.edge_share[t][edge]
        at = layer.ends(edge).astype(np.int64)
        if graph.keeps_edges:
            edges = np.concatenate([edges[path], edge[:, None].astype(np.int32)], axis=1)
    return Ways(parents, kinds, way, share, at, edges)


class _LiveEdges(NamedTuple):
    """The edges of a layer that particles take, and which nodes below they lead to."""

    edge: IntArray
    source: IntArray
    end: IntArray
    prob: FloatArray
    edges: int
    is_end: BoolArray


def _live_edges(proposal: Proposal, t: int, live: BoolArray) -> _LiveEdges:
    """The edges from level `t` that particles take, those of its nodes being reached that are `live`."""
    layer = proposal.graph.layer(t)
    prob, source = proposal.steps.edges(t).to_float(), layer.sources()
    edge = np.flatnonzero((prob > 0) & live[source])
    end = layer.ends(edge).astype(np.int64)
    is_end = np.zeros(proposal.graph.n_level(t + 1), bool)
    is_end[end] = True
    return _LiveEdges(edge, source[edge], end, prob[edge], len(prob), is_end)


def _groups(numbers: FloatArray, tolerance: float) -> IntArray:
    """Which numbers are the same, each within the tolerance of the next: a number of the group for each, by size.

    Where many that differ stand too near in a row, only what is equal to the bit is the same.
    """
    numbers = np.maximum(numbers, _ZERO)
    order = np.argsort(numbers)
    sorted_numbers = numbers[order]
    group = np.empty(len(numbers), np.int64)
    group[order] = np.cumsum(np.diff(sorted_numbers, prepend=sorted_numbers[:1]) > tolerance)
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    spread = sorted_numbers[np.append(first[1:], len(order)) - 1] - sorted_numbers[first]
    return group if spread.max() <= _MOST_SPREAD * tolerance else np.unique(numbers, return_inverse=True)[1]


def _pairs(one: IntArray, other: IntArray) -> tuple[IntArray, IntArray]:
    """The pairs numbered in their order, and a place of each."""
    _, first, number = np.unique(one * (other.max() + 1) + other, return_index=True, return_inverse=True)
    return number, first


def _same_rows(code: IntArray, start: IntArray, degree: IntArray) -> tuple[IntArray, IntArray]:
    """Which rows of codes are equal, row ``v`` being the `degree` codes from `start` on: a class for each, and a row
    of each class."""
    group, most = np.zeros(len(start), np.int64), int(code.max()) + 1
    for j in range(int(degree.max())):
        longer = np.flatnonzero(degree > j)
        group[longer] = np.unique(group[longer] * most + code[start[longer] + j], return_inverse=True)[1]
    return _pairs(degree, group)
