"""The law of rejection with a budget, against rational arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from treesim import (
    Rejection,
)
from treesim.testing.strategies import instances


def rational(instance):
    return naive.reference(instance.graph), naive.fractions(instance.reward.to_float())


@given(instances(), st.integers(1, 4), st.sampled_from([1.0, 1.5, 4.0]))
@settings(max_examples=40)
def test_rejection_laws_are_the_rational_ones(instance, budget, slack):
    prob, reward = rational(instance)
    envelope = max(r for r, p in zip(reward, prob, strict=True) if p > 0)
    for fallback in ("last", "base", "fail"):
        exact, failure = naive.rejection(
            prob,
            [min(r, envelope) for r in reward],
            envelope * naive.Fraction(slack),
            budget,
            fallback,
        )
        law = Rejection(budget, slack, fallback).law(instance)
        np.testing.assert_allclose(law.prob.to_float(), [float(x) for x in exact], rtol=1e-11, atol=1e-15)
        assert law.failure == pytest.approx(float(failure), abs=1e-13)
