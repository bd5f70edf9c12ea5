"""Votes against the enumeration of all that k outputs can be, in rational arithmetic, and against binomial sums."""

import math
from fractions import Fraction

import numpy as np
import pytest

from tests import naive
from treesim import NoExactLaw, SpecError
from treesim.laws.votes import LARGEST_VOTES, majority_vote, weighted_vote


def dyadic(rng, n, blank):
    """Masses that add up to one or less without rounding, zeros among them."""
    counts = rng.multinomial(32, rng.dirichlet(np.ones(n + blank)))
    return counts[:n] / 32


@pytest.mark.parametrize("seed", range(40))
def test_votes_are_what_enumeration_says(seed):
    rng = np.random.default_rng(seed)
    n, answers, votes = int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    mass, weight = dyadic(rng, n, seed % 2), rng.integers(0, 4, n) / 4
    answer, right = rng.integers(0, answers, n), rng.random(answers) < 0.5
    expected = naive.vote(mass, weight, answer, right, votes)
    assert weighted_vote(mass, weight, answer, right, votes) == pytest.approx(float(expected), abs=1e-14)
    by_answer = np.bincount(answer, mass, answers)
    expected = naive.vote(by_answer, np.ones(answers), range(answers), right, votes)
    assert majority_vote(by_answer, right, votes) == pytest.approx(float(expected), abs=1e-14)


def test_a_vote_of_two_answers_is_a_binomial_sum():
    """At many votes, where nothing can be enumerated."""
    p, k = 0.55, 200
    share = {k // 2: Fraction(1, 2)}
    tail = sum(
        math.comb(k, j) * Fraction(p) ** j * (1 - Fraction(p)) ** (k - j) * share.get(j, 1)
        for j in range(k // 2, k + 1)
    )
    found = majority_vote(np.array([p, 1 - p]), np.array([True, False]), k)
    assert found == pytest.approx(float(tail), rel=1e-12)
    assert 1 - found == pytest.approx(majority_vote(np.array([p, 1 - p]), np.array([False, True]), k), abs=1e-12)


@pytest.mark.parametrize("votes", [3, 16, 63])
def test_every_answer_wins_with_the_probabilities_of_one_law(votes):
    """Whoever is right, somebody wins: over the answers the chances add up to one."""
    rng = np.random.default_rng(votes)
    mass, kinds = rng.dirichlet(np.ones(6)), np.arange(6)
    majority = [majority_vote(mass, kinds == right, votes) for right in range(6)]
    assert sum(majority) == pytest.approx(1.0, abs=1e-12)
    weight = rng.integers(1, 4, 6).astype(float)
    heaviest = [weighted_vote(mass, weight, kinds // 2, np.arange(3) == right, votes) for right in range(3)]
    assert sum(heaviest) == pytest.approx(1.0, abs=1e-12)


def test_equal_answers_are_equally_likely_and_a_set_of_correct_ones_adds_up():
    mass = np.full(5, 0.2)
    one, two = (majority_vote(mass, np.arange(5) < n, 7) for n in (1, 2))
    assert one == pytest.approx(0.2, abs=1e-13)
    assert two == pytest.approx(0.4, abs=1e-13)


def test_equal_weights_are_votes_whatever_they_weigh():
    mass, answer, right = np.array([0.3, 0.2, 0.1, 0.4]), np.array([0, 1, 2, 1]), np.array([True, False, False])
    majority = majority_vote(np.bincount(answer, mass), right, 9)
    for weight in (1.0, 0.1, 1e-280, 1e280):
        assert weighted_vote(mass, np.full(4, weight), answer, right, 9) == pytest.approx(majority, rel=1e-12)


def test_sums_that_floats_do_not_add_up_to_are_tied():
    """0.1 + 0.2 against 0.3: three votes, the ones against the other."""
    mass, weight, answer = np.full(4, 0.25), np.array([0.1, 0.2, 0.3, 1.0]), np.array([0, 0, 1, 2])
    right = np.array([True, False, False])
    assert weight[0] + weight[1] > weight[2]
    exact = naive.vote(mass, [1, 2, 3, 10], answer, right, 3)
    assert weighted_vote(mass, weight, answer, right, 3) == pytest.approx(float(exact), abs=1e-14)


def test_nobody_right_and_nobody_there():
    assert majority_vote(np.array([0.5, 0.5]), np.array([False, False]), 3) == 0.0
    assert majority_vote(np.zeros(2), np.array([True, False]), 3) == 0.0
    assert majority_vote(np.array([0.5, 0.0]), np.array([True, False]), 3) == pytest.approx(7 / 8, abs=1e-14)


def test_what_is_too_much_is_refused_at_once():
    many = np.full(512, 1 / 512)
    right = np.arange(512) == 0
    with pytest.raises(NoExactLaw, match="512 votes for 512 answers of 512 totals are too many to count"):
        majority_vote(many, right, LARGEST_VOTES)
    with pytest.raises(NoExactLaw, match="513 votes are too many to count exactly, expected at most 512"):
        majority_vote(many, right, LARGEST_VOTES + 1)
    with pytest.raises(NoExactLaw, match="too many sums to list"):
        weighted_vote(many, np.sqrt(np.arange(1, 513)), np.zeros(512, int), np.array([True]), 8)
    with pytest.raises(SpecError, match="votes is 0, expected at least 1"):
        majority_vote(np.ones(1), np.ones(1, bool), 0)
