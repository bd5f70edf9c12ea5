"""An instance is nobody else's: what its maker does to the arrays afterwards does not reach it."""

import copy
import pickle

import numpy as np
import pytest

from treesim import Instance, RewardError, Scaled, Tree, family


@pytest.fixture
def parts():
    return np.array([3.0, 2.0, 4.0]), np.zeros(3, np.int32)


def test_the_makers_arrays_are_copied(parts):
    mantissa, exponent = parts
    parameters = {"list": [1]}
    instance = Instance(Tree.complete(2, 1), Scaled(mantissa, exponent), parameters=parameters)
    mantissa[:], exponent[:] = np.nan, 7
    parameters["list"].append(2)
    assert instance.value.mantissa.tolist() == [3.0, 2.0, 4.0]
    assert instance.value.exponent.tolist() == [0, 0, 0]
    assert instance.parameters == {"list": [1]}


def test_a_read_only_view_is_no_protection(parts):
    mantissa, exponent = parts
    instance = Instance(Tree.complete(2, 1), Scaled(mantissa, exponent).frozen())
    mantissa[0] = 99.0
    assert instance.value.mantissa[0] == 3.0


def test_what_nobody_can_write_to_is_shared():
    one = family("uniform", horizon=2)
    assert Instance(one.graph, one.value).value.mantissa is one.value.mantissa


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles_are_read_only_too(again):
    instance = family("dirichlet", horizon=2, perturbation="constant-up", epsilon=0.5)
    assert instance.audit.bellman_error == pytest.approx(0.5)
    other = again(instance)
    assert other.same_as(instance)
    for array in (other.value.mantissa, other.value.exponent):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_padding_is_worth_what_it_follows():
    names = ("", "a", "stop", "ab", None)
    tree = Tree(np.array([0, 1, 3, 5]), np.array([0, 2, 3, 4]), np.array([0.5, 0.5, 1.0, 1.0]), names)
    instance = Instance.from_scores(tree, lambda name: 1.0 + len(name))
    assert instance.value.to_float().tolist() == [1.0, 2.0, 5.0, 3.0, 5.0]


@pytest.mark.parametrize("score", [None, "high", np.nan, np.inf, -1.0, 10**400, 1j])
def test_a_score_that_is_none_is_named(score):
    tree = Tree(np.array([0, 1, 2]), np.array([0, 1]), np.array([1.0]), ("r", "x"))
    with pytest.raises(RewardError, match=r"the score of 'x' is .*, expected a finite number of at least 0"):
        Instance.from_scores(tree, lambda name: score if name == "x" else 1.0)
