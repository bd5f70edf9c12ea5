import math
import types

import numpy as np
import pytest
from numba import njit

from treesim.runtime.fingerprint import fingerprint


def function(text, **known):
    """A function of this text, with these globals."""
    exec(f"def asked(self, state):\n    return {text}", known)
    return known["asked"]


def helper(state):
    return state + 1


def other_helper(state):
    return state + 2


PAIRS = [
    (function("state + 1"), function("state + 2")),
    (function("state + SCALE", SCALE=1), function("state + SCALE", SCALE=2)),
    (function("state + SCALE", SCALE=1), function("state + SCALE", SCALE=1.0)),
    (function("SCALE[0]", SCALE=(1, 2)), function("SCALE[0]", SCALE=(1, 3))),
    (function("T[state]", T=np.array([1.0, 2.0])), function("T[state]", T=np.array([1.0, 3.0]))),
    (function("T[state]", T=np.array([1, 2])), function("T[state]", T=np.array([[1, 2]]))),
    (function("f(state)", f=njit(helper)), function("f(state)", f=njit(other_helper))),
    (
        function("f(state)", f=njit(function("state + K", K=1))),
        function("f(state)", f=njit(function("state + K", K=2))),
    ),
    (function("f(state)", f=math.exp), function("f(state)", f=math.log)),
    (function("[k + A for k in range(state)]", A=1), function("[k + A for k in range(state)]", A=2)),
    ((lambda k: lambda self, state: state + k)(1), (lambda k: lambda self, state: state + k)(2)),
]


@pytest.mark.parametrize("one, other", PAIRS)
def test_whatever_a_function_looks_at_counts(one, other):
    assert None not in (fingerprint([one]), fingerprint([other]))
    assert fingerprint([one]) != fingerprint([other])


@pytest.mark.parametrize("one, _", PAIRS)
def test_the_same_has_the_same(one, _):
    again = types.FunctionType(one.__code__, dict(one.__globals__), "renamed", one.__defaults__, one.__closure__)
    assert fingerprint([again]) == fingerprint([one])


def test_what_else_is_given_counts():
    assert len({fingerprint([helper]), fingerprint([helper], "a"), fingerprint([helper], "b")}) == 3


@pytest.mark.parametrize("unknown", [types.ModuleType("mine"), {"a": 1}, [1], object()])
def test_where_something_could_change_unseen_there_is_none(unknown):
    assert fingerprint([function("state + x.y", x=unknown)]) is None
