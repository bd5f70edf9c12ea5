"""Random small trees and rewards: zero probabilities, single children, zero, huge and tiny rewards."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from treesim import Instance, Layer, Scaled, Tree, Trellis

MOST_LEAVES = 7

HUGE, TINY = 1e304, 1e-304  # exp(+-700), nearly


@st.composite
def small_trees(draw: st.DrawFn, most_leaves: int = MOST_LEAVES) -> Tree:
    """Horizon 1 to 4, at most `most_leaves` leaves, probabilities from small weights, some of them zero."""
    horizon = draw(st.integers(1, 4))
    sizes, degrees, probs = [1], [], []
    for _ in range(horizon):
        room = most_leaves - sizes[-1]
        level = []
        for _ in range(sizes[-1]):
            degree = draw(st.integers(1, min(3, 1 + room)))
            room -= degree - 1
            weights = draw(st.lists(st.integers(0, 4), min_size=degree, max_size=degree).filter(any))
            level.append(degree)
            probs.extend(w / sum(weights) for w in weights)
        degrees.extend(level)
        sizes.append(sum(level))
    return Tree(np.cumsum([0, *sizes]), np.cumsum([0, *degrees]), np.array(probs))


rewards = st.one_of(
    st.sampled_from([0.0, 1.0, 2.0, HUGE, TINY]), st.floats(0.01, 100.0), st.floats(TINY, HUGE, allow_subnormal=False)
)


@st.composite
def small_problems(draw: st.DrawFn, most_leaves: int = MOST_LEAVES, reward=rewards) -> tuple[Tree, np.ndarray]:
    """A tree and linear rewards, at least one of them positive where pi_ref goes."""
    tree = draw(small_trees(most_leaves))
    reward = np.array(draw(st.lists(reward, min_size=tree.n_leaves, max_size=tree.n_leaves)))
    *_, reach = tree.reachable()
    if not reward[reach].any():
        reward[np.flatnonzero(reach)[0]] = 1.0
    return tree, reward


@st.composite
def small_instances(draw: st.DrawFn, most_leaves: int = MOST_LEAVES) -> Instance:
    """A tree, rewards, and inner values of no particular quality, zeros among them."""
    tree, reward = draw(small_problems(most_leaves))
    n_inner = tree.n_nodes - tree.n_leaves
    inner = draw(st.lists(rewards, min_size=n_inner, max_size=n_inner))
    return Instance(tree, Scaled.from_float(np.concatenate([inner, reward])))


@st.composite
def small_trellises(draw: st.DrawFn, most_edges: int = 4, most_horizon: int = 5) -> Trellis:
    """1 to 3 nodes a level; parallel edges, nodes that nothing leads to, and layers used twice among them."""
    horizon = draw(st.integers(1, most_horizon))
    sizes = [1, *draw(st.lists(st.integers(1, 3), min_size=horizon, max_size=horizon))]
    layers, order = [], []
    for parents, children in itertools.pairwise(sizes):
        same = [
            i for i, layer in enumerate(layers) if (len(layer.ptr) - 1, layer.child.max() + 1) == (parents, children)
        ]
        if same and draw(st.booleans()):
            order.append(same[0])
            continue
        degrees = draw(st.lists(st.integers(1, most_edges), min_size=parents, max_size=parents))
        prob: list[float] = []
        for degree in degrees:
            weights = draw(st.lists(st.integers(0, 4), min_size=degree, max_size=degree).filter(any))
            prob.extend(w / sum(weights) for w in weights)
        child = draw(st.lists(st.integers(0, children - 1), min_size=len(prob), max_size=len(prob)))
        order.append(len(layers))
        layers.append(Layer(np.cumsum([0, *degrees]), np.array(prob), np.array(child, np.int32)))
    return Trellis(np.cumsum([0, *sizes]), layers, np.array(order))


tame = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0.01, 100.0))


@st.composite
def trellis_instances(draw: st.DrawFn, number=tame, **size: int) -> Instance:
    """A small trellis with rewards and inner values of no particular quality, zeros among them."""
    trellis = draw(small_trellises(**size))
    value = np.array(draw(st.lists(number, min_size=trellis.n_nodes, max_size=trellis.n_nodes)))
    *_, reach = trellis.reachable()
    if not value[trellis.leaves][reach].any():
        value[trellis.leaves.start + np.flatnonzero(reach)[0]] = 1.0
    return Instance(trellis, Scaled.from_float(value))
