"""The suite tries the same examples in every run, whatever else is loaded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

MARKER = 918_273_645  # a literal of a local module, as hypothesis would pick it up


def test_examples_do_not_come_from_the_literals_of_our_modules(request):
    if request.config.getoption("--hypothesis-profile") == "explore":
        pytest.skip("exploring takes constants from everywhere")
    seen = []

    @given(st.integers())
    def look(x):
        seen.append(x)

    look()
    assert len(seen) == 50
    assert MARKER not in seen
    assert len(providers._get_local_constants()) == 0
