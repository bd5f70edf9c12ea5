"""What corrections can reach: bounds against linear programs and against every sampler that has an exact law."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import ExactGuided, GuidedSMC, Importance, Instance, Race, Scaled, Tree, family
from treesim.hard_instances import unknown_root
from treesim.hard_instances.correction_game import PLAYERS, correction_game
from treesim.laws.corrected import log_extreme_ratios
from treesim.laws.law import LeafLaw
from treesim.laws.selection import programmed_rule, worst_error
from treesim.testing.strategies import instances
from treesim.theory.correction import (
    contraction,
    correction_lower_bound,
    correction_rate,
    draws_to_correct,
    exact_tail,
    race_bound,
    resampling_bound,
    selection_bound,
)


def chebyshev_error(draws, bound):
    """The best polynomial of degree N to f, unconstrained: least squares on Chebyshev points cannot be nearer, and the
    error of the best one equioscillates: its size is |f - H| at one more point than it has coefficients."""
    k2 = bound**2
    z = np.cos(np.pi * np.arange(draws + 2) / (draws + 1))
    c = (k2 + 1) / (k2 - 1)
    # Remez' exchange, started from the extrema of T_(N + 1).
    for _ in range(30):
        f = -2 * k2 / (k2 - 1) ** 2 / (z + c)
        matrix = np.column_stack([np.polynomial.chebyshev.chebvander(z, draws), (-1.0) ** np.arange(draws + 2)])
        *coefficient, size = np.linalg.solve(matrix, f)
        fine = np.cos(np.pi * np.arange(20_001) / 20_000)
        error = -2 * k2 / (k2 - 1) ** 2 / (fine + c) - np.polynomial.chebyshev.chebval(fine, coefficient)
        cuts = [0, *(np.flatnonzero(np.diff(np.sign(error))) + 1).tolist(), len(fine)]
        z = np.array([fine[a + np.abs(error[a:b]).argmax()] for a, b in itertools.pairwise(cuts)])
    return abs(size)


@pytest.mark.parametrize(("draws", "bound"), [(1, 2.0), (3, 1.5), (4, 2.0), (5, 5.0), (6, 10.0)])
def test_the_bound_is_the_error_of_the_best_polynomial(draws, bound):
    assert contraction(bound) ** draws / 2 == pytest.approx(chebyshev_error(draws, bound), rel=1e-5)
    assert correction_lower_bound(draws, bound) >= contraction(bound) ** draws / 2 * (1 - 1e-12)


@pytest.mark.parametrize("bound", [1.5, 3.0, 4.0, 10.0, 30.0])
@pytest.mark.parametrize("draws", [2, 6, 16, 24])
def test_no_algorithm_is_below_the_bound(draws, bound):
    best = worst_error(programmed_rule(draws, bound**-2, returns_a_draw=False), bound**-2)
    assert correction_lower_bound(draws, bound) <= best * 1.01 + 2e-9


def test_beyond_three_the_three_lines_say_more_than_chebyshev_and_tend_to_the_rate():
    for bound in (4.0, 10.0):
        many = [correction_lower_bound(n, bound) for n in (300, 600)]
        assert many[0] > contraction(bound) ** 300
        slope = math.log(many[0] / many[1]) / 300
        assert slope == pytest.approx(correction_rate(bound), rel=0.02)
    assert correction_rate(2.9) == pytest.approx(-math.log(contraction(2.9)))
    # The rate in closed form: s_0 tanh s where s_0 = s - log cosh(s) / tanh(s).
    for s in (0.3, 0.922, 2.0):
        pole = s - math.log(math.cosh(s)) / math.tanh(s)
        assert correction_rate(1 / math.tanh(pole / 2)) == pytest.approx(pole * math.tanh(s), rel=1e-9)


def test_draws_are_the_least_that_the_bound_allows():
    for bound in (1.2, 2.0, 8.0):
        for delta in (0.1, 1e-3, 1e-6):
            n = draws_to_correct(delta, bound)
            assert correction_lower_bound(n, bound) <= delta < correction_lower_bound(n - 1, bound)
    assert draws_to_correct(1e-9, 1.0) == 0
    assert correction_lower_bound(3, 1.0) == 0.0


@given(instances(), st.integers(1, 30))
@settings(max_examples=100)
def test_a_race_is_within_its_bound(instance, draws):
    largest = log_extreme_ratios(LeafLaw(instance.reference.prob), instance.target)[1]
    tv = Race(draws).law(instance).tv(instance.target).hi
    assert tv <= race_bound(draws, largest) + 1e-12


def test_the_bound_of_the_race_is_attained_where_weights_are_zero_or_one():
    from treesim import Instance, Scaled, Tree

    instance = Instance(Tree.complete(2, 1, policy=[0.25, 0.75]), Scaled.from_float([1.0, 1.0, 0.0]))
    for n in (1, 3, 9):
        assert Race(n).law(instance).tv(instance.target).hi == pytest.approx(race_bound(n, math.log(4.0)), rel=1e-12)
    assert race_bound(3, 0.0) == 0.0


@given(instances(max_leaves=5), st.sampled_from([1, 2, 3, 8]))
def test_no_instance_exceeds_the_resampling_bound(instance, draws):
    law = Importance(draws).law(instance)
    largest = log_extreme_ratios(LeafLaw(instance.reference.prob), instance.target)[1]
    assert law.tv(instance.target).hi <= resampling_bound(draws, largest) + 1e-12


def test_the_resampling_bound_is_met_where_one_draw_decides():
    """Weights 0 and C = 4, one draw: pi_ref itself, which the target misses by 1 - 1/C."""
    tree = Tree.complete(branching=4, horizon=1)
    instance = Instance(tree, Scaled.from_float(np.array([1.0, 4.0, 0.0, 0.0, 0.0])))
    tv = Importance(1).law(instance).tv(instance.target).hi
    assert tv == pytest.approx(resampling_bound(1, math.log(4.0))) == pytest.approx(3 / 4)
    assert resampling_bound(3, 0.0) == 0.0


@pytest.mark.parametrize("epsilon", [0.05, 0.2])
def test_selection_on_an_unknown_root_is_between_the_bounds(epsilon):
    horizon, draws = 5, 8
    k = (1 + epsilon) ** (horizon - 1)
    shares = 0.5 * (1 - np.cos(np.pi * np.arange(1, 200) / 200))
    worst = max(
        GuidedSMC(chebyshev=draws).law(instance).tv(instance.target).hi
        for share in shares.tolist()
        for instance in [unknown_root(horizon, epsilon, share)]
    )
    assert correction_lower_bound(draws, k) <= worst <= selection_bound(draws, k) * (1 + 1e-9)


def test_the_game_is_what_samplers_do():
    """Two players again, as samplers on instances: at every p of the game's grid that is looked at."""
    horizon, epsilon, draws = 4, 0.26, 6
    k = (1 + epsilon) ** (horizon - 1)
    game = correction_game(draws, k)
    assert list(game.distance) == list(PLAYERS)
    for i in (40, 200, 500):
        instance = unknown_root(horizon, epsilon, float(game.share[i]))
        for player, kind in ((PLAYERS[2], GuidedSMC(chebyshev=draws)), (PLAYERS[3], GuidedSMC(mh=draws))):
            found = kind.law(instance).tv(instance.target).hi
            assert found == pytest.approx(game.distance[player][i], rel=1e-6, abs=1e-12)
    worst = list(game.worst.values())
    assert worst == sorted(worst)
    # Who must return a draw loses a little by it, and selection a factor below 4.
    assert 1.05 * worst[0] < worst[1] < 1.6 * worst[0]
    assert 2 * worst[1] < worst[2] < 4 * worst[0]


@pytest.mark.parametrize(("draws", "k"), [(1, 2.0), (2, 1.1), (7, 2.0), (24, 4.0), (30, 1.5)])
def test_a_race_and_resampling_of_two_kinds_of_draws_are_laws_of_two_outcomes(draws, k):
    game = correction_game(draws, k)
    for i in range(20, len(game.share), 150):
        p = float(game.share[i])
        tree = Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([1 - p, p]))
        instance = Instance(tree, Scaled.from_float([1.0, 1 / k, k]))
        for player, kind in ((PLAYERS[3], Race(draws)), (PLAYERS[4], Importance(draws))):
            found = kind.law(instance).tv(instance.target).hi
            assert found == pytest.approx(game.distance[player][i], rel=1e-9, abs=1e-13)


def test_what_selection_promises():
    """2 rho^N / (1 + rho^(2N - 2)) at rho = 1/3 and 1/5, N = 2 and 4."""
    assert selection_bound(2, 2.0) == pytest.approx(2 / 9 / (1 + 1 / 9), rel=1e-14)
    assert selection_bound(4, 2.0) == pytest.approx(2 / 81 / (1 + 1 / 729), rel=1e-14)
    assert selection_bound(4, 1.5) == pytest.approx(2 / 625 / (1 + 5.0**-6), rel=1e-14)


def test_the_tail_of_the_exact_sampler():
    """Draws at the root, simulated one by one: geometric with the chance of exact_tail."""
    epsilon, horizon = 0.3, 3
    instance = unknown_root(horizon, epsilon, 1e-9)
    kind = ExactGuided()
    rng = np.random.default_rng(0)
    succeeded = attempts = 0
    for _ in range(40):
        _, passed, _ = kind._attempts(instance, 1_000, rng)
        succeeded, attempts = succeeded + int(passed.sum()), attempts + 1_000
    success = (1 - exact_tail(1, epsilon, horizon, instance.audit.ratio_bound)) * instance.audit.ratio_bound
    spread = math.sqrt(success * (1 - success) / attempts)
    # An attempt begins with draws until one is taken, each with probability 1/L.
    assert abs(succeeded / attempts - success) < 5.5 * spread
    for n in (1, 5, 50):
        k = (1 + epsilon) ** (horizon - 1)
        assert exact_tail(n, epsilon, horizon, 1 + epsilon) >= correction_lower_bound(n, k)


def test_an_unknown_root_has_the_same_bounds_at_every_share():
    for share in (0.01, 0.5, 0.99):
        instance = family("unknown-root", horizon=6, epsilon="0.5/T", share=share)
        assert instance.audit.bellman_error == pytest.approx(0.5 / 6)
        assert instance.audit.ratio_bound == pytest.approx(1 + 0.5 / 6)
        assert GuidedSMC().law(instance).prob.to_float()[0] == pytest.approx(share)
