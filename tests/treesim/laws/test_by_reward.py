import numpy as np
import pytest
from hypothesis import given, settings

from treesim import Importance, Instance, Tree, family, sampler
from treesim.laws.by_reward import RewardedLeaves, RewardLaw, TargetLaw
from treesim.laws.law import LeafLaw
from treesim.scaled import Scaled
from treesim.testing.strategies import instances


def leafwise(law):
    return LeafLaw(law.prob)


@given(instances())
@settings(max_examples=40)
def test_divergences_by_reward_are_those_by_leaf(instance):
    target = instance.target
    assert isinstance(target, TargetLaw)
    for spec in ("importance:n=3", "best-of-n:n=3", "soft-best-of-n:n=2,temperature=0.5"):
        law = sampler(spec).law(instance)
        assert isinstance(law, RewardLaw)
        by_leaf = leafwise(law)
        assert law.tv(target).lo == pytest.approx(by_leaf.tv(leafwise(target)).lo, abs=1e-14)
        assert law.tv(target).kind == "exact"
        for name in ("kl", "chi2"):
            found, expected = getattr(law, name)(target), getattr(by_leaf, name)(leafwise(target))
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_laws_of_other_leaves_are_compared_leaf_by_leaf():
    one, other = (
        family("uniform", horizon=3, branching=2, reward=f"right-steps:right=1,penalty={penalty}") for penalty in (2, 3)
    )
    law = Importance(2).law(one)
    assert law.tv(other.target).lo == pytest.approx(leafwise(law).tv(leafwise(other.target)).lo, abs=1e-15)
    assert law.tv(other.target).lo != pytest.approx(law.tv(one.target).lo, abs=1e-3)
    assert law.kl(other.target) == pytest.approx(leafwise(law).kl(leafwise(other.target)))
    assert law.chi2(other.target) == pytest.approx(leafwise(law).chi2(leafwise(other.target)))


def test_levels_are_the_distinct_rewards_in_order_whatever_their_size():
    reward = Scaled.from_log([5000.0, -np.inf, 1.0, -5000.0, 5000.0, 1.0, 700.0])
    reference = Scaled.from_float([0.1, 0.1, 0.1, 0.1, 0.2, 0.4, 0.0])
    levels = RewardedLeaves(reference, reward).levels
    np.testing.assert_array_equal(levels.reward.log(), Scaled.from_log([-np.inf, -5000.0, 1.0, 5000.0]).log())
    np.testing.assert_allclose(levels.mass.to_float(), [0.1, 0.1, 0.5, 0.3], rtol=1e-15)
    assert levels.of_leaf[:6].tolist() == [3, 0, 2, 1, 3, 2]


def test_masses_are_summed_without_loss_and_below_floats():
    n = 200_001
    prob = np.full(n, 0.1 / (n - 1))
    prob[0] = 0.9
    levels = RewardedLeaves(Scaled.from_float(prob), Scaled.from_float(np.ones(n))).levels
    assert levels.mass.to_float()[0] == pytest.approx(1.0, abs=2e-16)
    tiny = RewardedLeaves(Scaled.from_log([-900.0, -900.0, 0.0]), Scaled.from_float([2.0, 2.0, 1.0])).levels
    np.testing.assert_allclose(tiny.mass.log(), [0.0, -900.0 + np.log(2.0)], rtol=1e-15)


def test_a_million_leaves_of_few_rewards_are_few_outcomes():
    instance = family("uniform", horizon=10, branching=4, reward="right-steps:right=2,penalty=500")
    assert len(instance.rewarded_leaves.levels.reward) == 11
    law = Importance(1000).law(instance)
    assert len(law.by_level.prob) == 11
    np.testing.assert_allclose(law.prob.to_float().sum(), 1.0, atol=1e-13)
    assert law.expected(instance.reward) == pytest.approx(
        float((law.by_level.prob * instance.rewarded_leaves.levels.reward).to_float().sum())
    )


def test_the_target_is_pi_ref_times_reward():
    instance = Instance(Tree.complete(2, 1), Scaled.from_float([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(instance.target.prob.to_float(), [0.25, 0.75])
    np.testing.assert_allclose(instance.target.density.to_float(), [0.5, 1.5])


def test_rewards_that_differ_by_their_power_alone_are_two():
    reward = Scaled(np.ones(4), np.array([0, 512, 0, -512], np.int32))
    levels = RewardedLeaves(Scaled.from_float(np.full(4, 0.25)), reward).levels
    assert levels.reward.exponent.tolist() == [-512, 0, 512]
    assert levels.mass.to_float().tolist() == [0.25, 0.5, 0.25]
    assert levels.of_leaf.tolist() == [1, 2, 1, 0]


def test_masses_of_very_different_sizes_lose_nothing():
    """One beside a million of 1e-17, each of which is below the rounding of the sum."""
    n = 10**6
    reference = Scaled.from_float(np.concatenate([[1.0], np.full(n, 1e-17)]))
    levels = RewardedLeaves(reference, Scaled.from_float(np.ones(n + 1))).levels
    assert levels.mass.to_float()[0] == pytest.approx(1.0 + 1e-11, rel=1e-15)
