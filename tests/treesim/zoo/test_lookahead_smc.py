"""Twisted SMC with lookahead against all rollouts there are, and where it is built-in SMC."""

import itertools
from fractions import Fraction

from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import after, first_leaf, independent, particles, same, small_instances, values
from treesim import Instance, Scaled, exact_law, family, sampler
from treesim.testing.strategies import instances, tame_numbers


def rollouts(instance, depth, count):
    """The values that the mean of V^ over so many rollouts may take."""
    value = values(instance)

    def twists(v):
        if v >= first_leaf(instance):
            return [(value[v], Fraction(1))]
        ends = after(instance, v, depth).items()
        return [
            (sum(value[c] for c, _ in drawn) / count, naive.product(p for _, p in drawn))
            for drawn in itertools.product(ends, repeat=count)
        ]

    return twists


@settings(max_examples=20)
@given(instances(tame_numbers, max_leaves=2, max_horizon=3))
def test_its_law_is_that_of_all_rollouts(instance):
    for depth, count in ((1, 1), (2, 1), (1, 2)):
        expected = particles(instance, 2, rollouts(instance, depth, count), independent)
        same(f"lookahead-smc:particles=2,depth={depth},rollouts={count}", instance, expected)


@settings(max_examples=20)
@given(small_instances)
def test_without_depth_it_is_smc(instance):
    law = exact_law("lookahead-smc:particles=2,depth=0", instance).law
    assert law.tv(sampler("smc:particles=2").law(instance)).hi < 1e-12


def test_to_the_end_it_needs_no_value():
    """What V^ says of inner prefixes does not matter, and of three rollouts the twist is nearer than of one."""
    instance = family("dirichlet", horizon=2, seed=4)
    value = instance.value.to_float().copy()
    value[:3] = [7.0, 100.0, 1.0]
    wrong = Instance(instance.graph, Scaled.from_float(value))
    one, other, three = (
        exact_law(f"lookahead-smc:particles=2,depth=2,rollouts={count}", each).law
        for each, count in ((instance, 1), (wrong, 1), (wrong, 3))
    )
    assert one.tv(other).hi < 1e-12
    perfect = sampler("smc:particles=2").law(instance)
    assert three.tv(perfect).mid < 0.7 * one.tv(perfect).mid


def test_more_particles_tend_to_the_target_whatever_the_values():
    instance = family("dirichlet", horizon=2, seed=4)
    value = instance.value.to_float().copy()
    value[:3] = [7.0, 100.0, 1.0]
    wrong = Instance(instance.graph, Scaled.from_float(value))
    far = [exact_law(f"lookahead-smc:particles={n}", wrong).law.tv(wrong.target).mid for n in (1, 2)]
    assert far[1] < far[0]
