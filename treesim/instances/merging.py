"""From trees to trellises and back: merge prefixes of identical future, unroll what was merged."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import FloatArray, IntArray
from treesim.graphs.layered import Layer, LayeredGraph
from treesim.graphs.potentials import has_potentials
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.instances.instance import Instance
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE, Scaled
from treesim.spec import require_at_least

# Of a tree of more leaves the names would take more than the rest.
LARGEST_NAMED = 1 << 16


@dataclass(frozen=True)
class MergeReport:
    """What a merge did.

    Attributes
    ----------
    nodes_before, nodes_after : int
    step_error : float
        Largest difference between the log-probability of an edge and of the edge that stands for it.
    value_error : float
        The same for the log-values of nodes.
    tv_bound : float
        Bound on the TV between the targets before and after.
    renamed : int
        Nodes that had another name than the node that stands for them, and lost it.
    """

    nodes_before: int
    nodes_after: int
    step_error: float
    value_error: float
    tv_bound: float
    renamed: int = 0


def merge(instance: Instance, tolerance: float = 0.0) -> tuple[Instance, MergeReport]:
    """The instance with prefixes of identical future made one node.

    Futures are identical if the same steps have the same probabilities and potentials, write the same tokens, lead to
    identical futures, and V^ is the same all the way to the reward; leaves of different answers or true rewards stay
    apart. So every path writes what it wrote. Of different names the first stands for all; where edges have tokens,
    which tell the texts, there are no names then.

    Parameters
    ----------
    instance : Instance
    tolerance : float
        Log-probabilities and log-values that round to the same multiple of it count as the same, the first of them
        standing for all; 0 merges what is equal to the bit.

    Returns
    -------
    Instance
        On a `Trellis`.
    MergeReport

    References
    ----------
    Hash-consing of a layered graph, as in reduced decision diagrams: Bryant (1986).

    Examples
    --------
    >>> from treesim import family
    >>> merged, report = merge(family("product", horizon=10, ratio=1.2, form="tree"))
    >>> report.nodes_before, report.nodes_after, report.tv_bound
    (2047, 66, 0.0)
    """
    require_at_least("tolerance", tolerance, 0.0)
    graph, value = instance.graph, instance.value
    group, first = _in_order(*_classes(_leaf_keys(instance, tolerance)))
    node_of, kept = [group], [first]
    layers: list[Layer] = []
    written: list[NDArray[np.int32]] = []
    potentials: list[Scaled] = []
    step_error = potential_error = 0.0
    for t in reversed(range(graph.horizon)):
        layer = graph.layer(t)
        degree = np.diff(layer.ptr)
        ends = group[layer.ends(np.arange(len(layer.prob)))]
        own = _keys(value[graph.level(t)], tolerance)
        tokens = graph.edge_tokens(t)
        step = [_keys(Scaled.from_float(layer.prob), tolerance), ends]
        if tokens is not None:
            step.append(tokens.astype(np.int64))
        potential = graph.potential(t)
        if potential is not None:
            step.append(_keys(potential, tolerance))
        group, n_groups = np.empty(len(degree), np.int64), 0
        for width in np.unique(degree):
            nodes = np.flatnonzero(degree == width)
            edges = (layer.ptr[nodes] - layer.ptr[0])[:, None] + np.arange(width)
            classes, size = _classes(np.concatenate([own[nodes, None], *(key[edges] for key in step)], axis=1))
            group[nodes] = n_groups + classes
            n_groups += size
        group, first = _in_order(group, n_groups)
        starts = layer.ptr[first] - layer.ptr[0]
        ptr = np.concatenate([[0], np.cumsum(degree[first])])
        edge = np.arange(ptr[-1]) + np.repeat(starts - ptr[:-1], degree[first])
        layers.append(Layer(ptr, layer.prob[edge], ends[edge].astype(np.int32)))
        if tokens is not None:
            written.append(tokens[edge])
        if potential is not None:
            potentials.append(potential[edge])
        if tolerance:
            stand_in = np.repeat(starts[group] - (layer.ptr[:-1] - layer.ptr[0]), degree) + np.arange(len(ends))
            step_error = max(step_error, _log_gap(layer.prob, layer.prob[stand_in]))
            if potential is not None:
                potential_error = max(potential_error, _scaled_gap(potential, potential[stand_in]))
        node_of.append(group)
        kept.append(first)
    layers, order, what_edges_write, potentials = _shared(layers[::-1], written[::-1], potentials[::-1])
    node_of, kept = node_of[::-1], kept[::-1]
    sizes = [len(first) for first in kept]
    starts = graph.level_ptr[:-1]
    rows = np.concatenate([start + first for start, first in zip(starts, kept, strict=True)])
    level_start = np.cumsum([0, *sizes])
    stand_in = np.concatenate([start + at for start, at in zip(level_start, node_of, strict=False)])
    names = None if graph.names is None else tuple(graph.names[row] for row in rows)
    renamed = 0
    if graph.names is not None and names is not None:
        renamed = sum(before != names[at] for before, at in zip(graph.names, stand_in.tolist(), strict=True))
    if renamed and what_edges_write is not None:
        # Names may be texts, and would be those of other paths; what edges write is right.
        names = None
    merged = Instance(
        Trellis(np.cumsum([0, *sizes]), layers, order, names, what_edges_write, graph.vocabulary, potentials or None),
        value[rows],
        instance.family, {**instance.parameters, "merged": tolerance}, instance.seed,
        outcomes=None if instance.outcomes is None else instance.outcomes.take(kept[-1]),
    )  # fmt: skip
    value_error = _scaled_gap(value, merged.value[stand_in]) if tolerance else 0.0
    leaf = graph.leaves
    reward_error = _scaled_gap(value[leaf], merged.value[stand_in[leaf]]) if tolerance else 0.0
    report = MergeReport(
        graph.n_nodes, merged.graph.n_nodes, step_error, value_error,
        math.tanh((graph.horizon * (step_error + potential_error) + reward_error) / 2), renamed,
    )  # fmt: skip
    return merged, report


def paths_of(graph: LayeredGraph) -> float:
    """How many paths there are, the leaves of the tree that a graph is unrolled to; infinite beyond floats."""
    return 2.0**graph.log2_paths if graph.log2_paths < 1000 else math.inf


def unroll(instance: Instance) -> Instance:
    """The instance on the tree of all its paths; potentials on the way to a prefix become part of its value.

    Up to 2^16 leaves nodes keep their names; where steps write tokens, each node is named by the text so far.

    Raises
    ------
    MemoryBudgetError
        If the tree does not fit in the memory budget.

    Examples
    --------
    >>> from treesim import family
    >>> unroll(family("product", horizon=10, ratio=1.2, form="trellis")).graph.n_leaves
    1024
    """
    graph = instance.graph
    if not graph.keeps_edges:
        return instance
    paths = paths_of(graph)
    require_memory(paths * (8 + 2 * BYTES_A_VALUE), f"a tree of 2^{graph.log2_paths:.4g} leaves, with V* and V^,")
    at, rows = np.zeros(1, np.int64), [np.zeros(1, np.int64)]
    degrees, probs, written = [], [], []
    product = Scaled.from_float([1.0])
    products = [product]
    named, edges = paths <= LARGEST_NAMED, []
    for t in range(graph.horizon):
        layer = graph.layer(t)
        edge = layer.edges_of(at)
        degrees.append(np.diff(layer.ptr)[at])
        probs.append(layer.prob[edge])
        tokens = graph.edge_tokens(t)
        if tokens is not None:
            written.append(tokens[edge])
        if named:
            edges.append(edge)
        potential = graph.potential(t)
        if potential is not None:
            product = product[np.repeat(np.arange(len(at)), degrees[-1])] * potential[edge]
            products.append(product)
        at = layer.ends(edge).astype(np.int64)
        rows.append(graph.level(t + 1).start + at)
    tree = Tree(
        np.cumsum([0, *map(len, rows)]),
        np.concatenate([[0], np.cumsum(np.concatenate(degrees))]),
        np.concatenate(probs),
        _names(graph, rows, degrees, edges) if named else None,
        np.concatenate(written) if written else None,
        graph.vocabulary,
    )
    value = instance.value[np.concatenate(rows)]
    if has_potentials(graph):
        value *= reduce(Scaled.followed_by, products)
    return Instance(
        tree, value, instance.family, {**instance.parameters, "unrolled": True}, instance.seed,
        outcomes=None if instance.outcomes is None else instance.outcomes.take(at),
    )  # fmt: skip


def _names(
    graph: LayeredGraph, rows: list[IntArray], degrees: list[IntArray], edges: list[IntArray]
) -> list[Hashable] | None:
    """The names of the nodes of the tree, from their names on the trellis or from what its edges write."""
    if graph.names is not None:
        return [graph.names[node] for node in np.concatenate(rows).tolist()]
    if not isinstance(graph, Trellis) or graph.tokens is None or graph.vocabulary is None:
        return None
    level = [""]
    names: list[Hashable] = [*level]
    for t, (degree, edge) in enumerate(zip(degrees, edges, strict=True)):
        before = (text for text, count in zip(level, degree.tolist(), strict=True) for _ in range(count))
        tokens = graph.tokens[graph.order[t]][edge].tolist()
        level = [text + graph.vocabulary[token] for text, token in zip(before, tokens, strict=True)]
        names += level
    return names


def _keys(value: Scaled, tolerance: float) -> IntArray:
    """Numbers that are equal where the values are, to the tolerance, shape [n]."""
    if not tolerance:
        _, key = np.unique(np.stack([value.mantissa.view(np.int64), value.exponent]), axis=1, return_inverse=True)
        return key.ravel()
    log_value = value.log()
    alive = np.isfinite(log_value)
    key = np.full(len(log_value), np.iinfo(np.int64).min)
    key[alive] = np.round(log_value[alive] / tolerance).astype(np.int64)
    return key


def _leaf_keys(instance: Instance, tolerance: float) -> IntArray:
    """Rows that are equal where leaves are worth the same to samplers and to users, shape [n_leaves, n_keys]."""
    keys = [_keys(instance.reward, tolerance)]
    outcomes = instance.outcomes
    if outcomes is not None and outcomes.answer is not None:
        keys.append(outcomes.answer.astype(np.int64))
    if outcomes is not None and outcomes.true_reward is not None:
        keys.append(_keys(outcomes.true_reward, tolerance))
    return np.stack(keys, axis=1)


def _classes(rows: IntArray) -> tuple[IntArray, int]:
    """Which rows are equal: a class number each, and how many classes there are."""
    _, group = np.unique(rows, axis=0, return_inverse=True)
    group = group.ravel()
    return group, int(group.max()) + 1


def _in_order(group: IntArray, n_groups: int) -> tuple[IntArray, IntArray]:
    """Classes renumbered in the order in which they appear, and the first member of each."""
    first = np.full(n_groups, len(group))
    np.minimum.at(first, group, np.arange(len(group)))
    order = np.argsort(first)
    rank = np.empty(n_groups, np.int64)
    rank[order] = np.arange(n_groups)
    return rank[group], first[order]


def _shared(
    layers: list[Layer], tokens: list[NDArray[np.int32]], potentials: list[Scaled]
) -> tuple[list[Layer], IntArray, list[NDArray[np.int32]] | None, list[Scaled]]:
    """The distinct layers, which of them each step uses, what their edges write, if anything, and their potentials."""
    number: dict[tuple[bytes, ...], int] = {}
    distinct: list[Layer] = []
    written: list[NDArray[np.int32]] = []
    weights: list[Scaled] = []
    order = []
    for t, layer in enumerate(layers):
        key = tuple(part.tobytes() for part in layer) + tuple(part.tobytes() for part in tokens[t : t + 1])
        key += tuple(part.tobytes() for each in potentials[t : t + 1] for part in each.numbers)
        if key not in number:
            number[key] = len(distinct)
            distinct.append(layer)
            written += tokens[t : t + 1]
            weights += potentials[t : t + 1]
        order.append(number[key])
    return distinct, np.array(order), written or None, weights


def _log_gap(a: FloatArray, b: FloatArray) -> float:
    both = (a > 0) & (b > 0)
    return float(np.abs(np.log(a[both] / b[both])).max(initial=0.0))


def _scaled_gap(a: Scaled, b: Scaled) -> float:
    both = (a.mantissa > 0) & (b.mantissa > 0)
    return float(np.abs(a[both].log() - b[both].log()).max(initial=0.0))
