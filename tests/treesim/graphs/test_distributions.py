"""One tolerance and one way to normalise, wherever probabilities come in."""

import logging

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim import Tree, TreeError, Trellis, family
from treesim.errors import SpecError
from treesim.graphs.distributions import ROUNDING, SUM_TOLERANCE, Normaliser, normalised
from treesim.testing import check_sampler


def subject(v):
    return f"probabilities of node {v}"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 10**6), st.floats(-0.9e-4, 0.9e-4))
def test_every_group_sums_to_one_and_exact_ones_stay_to_the_bit(sizes, seed, off):
    rng = np.random.default_rng(seed)
    ptr = np.cumsum([0, *sizes])
    prob = np.concatenate([rng.dirichlet(np.ones(size)) for size in sizes])
    nearly = prob.copy()
    nearly[: sizes[0]] *= 1 + off
    result = Normaliser().groups(ptr + 7, nearly, subject)
    np.testing.assert_allclose(np.add.reduceat(result, ptr[:-1]), 1.0, atol=1e-14)
    np.testing.assert_allclose(result, prob, rtol=1e-12)
    assert np.array_equal(result[sizes[0] :], prob[sizes[0] :])


def test_rounding_is_left_alone():
    prob = np.array([0.5, 0.5 - 0.9 * ROUNDING])
    normaliser = Normaliser()
    assert normaliser.groups(np.array([0, 2]), prob, subject) is prob
    assert normaliser.scaled == 0


@pytest.mark.parametrize(
    ("prob", "message"),
    [
        ([1.0, 0.5, 0.4], "probabilities of node 1 sum to 0.9, expected 1"),
        ([1.0, 0.5, 0.5 + 1.01 * SUM_TOLERANCE], "probabilities of node 1 sum to 1.000101, expected 1"),
        ([1.0, -0.1, 1.0], "probabilities of node 1 contain -0.1, expected numbers from 0 to 1"),
        ([1.2, 0.5, 0.5], "probabilities of node 0 contain 1.2"),
        ([1.0, 0.5, np.nan], "probabilities of node 1 contain nan"),
    ],
)
def test_what_is_no_distribution_is_refused_by_name(prob, message):
    with pytest.raises(TreeError, match=message):
        Normaliser().groups(np.array([0, 1, 3]), np.array(prob), subject)


def test_what_was_scaled_is_said_in_one_line(caplog):
    normaliser = Normaliser()
    normaliser.groups(np.array([0, 2, 4]), np.array([0.5, 0.50001, 0.33333, 0.66665]), subject)
    normaliser.groups(np.array([0, 1]), np.array([1.00001]), subject)
    normaliser.say()
    assert caplog.messages == ["probabilities of node 1 sum to 0.99998: they were normalised, and so were 2 more"]
    Normaliser().say()
    assert len(caplog.messages) == 1


def float32_graph():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("r", i, 0.333333) for i in range(3)], weight="prob")
    return graph


@pytest.mark.parametrize(
    "read",
    [
        lambda: Tree.from_networkx(float32_graph()),
        lambda: Trellis.from_networkx(float32_graph()),
        lambda: Tree.from_policy(lambda prefix: np.full(3, 1 / 3, np.float32), "abc", horizon=2),
        lambda: check_sampler(
            lambda n, rng: np.arange(n) % 2, family("uniform", horizon=1), [0.499998, 0.5], n=1000
        ),
    ],
)  # fmt: skip
def test_six_digits_are_enough_everywhere(read, caplog):
    with caplog.at_level(logging.WARNING, "treesim"):
        read()
    assert len(caplog.messages) == 1
    assert "they were normalised" in caplog.messages[0]


def test_a_target_that_is_no_law_is_a_spec_error():
    with pytest.raises(SpecError, match=r"the target sum to 0\.9"):
        normalised(np.array([0.4, 0.5]), "probabilities of the target", SpecError)
