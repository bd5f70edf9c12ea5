import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from treesim import GuidedSMC, Instance, LeafLaw, Scaled, Trellis, unroll
from treesim.testing.strategies import instances

laws = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=8).filter(
    lambda rows: any(a for a, _ in rows) and any(b for _, b in rows)
)


def two_laws(rows):
    p, q = np.array(rows, float).T
    return p / p.sum(), q / q.sum()


@given(laws)
def test_distances_are_the_rational_ones(rows):
    p, q = two_laws(rows)
    law, target = LeafLaw(Scaled.from_float(p)), LeafLaw(Scaled.from_float(q))
    exact_p, exact_q = naive.fractions(p), naive.fractions(q)
    assert law.tv(target).lo == law.tv(target).hi == pytest.approx(float(naive.tv(exact_p, exact_q)), abs=1e-15)
    if (p[q == 0] > 0).any():
        assert law.kl(target) == law.chi2(target) == math.inf
    else:
        assert law.chi2(target) == pytest.approx(float(naive.chi2(exact_p, exact_q)), rel=1e-12, abs=1e-15)
        both = p > 0
        kl = (p[both] * np.log(p[both] / q[both])).sum()
        assert law.kl(target) == pytest.approx(kl, rel=1e-12, abs=1e-14)


@given(laws)
def test_pinsker_and_friends_hold(rows):
    p, q = (LeafLaw(Scaled.from_float(x)) for x in two_laws(rows))
    tv = p.tv(q).hi
    assert 2 * tv**2 <= p.kl(q) + 1e-15
    assert p.kl(q) <= math.log1p(p.chi2(q)) + 1e-15
    assert p.tv(q) == q.tv(p)


def test_chi2_of_laws_that_nearly_agree_does_not_cancel():
    p = np.array([0.5 + 1e-9, 0.5 - 1e-9])
    value = LeafLaw(Scaled.from_float(p)).chi2(LeafLaw(Scaled.from_float([0.5, 0.5])))
    assert value == pytest.approx(4e-18, rel=1e-6)


def test_chi2_sees_mass_too_small_for_a_float():
    p = Scaled.from_log([math.log(0.5), math.log(0.5), -800.0])
    q = Scaled.from_log([math.log(0.5), math.log(0.5), -1500.0])
    assert LeafLaw(p).chi2(LeafLaw(q)) == pytest.approx(math.exp(-100.0), rel=1e-10)
    assert LeafLaw(p).kl(LeafLaw(q)) < 1e-300


def test_failure_is_an_outcome_that_no_target_has():
    law, target = LeafLaw(Scaled.from_float([0.4, 0.4]), failure=0.2), LeafLaw(Scaled.from_float([0.5, 0.5]))
    assert law.tv(target).hi == pytest.approx(0.2)
    assert law.kl(target) == law.chi2(target) == math.inf
    assert target.kl(law) == pytest.approx(math.log(1.25))


def test_expected_reward_may_leave_the_range_of_floats():
    assert LeafLaw(Scaled.from_float([0.5, 0.5])).expected(Scaled.from_log([0.0, 900.0])) == math.inf
    assert LeafLaw(Scaled.from_float([0.5, 0.5])).expected(Scaled.from_float([1.0, 3.0])) == 2.0


@given(instances())
@settings(max_examples=60)
def test_reference_and_target_are_the_rational_ones(instance):
    reward = naive.fractions(instance.reward.to_float())
    reference = naive.reference(instance.graph)
    target = naive.target(instance.graph, reward)
    np.testing.assert_allclose(instance.reference.prob.to_float(), [float(x) for x in reference], rtol=1e-14)
    np.testing.assert_allclose(instance.target.prob.to_float(), [float(x) for x in target], rtol=1e-13, atol=1e-300)


def far_apart(*log_prob):
    """A law by logs of its probabilities."""
    return LeafLaw(Scaled.from_log(np.array(log_prob)))


def test_mass_below_floats_on_a_leaf_the_target_lacks_is_infinitely_far():
    target = far_apart(0.0, -np.inf)
    law = far_apart(0.0, -800.0)
    assert law.kl(target) == law.chi2(target) == math.inf
    assert far_apart(0.0, -np.inf).kl(target) == 0.0


def test_chi2_is_known_wherever_it_is_a_float():
    """p^2 / q: e^400 is a float, e^800 is none."""
    law, target = far_apart(0.0, -300.0), far_apart(0.0, -1000.0)
    assert math.log(law.chi2(target)) == pytest.approx(400.0, rel=1e-12)
    assert law.kl(target) == pytest.approx(700 * math.exp(-300), rel=1e-9)
    assert far_apart(0.0, -100.0).chi2(far_apart(0.0, -1000.0)) == math.inf


def test_divergences_of_walks_reach_as_far_as_those_of_leaves():
    """A trellis of two steps and its tree: V^ falls by e^-500 on one side, the target goes there too."""
    layers = [np.array([[0.5, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.0]])]
    graph = Trellis.from_layers(layers)
    for fall in (-3.0, -6.0, -12.0, -30.0, -300.0, -600.0):
        instance = Instance(graph, Scaled.from_log([0.0, 0.0, fall, 0.0, 0.0]))
        tree = unroll(instance)
        (law, target), (plain, plain_target) = ((GuidedSMC().law(x), x.target) for x in (instance, tree))
        assert target.kl(law) == pytest.approx(plain_target.kl(plain), rel=1e-12)
        assert law.chi2(target) == pytest.approx(plain.chi2(plain_target), rel=1e-12)
        tv = GuidedSMC(mh=3).law(instance).tv(target)
        assert tv.lo <= GuidedSMC(mh=3).law(tree).tv(plain_target).lo + 1e-12
        assert tv.hi >= GuidedSMC(mh=3).law(tree).tv(plain_target).lo - 1e-12


def test_a_chain_does_not_reach_what_guidance_gives_less_than_a_float_holds():
    graph = Trellis.from_layers([np.array([[0.5, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.0]])])
    instance = Instance(graph, Scaled.from_log([0.0, 0.0, -1000.0, np.log(3.0), 0.0]))
    tv = GuidedSMC(mh=2).law(instance).tv(instance.target)
    assert tv.lo <= 0.25 <= tv.hi
    assert tv.hi - tv.lo < 1e-6


def test_of_two_laws_that_may_fail_the_difference_counts():
    law, target = (LeafLaw(Scaled.from_float([p, p]), failure=1 - 2 * p) for p in (0.4, 0.3))
    assert law.tv(target).hi == target.tv(law).hi == pytest.approx(0.2)
    assert law.kl(target) == pytest.approx(0.8 * math.log(4 / 3) + 0.2 * math.log(0.5))
    assert law.chi2(target) == pytest.approx(0.02 / 0.3 + 0.04 / 0.4)
