"""SMC without replacement: what is kept is unbiased, and perfect values make it exact."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.treesim.zoo.brute import first_leaf, same, small_instances, values
from treesim import Instance, exact_law, optimal_twist
from treesim.samplers.choices import Choices
from treesim.samplers.lazy_generator import LazyGenerator
from treesim.testing.strategies import problems, tame_numbers
from treesim.zoo.smc_without_replacement import survivors

weights = st.lists(st.one_of(st.just(0.0), st.floats(0.01, 100.0)), min_size=1, max_size=6).filter(any)


@given(weights, st.integers(1, 4))
def test_what_is_kept_is_unbiased(weights, n):
    """All outcomes: means, who is sure, how many, and that the whole weight stays."""
    mean, mass = defaultdict(float), 0.0
    for run in Choices().runs(lambda choices: tuple(survivors(weights, n, LazyGenerator(choices)).items()), 10_000):
        kept = dict(run.outcome)
        mass += run.mass
        assert len(kept) == min(n, sum(weight > 0 for weight in weights))
        assert math.fsum(kept.values()) == pytest.approx(math.fsum(weights), rel=1e-12)
        lightest = min(kept.values())
        assert all(
            i in kept and kept[i] == weight for i, weight in enumerate(weights) if weight > lightest * (1 + 1e-12)
        )
        for i, weight in kept.items():
            mean[i] += run.mass * weight
    assert mass == pytest.approx(1.0, abs=1e-12)
    assert [mean[i] for i in range(len(weights))] == pytest.approx(weights, rel=1e-10, abs=1e-10)


def kept(weight, n):
    """The law of what is kept, as (probability, new weights); the teeth of a comb found on a grid of all its edges."""
    heavy, light = [], sorted((i for i, w in enumerate(weight) if w), key=lambda i: -weight[i])
    while light and (unit := sum(weight[i] for i in light) / max(n - len(heavy), 1)) <= weight[light[0]]:
        heavy.append(light.pop(0))
        if len(heavy) == n:
            break
    sure = {i: weight[i] for i in heavy}
    if len(light) + len(heavy) <= n:
        return [(Fraction(1), {i: w for i, w in enumerate(weight) if w})]
    light.sort()
    ends = [sum(weight[i] for i in light[:k]) / unit for k in range(len(light) + 1)]
    cuts = sorted({Fraction(0), Fraction(1), *(end % 1 for end in ends)})
    law = []
    for a, b in itertools.pairwise(cuts):
        teeth = [(a + b) / 2 + k for k in range(n - len(heavy))]
        hit = [light[next(k for k in range(len(light)) if tooth < ends[k + 1])] for tooth in teeth]
        law.append((b - a, sure | dict.fromkeys(hit, unit)))
    return law


def without_replacement(instance, n):
    tree, value = instance.graph, values(instance)
    law = [Fraction(0)] * tree.n_leaves

    def follow(cloud, chance):
        found = [(c, mass * p) for v, mass in cloud for c, p in naive.children(tree, v) if p > 0]
        weight = [mass * value[c] for c, mass in found]
        weight = weight if any(weight) else [mass for _, mass in found]
        if found[0][0] >= first_leaf(instance):
            for (c, _), share in zip(found, naive.normalised(weight), strict=True):
                law[c - first_leaf(instance)] += chance * share
            return
        for p, new in kept(weight, n):
            follow([(found[i][0], found[i][1] * w / weight[i]) for i, w in new.items()], chance * p)

    follow([(0, Fraction(1))], Fraction(1))
    return law


@settings(max_examples=40)
@given(small_instances)
def test_its_law_is_that_of_all_combs(instance):
    for n in (1, 2, 3):
        same(f"smc-without-replacement:particles={n}", instance, without_replacement(instance, n))


@given(problems(tame_numbers, max_leaves=7, max_horizon=4))
def test_perfect_values_make_it_exact_for_any_number(problem):
    tree, reward = problem
    with_zero = [math.log(r) if r else -math.inf for r in reward.tolist()]
    instance = Instance(tree, optimal_twist(tree, with_zero))
    for n in (1, 2, 3):
        found = exact_law(f"smc-without-replacement:particles={n}", instance)
        assert found.law.tv(instance.target).hi < 1e-11


@given(small_instances)
def test_one_particle_is_guided(instance):
    same("smc-without-replacement:particles=1", instance, naive.guided(instance.graph, values(instance)))
