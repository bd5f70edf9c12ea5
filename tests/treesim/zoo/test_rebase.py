"""REBASE against every front there is, and where it is another sampler."""

import itertools
import math
from fractions import Fraction

from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import blockwise, first_leaf, fronts, same, small_instances, values
from treesim.testing.strategies import instances, tame_numbers


def widths(weights, width):
    """The best share first, rounded up, of what is left."""
    if not any(weights):
        weights = [Fraction(1)] * len(weights)
    given_to = [0] * len(weights)
    for i in sorted(range(len(weights)), key=lambda i: -weights[i]):
        left = sum(w for w, n in zip(weights, given_to, strict=True) if not n)
        if width and weights[i]:
            given_to[i] = math.ceil(width * weights[i] / left)
            width -= given_to[i]
    return given_to


def rebase(instance, width):
    value, law = values(instance), [Fraction(0)] * instance.graph.n_leaves

    def follow(parents, chance):
        for front, p in fronts(instance, parents):
            scores = [value[v] for v in front]
            if front[0] >= first_leaf(instance):
                law[front[scores.index(max(scores))] - first_leaf(instance)] += chance * p
            else:
                shared = zip(front, widths(scores, width), strict=True)
                follow(tuple(v for v, n in shared for _ in range(n)), chance * p)

    follow((0,) * width, Fraction(1))
    return law


@settings(max_examples=40)
@given(small_instances)
def test_its_law_is_that_of_all_fronts(instance):
    for width in (1, 2, 3):
        same(f"rebase:width={width}", instance, rebase(instance, width))


def test_shares_are_rounded_up_from_the_best():
    assert widths([Fraction(5), Fraction(4), Fraction(1)], 4) == [2, 2, 0]
    assert widths([Fraction(1), Fraction(6), Fraction(1)], 5) == [1, 4, 0]
    assert widths([Fraction(0), Fraction(0)], 3) == [2, 1]


positive = instances(tame_numbers.map(lambda x: x or 0.5), max_leaves=4, max_horizon=2)


@given(positive)
def test_hot_it_is_best_of_n_and_cold_it_is_greedy(instance):
    reward = values(instance)[-instance.graph.n_leaves :]
    whole = naive.best_of(naive.reference(instance.graph), reward, 3)
    same("rebase:width=3,temperature=1e12", instance, whole)
    inner = sorted(values(instance)[1 : first_leaf(instance)])
    if all(b > a * Fraction(1001, 1000) for a, b in itertools.pairwise(inner)):
        same("rebase:width=3,temperature=1e-6", instance, blockwise(instance, 3, 1))
