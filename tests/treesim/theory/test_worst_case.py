"""The search with objectives of one's own."""

import math

import numpy as np
import pytest

from treesim import BinaryTrees, SpecError, family, guidance_bound, load, sampler, save, worst_case
from treesim.theory.worst_case import worst_guidance

GUIDED = sampler("sp-gsmc")


def tv(instance):
    return GUIDED.law(instance).tv(instance.target).hi


def share_of_sharp(instance):
    return tv(instance) / guidance_bound(instance.graph.horizon, instance.audit.bellman_error).sharp


def dirichlet(seed):
    return family("dirichlet", horizon=3, perturbation="student-t:sigma=0.3,df=3", seed=seed)


def test_the_worst_of_random_instances_is_the_worst(tmp_path):
    found = worst_case(tv, dirichlet, tries=40, seed=5)
    by_hand = [tv(dirichlet(seed)) for seed in range(5, 45)]
    assert found.scores.tolist() == by_hand
    assert found.score == max(by_hand) == tv(found.instance)
    assert found.instance.seed == 5 + int(np.argmax(by_hand))
    assert found.evaluations == 40
    save(found.instance, tmp_path / "worst.safetensors")
    assert load(tmp_path / "worst.safetensors").same_as(dirichlet(found.instance.seed))


def test_a_climb_finds_the_sharp_constant_as_the_search_of_the_theorem_does():
    found = worst_case(share_of_sharp, BinaryTrees(3, epsilon=0.2), tries=30, climbs=1)
    theorem = worst_guidance(3, 0.2)
    assert found.scores.max() < found.score
    assert found.score == pytest.approx(theorem.measured / theorem.sharp, abs=1e-3)
    assert found.score <= 1 + 1e-12
    assert found.evaluations > 30


def test_binary_trees_keep_what_they_promise():
    for seed in range(20):
        instance = BinaryTrees(4, epsilon=0.3)(seed)
        assert instance.audit.bellman_error <= 0.3 + 1e-12
        assert instance.audit.ratio_bound <= 1.3 + 1e-12
        assert instance.seed == seed
        assert BinaryTrees(2, ratio_bound=1.5)(seed).audit.ratio_bound <= 1.5 + 1e-12
    assert BinaryTrees(3, ratio_bound=2.0)(1).same_as(BinaryTrees(3, ratio_bound=2.0)(1))


def test_instances_can_be_left_out():
    def large_only(instance):
        return tv(instance) if instance.audit.bellman_error > 0.5 else -math.inf

    found = worst_case(large_only, dirichlet, tries=40)
    assert found.instance.audit.bellman_error > 0.5
    assert np.isneginf(found.scores).any()
    with pytest.raises(SpecError, match="leaves out all of 5 instances"):
        worst_case(lambda instance: -math.inf, dirichlet, tries=5)


def test_progress_can_be_followed():
    seen = []
    worst_case(tv, dirichlet, tries=3, seed=7, track=lambda seeds: (seen.append(seed) or seed for seed in seeds))
    assert seen == [7, 8, 9]


def test_wrong_questions_are_refused():
    with pytest.raises(SpecError, match=r"the objective is nan on dirichlet\(.*\), seed 3"):
        worst_case(lambda instance: math.nan, dirichlet, tries=1, seed=3)
    with pytest.raises(SpecError, match="expected instances of BinaryTrees or climbs=0"):
        worst_case(tv, dirichlet, tries=3, climbs=1)
    with pytest.raises(SpecError, match="tries is 0"):
        worst_case(tv, dirichlet, tries=0)
    for wrong, message in (
        ({"horizon": 1, "epsilon": 0.1}, "horizon is 1, expected from 2 to 6"),
        ({"horizon": 3}, "expected one of them"),
        ({"horizon": 3, "epsilon": 0.1, "ratio_bound": 2.0}, "expected one of them"),
        ({"horizon": 3, "epsilon": 0.0}, "epsilon is 0.0"),
        ({"horizon": 3, "ratio_bound": 1.0}, "ratio bound is 1.0, expected a number above 1"),
    ):
        with pytest.raises(SpecError, match=message):
            BinaryTrees(**wrong)


def test_what_a_climb_finds_names_the_seed_it_began_at():
    found = worst_case(share_of_sharp, BinaryTrees(2, epsilon=0.2), tries=10, climbs=1, seed=20)
    assert found.score > found.scores.max()
    assert found.instance.seed == 20 + int(np.argmax(found.scores)) != 20
