"""The oracle game: exact curves against each other, against the oracle's ledger, and against games that are played."""

import math

import numpy as np
import pytest

from treesim import Oracle, register_sampler
from treesim.hard_instances import certificate, hidden_prefix
from treesim.hard_instances.hidden_prefix import hidden_at
from treesim.hard_instances.oracle_game import game
from treesim.hard_instances.oracle_game.game import (
    SEARCH,
    SequentialSearch,
    best_possible,
    exact_curve,
    fitted_exponent,
    played_curve,
    prices,
    search_costs,
)

TRELLIS = hidden_prefix(6, form="trellis")
BUDGETS = [6.0 * 2**k for k in range(6)]


def test_search_finds_every_hiding_place_and_never_looks_twice():
    for word in range(16):
        instance = hidden_at(word, TRELLIS)
        oracle = Oracle(instance, np.random.default_rng(0))
        found = SequentialSearch().simulate(oracle, np.random.default_rng(0))
        assert found.node == word
        assert oracle.value_queries[4] <= 16
    costs = search_costs(TRELLIS)
    assert len(costs) == 16
    assert (costs >= np.arange(1, 17)).all()


@pytest.mark.parametrize("strategy", [SEARCH, "best-of-n:n={}", "smc:particles={}"])
def test_played_games_follow_the_exact_curve_below_the_best_possible(strategy):
    exact, played = exact_curve(strategy, TRELLIS, BUDGETS), played_curve(strategy, TRELLIS, BUDGETS, games=300, seed=1)
    np.testing.assert_array_equal(exact.queries, played.queries)
    assert (exact.success <= best_possible(exact.queries, 16) + 1e-12).all()
    # 18 scores in all: 5.7 standard errors are a false alarm in 10^7; a success is worth 1/300 at the least.
    error = np.sqrt(exact.success * (1 - exact.success) / 300) + 1 / 300
    assert (np.abs(exact.success - played.success) < 5.7 * error).all()
    assert (exact.kind, played.kind) == ("exact", "estimated")


def test_best_of_n_is_drawing_with_replacement():
    curve = exact_curve("best-of-n:n={}", TRELLIS, BUDGETS)
    np.testing.assert_allclose(curve.success, 1 - (15 / 16) ** (np.array(BUDGETS) / 6), rtol=1e-12)


def test_a_strategy_of_ones_own_may_play():
    @register_sampler("first-child")
    class FirstChild:
        def simulate(self, oracle, rng):
            prefix = oracle.root
            while prefix.level < oracle.horizon:
                prefix = oracle.children(prefix)[0][0]
            return prefix

    curve = played_curve("first-child", TRELLIS, BUDGETS[1:2], games=1_000, seed=3)
    # Five standard errors.
    assert curve.success[-1] == pytest.approx(1 / 16, abs=0.038)


def test_the_price_grows_with_the_exponent_of_the_theorem():
    rows = list(prices(range(9, 61, 3), epsilon=1.0, branching=2))
    assert fitted_exponent(rows) == pytest.approx(2 / 3 * math.log(2), abs=1e-3)
    for row in rows:
        assert row.bound < row.best_of_n
    small = list(prices([30, 60, 90], epsilon=0.25, branching=2))
    assert fitted_exponent(small) == pytest.approx(2 / 3 * math.log(1.25), abs=2e-3)
    assert certificate(hidden_prefix(9)).queries == pytest.approx(rows[0].bound)


@pytest.mark.parametrize("strategy", [SEARCH, "best-of-n:n={}"])
def test_games_of_other_seeds_hide_elsewhere(strategy, monkeypatch):
    words = []

    def hide(word, instance):
        words[-1].append(word)
        return hidden_at(word, instance)

    monkeypatch.setattr(game, "hidden_at", hide)
    for seed in (0, 1, 2):
        words.append([])
        played_curve(strategy, TRELLIS, BUDGETS[:1], games=4, seed=seed)
    assert len(set(map(tuple, words))) == 3


def test_games_of_other_seeds_are_played_anew(monkeypatch):
    monkeypatch.setattr(game, "generator", lambda seed, stream: np.random.default_rng(0))
    found = [played_curve("best-of-n:n={}", TRELLIS, BUDGETS, 100, seed).success.tolist() for seed in (0, 1)]
    assert found[0] != found[1]
