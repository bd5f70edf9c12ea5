"""A TV is a number wherever it is known well enough to be one."""

import copy
import math
import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim import TV, TreesimError, Undecided, family, sampler

COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge]
# Few different numbers, so that bounds and thresholds meet.
eighths = st.integers(0, 8).map(lambda k: k / 8)
intervals = st.tuples(eighths, eighths).map(lambda pair: TV(min(pair), max(pair), "certified"))


@given(intervals, intervals | eighths, st.sampled_from(COMPARISONS))
def test_a_comparison_answers_for_every_number_in_the_interval_or_not_at_all(tv, other, compare):
    lo, hi = (other.lo, other.hi) if isinstance(other, TV) else (other, other)
    inside = [tv.lo + k / 8 * tv.width for k in range(9)]
    within = [lo + k / 8 * (hi - lo) for k in range(9)]
    answers = {compare(a, b) for a in inside for b in within}
    if len(answers) == 1:
        assert compare(tv, other) is answers.pop()
    else:
        with pytest.raises(Undecided):
            compare(tv, other)


@given(eighths, eighths, st.sampled_from(COMPARISONS))
def test_an_exact_one_compares_like_its_value_from_either_side(value, other, compare):
    exact = TV(value, value, "exact")
    assert compare(exact, other) is compare(value, other)
    assert compare(other, exact) is compare(other, value)
    for kind in (Fraction, np.float64):
        assert compare(exact, kind(other)) == compare(value, float(kind(other)))
        assert compare(kind(other), exact) == compare(float(kind(other)), value)


def test_it_is_a_number():
    exact, rough = TV(0.0625, 0.0625, "exact"), TV(0.25, 0.5, "estimated", 0.99)
    assert (float(exact), exact.mid, exact.width) == (0.0625, 0.0625, 0.0)
    assert (float(rough), rough.mid, rough.width) == (0.375, 0.375, 0.25)
    assert f"{exact:.3f} {rough:.2%}" == "0.062 37.50%"
    assert f"{exact}" == str(exact) == repr(exact) == "TV(lo=0.0625, hi=0.0625, kind='exact', level=None, wanted=None)"
    assert math.sqrt(exact) == 0.25
    assert np.array([exact, rough], float).tolist() == [0.0625, 0.375]
    assert sorted([rough, exact]) == [exact, rough]


def test_what_is_left_open_is_said_with_what_would_help():
    rough = TV(0.25, 0.5, "estimated", 0.99)
    with pytest.raises(Undecided) as caught:
        _ = rough <= 0.3
    assert isinstance(caught.value, TreesimError)
    assert str(caught.value) == (
        "the TV is between 0.25 and 0.5 (estimated), which leaves open whether it is <= 0.3; ask for more runs"
    )
    with pytest.raises(Undecided, match=r"is 0\.3 \(exact\).* > one between 0\.25 and 0\.5 .*; ask for more runs$"):
        _ = TV(0.3, 0.3, "exact") > rough
    with pytest.raises(TypeError):
        _ = rough < "0.3"


def test_equal_are_those_of_which_the_same_is_known():
    exact = TV(0.25, 0.25, "exact")
    assert exact == copy.copy(exact)
    assert hash(exact) == hash(copy.copy(exact))
    assert exact != TV(0.25, 0.25, "certified")
    assert exact != 0.25


def test_what_laws_say_can_be_compared_with_a_bound():
    instance = family("product", horizon=4, ratio=2.0)
    guided, base = (sampler(spec).law(instance).tv(instance.target) for spec in ("sp-gsmc", "base"))
    assert guided < 1e-9 < base
