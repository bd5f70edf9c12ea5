"""Random suffixes: the law against its transition matrix in rationals, the target stationary, trellises as trees."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.statistics import fits
from treesim import Draws, NoExactLaw, RandomSuffix, family, unroll
from treesim.testing.strategies import instances

INSTANCE = family("random-branching", horizon=3, branching=3, perturbation="log-normal:sigma=0.6", seed=9)


@given(instances(max_leaves=6), st.integers(0, 4))
@settings(max_examples=60)
def test_random_suffixes_are_their_transition_matrix(instance, steps):
    tree = instance.graph
    prob, reward = naive.reference(tree), naive.fractions(instance.reward.to_float())
    paths = [tree.path(leaf) for leaf in range(tree.n_leaves)]
    law = list(prob)
    for _ in range(steps):
        new = [Fraction(0)] * len(law)
        for x, mass in enumerate(law):
            if not mass:
                continue
            for t in range(tree.horizon):
                below = [y for y in range(len(law)) if paths[y][t] == paths[x][t]]
                total = sum(prob[y] for y in below)
                for y in below:
                    accept = Fraction(1) if reward[y] >= reward[x] else reward[y] / reward[x]
                    chance = mass * prob[y] / total / tree.horizon
                    new[y] += chance * accept
                    new[x] += chance * (1 - accept)
        law = new
    found = RandomSuffix(steps).law(instance).prob.to_float()
    np.testing.assert_allclose(found, [float(x) for x in law], rtol=1e-9, atol=1e-13)


def test_the_target_is_stationary_for_random_suffixes():
    law = RandomSuffix(400).law(INSTANCE)
    assert law.tv(INSTANCE.target).lo < 1e-9


def test_random_suffixes_on_a_trellis_follow_the_law_of_its_tree():
    instance = family("markov", horizon=4, states=2, seed=3)
    plain = unroll(instance)
    place = {tuple(plain.graph.choices(leaf)): leaf for leaf in range(plain.graph.n_leaves)}
    draws = RandomSuffix(3).simulate(instance, 60_000, seed=2)
    leaf = np.array([place[tuple(draws.choices(instance.graph, i))] for i in range(60_000)])
    assert fits(Draws(leaf, None, 0, 0), RandomSuffix(3).law(plain))


def test_the_cost_is_what_simulation_spends():
    n = 100_000
    draws, cost = RandomSuffix(5).simulate(INSTANCE, n, seed=3), RandomSuffix(5).cost(INSTANCE)
    assert draws.reference_draws / n == pytest.approx(cost.reference_draws, rel=0.02)
    assert draws.value_queries / n == pytest.approx(cost.value_queries, rel=0.02)


def test_the_law_needs_a_tree():
    with pytest.raises(NoExactLaw, match="random-suffix has an exact law on trees"):
        RandomSuffix(3).law(family("markov", horizon=4))
