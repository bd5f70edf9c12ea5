"""Replay takes every branch once, the heavy ones first, and notices what is no choice of the program's."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim import NoExactLaw
from treesim.samplers import choices as choices_module
from treesim.samplers.choices import Choices, expected_runs

PROBS = [(0.5, 0.5), (0.25, 0.0, 0.75), (0.125, 0.375, 0.5), (1.0,), (0.0, 1.0)]


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_every_path_is_taken_once_with_its_probability(source, depth):
    """A random program: what it chooses among next depends on what it chose before."""
    nodes = {}

    def prob_of(path):
        if path not in nodes:
            nodes[path] = None if len(path) == depth or source.random() < 0.1 else source.choice(PROBS)
        return nodes[path]

    def program(choices):
        path = ()
        while (prob := prob_of(path)) is not None:
            path += (choices.choose(prob),)
        return path

    expected = {}

    def walk(path, mass):
        prob = prob_of(path)
        if prob is None:
            expected[path] = mass
            return
        for i, p in enumerate(prob):
            if p:
                walk((*path, i), mass * Fraction(p))

    walk((), Fraction(1))
    found = list(Choices().runs(program, math.inf))
    assert Counter(run.outcome for run in found) == Counter(list(expected))
    for run in found:
        assert Fraction(run.mass) * Fraction(2) ** run.exponent == expected[run.outcome]


def test_masses_beyond_floats_keep_their_digits():
    def program(choices):
        return [choices.choose((0.75, 1e-150, 0.25 - 1e-150)) for _ in range(4)]

    (last,) = (run for run in Choices().runs(program, math.inf) if run.outcome == [1, 1, 1, 1])
    assert last.exponent % 512 == 0
    assert math.log(last.mass) + last.exponent * math.log(2) == pytest.approx(4 * math.log(1e-150), rel=1e-14)


def test_the_heaviest_branches_come_first():
    def program(choices):
        return [choices.choose((0.999, 0.001)) for _ in range(12)]

    choices = Choices()
    found = list(itertools.islice(choices.runs(program, math.inf), 79))
    # No failure, one, or two, before any with three.
    assert {sum(run.outcome) for run in found} == {0, 1, 2}


def test_what_waits_is_what_is_missing():
    def program(choices):
        return [choices.choose((0.5, 0.25, 0.25)) for _ in range(6)]

    for budget in (1, 10, 100, 728):
        choices = Choices()
        mass = math.fsum(run.mass for run in choices.runs(program, budget))
        assert choices.left == pytest.approx(1.0 - mass, abs=1e-14)
        assert choices.left > 0.0
    choices = Choices()
    assert len(list(choices.runs(program, 729))) == 729
    assert choices.left == 0.0


@pytest.mark.parametrize("again", [0.1, 0.5, 0.9, 0.97])
def test_a_program_that_tries_until_it_succeeds_is_known_but_for_rounding(again):
    def program(choices):
        tries = 1
        while choices.choose((again, 1.0 - again)) == 0:
            tries += 1
        return tries

    choices = Choices()
    found = {run.outcome: run.mass for run in choices.runs(program, 100_000) if run.exponent == 0}
    assert choices.left < 1e-15
    for tries in (1, 2, 30):
        assert found[tries] == pytest.approx((1.0 - again) * again ** (tries - 1), rel=1e-12)
    assert math.fsum(found.values()) == pytest.approx(1.0, abs=1e-13)


def test_a_program_that_never_ends_spends_its_budget_and_no_more():
    def program(choices):
        while True:
            choices.choose((0.5, 0.5))

    choices = Choices()
    assert list(choices.runs(program, 50)) == []
    assert choices.left == pytest.approx(1.0)
    assert choices.spent >= 50


def test_tiny_branches_of_a_program_with_an_end_are_taken_too():
    def program(choices):
        return choices.choose((1.0, 1e-40)), choices.choose((1.0, 1e-60, 1e-200))

    found = {run.outcome: math.ldexp(run.mass, run.exponent) for run in Choices().runs(program, 1_000)}
    assert len(found) == 6
    assert found[1, 1] == pytest.approx(1e-100, rel=1e-14, abs=0)


class Drifting:
    """What it chooses among depends on earlier runs."""

    def __init__(self, prob):
        self.prob, self.runs = prob, 0

    def __call__(self, choices):
        self.runs += 1
        prob = self.prob(self.runs)
        return choices.choose(prob) if prob else None, choices.choose((0.5, 0.5))


@pytest.mark.parametrize(
    "prob",
    [
        lambda runs: (0.5, 0.5) if runs < 3 else (0.25, 0.75),
        lambda runs: (0.5, 0.5) if runs < 3 else (0.5, 0.25, 0.25),
        lambda runs: (0.25, 0.75) if runs < 3 else None,
    ],
)
def test_what_earlier_runs_left_is_noticed(prob):
    with pytest.raises(NoExactLaw, match="something besides rng and the oracle decides"):
        list(Choices().runs(Drifting(prob), math.inf))


def test_a_run_that_ends_early_when_it_is_met_again_is_noticed():
    runs = itertools.count()

    def program(choices):
        return choices.choose((0.5, 0.5)), next(runs) == 0 and choices.choose((0.5, 0.5))

    with pytest.raises(NoExactLaw, match=r"a run ended after 1 choices where it made 2 before: something besides"):
        list(Choices().runs(program, math.inf))


def test_an_error_of_the_program_is_its_own():
    with pytest.raises(ZeroDivisionError):
        list(Choices().runs(lambda choices: choices.choose((0.5, 0.5)) / 0, 10))


def test_the_number_of_runs_is_foreseen():
    def program(choices):
        return [choices.choose((0.5, 0.5)) for _ in range(choices.choose((0.1, 0.2, 0.3, 0.4)) * 4)]

    exact = sum(2 ** (4 * k) for k in range(4))
    assert len(list(Choices().runs(program, math.inf))) == exact
    # The mean of a hundred numbers between 4 and 4 * 2^12.
    assert 0.5 * exact < expected_runs(program) < 2 * exact
    assert expected_runs(lambda choices: [choices.choose((0.5, 0.0, 0.5)) for _ in range(10)]) == 1024.0
    # One that does not end within a thousand choices has more than that many.
    assert expected_runs(lambda choices: [choices.uniform(2) for _ in range(3000)], probes=2) >= 2.0**999


def test_too_many_branches_are_refused():
    with pytest.raises(NoExactLaw, match="among 1000000 is more than can be enumerated"):
        list(Choices().runs(lambda choices: choices.uniform(10**6), 10))


def test_a_run_that_is_left_off_goes_on_where_it_was(monkeypatch):
    """Though the program swallows all that is raised through it."""
    monkeypatch.setattr(choices_module, "LONGEST", 5)

    def program(choices):
        path = []
        for _ in range(8):
            try:
                path.append(choices.choose((0.5, 0.5)))
            except BaseException:
                path.append(None)
        return tuple(path)

    found = Counter(run.outcome for run in Choices().runs(program, math.inf))
    assert found == Counter(itertools.product((0, 1), repeat=8))


def test_a_branch_without_end_lets_the_others_come_first():
    def program(choices):
        while not choices.choose((0.5, 0.5)):
            while True:
                choices.choose((1.0,))
        return "done"

    choices = Choices()
    assert [run.outcome for run in choices.runs(program, budget=30)] == ["done"]
    assert choices.left == 0.5
