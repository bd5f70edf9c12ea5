import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import treesim.laws.one_of_n
from tests import naive
from treesim.kernels.one_of_n import log_selection, positions, select_by_log, two_child_pool
from treesim.laws.by_reward import RewardedLeaves
from treesim.laws.one_of_n import best_of, weighted_pick
from treesim.scaled import Scaled

weights = st.one_of(st.sampled_from([0.0, 1.0, 1e-304, 1e304]), st.floats(0.01, 100.0))
outcomes = st.lists(st.tuples(st.integers(0, 5), weights), min_size=1, max_size=5).filter(
    lambda rows: any(p for p, _ in rows)
)


def split(rows):
    prob = np.array([p for p, _ in rows], float)
    return prob / prob.sum(), np.array([w for _, w in rows])


def picked(prob, weight, draws, power=1.0):
    """The law of the weighted pick, outcome by outcome."""
    levels = RewardedLeaves(Scaled.from_float(prob), weight).levels
    h = np.exp(weighted_pick(levels.reward, levels.mass.to_float(), draws, power))
    return prob * h[levels.of_leaf]


def bested(prob, weight, draws):
    levels = RewardedLeaves(Scaled.from_float(prob), weight).levels
    return prob * np.exp(best_of(levels.mass.to_float(), draws))[levels.of_leaf]


@given(outcomes, st.integers(1, 4))
@settings(max_examples=60)
def test_weighted_pick_is_the_rational_law(rows, draws):
    prob, weight = split(rows)
    exact = naive.weighted_pick(naive.fractions(prob), naive.fractions(weight), draws)
    np.testing.assert_allclose(
        picked(prob, Scaled.from_float(weight), draws), [float(x) for x in exact], rtol=1e-12, atol=1e-290
    )


@given(outcomes, st.integers(1, 4))
@settings(max_examples=60)
def test_best_of_is_the_rational_law(rows, draws):
    prob, weight = split(rows)
    exact = naive.best_of(naive.fractions(prob), naive.fractions(weight), draws)
    np.testing.assert_allclose(
        bested(prob, Scaled.from_float(weight), draws), [float(x) for x in exact], rtol=1e-12, atol=1e-290
    )


def decimal_pick(prob, weight, draws):
    """The law of the weighted pick in sixty digits, all draws enumerated."""
    with localcontext(prec=60):
        law = [Decimal(0)] * len(prob)
        for drawn in itertools.product(range(len(prob)), repeat=draws):
            share = math.prod((Decimal(prob[i]) for i in drawn), start=Decimal(1)) / sum(weight[i] for i in drawn)
            for i in drawn:
                law[i] += share * weight[i]
        return [float(x) for x in law]


def powers_of_two(exponents, fractions):
    """Weights fraction * 2**exponent, as scaled numbers and in sixty digits."""
    blocks = np.array(exponents) // 512 * 512
    scaled = Scaled.from_float(np.ldexp(np.array(fractions, np.float64), np.array(exponents) - blocks))
    with localcontext(prec=60):
        exact = [Decimal(f) * Decimal(2) ** int(e) for f, e in zip(fractions, exponents, strict=True)]
    return Scaled(scaled.mantissa, (scaled.exponent + blocks).astype(np.int32)), exact


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([0, 1, 60, 500, 5000, 43_000]), st.floats(1.0, 2.0)),
        min_size=2,
        max_size=5,
    ),
    st.integers(2, 4),
)
@settings(max_examples=60)
def test_rewards_far_from_one_and_from_each_other_lose_no_digit(rows, draws):
    prob = np.array([p for p, _, _ in rows], float) / sum(p for p, _, _ in rows)
    weight, exact_weight = powers_of_two([43_000 - e for _, e, _ in rows], [f for _, _, f in rows])
    event(f"{len({e for _, e, _ in rows})} scales")
    # What is below floats is zero in both.
    exact = decimal_pick(prob.tolist(), exact_weight, draws)
    np.testing.assert_allclose(picked(prob, weight, draws), exact, rtol=5e-14, atol=1e-300)


@pytest.mark.parametrize("power", [1000, 20_000])
def test_sharp_powers_lose_no_digit(power):
    # Two pairs of near weights, the lower pair far below the upper at this power.
    prob, weight = np.array([0.1, 0.2, 0.3, 0.4]), np.array([7.0, 7.0 + 3e-5, 19.0, 19.0 + 7e-5])
    with localcontext(prec=60):
        exact_weight = [Decimal(w) ** power for w in weight.tolist()]
    exact = decimal_pick(prob.tolist(), exact_weight, 3)
    found = picked(prob, Scaled.from_float(weight), 3, power=float(power))
    np.testing.assert_allclose(found, [float(x) for x in exact], rtol=2e-14)
    assert all(float(x) > 0.001 for x in exact)


def test_rewards_a_hundred_million_nats_apart_take_no_time_and_no_room():
    log_weight = np.array([0.0, -1e8, -5.0, -2e7])
    found = picked(np.full(4, 0.25), Scaled.from_log(log_weight), 3)
    # Where values differ by so much the largest of a draw wins, but for the pair that is five nats apart.
    near = math.exp(-5.0)
    exact = dict.fromkeys(range(4), 0.0)
    for drawn in itertools.product(range(4), repeat=3):
        kept = [math.exp(log_weight[i]) for i in drawn]
        best = max(drawn, key=lambda i: log_weight[i])
        for place, i in enumerate(drawn):
            share = kept[place] / sum(kept) if best in (0, 2) else (i == best) / drawn.count(best)
            exact[i] += share / 64
    np.testing.assert_allclose(found, list(exact.values()), rtol=1e-13)
    assert found[2] / found[0] > near


@pytest.mark.parametrize("log_beside", [-np.inf, -3000.0, -1.0, 2.0, 2000.0])
def test_one_more_beside_the_draws_is_the_integral_of_all(log_beside):
    # Two draws beside a retained one of weight b: sums over all pairs.
    prob, log_weight = np.array([0.25, 0.5, 0.125, 0.125]), np.array([1.0, -2.0, -2500.0, -np.inf])
    out = np.empty(4)
    select_by_log(prob, log_weight, 2.0, log_beside, out)
    exact = np.zeros(4)
    for i, k in itertools.product(range(4), repeat=2):
        top = max(log_weight[i], log_weight[k], log_beside)
        if top == -np.inf:
            continue
        held = np.exp(np.array([log_weight[i], log_weight[k], log_beside]) - top)
        exact[i] += prob[i] * prob[k] * held[0] / held.sum()
        exact[k] += prob[i] * prob[k] * held[1] / held.sum()
    np.testing.assert_allclose((prob * np.exp(out))[:3], exact[:3], rtol=1e-13, atol=1e-300)
    assert out[3] == pytest.approx(math.log(0.125))


def test_nothing_but_zeros_is_picked_from_uniformly():
    out = np.empty(2)
    select_by_log(np.array([0.5, 0.5]), np.full(2, -np.inf), 3.0, -np.inf, out)
    assert out.tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(picked(np.array([0.25, 0.75]), Scaled.zeros(2), 3), [0.25, 0.75])


@pytest.mark.parametrize("draws", [1, 2, 17, 1000, 10**6, 10**9])
@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0, 3e5])
def test_laws_of_many_outcomes_sum_to_one(draws, spread):
    rng = np.random.default_rng(0)
    prob, log_weight = rng.dirichlet(np.ones(3000)), spread * rng.normal(size=3000)
    log_weight[::50] = -np.inf
    for law in (picked, bested):
        assert law(prob, Scaled.from_log(log_weight), draws).sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("draws", [2, 64, 10_000])
@pytest.mark.parametrize("spread", [0.1, 2.0, 30.0])
def test_chebyshev_nodes_give_what_all_outcomes_give(draws, spread, monkeypatch):
    rng = np.random.default_rng(1)
    prob, log_weight = rng.dirichlet(np.full(5000, 0.3)), spread * rng.normal(size=5000)
    log_weight[:40] = -np.inf
    weight = Scaled.from_log(log_weight)
    taken = []
    by_nodes_only = treesim.laws.one_of_n._by_nodes
    monkeypatch.setattr(treesim.laws.one_of_n, "_by_nodes", lambda *given: (taken.append(1), by_nodes_only(*given))[1])
    by_nodes = picked(prob, weight, draws)
    assert taken
    monkeypatch.setattr(treesim.laws.one_of_n, "CHEBYSHEV_NODES", 10**6)
    direct = picked(prob, weight, draws)
    assert len(taken) == 1
    np.testing.assert_allclose(by_nodes, direct, atol=2e-15)
    heavy = direct > 1e-13 * prob
    np.testing.assert_allclose(by_nodes[heavy], direct[heavy], rtol=1e-12)


def test_outcomes_out_of_sight_are_summed_and_not_left_out():
    # One outcome a million nats above the rest, in nine of ten draws: the rest win when it is not drawn.
    prob, whole = np.array([0.9, 0.05, 0.05]), np.array([0, -1_000_000, -1_000_001])
    out = np.empty(3)
    log_selection(prob, whole, np.zeros(3), 0.0, 2.0, -1, out)
    lower = 1 / (1 + math.exp(-1.0))
    exact = [2 * 0.9 - 0.81, 0.05**2 * (1 + 2 * lower), 0.05**2 * (1 + 2 * (1 - lower))]
    np.testing.assert_allclose(prob * np.exp(out), exact, rtol=1e-14)


def test_one_draw_changes_nothing():
    prob = np.array([0.2, 0.0, 0.3, 0.5])
    weight = Scaled.from_log([-np.inf, 3.0, 800.0, -800.0])
    np.testing.assert_allclose(picked(prob, weight, 1), prob, rtol=1e-12)


def test_many_draws_approach_the_weights_at_the_known_rate():
    prob, weight = np.array([0.5, 0.3, 0.2]), np.array([1.0, 2.0, 5.0])
    target = prob * weight / (prob @ weight)
    law = picked(prob, Scaled.from_float(weight), 10**5)
    rate = 10**5 * 0.5 * np.abs(law - target).sum()
    expected = 0.5 * target @ np.abs(weight - target @ weight) / (prob @ weight)
    assert rate == pytest.approx(expected, rel=1e-3)


def test_the_best_of_very_many_is_the_best():
    law = bested(np.array([1 - 1e-12, 1e-12]), Scaled.from_float([1.0, 2.0]), 10**15)
    np.testing.assert_allclose(law, [0, 1.0], atol=1e-15)


@pytest.mark.parametrize("draws", [1, 2, 3, 8, 41])
@pytest.mark.parametrize("chance", [Fraction(1, 2), Fraction(1, 8), Fraction(63, 64)])
@pytest.mark.parametrize("ratio", [1.0, 0.3, 2.0**-40])
def test_a_pool_of_two_children_is_a_sum_over_the_binomial_counts(draws, chance, ratio):
    high = sum(
        math.comb(draws, k) * chance**k * (1 - chance) ** (draws - k) * k / (k + (draws - k) * Fraction(ratio))
        for k in range(1, draws + 1)
    )
    found = two_child_pool(float(chance), float(1 - chance), ratio, draws)
    np.testing.assert_allclose(found, [float(high), float(1 - high)], rtol=1e-13)


@pytest.mark.parametrize("blocks", [1, 40, 100_000])
def test_weights_that_are_blocks_apart_are_as_precise_as_beside_each_other(blocks):
    """What lies between 1 and 3 * 2^-512 blocks: whole nats, and a rest to the last bits."""
    mantissa, exponent = np.array([1.0, 1.5]), np.array([0, -512 * blocks], np.int32)
    whole, part = np.zeros(2, np.int64), np.zeros(2)
    positions(mantissa, exponent, np.array([0, 1]), 1.0, whole, part)
    with localcontext(prec=60):
        exact = Decimal("1.5").ln() - 512 * blocks * Decimal(2).ln()
        assert abs(int(whole[1]) + Decimal(float(part[1])) - exact) < Decimal("2e-16") * (1 + abs(exact))
        assert blocks > 1 or abs(int(whole[1]) + Decimal(float(part[1])) - exact) < Decimal("6e-14")
