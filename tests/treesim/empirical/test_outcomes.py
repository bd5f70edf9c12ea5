"""What outputs are worth, against the enumeration of leaves and of k-tuples of them in rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from treesim import (
    SMC,
    BestOfN,
    GuidedSMC,
    Instance,
    Rejection,
    Scaled,
    Tree,
    family,
    sampler,
    unroll,
)
from treesim.empirical.measure import measure
from treesim.empirical.outcomes import Quantity, worth_of_law, worth_of_runs
from treesim.laws.enclosed import EnclosedLaw
from treesim.testing.strategies import trees
from treesim.theory.bounds import best_of_n_kl

K = 3


@st.composite
def answered(draw) -> Instance:
    """A small tree with rewards of few sizes, so that there are ties, and answers, some of them none."""
    tree = draw(trees(max_leaves=4, max_horizon=3))
    n = tree.n_leaves
    sizes = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0])
    reward = draw(st.lists(sizes, min_size=n, max_size=n).filter(any))
    true = draw(st.lists(sizes, min_size=n, max_size=n))
    answers = draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=n, max_size=n))
    correct = draw(st.sampled_from([["a"], ["b", "c"], ["d"]]))
    inner = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=tree.n_nodes - n, max_size=tree.n_nodes - n))
    reached = [p * r > 0 for p, r in zip(naive.reference(tree), reward, strict=True)]
    reward = reward if any(reached) else [1.0] * n
    return Instance(tree, Scaled.from_float([*inner, *reward])).with_outcomes(answers, correct, true)


def check(found, law, instance, failure=Fraction(0)):
    """Every quantity of a law against the same in fractions."""
    outcomes, tree = instance.outcomes, instance.graph
    reward = naive.fractions(instance.reward.to_float())
    true = naive.fractions(outcomes.true_reward.to_float())
    reference, right = naive.reference(tree), outcomes.is_correct
    accuracy = sum((p for p, a in zip(law, outcomes.answer, strict=True) if a >= 0 and right[a]), Fraction(0))
    expected = {
        "accuracy": accuracy,
        f"pass_at.{K}": 1 - (1 - accuracy) ** K,
        f"majority.{K}": naive.vote(law, [1] * len(law), outcomes.answer, right, K),
        f"weighted.{K}": naive.vote(law, reward, outcomes.answer, right, K),
        "true_reward": sum((p * r for p, r in zip(law, true, strict=True)), Fraction(0)),
        "proxy_reward": sum((p * r for p, r in zip(law, reward, strict=True)), Fraction(0)),
        "true_win_rate": naive.win_rate(law, reference, true),
        "win_rate": naive.win_rate(law, reference, reward),
    }
    document = found.document()
    assert document["kl"]["kind"] == "exact"
    for name, value in expected.items():
        assert document[name]["kind"] == "exact"
        assert document[name]["lo"] == document[name]["hi"] == pytest.approx(float(value), abs=1e-12), name
    kl = math.inf if failure else sum(float(p) * math.log(p / q) for p, q in zip(law, reference, strict=True) if p)
    assert document["kl"]["lo"] == pytest.approx(kl, abs=1e-12)
    assert set(document) == {*expected, "kl"}


@given(answered())
@settings(max_examples=60)
def test_every_quantity_of_best_of_n_and_of_guidance_is_what_fractions_say(instance):
    tree, value = instance.graph, naive.fractions(instance.value.to_float())
    reward, reference = value[tree.n_nodes - tree.n_leaves :], naive.reference(tree)
    for kind, law in (
        (BestOfN(2), naive.best_of(reference, reward, 2)),
        (GuidedSMC(), naive.guided(tree, value)),
    ):
        check(worth_of_law(kind.law(instance), instance, votes=(K,)), law, instance)


@given(answered(), st.integers(1, 3))
@settings(max_examples=30)
def test_nothing_is_worth_nothing_and_votes_for_nothing(instance, budget):
    kind = Rejection(budget=budget, fallback="fail")
    law = kind.law(instance)
    reward = naive.fractions(instance.reward.to_float())
    reference = naive.reference(instance.graph)
    top = max(r for p, r in zip(reference, reward, strict=True) if p)
    expected, failure = naive.rejection(reference, reward, top, budget, "fail")
    check(worth_of_law(law, instance, votes=(K,)), expected, instance, failure)


def test_what_is_measured_on_a_trellis_is_what_its_tree_says():
    chain = family("markov", horizon=4, states=2, perturbation="log-normal:sigma=0.5", seed=2)
    chain = chain.with_outcomes(["up", "down"], "up", [0.25, 1.0])
    for spec in ("base", "sp-gsmc", "best-of-n:n=5", "smc:particles=2"):
        kind = sampler(spec)
        here, there = (measure(kind, each, votes=(1, 4)).worth.document() for each in (chain, unroll(chain)))
        assert here.keys() == there.keys()
        for name in here:
            assert here[name]["kind"] == "exact"
            assert here[name]["lo"] == pytest.approx(there[name]["lo"], abs=1e-12), (spec, name)


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_the_kl_of_best_of_n_is_below_its_bound_and_comes_to_it_where_no_two_rewards_are_equal(n):
    """log N - (N - 1)/N is the KL where pi_ref has a density; ties and atoms lower it."""
    bound = best_of_n_kl(n)
    assert bound == pytest.approx(math.log(n) - (n - 1) / n, abs=1e-15)
    gaps = []
    for horizon in (4, 8, 14):
        instance = family("uniform", horizon=horizon, seed=1)
        gaps.append(bound - measure(BestOfN(n), instance, votes=()).worth.kl.mid)
        tied = family("product", horizon=horizon)
        assert measure(BestOfN(n), tied, votes=()).worth.kl.mid <= bound + 1e-12
    assert all(gap >= -1e-12 for gap in gaps)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 5e-3 * max(bound, 1e-9)


def test_a_best_of_n_beats_pi_ref_as_order_statistics_say():
    """Where no two rewards are equal, best of N beats a draw with probability N / (N + 1), ties apart."""
    instance = family("uniform", horizon=14, seed=1)
    for n in (1, 3, 9):
        win_rate = measure(BestOfN(n), instance, votes=()).worth.win_rate.mid
        assert win_rate == pytest.approx(n / (n + 1), abs=1e-4)


def test_what_nobody_asked_about_is_left_out():
    plain = family("product", horizon=3, ratio=2.0, form="tree")
    assert measure("base", plain).worth is None
    assert "outcomes" not in measure("base", plain).document()
    asked = measure("base", plain, votes=(2,)).worth
    assert (asked.accuracy, asked.true_reward, asked.true_win_rate, asked.majority) == (None, None, None, {})
    assert asked.win_rate == Quantity(0.5, 0.5)
    assert list(asked.cells()) == ["E proxy", "proxy wins", "KL to pi_ref"]
    unjudged = measure("base", plain.with_outcomes(list("abababab"))).worth
    assert (unjudged.accuracy, unjudged.pass_at) == (None, {})
    default = measure("base", plain.with_outcomes(list("abababab"), "a")).worth
    assert list(default.pass_at) == list(default.majority) == list(default.weighted) == [8]


ESTIMATED = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.3, seed=5).with_outcomes(
    [None if i % 3 == 0 else "abcd"[i % 4] for i in range(16)], ["a", "d"], np.arange(16.0)
)


def test_estimates_hold_the_exact_quantities_and_not_others():
    """At level 0.99 each, over 40 seeds: at most 7 misses of a quantity, false alarms below 1e-7 by binomial tails."""
    kind = SMC(particles=3)
    exact = worth_of_law(kind.law(ESTIMATED), ESTIMATED, votes=(2, 5)).document()
    misses = dict.fromkeys(exact, 0)
    for seed in range(40):
        found = worth_of_runs(kind, ESTIMATED, votes=(2, 5), runs=1500, seed=seed).document()
        assert found.pop("kl") is None
        for name, quantity in found.items():
            assert (quantity["kind"], quantity["level"]) == ("estimated", 0.99)
            assert quantity["hi"] - quantity["lo"] < (3.5 if "reward" in name else 0.3), name
            misses[name] += not quantity["lo"] <= exact[name]["lo"] <= quantity["hi"]
    assert max(misses.values()) <= 7, misses


def test_votes_are_estimated_near_the_truth():
    """The middle of 60,000 runs: five standard errors, 0.5 / sqrt(60,000 / 5) each, are beyond 1e-6."""
    kind = SMC(particles=3)
    exact = worth_of_law(kind.law(ESTIMATED), ESTIMATED, votes=(5,))
    found = worth_of_runs(kind, ESTIMATED, votes=(5,), runs=60_000)
    for name in ("majority", "weighted"):
        one, other = getattr(exact, name)[5], getattr(found, name)[5]
        assert other.mid == pytest.approx(one.mid, abs=5 * 0.5 / math.sqrt(12_000))
    assert exact.majority[5].mid != pytest.approx(exact.weighted[5].mid, abs=0.02)


@pytest.mark.parametrize("k", [1, 2])
def test_where_nobody_votes_the_simulated_vote_is_wrong_too(k):
    """Half of the outputs have no answer, and some votes weigh nothing: 40,000 runs, five standard errors."""
    plain = Instance(Tree.complete(4, 1), Scaled.from_float([1.0, 1.0, 1.0, 0.0, 2.0]))
    instance = plain.with_outcomes([None, None, "a", "b"], "a")
    exact = worth_of_law(instance.reference, instance, votes=(k,))
    found = worth_of_runs(sampler("base"), instance, votes=(k,), runs=40_000)
    assert exact.majority[k].mid == pytest.approx([0.25, 0.375][k - 1], abs=1e-14)
    for name in ("majority", "weighted"):
        one, other = getattr(exact, name)[k], getattr(found, name)[k]
        assert other.mid == pytest.approx(one.mid, abs=5 * 0.5 / math.sqrt(40_000 / k))


def test_votes_that_are_too_many_to_count_are_drawn_from_the_law():
    tree = Tree.complete(64, 1, policy=[1 / 64] * 64)
    weight = np.sqrt(np.arange(1.0, 65.0))
    instance = Instance(tree, Scaled.from_float([1.0, *weight]))
    instance = instance.with_outcomes(["ab"[i % 3 == 0] for i in range(64)], "a")
    found = worth_of_law(instance.reference, instance, votes=(8,), runs=40_000)
    assert found.majority[8].kind == "exact"
    assert found.weighted[8].kind == "estimated"
    # Weights of two thirds and a third: the heavier answer wins nearly as often by weight as by number.
    assert abs(found.weighted[8].mid - found.majority[8].mid) < 0.05
    assert found.weighted[8].hi - found.weighted[8].lo < 0.05
    assert worth_of_law(instance.reference, instance, votes=(8,), runs=0).weighted[8] is None


def test_a_law_without_leaves_is_simulated():
    law = EnclosedLaw(GuidedSMC().law(ESTIMATED), 0.1)
    assert worth_of_law(law, ESTIMATED) is None
    found = measure(sampler("smc:particles=40"), ESTIMATED, runs=400)
    assert found.worth.accuracy.kind == found.tv.kind
    chain = family("markov", horizon=60, perturbation="log-normal:sigma=0.2").with_outcomes(["a", "b", "c"], "a")
    rows = measure("sp-gsmc:mh=3", chain, runs=400)
    assert (rows.tv.kind, rows.worth.accuracy.kind, rows.worth.kl) == ("certified", "estimated", None)


def test_few_runs_say_nothing():
    found = worth_of_runs(GuidedSMC(), ESTIMATED, runs=19)
    assert (found.accuracy, found.majority[8], found.pass_at[8]) == (None, None, None)
