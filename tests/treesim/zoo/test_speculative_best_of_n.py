"""Speculative soft best-of-N against all drafts there are, and where it is a pool of pi_ref."""

import itertools
from fractions import Fraction

from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import same, values
from treesim import Instance, Scaled, Tree, exact_law, family, sampler
from treesim.testing.strategies import instances, tame_numbers


def speculative(instance, n, threshold):
    """With the uniform draft."""
    value = values(instance)

    def step(v, edges):
        inside = [(c, p) for c, p in edges if p > 0]
        nodes, prob = [c for c, _ in edges], [p for _, p in edges]
        fresh = dict(zip(nodes, naive.weighted_pick(prob, [value[c] for c in nodes], n), strict=True))
        law = dict.fromkeys(fresh, Fraction(0))
        for pool in itertools.product(inside, repeat=n):
            tilted = [value[c] * p * len(inside) for c, p in pool]
            share = naive.normalised(tilted) if any(tilted) else [Fraction(1, n)] * n
            for (c, _), weight, each in zip(pool, tilted, share, strict=True):
                chance = each * Fraction(1, len(inside)) ** n
                if weight < threshold * value[v]:
                    for b, q in fresh.items():
                        law[b] += chance * q
                else:
                    law[c] += chance
        return [law[c] for c, _ in edges]

    return naive.walk_law(instance.graph, step)


@settings(max_examples=25)
@given(instances(tame_numbers, max_leaves=3, max_horizon=2))
def test_its_law_is_that_of_all_drafts(instance):
    for n, threshold in ((1, 0.7), (2, 0.0), (2, 0.9)):
        spec = f"speculative-best-of-n:n={n},draft=0,threshold={threshold}"
        same(spec, instance, speculative(instance, n, Fraction(threshold)))


def test_where_the_draft_is_pi_ref_or_never_taken_it_is_a_pool():
    instance = family("dirichlet", horizon=2, perturbation="log-normal:sigma=1", seed=2)
    pool = sampler("sp-gsmc:pool=2").law(instance)
    for setting in ("threshold=inf", "threshold=inf,draft=0", "draft=1,threshold=0"):
        assert exact_law(f"speculative-best-of-n:n=2,{setting}", instance).law.tv(pool).hi < 1e-12
    assert exact_law("speculative-best-of-n:n=2,draft=1,threshold=1", instance).law.tv(pool).lo > 1e-3


def test_a_threshold_leaves_a_bias_that_no_number_of_drafts_removes():
    """What is below it is drawn anew: of targets 1/3 and 2/3 there remain 1/9 and 8/9."""
    instance = Instance(Tree.complete(2, 1), Scaled.from_float([1.5, 1.0, 2.0]))
    far = {}
    for threshold in (Fraction(0), Fraction(9, 10)):
        laws = [speculative(instance, n, threshold) for n in (2, 4, 8)]
        far[threshold] = [float(abs(law[0] - Fraction(1, 3))) for law in laws]
        same(f"speculative-best-of-n:n=4,draft=0,threshold={float(threshold)}", instance, laws[1])
    free, held = far.values()
    assert free[0] > free[1] > free[2] and free[2] < 0.02
    assert 0.15 < held[0] < held[1] < held[2] < 2 / 9
