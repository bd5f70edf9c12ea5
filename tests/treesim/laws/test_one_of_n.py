import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import treesim.laws.one_of_n
from tests import naive
from treesim.laws.one_of_n import best_of, weighted_pick
from treesim.scaled import Scaled

weights = st.one_of(st.sampled_from([0.0, 1.0, 1e-304, 1e304]), st.floats(0.01, 100.0))
outcomes = st.lists(st.tuples(st.integers(0, 5), weights), min_size=1, max_size=5).filter(
    lambda rows: any(p for p, _ in rows)
)


def split(rows):
    prob = np.array([p for p, _ in rows], float)
    return prob / prob.sum(), np.array([w for _, w in rows])


def logs(x):
    with np.errstate(divide="ignore"):
        return np.log(x)


@given(outcomes, st.integers(1, 4))
@settings(max_examples=60)
def test_weighted_pick_is_the_rational_law(rows, draws):
    prob, weight = split(rows)
    found = prob * np.exp(weighted_pick(logs(weight), prob, draws))
    exact = naive.weighted_pick(naive.fractions(prob), naive.fractions(weight), draws)
    np.testing.assert_allclose(found, [float(x) for x in exact], rtol=2e-12, atol=1e-290)


@given(outcomes, st.integers(1, 4))
@settings(max_examples=60)
def test_best_of_is_the_rational_law(rows, draws):
    prob, weight = split(rows)
    found = prob * np.exp(best_of(Scaled.from_float(weight), prob, draws))
    exact = naive.best_of(naive.fractions(prob), naive.fractions(weight), draws)
    np.testing.assert_allclose(found, [float(x) for x in exact], rtol=1e-12, atol=1e-290)


@pytest.mark.parametrize("draws", [1, 2, 17, 1000, 10**6, 10**9])
@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_laws_of_many_outcomes_sum_to_one(draws, spread):
    rng = np.random.default_rng(0)
    prob, log_weight = rng.dirichlet(np.ones(3000)), spread * rng.normal(size=3000)
    log_weight[::50] = -np.inf
    for log_h in (weighted_pick(log_weight, prob, draws), best_of(Scaled.from_log(log_weight), prob, draws)):
        assert (prob * np.exp(log_h)).sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("draws", [2, 64, 10_000])
@pytest.mark.parametrize("spread", [0.1, 2.0, 100.0])
def test_chebyshev_nodes_give_what_all_outcomes_give(draws, spread, monkeypatch):
    rng = np.random.default_rng(1)
    prob, log_weight = rng.dirichlet(np.full(2000, 0.3)), spread * rng.normal(size=2000)
    log_weight[:40] = -np.inf
    by_nodes = weighted_pick(log_weight, prob, draws)
    monkeypatch.setattr(treesim.laws.one_of_n, "LARGEST_DIRECT", 10**6)
    direct = weighted_pick(log_weight, prob, draws)
    mass = prob > 0
    np.testing.assert_allclose(prob[mass] * np.exp(by_nodes[mass]), prob[mass] * np.exp(direct[mass]), atol=2e-15)
    heavy = direct > -30
    np.testing.assert_allclose(by_nodes[heavy & mass], direct[heavy & mass], atol=1e-12)


def test_one_draw_changes_nothing():
    prob = np.array([0.2, 0.0, 0.3, 0.5])
    log_weight = np.array([-np.inf, 3.0, 800.0, -800.0])
    h = np.exp(weighted_pick(log_weight, prob, 1))
    np.testing.assert_allclose(h[prob > 0], 1.0, rtol=1e-12)


def test_many_draws_approach_the_weights_at_the_known_rate():
    prob, weight = np.array([0.5, 0.3, 0.2]), np.array([1.0, 2.0, 5.0])
    target = prob * weight / (prob @ weight)
    law = prob * np.exp(weighted_pick(np.log(weight), prob, 10**5))
    rate = 10**5 * 0.5 * np.abs(law - target).sum()
    expected = 0.5 * target @ np.abs(weight - target @ weight) / (prob @ weight)
    assert rate == pytest.approx(expected, rel=1e-3)


def test_the_best_of_very_many_is_the_best():
    law = np.exp(best_of(Scaled.from_float([1.0, 2.0]), np.array([1 - 1e-12, 1e-12]), 10**15)) * [1 - 1e-12, 1e-12]
    np.testing.assert_allclose(law, [0, 1.0], atol=1e-15)
