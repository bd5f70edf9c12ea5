"""PUCT against a search of its own, counted by choices in a dictionary, and in its limits."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim import Instance, Scaled, Tree, exact_law, family
from treesim.testing.strategies import instances

positive = instances(st.floats(0.1, 10.0), max_leaves=6, max_horizon=3)


def searched(tree, value, simulations, exploration):
    """The law at temperature 1: visits of one search, continued below each child that may be taken."""
    children = {v: range(tree.edge_ptr[v] + 1, tree.edge_ptr[v + 1] + 1) for v in range(len(tree.edge_ptr) - 1)}
    law = Counter()

    def play(v, visits, sums, chance):
        if v not in children:
            law[v] += chance
            return
        visits, sums = Counter(visits), Counter(sums)
        for _ in range(simulations):
            way = [v]
            while visits[way[-1]] and way[-1] in children:
                own = visits[way[-1]]
                best = max(
                    (c for c in children[way[-1]] if tree.edge_prob[c - 1] > 0),
                    key=lambda c: (
                        (sums[c] / visits[c] if visits[c] else 0.0)
                        + exploration * tree.edge_prob[c - 1] * math.sqrt(own) / (1 + visits[c])
                    ),
                )
                way.append(best)
            for each in way:
                visits[each] += 1
                sums[each] += value[way[-1]] / value[0] if way[-1] else 1.0
        total = sum(visits[c] for c in children[v])
        for c in children[v]:
            if visits[c]:
                play(c, visits, sums, chance * visits[c] / total)

    play(0, {}, {}, 1.0)
    return [law[v] for v in range(tree.n_nodes - tree.n_leaves, tree.n_nodes)]


@given(positive)
def test_its_law_is_that_of_the_visits(instance):
    for simulations, exploration in ((2, 1.0), (5, 0.3), (12, 2.0)):
        law = exact_law(f"puct:simulations={simulations},exploration={exploration}", instance).law.prob.to_float()
        assert law == pytest.approx(
            searched(instance.graph, instance.value.to_float(), simulations, exploration), abs=1e-12
        )


def test_exploration_alone_visits_by_the_prior():
    tree = Tree.complete(3, 1, policy=[0.5, 0.3, 0.2])
    instance = Instance(tree, Scaled.from_float([2.0, 1.0, 2.0, 4.0]))
    law = exact_law("puct:simulations=4001,exploration=1e9", instance).law.prob.to_float()
    assert law == pytest.approx([0.5, 0.3, 0.2], abs=2e-3)


def test_a_long_search_finds_the_best_path_if_it_explores():
    """The best path begins with a token of probability 0.03, which a mean value that is good enough hides."""
    instance = family("dirichlet", horizon=3, seed=1)
    best = instance.reward.to_float().argmax()
    far, short = (
        exact_law(f"puct:simulations=3000,temperature=0,exploration={c}", instance).law.prob.to_float() for c in (3, 1)
    )
    assert (far[best], short[best]) == (1.0, 0.0)


def test_temperature_sharpens_the_visits():
    tree = Tree.complete(2, 1)
    instance = Instance(tree, Scaled.from_float([1.5, 1.0, 2.0]))
    hot = exact_law("puct:simulations=10", instance).law.prob.to_float()
    cold = exact_law("puct:simulations=10,temperature=0.5", instance).law.prob.to_float()
    assert cold == pytest.approx(hot**2 / np.sum(hot**2), abs=1e-12)
    assert 0.0 < hot[0] < hot[1]
