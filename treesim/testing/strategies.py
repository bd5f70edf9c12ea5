"""Hypothesis strategies: random small trees, trellises and instances.

They hold what tends to break samplers: probabilities, rewards and values that are zero, nodes with one child, rewards
beyond the range of floats' squares, nodes that nothing leads to. They shrink to uniform pi_ref and equal values.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
from hypothesis import strategies as st

from treesim.arrays import FloatArray
from treesim.errors import RewardError, SpecError
from treesim.graphs.layered import Layer
from treesim.graphs.potentials import with_potentials
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.scaled import Scaled

HUGE, TINY = 1e304, 1e-304  # exp(+-700), nearly

tame_numbers = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0.01, 100.0))
wild_numbers = st.one_of(
    st.sampled_from([0.0, 1.0, 2.0, HUGE, TINY]), st.floats(0.01, 100.0), st.floats(TINY, HUGE, allow_subnormal=False)
)


@cache
def _policy(degree: int) -> st.SearchStrategy[list[float]]:
    """A distribution on the children of a node, zeros among its probabilities."""
    weights = st.lists(st.integers(0, 4), min_size=degree, max_size=degree).filter(any)
    return weights.map(lambda drawn: [weight / sum(drawn) for weight in drawn])


@st.composite
def trees(draw: st.DrawFn, /, max_leaves: int = 7, max_horizon: int = 4, max_branching: int = 3) -> Tree:
    """Trees of at most so many leaves, levels, and children of a node.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(trees(), lambda tree: tree.n_leaves == 3).horizon
    1
    """
    sizes, degrees, probs = [1], [], []
    for _ in range(draw(st.integers(1, max_horizon))):
        room = max_leaves - sizes[-1]
        level = []
        for _ in range(sizes[-1]):
            degree = draw(st.integers(1, min(max_branching, 1 + room)))
            room -= degree - 1
            level.append(degree)
            probs.extend(draw(_policy(degree)))
        degrees.extend(level)
        sizes.append(sum(level))
    return Tree(np.cumsum([0, *sizes]), np.cumsum([0, *degrees]), np.array(probs))


@st.composite
def trellises(draw: st.DrawFn, /, max_edges: int = 4, max_horizon: int = 5, max_nodes: int = 3) -> Trellis:
    """Trellises of at most so many edges of a node, levels, and nodes a level; parallel edges and layers used twice
    among them.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(trellises(), lambda trellis: trellis.horizon == 2).horizon
    2
    """
    horizon = draw(st.integers(1, max_horizon))
    sizes = [1, *draw(st.lists(st.integers(1, max_nodes), min_size=horizon, max_size=horizon))]
    layers: list[Layer] = []
    order = []
    for parents, children in itertools.pairwise(sizes):
        same = [
            i for i, layer in enumerate(layers) if (len(layer.ptr) - 1, layer.child.max() + 1) == (parents, children)
        ]
        again: bool = bool(same) and draw(st.booleans())
        if again:
            order.append(same[0])
            continue
        degrees = draw(st.lists(st.integers(1, max_edges), min_size=parents, max_size=parents))
        prob = [p for degree in degrees for p in draw(_policy(degree))]
        child = draw(st.lists(st.integers(0, children - 1), min_size=len(prob), max_size=len(prob)))
        order.append(len(layers))
        layers.append(Layer(np.cumsum([0, *degrees]), np.array(prob), np.array(child, np.int32)))
    return Trellis(np.cumsum([0, *sizes]), layers, np.array(order))


@st.composite
def problems(
    draw: st.DrawFn, /, numbers: st.SearchStrategy[float] = wild_numbers, **size: int
) -> tuple[Tree, FloatArray]:
    """A tree (``**size`` as for `trees`) and linear rewards, at least one of them positive where pi_ref goes.

    Examples
    --------
    >>> from hypothesis import find
    >>> tree, reward = find(problems(), lambda problem: problem[0].n_leaves == 2)
    >>> reward.shape, bool(reward.max() > 0)
    ((2,), True)
    """
    tree = draw(trees(**size))
    reward = np.array(draw(st.lists(numbers, min_size=tree.n_leaves, max_size=tree.n_leaves)))
    *_, reach = tree.reachable()
    if not reward[reach].any():
        reward[np.flatnonzero(reach)[0]] = 1.0
    return tree, reward


@st.composite
def instances(draw: st.DrawFn, /, numbers: st.SearchStrategy[float] = wild_numbers, **size: int) -> Instance:
    """Trees (``**size`` as for `trees`) with rewards, and inner values of no particular quality.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(instances(max_leaves=5))
    ... def there_is_something_to_aim_at(instance):
    ...     assert instance.audit.log_partition > -np.inf
    >>> there_is_something_to_aim_at()
    """
    tree, reward = draw(problems(numbers, **size))
    n_inner = tree.n_nodes - tree.n_leaves
    inner = draw(st.lists(numbers, min_size=n_inner, max_size=n_inner))
    return Instance(tree, Scaled.from_float(np.concatenate([inner, reward])))


@st.composite
def trellis_instances(draw: st.DrawFn, /, numbers: st.SearchStrategy[float] = tame_numbers, **size: int) -> Instance:
    """Trellises (``**size`` as for `trellises`) with rewards, and inner values of no particular quality.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(trellis_instances())
    ... def paths_are_more_than_their_last_node(instance):
    ...     assert instance.graph.keeps_edges
    >>> paths_are_more_than_their_last_node()
    """
    trellis = draw(trellises(**size))
    value = np.array(draw(st.lists(numbers, min_size=trellis.n_nodes, max_size=trellis.n_nodes)))
    *_, reach = trellis.reachable()
    if not value[trellis.leaves][reach].any():
        value[trellis.leaves.start + np.flatnonzero(reach)[0]] = 1.0
    return Instance(trellis, Scaled.from_float(value))


@st.composite
def weighted_instances(draw: st.DrawFn, /, numbers: st.SearchStrategy[float] = tame_numbers, **size: int) -> Instance:
    """Trellises (``**size`` as for `trellises`) whose edges carry potentials, with rewards, and values that no prefix
    without reward ahead has.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(weighted_instances())
    ... def edges_have_potentials(instance):
    ...     assert len(instance.graph.potential(0)) == len(instance.graph.layer(0).prob)
    >>> edges_have_potentials()
    """
    trellis = draw(trellises(**size))
    potentials = []
    for layer in trellis.layers:
        drawn = draw(st.lists(numbers, min_size=len(layer.prob), max_size=len(layer.prob)))
        potentials.append(Scaled.from_float(drawn))
    graph = with_potentials(trellis, [potentials[which] for which in trellis.order.tolist()])
    reward = np.array(draw(st.lists(numbers, min_size=graph.n_leaves, max_size=graph.n_leaves)))
    try:
        twist = optimal_twist(graph, Scaled.from_float(reward))
    except RewardError:
        graph = with_potentials(graph, [np.zeros(len(graph.layer(t).prob)) for t in range(graph.horizon)])
        twist = optimal_twist(graph, Scaled.from_float(np.ones(graph.n_leaves)))
    n_inner = graph.leaves.start
    noise = draw(st.lists(st.floats(0.1, 10.0), min_size=n_inner, max_size=n_inner))
    return Instance(graph, twist * Scaled.from_float(np.append(noise, np.ones(graph.n_leaves))))


@st.composite
def bounded_instances(draw: st.DrawFn, /, epsilon: float, ratio: float | None = None, **size: int) -> Instance:
    """Trees whose V^ has Bellman error at most `epsilon`, and V^(child) / V^(parent) in [1 / `ratio`, `ratio`].

    Parameters
    ----------
    epsilon : float
        At least 0.
    ratio : float, optional
        L, at least 1 + epsilon; without it (1 + epsilon)^2 times four.
    **size
        As for `trees`.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(bounded_instances(epsilon=0.5, ratio=3.0))
    ... def the_bound_holds(instance):
    ...     assert instance.audit.bellman_error <= 0.5 + 1e-12
    >>> the_bound_holds()
    """
    ratio = 4.0 * (1.0 + epsilon) ** 2 if ratio is None else ratio
    if not (epsilon >= 0 and ratio >= 1 + epsilon):
        raise SpecError(f"epsilon is {epsilon} and ratio {ratio}, expected epsilon >= 0 and ratio >= 1 + epsilon")
    tree = draw(trees(**size))
    # From the root down: children's values spread by at most ratio / (1 + epsilon) around their mean, and the mean is
    # off by at most 1 + epsilon.
    spread, slip = 0.5 * math.log(ratio / (1.0 + epsilon)), math.log1p(epsilon)
    value = np.ones(tree.n_nodes)
    for node in range(tree.n_nodes - tree.n_leaves):
        edges = slice(tree.edge_ptr[node], tree.edge_ptr[node + 1])
        degree = int(edges.stop - edges.start)
        tilt = np.exp(draw(st.lists(st.floats(-spread, spread), min_size=degree, max_size=degree)))
        off = math.exp(draw(st.floats(-slip, slip)))
        value[edges.start + 1 : edges.stop + 1] = value[node] * tilt / (tree.edge_prob[edges] @ tilt) * off
    return Instance(tree, Scaled.from_float(value))
