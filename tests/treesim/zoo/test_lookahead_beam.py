"""Sampled beam search with lookahead against every front there is, and where it is another sampler."""

from fractions import Fraction

import pytest
from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import blockwise, first_leaf, fronts, same, small_instances, values
from treesim import Instance, Scaled, SpecError, Tree, exact_law
from treesim.testing.strategies import instances, tame_numbers
from treesim.zoo.lookahead_beam import LookaheadBeam


def beams(instance, n, width, lookahead):
    tree, value = instance.graph, values(instance)
    law = [Fraction(0)] * tree.n_leaves

    def score(v):
        for _ in range(lookahead):
            if v < first_leaf(instance):
                v = max((c for c, _ in naive.children(tree, v)), key=lambda c: tree.edge_prob[c - 1])
        return value[v]

    def follow(parents, chance):
        for front, p in fronts(instance, parents):
            order = sorted(front, key=lambda v: -score(v))
            if front[0] >= first_leaf(instance):
                law[order[0] - first_leaf(instance)] += chance * p
            else:
                follow(tuple(v for v in order[: n // width] for _ in range(width)), chance * p)

    follow((0,) * n, Fraction(1))
    return law


@settings(max_examples=30)
@given(instances(tame_numbers, max_leaves=4, max_horizon=3))
def test_its_law_is_that_of_all_fronts(instance):
    for n, width, lookahead in ((2, 2, 1), (3, 1, 2), (2, 1, 0)):
        same(
            f"lookahead-beam:beams={n},width={width},lookahead={lookahead}",
            instance,
            beams(instance, n, width, lookahead),
        )


@settings(max_examples=15)
@given(instances(tame_numbers, max_leaves=4, max_horizon=2, max_branching=2))
def test_so_it_is_with_several_beams_that_fork(instance):
    same("lookahead-beam:beams=4,width=2,lookahead=1", instance, beams(instance, 4, 2, 1))


@given(small_instances)
def test_one_beam_without_lookahead_is_stepwise_best_of_n(instance):
    same("lookahead-beam:beams=3,width=3,lookahead=0", instance, blockwise(instance, 3, 1))


def test_a_rollout_sees_what_its_prefix_hides():
    """The left prefix is worth 8.6 and looks worth 1; its likeliest end shows that, the unlikely one would not."""
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 0.9, 0.1, 0.9, 0.1])
    instance = Instance(tree, Scaled.from_float([5.0, 1.0, 2.0, 9.5, 0.1, 1.0, 8.0]))
    left = [
        exact_law(f"lookahead-beam:beams=3,width=3,lookahead={k}", instance).law.prob.to_float()[:2].sum()
        for k in (0, 1)
    ]
    assert left == pytest.approx([1 / 8, 7 / 8], abs=1e-12)


def test_beams_are_a_multiple_of_the_width():
    with pytest.raises(SpecError, match="beams is 3, expected a multiple of the width, 2"):
        LookaheadBeam(beams=3)
