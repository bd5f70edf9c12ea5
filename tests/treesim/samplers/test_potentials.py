"""Samplers on trellises whose edges carry potentials: their laws, and what they draw, against the unrolled tree."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings

from tests.treesim.graphs.test_potentials import paths
from treesim import (
    Instance,
    Layer,
    NoExactLaw,
    Scaled,
    Trellis,
    estimate,
    exact_law,
    family,
    optimal_twist,
    sampler,
    unroll,
)  # fmt: skip
from treesim.empirical.measure import measure
from treesim.graphs.potentials import with_potentials
from treesim.laws.law import PathListLaw, WalkLaw
from treesim.laws.path_reward import expected_reward
from treesim.testing import check_sampler
from treesim.testing.strategies import weighted_instances

WEIGHTED = family("markov", horizon=4, states=2, reward="additive", perturbation="random-sign", epsilon=0.3, seed=3)
TREE = unroll(WEIGHTED)
WALKS = ("base", "sp-gsmc", "sp-gsmc:pool=3", "sp-gsmc:pool=3,select=race", "smc:particles=1")
LISTED = ("smc:particles=2", "smc:particles=3,proposal=optimal", "smc:particles=2,final=race")
CORRECTED = ("sp-gsmc:mh=3", "sp-gsmc:reject=3", "sp-gsmc:chebyshev=4", "race:n=4", "rejection:budget=4",
             "rejection:budget=4,fallback=base", "rejection:budget=4,slack=1.5", "exact-guided", "beam:width=2",
             "beam:width=2,score=value")  # fmt: skip
UNKNOWN = ("best-of-n:n=4", "importance:n=4", "soft-best-of-n:n=4,temperature=0.5", "rejection:budget=2,fallback=fail")


def by_path(law, graph):
    """The probability of each path, in the order of the leaves of the unrolled tree."""
    edges = paths(graph)
    if isinstance(law, WalkLaw):
        prob = Scaled.from_float(np.ones(len(edges)))
        for t in range(graph.horizon):
            prob *= law.steps.edges(t)[edges[:, t].astype(np.int64)]
        return prob.to_float()
    assert isinstance(law, PathListLaw)
    listed = dict(zip(map(tuple, law.edges.tolist()), law.prob.to_float(), strict=True))
    return np.array([listed.get(tuple(path), 0.0) for path in edges.tolist()])


def same_law(spec, instance):
    """Fail unless the law is that on the unrolled tree, path by path."""
    own, other = sampler(spec).law(instance), sampler(spec).law(unroll(instance))
    np.testing.assert_allclose(by_path(own, instance.graph), other.prob.to_float(), rtol=1e-10, atol=1e-13)


@given(weighted_instances(max_horizon=3, max_edges=3))
@settings(max_examples=40)
def test_target_and_walks_are_those_of_the_unrolled_tree(instance):
    target = unroll(instance).target.prob.to_float()
    np.testing.assert_allclose(by_path(instance.target, instance.graph), target, rtol=1e-11, atol=1e-14)
    same_law("base", instance)
    # Where a potential is zero a guided walk that has no choice goes on as if it had been one.
    if not any((instance.graph.potential(t).mantissa == 0).any() for t in range(instance.graph.horizon)):
        for spec in WALKS[1:]:
            same_law(spec, instance)


@pytest.mark.parametrize("spec", WALKS + LISTED)
def test_laws_are_those_of_the_unrolled_tree_path_by_path(spec):
    same_law(spec, WEIGHTED)


@pytest.mark.parametrize("spec", CORRECTED)
def test_corrected_laws_are_as_far_from_the_target_as_on_the_unrolled_tree(spec):
    own, other = (sampler(spec).law(each).tv(each.target) for each in (WEIGHTED, TREE))
    assert own.lo - 1e-12 <= other.lo <= own.hi + 1e-12
    assert own.hi - own.lo < 2e-6
    costs = [sampler(spec).cost(each) for each in (WEIGHTED, TREE)]
    assert costs[0].value_queries == pytest.approx(costs[1].value_queries, rel=1e-9)


@pytest.mark.parametrize("spec", UNKNOWN)
def test_what_the_leaf_cannot_tell_is_refused_and_measured_on_the_unrolled_tree(spec):
    with pytest.raises(NoExactLaw, match=r"edges.* carry potentials"):
        sampler(spec).law(WEIGHTED)
    assert measure(spec, WEIGHTED).tv == measure(spec, TREE).tv
    assert measure(spec, WEIGHTED).expected_reward == pytest.approx(measure(spec, TREE).expected_reward)


@pytest.mark.parametrize("spec", ["base", "sp-gsmc", "smc:particles=2"])
def test_the_expected_reward_counts_potentials(spec):
    own_law = sampler(spec).law(WEIGHTED)
    found = expected_reward(own_law, WEIGHTED.graph, WEIGHTED.reward)
    law = sampler(spec).law(TREE)
    assert found == pytest.approx(law.expected(TREE.reward), rel=1e-12)
    assert found != pytest.approx(1.0, rel=0.05)
    own, other = measure(spec, WEIGHTED), measure(spec, TREE)
    for name in ("expected_reward", "kl", "chi2", *(["kl_from_target"] if isinstance(own_law, WalkLaw) else [])):
        assert getattr(own, name) == pytest.approx(getattr(other, name), rel=1e-10), name


DRAWN = (*WALKS, *LISTED, *CORRECTED[:7], "exact-guided", "best-of-n:n=4", "importance:n=4",
         "soft-best-of-n:n=4,temperature=0.5", "smc:particles=3,resampling=systematic",
         "rejection:budget=2,fallback=fail",
         "smc:particles=3,proposal=pool,pool=2", "particle-gibbs:particles=3,sweeps=2", "random-suffix:steps=3",
         "smc:particles=4,threshold=0.5", "sp-gsmc:pool=2,mh=3")  # fmt: skip


def leaf_of(draws, i):
    """The leaf of the unrolled tree that an output is, -1 for nothing."""
    choices = draws.choices(WEIGHTED.graph, i)
    return -1 if choices is None else TREE.graph.follow(choices)


@pytest.mark.parametrize("spec", DRAWN)
def test_draws_follow_the_law_on_the_unrolled_tree(spec):
    """Paths drawn on the trellis, as leaves of the tree: false alarms at 1e-6; 40,000 draws tell a TV of 0.06.

    Without a law it is that of 400,000 draws on the tree, whose noise adds a twentieth to the variance: alpha is 1e-9.
    """

    def draw(n, rng):
        draws = sampler(spec).simulate(WEIGHTED, n, seed=5)
        _, first, kind = np.unique(draws.edges, axis=0, return_index=True, return_inverse=True)
        return np.array([leaf_of(draws, i) for i in first])[kind.ravel()]

    try:
        law = sampler(spec).law(TREE)
    except NoExactLaw:
        count = sampler(spec).simulate(TREE, 400_000, seed=6).leaf
        law = np.bincount(count, minlength=TREE.graph.n_leaves) / 400_000
        law = law / law.sum()
        check_sampler(draw, TREE, law, alpha=1e-9, n=20_000)
        return
    assert check_sampler(draw, TREE, law, n=40_000).catches < 0.06


@pytest.mark.parametrize(
    "spec", ["smc:particles=4", "smc:particles=4,proposal=optimal", "smc:particles=4,threshold=0.5"]
)
def test_smc_estimates_the_partition_function_without_bias(spec):
    """The mean of 20,000 estimates of Z, of a relative deviation of about 1: within 5 of its own, 5/140."""
    draws = sampler(spec).simulate(WEIGHTED, 20_000, seed=1)
    ratio = np.exp(draws.log_partition - WEIGHTED.audit.log_partition)
    assert 0.05 < ratio.std() < 1.2
    assert abs(ratio.mean() - 1.0) < 5.0 * ratio.std() / np.sqrt(len(ratio))


def test_particles_apart_keep_their_own_past():
    """Paths traced back through populations whose particles are listed one by one: as above, on the tree's law."""

    def draw(n, rng):
        clouds = sampler("smc:particles=5").clouds(WEIGHTED, n, rng, keeps_ancestry=True, apart=True)
        draws = clouds.draw()
        _, first, kind = np.unique(draws.edges, axis=0, return_index=True, return_inverse=True)
        return np.array([leaf_of(draws, i) for i in first])[kind.ravel()]

    law = exact_law_of_five()
    check_sampler(draw, TREE, law, alpha=1e-9, n=20_000)


def exact_law_of_five():
    """The law of five particles on the tree, from 400,000 draws."""
    count = np.bincount(sampler("smc:particles=5").simulate(TREE, 400_000, seed=6).leaf, minlength=TREE.graph.n_leaves)
    return count / count.sum()


def test_an_oracle_tells_what_prefixes_of_the_unrolled_tree_are_worth():
    def best_of_two(oracle, rng):
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            pair = [oracle.draw(prefix) for _ in range(2)]
            prefix = max(pair, key=oracle.value)
        return prefix

    own, other = (exact_law(best_of_two, each).law for each in (WEIGHTED, TREE))
    np.testing.assert_allclose(by_path(own, WEIGHTED.graph), other.prob.to_float(), rtol=1e-12)
    own, other = (exact_law("rebase:width=2", each).law.tv(each.target).mid for each in (WEIGHTED, TREE))
    assert own == pytest.approx(other, abs=1e-12)


def test_runs_bound_the_tv_and_do_not_tell_the_expected_reward():
    found = estimate("smc:particles=3", WEIGHTED, n=40_000)
    exact = sampler("smc:particles=3").law(WEIGHTED).tv(WEIGHTED.target).lo
    assert found.tv.lo <= exact <= found.tv.hi < 1.0
    assert found.expected_reward is None


def test_draws_tell_the_reward_of_their_paths():
    draws = sampler("sp-gsmc").simulate(WEIGHTED, 200, seed=1)
    leaf = [TREE.graph.follow(draws.choices(WEIGHTED.graph, i)) for i in range(200)]
    np.testing.assert_allclose(draws.log_reward(WEIGHTED), TREE.log_reward[leaf], rtol=1e-12, atol=1e-12)
    assert len(Counter(leaf)) > 3


def test_at_a_horizon_that_cannot_be_unrolled_laws_stay_near_closed_forms():
    """One state and one step again and again: the product model, whose reward is then one potential a step."""
    step = Layer(np.array([0, 2]), np.array([0.5, 0.5]), np.zeros(2, np.int32))
    loop = Trellis(np.arange(402), [step], np.zeros(400, np.int64))
    graph = with_potentials(loop, [np.log([1.0, 3.0])] * 400)
    instance = Instance(graph, optimal_twist(graph, np.zeros(1)))
    product = family("perfect-value", horizon=400, ratio=3.0, form="trellis")
    assert instance.audit.log_partition == pytest.approx(400 * np.log(2.0))
    for spec in ("base", "smc:particles=16"):
        own, other = (sampler(spec).law(each).tv(each.target) for each in (instance, product))
        assert own.mid == pytest.approx(other.mid, abs=2e-6)
