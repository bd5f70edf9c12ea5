"""Corrected laws: closed forms against powers of the transition matrix, on trees and, enclosed, on trellises."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from tests import naive
from tests.shapes import trellis
from tests.statistics import fits
from treesim import (
    GuidedSMC,
    Instance,
    Layer,
    LeafLaw,
    NoExactLaw,
    Scaled,
    SpecError,
    Tree,
    Trellis,
    family,
    merge,
    unroll,
)
from treesim.laws.corrected import MHLaw, Offers, _shortfall, corrected_law, rejection_law
from treesim.laws.ratio_law import RatioLaw
from treesim.testing.strategies import instances, trees, trellis_instances


def chain_law(q, p, steps):
    """The state after each offer, weighed by p/q."""
    return naive.metropolis(q, [a / b if b else Fraction(0) for a, b in zip(p, q, strict=True)], steps)


def naive_rejection(q, p, budget):
    """K draws one by one, the last one kept if none is accepted."""
    largest = max(a / b for a, b in zip(p, q, strict=True) if b)
    accept = [a / b / largest if a and b else Fraction(0) for a, b in zip(p, q, strict=True)]
    law, left = [Fraction(0)] * len(q), Fraction(1)
    for i in range(budget):
        last = i == budget - 1
        for x, offer in enumerate(q):
            law[x] += left * offer * (1 if last else accept[x])
        left *= 1 - sum(b * a for b, a in zip(q, accept, strict=True))
    return law


@given(instances(), st.integers(1, 6))
@settings(max_examples=150)
def test_the_law_after_h_offers_is_that_of_the_chain(instance, steps):
    q = naive.guided(instance.graph, naive.fractions(instance.value.to_float()))
    p = naive.target(instance.graph, naive.fractions(instance.reward.to_float()))
    found = GuidedSMC(mh=steps).law(instance).prob.to_float()
    np.testing.assert_allclose(found, [float(x) for x in chain_law(q, p, steps)], rtol=1e-9, atol=1e-13)


@given(instances(), st.integers(1, 5))
@settings(max_examples=100)
def test_the_law_of_rejection_is_that_of_its_draws(instance, budget):
    rejection_is_that_of_its_draws(instance, budget)


@pytest.mark.parametrize("budget", [2, 3, 5])
def test_the_law_of_rejection_is_that_of_its_draws_where_some_are_refused(budget):
    refused = escaped = 0

    @given(trees(), st.integers(0, 2**32))
    @settings(max_examples=60)
    def check(tree, seed):
        nonlocal refused, escaped
        rng = np.random.default_rng(seed)
        value = np.exp(rng.normal(size=tree.n_nodes))
        inner = np.arange(1, tree.leaves.start)
        value[inner[rng.random(len(inner)) < 0.1]] = 0.0
        expected, p, q = rejection_is_that_of_its_draws(Instance(tree, Scaled.from_float(value)), budget)
        refused += expected not in (p, q)
        escaped += any(a and not b for a, b in zip(p, q, strict=True)) and expected != q

    check()
    assert refused > 20, refused
    assert escaped > 0, escaped


def rejection_is_that_of_its_draws(instance, budget):
    """Compare with draw after draw; the law, the target and the proposal."""
    q = naive.guided(instance.graph, naive.fractions(instance.value.to_float()))
    p = naive.target(instance.graph, naive.fractions(instance.reward.to_float()))
    assume(all(a / b <= 10**12 for a, b in zip(p, q, strict=True) if b))
    event("the target goes where guidance does not" if any(a and not b for a, b in zip(p, q, strict=True)) else "")
    sampler, expected = GuidedSMC(reject=budget), naive_rejection(q, p, budget)
    law = sampler.law(instance)
    np.testing.assert_allclose(law.prob.to_float(), [float(x) for x in expected], rtol=1e-9, atol=1e-12)
    assert law.tv(instance.target).lo == pytest.approx(float(naive.tv(expected, p)), abs=1e-12)
    largest = max((a / b for a, b in zip(p, q, strict=True) if b), default=Fraction(0))
    accepted = sum(a for a, b in zip(p, q, strict=True) if b) / largest if largest else Fraction(0)
    paths = float(sum((1 - accepted) ** k for k in range(budget)))
    assert sampler.cost(instance).value_queries == pytest.approx(paths * GuidedSMC().cost(instance).value_queries)
    return expected, p, q


@given(st.sampled_from([0.0, 1e-38, 1e-300]), st.sampled_from([2, 3]))
def test_rejection_where_the_target_is_nearly_out_of_reach(reward, budget):
    """All of the target but a share that floats lose beside one, or all of it, is where guidance never goes."""
    instance = Instance(Tree.complete(2, 2), Scaled.from_float([1.0, 0.0, 1.0, 1e4, 0.0, reward, 2 * reward]))
    rejection_is_that_of_its_draws(instance, budget)
    sampler, merged = GuidedSMC(reject=budget), merge(instance)[0]
    assert sampler.cost(merged).value_queries == pytest.approx(sampler.cost(instance).value_queries)


@given(trellis_instances(max_horizon=4, max_edges=3), st.integers(2, 5))
@settings(max_examples=100)
def test_rejection_on_a_trellis_is_that_on_its_tree(instance, budget):
    tree, sampler = unroll(instance), GuidedSMC(reject=budget)
    law, plain = sampler.law(instance), sampler.law(tree)
    for width in (1e-2, 1e-6):
        tv, exact = law.tv(instance.target, width=width), plain.tv(tree.target).lo
        assert tv.lo - 1e-12 <= exact <= tv.hi + 1e-12
        assert tv.hi - tv.lo <= width
    assert law.expected(instance.reward) == pytest.approx(plain.expected(tree.reward))
    assert law.chi2(instance.target) == pytest.approx(plain.chi2(tree.target), rel=1e-6, abs=1e-9)
    assert sampler.cost(instance).value_queries == pytest.approx(sampler.cost(tree).value_queries)


def test_a_target_that_guidance_cannot_reach_stays_out_of_reach():
    """Four equal leaves, and V^ = 0 above two of them."""
    tree = Tree.complete(2, 2)
    instance = Instance(tree, Scaled.from_float([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]))
    for given_instance in (instance, merge(instance)[0]):
        law = GuidedSMC(reject=8).law(given_instance)
        assert law.tv(given_instance.target).lo == pytest.approx(0.5, abs=1e-12)
    assert fits(GuidedSMC(reject=8).simulate(instance, 20_000, seed=1), GuidedSMC(reject=8).law(instance))


@given(trellis_instances(max_horizon=4, max_edges=3), st.integers(2, 6))
@settings(max_examples=120)
def test_the_interval_of_an_mh_chain_on_a_trellis_contains_the_rational_answer(instance, steps):
    tree = unroll(instance)
    q = naive.guided(tree.graph, naive.fractions(tree.value.to_float()))
    p = naive.target(tree.graph, naive.fractions(tree.reward.to_float()))
    exact = naive.tv(chain_law(q, p, steps), p)
    for width in (1e-2, 1e-6):
        tv = GuidedSMC(mh=steps).law(instance).tv(instance.target, width=width)
        assert Fraction(tv.lo) <= exact <= Fraction(tv.hi)
        assert tv.hi - tv.lo <= width


@pytest.mark.parametrize("share", [1e-12, 0.05, 0.3])
@pytest.mark.parametrize("step", [0.3, 0.01])
def test_an_mh_chain_on_a_grid_that_drops_thin_ends_is_enclosed_too(step, share):
    dropped = 0
    for seed in range(12):
        instance, steps = trellis(seed), 2 + seed % 4
        tree = unroll(instance)
        q = naive.guided(tree.graph, naive.fractions(tree.value.to_float()))
        p = naive.target(tree.graph, naive.fractions(tree.reward.to_float()))
        law = GuidedSMC(mh=steps).law(instance)
        problem = law.proposal.problem(instance.target)
        problem.lattice = None
        ratio = problem._whole(step, share, None)
        low, high = law._bounds(ratio, float(problem.escape[0]))
        assert Fraction(low) <= naive.tv(chain_law(q, p, steps), p) <= Fraction(high)
        dropped += ratio.dropped > 0.01
    assert share < 0.1 or dropped > 5, dropped


def test_a_million_offers_cost_what_two_cost_and_leave_nothing():
    instance = family("dirichlet", horizon=10, perturbation="random-sign", epsilon="2/T", seed=1)
    assert GuidedSMC(mh=1_000_000).law(instance).tv(instance.target).lo < 1e-12
    long = family("markov", horizon=100, perturbation="random-sign", epsilon="2/T", seed=1)
    assert GuidedSMC(mh=200).law(long).tv(long.target).hi < 1e-6


def test_more_offers_are_never_worse_and_a_two_point_ratio_decays_as_it_must():
    """r in {1/k, k} with P(r = k) = p under q: TV falls by the factor (1 - p) (1 - k^-2) an offer."""
    k = 3.0
    p = 1.0 / (1.0 + k)  # E_q[r] = 1
    proposal = LeafLaw(Scaled.from_float([p, 1 - p]))
    target = LeafLaw(Scaled.from_float([p * k, (1 - p) / k]))
    found = [corrected_law(proposal, target, H).tv(target).lo for H in range(1, 8)]
    np.testing.assert_allclose(np.divide(found[1:], found[:-1]), (1 - p) * (1 - k**-2), rtol=1e-9)


def test_a_mixture_is_what_it_says():
    proposal, target = (LeafLaw(Scaled.from_float(p)) for p in ([0.5, 0.5], [0.25, 0.75]))
    # C = 3/2: the last of two is returned with probability 1/3.
    assert rejection_law(proposal, target, 2).tv(target).lo == pytest.approx(0.25 / 3)


def test_corrections_that_exclude_each_other_are_refused():
    with pytest.raises(SpecError, match="at most one correction"):
        GuidedSMC(mh=2, reject=2)
    with pytest.raises(SpecError, match="a pool of 3 cannot be corrected by rejection"):
        GuidedSMC(pool=3, reject=2)


def test_corrected_laws_know_the_distance_to_their_own_target_only():
    instance = family("markov", horizon=4, perturbation="random-sign", epsilon=0.1)
    for sampler in (GuidedSMC(mh=2), GuidedSMC(reject=2)):
        with pytest.raises(NoExactLaw, match=r"(own|that) target only"):
            sampler.law(instance).tv(instance.reference)


def test_a_chain_that_never_meets_the_target_stays_at_distance_one():
    """V^ sends every walk to the leaf without reward."""
    layers = [
        Layer(np.array([0, 2]), np.array([0.5, 0.5]), np.array([0, 1], np.int32)),
        Layer(np.array([0, 1, 2]), np.array([1.0, 1.0]), np.array([1, 0], np.int32)),
    ]
    graph = Trellis(np.array([0, 1, 3, 5]), layers, np.array([0, 1]))
    instance = Instance(graph, Scaled.from_float([0.0, 1.0, 0.0, 1.0, 0.0]))
    found = GuidedSMC(mh=2).law(instance).tv(instance.target)
    assert found.lo == pytest.approx(1.0) == found.hi


@pytest.mark.parametrize("log_value", [-700.0, -1000.0, -50_000.0])
def test_paths_that_are_offered_with_a_chance_below_floats_count_as_never_offered(log_value):
    trellis = Trellis.markov(np.full((2, 2), 0.5), horizon=2)
    instance = Instance(trellis, Scaled.from_log([0.0, 0.0, log_value, 0.0, 0.0]))
    found = GuidedSMC(mh=3).law(instance).tv(instance.target)
    assert found.lo <= 0.5 <= found.hi < found.lo + 1e-6


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_allowances_move_both_bounds_and_what_follows_from_them(steps):
    """Lambda is shifted where it is used, and what atoms lack is on top of that."""
    instance = family("markov", horizon=3, perturbation="random-sign", epsilon=0.3)
    law = MHLaw(GuidedSMC().law(instance), instance.target, steps)
    log_ratio, mass = np.log([0.4, 1.0, 1.6]), np.full(3, 1 / 3)

    def bounds(slack):
        return law._bounds(RatioLaw(log_ratio, mass, log_ratio, mass, 0.0, slack, 0), 0.0)

    (low, high), (lower, higher) = bounds(0.0), bounds(0.001)
    assert low == pytest.approx(high) and low > 0.002
    up, down = (
        _shortfall(Offers(log_ratio, np.log(mass), steps, shift), log_ratio, np.log(mass)) for shift in (-0.001, 0.001)
    )
    assert (lower, higher) == (pytest.approx(down - 0.001), pytest.approx(up + 0.001))
    assert steps == 1 or down + 1e-5 < low < up - 1e-5
