r"""Pools enumerated: walks with pools, corrected by Metropolis-Hastings (Algorithm 2 of Zhu & Lu) or by selection.

A walk draws M children from pi_ref at each step and keeps one in proportion to V^; with the pool's mean Zbar_t its
weight is R = prod_t Zbar_t / V^(s_{1:t-1}). A fresh walk takes the place of the current one with probability
min(1, R'/R): independent Metropolis-Hastings on pairs (path, pools), whose target has pi~ for its paths. So the law
after H walks follows from the joint law of (path, R), and that from the pools of each node on the way, which are
independent given the path. A rule that keeps one of N walks needs no more than that joint law either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import NoExactLaw
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import ahead
from treesim.laws.corrected import log_corrected
from treesim.laws.law import LeafLaw
from treesim.laws.multisets import multisets
from treesim.laws.selection import SLACK, Selection
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_positive

LARGEST_ATOMS = 4_000_000
_SAME = 1e-12  # weights that differ by no more than rounding are one atom


@dataclass(frozen=True, eq=False, repr=False)
class Pools(Brief):
    """All pools of one node.

    Attributes
    ----------
    prob : ndarray, shape [n]
        Of each pool.
    log_mean : ndarray, shape [n]
        log of its mean of V^.
    keep : ndarray, shape [n, children]
        Probability that a child is kept.
    log_exact_mean : float
        log (P V^) of the node.
    """

    prob: FloatArray
    log_mean: FloatArray
    keep: FloatArray
    log_exact_mean: float


def node_pools(prob: FloatArray, log_value: FloatArray, size: int) -> Pools:
    """The pools of `size` draws among children of these probabilities and log-values.

    Examples
    --------
    >>> pools = node_pools(np.array([0.5, 0.5]), np.log([1.0, 3.0]), size=2)
    >>> pools.prob, np.exp(pools.log_mean).round(9), pools.keep[1]
    (array([0.25, 0.5 , 0.25]), array([3., 2., 1.]), array([0.25, 0.75]))
    """
    counts = multisets(len(prob), size)
    log_factorial = np.array([math.lgamma(k + 1) for k in range(size + 1)])
    log_prob = counts @ np.log(np.where(prob > 0, prob, 1.0))
    chance = np.exp(log_factorial[size] - log_factorial[counts].sum(axis=1) + log_prob)
    chance[(counts[:, prob == 0] > 0).any(axis=1)] = 0.0
    # Each pool in units of its own largest value: those of others, and of children that cannot be drawn, may be
    # farther away than floats reach.
    log_held = np.where((counts > 0) & (prob > 0), log_value, -np.inf)
    top = log_held.max(axis=1)
    unit = np.where(np.isneginf(top), 0.0, top)
    weight = counts * np.exp(log_held - unit[:, None])
    total = weight.sum(axis=1)
    keep = np.where(total[:, None] > 0, weight / np.where(total > 0, total, 1.0)[:, None], counts / size)
    live = prob > 0
    with np.errstate(divide="ignore"):
        log_mean = np.log(total / size) + unit
    return Pools(chance, log_mean, keep, float(np.logaddexp.reduce(np.log(prob[live]) + log_value[live])))


def algorithm_2_law(graph: LayeredGraph, value: Scaled, log_partition: float, pool: int, steps: int) -> LeafLaw:
    """The exact law of the leaf after `steps` walks with pools of `pool` draws.

    Parameters
    ----------
    graph : LayeredGraph
        A tree.
    value : Scaled, shape [n_nodes]
        V^.
    log_partition : float
        log Z.
    pool : int
        M.
    steps : int
        H: walks in all, the first of which is always taken. Any H costs the same.

    Raises
    ------
    NoExactLaw
        If the graph is no tree, or has too many (path, weight) pairs: the message says how many.

    References
    ----------
    Zhu & Lu (2026), Algorithm 2; Smith & Tierney (1996) for the law after H steps.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=2, ratio=2.0)
    >>> given = instance.graph, instance.value, instance.audit.log_partition
    >>> [round(algorithm_2_law(*given, 2, H).tv(instance.target).lo, 5) for H in (1, 2, 1_000_000)]
    [0.10417, 0.02961, 0.0]
    """
    node, log_mass, log_weight = _paths(graph, value, pool, f"mh={steps}")
    given = log_corrected(log_mass, log_weight - log_partition, steps)
    prob = np.bincount(node, np.exp(given), graph.n_leaves)
    return LeafLaw(Scaled.from_float(prob))


def pool_selection_law(graph: LayeredGraph, value: Scaled, pool: int, rule: Selection) -> LeafLaw:
    """The exact law of the leaf that a rule keeps of N walks with pools of `pool` draws.

    The rule sees R / V^(root), which has the mean of the exact weight given the path. Where all N lie within its bound,
    given that they do, the law is that of `treesim.laws.selection`; else the first path is kept.

    Parameters
    ----------
    graph : LayeredGraph
        A tree.
    value : Scaled, shape [n_nodes]
        V^.
    pool : int
        M.
    rule : Selection

    Raises
    ------
    NoExactLaw
        If the graph is no tree, or has too many (path, weight) pairs: the message says how many.
    """
    node, log_mass, log_weight = _paths(graph, value, pool, f"chebyshev={rule.paths}")
    log_weight = log_weight - value[:1].log()[0]
    mass, inside = np.exp(log_mass), np.abs(log_weight) <= rule.log_bound + SLACK
    path, within = (np.bincount(node, part, graph.n_leaves) for part in (mass, mass * inside))
    chance = float(within.sum())
    if chance == 0.0:
        return LeafLaw(Scaled.from_float(path))
    weighted = np.bincount(node[inside], mass[inside] * np.exp(log_weight[inside]), graph.n_leaves)
    share = rule.shrinkage(math.log(weighted.sum() / chance))
    kept = weighted / weighted.sum() * (1.0 - share) + within / chance * share
    all_within = chance**rule.paths
    return LeafLaw(Scaled.from_float(np.maximum(path + all_within * (kept - within / chance), 0.0)))


def chance_within(graph: LayeredGraph, value: Scaled, pool: int, log_bound: float) -> float:
    """Probability that the weight R / V^(root) of a walk with pools lies within exp(+-log_bound), on a tree.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=2, ratio=2.0)
    >>> round(chance_within(instance.graph, instance.value, pool=2, log_bound=math.log(1.5)), 6)
    0.3125
    """
    _, log_mass, log_weight = _paths(graph, value, pool, "chebyshev")
    inside = np.abs(log_weight - value[:1].log()[0]) <= log_bound + SLACK
    return min(1.0, float(np.exp(log_mass[inside]).sum()))


def _paths(graph: LayeredGraph, value: Scaled, pool: int, correction: str) -> tuple[IntArray, FloatArray, FloatArray]:
    """The leaf of each pair of path and weight, log of its probability, and log R."""
    tree = graph.require_tree(
        "a corrected pool has an exact law on trees; unroll a small trellis, or estimate its TV from runs"
    )
    log_value = value.log()
    root = np.zeros(1, np.int64)
    node, log_mass, log_weight = root, np.zeros(1), np.zeros(1)
    for t in range(tree.horizon):
        parts: list[tuple[IntArray, FloatArray, FloatArray]] = []
        layer, log_below = tree.layer(t), log_value[tree.level(t + 1)]
        degree = np.diff(layer.ptr)
        outcomes = np.array([d * math.comb(int(d) + pool - 1, pool) for d in degree.tolist()], np.float64)
        expected = float((np.bincount(node, minlength=len(degree)) * outcomes).sum())
        if expected > 4 * LARGEST_ATOMS:
            raise _too_many(pool, correction, expected)
        for v in np.unique(node):
            edges = np.arange(layer.ptr[v] - layer.ptr[0], layer.ptr[v + 1] - layer.ptr[0])
            here = node == v
            pools = node_pools(layer.prob[edges], log_below[edges], pool)
            with np.errstate(divide="ignore"):
                log_keep = np.log(pools.prob[:, None] * pools.keep)
            for i, edge in enumerate(edges):
                live = log_keep[:, i] > -np.inf
                if not live.any():
                    continue
                mass = (log_mass[here, None] + log_keep[live, i]).ravel()
                # What the next step divides by; at the leaf nothing does, and the reward comes in its place.
                weight = (log_weight[here, None] + (pools.log_mean[live] - _finite(log_below[edge]))).ravel()
                weight, mass = _merged(weight, mass)
                parts.append((np.full(len(mass), edge), mass, weight))
        node, log_mass, log_weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    return node, log_mass, log_weight + log_value[tree.leaves][node]


def good_event(graph: LayeredGraph, value: Scaled, pool: int, error: float, steps: int = 1) -> float:
    """Probability that every pool mean of `steps` walks is within a relative error of P V^: Theorem 6.1's good event.

    Parameters
    ----------
    graph : LayeredGraph
    value : Scaled, shape [n_nodes]
        V^.
    pool : int
        M.
    error : float
        xi.
    steps : int
        H: there are T H pools in all.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=3, ratio=1.4)
    >>> round(good_event(instance.graph, instance.value, pool=64, error=1 / 12, steps=9), 8)
    0.99934236
    """
    require_at_least("pool", pool, 1)
    require_at_least("steps", steps, 1)
    require_positive("error", error)
    good = np.ones(graph.n_leaves)
    for t in reversed(range(graph.horizon)):
        layer, (seen, below) = graph.layer(t), ahead(graph, t, value)
        log_value, above = below.log(), np.empty(graph.n_level(t))
        for v in range(len(above)):
            edges = np.arange(layer.ptr[v] - layer.ptr[0], layer.ptr[v + 1] - layer.ptr[0])
            ends = layer.ends(edges)
            pools = node_pools(layer.prob[edges], log_value[seen.ends(edges)], pool)
            off = np.expm1(pools.log_mean - _finite(pools.log_exact_mean))
            # Where no child has value every pool is right.
            near = (np.abs(off) <= error * (1 + _SAME)) | (pools.log_exact_mean == -math.inf)
            above[v] = pools.prob[near] @ (pools.keep[near] @ good[ends])
        good = above
    return float(good[0] ** steps)


def _finite(log_value: float) -> float:
    return float(log_value) if log_value > -math.inf else 0.0


def _merged(log_weight: FloatArray, log_mass: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Atoms of the same weight made one."""
    order = np.argsort(log_weight, kind="stable")
    log_weight, log_mass = log_weight[order], log_mass[order]
    with np.errstate(invalid="ignore"):
        new = np.concatenate([[True], np.diff(log_weight) > _SAME])
    return log_weight[new], np.logaddexp.reduceat(log_mass, np.flatnonzero(new))


def _too_many(pool: int, correction: str, atoms: float) -> NoExactLaw:
    return NoExactLaw(
        f"the exact law of sp-gsmc:pool={pool},{correction} has over {atoms:.2g} pairs of path and weight, more than "
        f"{LARGEST_ATOMS:.1g}; take a smaller pool or tree, or estimate its TV from runs"
    )
