"""SMC with SSP and killing: the offspring one by one, and the law against all clouds."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.treesim.zoo.brute import particles, same, values
from treesim.samplers.choices import Choices
from treesim.samplers.lazy_generator import LazyGenerator
from treesim.testing.strategies import instances, tame_numbers
from treesim.zoo.resampled_smc import killing, ssp

shares = st.lists(st.one_of(st.just(0.0), st.floats(0.01, 1.0)), min_size=1, max_size=4).filter(any)


def offspring(scheme, share):
    """Probabilities of the ordered ancestors."""
    law = defaultdict(float)
    for run in Choices().runs(lambda choices: tuple(scheme(share, LazyGenerator(choices))), 10_000):
        law[run.outcome] += run.mass
    assert sum(law.values()) == pytest.approx(1.0, abs=1e-12)
    return law


def normalised(weights):
    return [weight / math.fsum(weights) for weight in weights]


@given(shares)
def test_ssp_gives_each_its_whole_part_and_is_unbiased(weights):
    share = normalised(weights)
    n, mean = len(share), [0.0] * len(share)
    for parents, p in offspring(ssp, share).items():
        assert len(parents) == n
        for i, each in enumerate(share):
            assert math.floor(n * each - 1e-9) <= parents.count(i) <= math.ceil(n * each + 1e-9)
            mean[i] += p * parents.count(i)
    assert mean == pytest.approx([n * each for each in share], abs=1e-12)


def test_ssp_settles_neighbours_first():
    """Of two halves side by side exactly one is rounded up."""
    law = offspring(ssp, [1 / 8, 1 / 8, 3 / 8, 3 / 8])
    expected = {tuple(sorted((i, 2, 3, j))): 1 / 4 for i in (0, 1) for j in (2, 3)}
    assert dict(law) == pytest.approx(expected, abs=1e-15)


@given(shares)
def test_killing_replaces_one_by_one(weights):
    share = normalised(weights)
    law = offspring(killing, share)
    exact, top = [Fraction(each) for each in share], max(map(Fraction, share))
    total = sum(exact)
    for parents in itertools.product(range(len(share)), repeat=len(share)):
        chance = naive.product(
            (each / top if i == parent else 0) + (1 - each / top) * exact[parent] / total
            for i, (each, parent) in enumerate(zip(exact, parents, strict=True))
        )
        assert law[parents] == pytest.approx(float(chance), abs=1e-12)


def settled(share):
    """SSP of two: each its whole part, and the place that is left, if one is, to one of them by its rest."""
    whole = [math.floor(2 * each) for each in share]
    sure = [i for i, count in enumerate(whole) for _ in range(count)]
    if len(sure) == 2:
        return [(tuple(sure), Fraction(1))]
    return [(tuple(sorted([*sure, i])), 2 * share[i] - whole[i]) for i in (0, 1)]


def killed(share):
    """Killing of two."""
    top = max(share)
    for parents in itertools.product((0, 1), repeat=2):
        yield (
            parents,
            naive.product(
                (share[i] / top if i == parent else 0) + (1 - share[i] / top) * share[parent]
                for i, parent in enumerate(parents)
            ),
        )


@settings(max_examples=30)
@given(instances(tame_numbers, max_leaves=4, max_horizon=3))
def test_its_law_is_that_of_all_clouds(instance):
    value = values(instance)
    for scheme, law in (("ssp", settled), ("killing", killed)):
        expected = particles(instance, 2, lambda v: [(value[v], Fraction(1))], law)
        same(f"resampled-smc:particles=2,scheme={scheme}", instance, expected)
