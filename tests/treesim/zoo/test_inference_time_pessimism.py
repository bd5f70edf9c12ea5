"""Inference-time pessimism against every pool there is, and in its limits."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import same, small_instances, values
from treesim import Instance, Scaled, Tree, exact_law


def threshold(rewards, total):
    """The zero of a decreasing, piecewise linear function, bracketed by its kinks."""
    excess = lambda x: sum(max(r - x, 0) for r in rewards) - total  # noqa: E731
    kinks = [min(rewards) - total, *sorted(rewards)]
    low = max(x for x in kinks if excess(x) >= 0)
    above = [r for r in rewards if r > low]
    return low + excess(low) / len(above)


def pessimistic(instance, n, beta):
    prob, reward = naive.reference(instance.graph), values(instance)[-instance.graph.n_leaves :]
    law = [Fraction(0)] * len(prob)
    for pool in itertools.product(range(len(prob)), repeat=n):
        chance, top = naive.product(prob[i] for i in pool), max(reward[i] for i in pool)
        if top == 0:
            law[pool[0]] += chance
            continue
        cut = threshold([reward[i] for i in pool], n * beta)
        for i in pool:
            accept = max(reward[i] - cut, 0) / (top - cut)
            law[i] += chance * accept
            chance *= 1 - accept
        assert chance == 0
    return law


@settings(max_examples=40)
@given(small_instances)
def test_its_law_is_that_of_all_pools(instance):
    for beta in (Fraction(1, 4), Fraction(3), Fraction(50)):
        same(f"inference-time-pessimism:n=3,beta={float(beta)}", instance, pessimistic(instance, 3, beta))


@given(small_instances)
def test_a_small_beta_is_best_of_n_and_a_large_one_is_pi_ref(instance):
    reward = values(instance)[-instance.graph.n_leaves :]
    if all(a == b or abs(a - b) > Fraction(1, 1000) for a in reward for b in reward):
        same(
            "inference-time-pessimism:n=3,beta=1e-9",
            instance,
            naive.best_of(naive.reference(instance.graph), reward, 3),
        )
    same("inference-time-pessimism:n=3,beta=1e18", instance, naive.reference(instance.graph))


def test_with_beta_the_mean_reward_it_tends_to_the_target():
    """lambda is 0 then, and the weights are the rewards."""
    tree = Tree.complete(2, 1)
    instance = Instance(tree, Scaled.from_float([2.0, 1.0, 3.0]))
    far = [
        exact_law(f"inference-time-pessimism:n={n},beta=2.0", instance).law.tv(instance.target).mid
        for n in (2, 4, 8, 12)
    ]
    assert np.all(np.diff(far) < 0.0)
    assert far[-1] == pytest.approx(0.0, abs=0.06)
