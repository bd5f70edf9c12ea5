import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.treesim.test_scaled import is_canonical
from treesim import Instance, RewardError, Scaled, Tree, Trellis, audit, family, optimal_twist
from treesim.graphs.layered import Layer
from treesim.graphs.values import expect_ahead
from treesim.runtime import threads
from treesim.testing.strategies import instances, problems, trees


def log_fraction(x: Fraction) -> float:
    if not x:
        return -math.inf
    power = x.numerator.bit_length() - x.denominator.bit_length()
    return math.log(x / Fraction(2) ** power) + power * math.log(2)


@given(problems())
def test_twist_is_the_rational_one(problem):
    tree, reward = problem
    twist = optimal_twist(tree, Scaled.from_float(reward))
    expected = [log_fraction(x) for x in naive.twist(tree, naive.fractions(reward))]
    np.testing.assert_allclose(twist.log(), expected, rtol=1e-15, atol=1e-12)


@given(problems())
def test_twist_has_relative_error_below_1e_minus_14(problem):
    tree, reward = problem
    twist = optimal_twist(tree, Scaled.from_float(reward))
    for found, exponent, expected in zip(
        twist.mantissa, twist.exponent, naive.twist(tree, naive.fractions(reward)), strict=True
    ):
        exact = Fraction(float(found)) * Fraction(2) ** int(exponent)
        assert abs(exact - expected) <= Fraction(1, 10**14) * expected


@given(instances())
def test_audit_is_the_rational_one(instance):
    tree = instance.graph
    reward = naive.fractions(instance.reward.to_float())
    value = naive.fractions(instance.value.to_float())
    twist = naive.twist(tree, reward)
    found = instance.audit
    errors = naive.bellman_errors(tree, value)
    beyond_floats = [v for v, e in errors.items() if e is None or e > Fraction(10) ** 306]
    if beyond_floats:
        assert found.bellman_error > 1e305
        assert found.bellman_error_node in beyond_floats
        assert found.bellman_error == math.inf or None not in errors.values()
    else:
        assert found.bellman_error == pytest.approx(float(max(errors.values())), rel=1e-12, abs=1e-13)
    ratio = naive.ratio_bound(tree, value)
    if ratio is None:
        assert found.ratio_bound == found.log_ratio_bound == math.inf
    else:
        if ratio < 10**300:
            assert found.ratio_bound == pytest.approx(float(ratio), rel=1e-11)
        else:
            assert found.ratio_bound > 1e299
        assert found.log_ratio_bound == pytest.approx(log_fraction(ratio), rel=1e-13, abs=1e-13)
        v, c = found.ratio_bound_step
        assert c - 1 in range(tree.edge_ptr[v], tree.edge_ptr[v + 1])
    assert found.log_partition == pytest.approx(log_fraction(twist[0]), rel=1e-14, abs=1e-13)


@pytest.mark.parametrize("shift", [1.0, 2.0**600, 2.0**-600])
def test_mean_errors_by_level_are_the_rational_ones(shift):
    checked = 0

    @given(trees(), st.integers(0, 2**32))
    @settings(max_examples=60)
    def check(tree, seed):
        nonlocal checked
        rng = np.random.default_rng(seed)
        number = Scaled.from_float(np.exp(rng.normal(size=tree.n_nodes)))
        instance = Instance(tree, number * Scaled.from_float(np.full(tree.n_nodes, shift)))
        found, value = instance.audit, naive.fractions(number.to_float())
        twist = naive.twist(tree, value[tree.leaves.start :])
        errors = naive.bellman_errors(tree, value)
        mass = [Fraction(1)] + [Fraction(0)] * tree.n_edges
        for v in naive.inner_nodes(tree):
            for c, p in naive.children(tree, v):
                mass[c] = mass[v] * p
        for t in range(tree.horizon):
            nodes = range(tree.level_ptr[t], tree.level_ptr[t + 1])
            reference = sum(mass[v] * errors.get(v, 0) for v in nodes)
            target = sum(mass[v] * twist[v] / twist[0] * errors.get(v, 0) for v in nodes)
            assert found.mean_reference[t] == pytest.approx(float(reference), rel=1e-12, abs=1e-13)
            assert found.mean_target[t] == pytest.approx(float(target), rel=1e-12, abs=1e-13)
            checked += float(reference) != pytest.approx(float(target))

    check()
    assert checked > 30, checked


def test_the_product_model_has_the_known_errors():
    instance = family("product", horizon=10, ratio=1.2)
    assert instance.audit.bellman_error == pytest.approx(0.1, abs=1e-12)
    assert instance.audit.ratio_bound == pytest.approx(1.2, abs=1e-12)
    assert instance.audit.log_partition == pytest.approx(10 * math.log(1.1), abs=1e-13)


def test_values_far_outside_the_range_of_floats_stay_exact():
    # Two leaves, exp(-50000) and exp(+30000) under each of many parents; a chain of tiny probabilities on top.
    n = 300
    level_ptr = np.concatenate([[0], 1 + 2 * np.arange(n + 1)])
    edge_ptr = np.concatenate([[0], 2 + np.arange(2 * n - 1)])
    edge_prob = np.ones(2 * n)
    edge_prob[:2] = 1e-300, 1.0
    tree = Tree(level_ptr, edge_ptr, edge_prob)
    twist = optimal_twist(tree, [30_000.0, -50_000.0])
    assert twist.log()[0] == pytest.approx(30_000 + math.log(1e-300), rel=1e-15)
    found = audit(tree, twist, twist)
    assert found.bellman_error < 1e-15
    assert found.ratio_bound == math.inf
    assert found.log_ratio_bound == pytest.approx(80_000 + math.log(1e-300), rel=1e-12)


def test_three_children_may_have_exponents_of_two_kinds():
    """Wherever the border between two exponents is: rewards 1, 1/8 and 1/64 times every power of two."""
    k = np.arange(-600, 600)
    n, prob = len(k), np.array([0.2, 0.3, 0.5])
    tree = Tree(
        np.array([0, 1, 1 + n, 1 + 4 * n]),
        np.concatenate([[0], n + 3 * np.arange(n + 1)]),
        np.concatenate([np.full(n, 1 / n), np.tile(prob, n)]),
    )
    twist = optimal_twist(tree, math.log(2) * (k[:, None] - [0, 3, 6]).ravel())
    expected = math.log(2) * k + math.log(0.2 + 0.3 / 8 + 0.5 / 64)
    np.testing.assert_allclose(twist.log()[1 : 1 + n], expected, rtol=0, atol=1e-12)


def test_a_reward_that_is_zero_makes_the_ratio_bound_infinite_and_nothing_else():
    tree = Tree.complete(2, 2)
    with np.errstate(divide="ignore"):
        twist = optimal_twist(tree, np.log([0.0, 0.0, 1.0, 0.0]))
    found = audit(tree, twist, twist)
    assert found.ratio_bound == math.inf
    assert found.ratio_bound_step == (0, 1)
    assert found.bellman_error == 0.0
    assert np.exp(found.log_partition) == 0.25


def test_nodes_that_pi_ref_cannot_reach_do_not_count():
    tree = Tree.complete(2, 2, policy=[1.0, 0.0, 0.5, 0.5, 0.5, 0.5])
    twist = optimal_twist(tree, np.log([1.0, 2.0, 1e-9, 1e9]))
    spoiled = Scaled.from_float(twist.to_float() * [1, 1, 1000, 1, 1, 1, 1])
    assert audit(tree, spoiled, twist).bellman_error == audit(tree, twist, twist).bellman_error
    assert audit(tree, spoiled, twist).ratio_bound == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("log_reward", "message"),
    [
        ([0.0, np.nan], "log reward of leaf 1 is nan"),
        ([np.inf, 0.0], "log reward of leaf 0 is inf"),
        ([-np.inf, -np.inf], "reward is zero at every leaf that pi_ref reaches"),
        ([0.0], "expected one number for each of 2 leaves"),
        ([[0.0, 1.0]], "expected one number for each of 2 leaves"),
        ([1e300, 0.0], "at most 1e8 in size"),
    ],
)
def test_bad_rewards_are_refused(log_reward, message):
    with pytest.raises(RewardError, match=message):
        optimal_twist(Tree.complete(2, 1), log_reward)


def test_a_reward_only_where_pi_ref_cannot_go_is_no_reward():
    with pytest.raises(RewardError, match="zero at every leaf that pi_ref reaches"):
        optimal_twist(Tree.complete(2, 1, policy=[1.0, 0.0]), [-np.inf, 0.0])


def wide_chain() -> Trellis:
    rng = np.random.default_rng(1)
    return Trellis.markov(rng.dirichlet(np.ones(200), size=200), horizon=5)


def deep_tree() -> Tree:
    return Tree.complete(2, 17, policy=0.5, seed=1)


@pytest.mark.parametrize("build", [deep_tree, wide_chain])
@pytest.mark.parametrize("scale", [1.0, 400.0])
def test_any_number_of_threads_gives_the_same_bits(build, scale, monkeypatch):
    monkeypatch.setattr(threads, "SMALLEST_CHUNK", 1 << 10)
    monkeypatch.setattr(threads, "SMALLEST_PART", 1 << 10)
    found = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("TREESIM_THREADS", count)
        graph = build()
        log_reward = np.random.default_rng(0).normal(size=graph.n_leaves) * scale
        twist = optimal_twist(graph, log_reward)
        audited = audit(graph, twist * twist, twist)
        found.append((twist, audited.bellman_error, audited.ratio_bound_step, audited.mean_target.tolist()))
    for twist, *figures in found[1:]:
        assert twist.equals(found[0][0])
        assert figures == list(found[0][1:])
    assert found[0][0].exponent.any() == (scale > 1)


def test_parts_of_a_layer_add_up_to_the_audit_of_the_whole(monkeypatch):
    graph, again = wide_chain(), wide_chain()
    twist = optimal_twist(graph, np.random.default_rng(0).normal(size=graph.n_leaves))
    whole = audit(graph, twist * twist, twist)
    monkeypatch.setattr(threads, "SMALLEST_PART", 1 << 10)
    parts = audit(again, twist * twist, twist)
    assert parts.bellman_error == whole.bellman_error
    assert parts.ratio_bound_step == whole.ratio_bound_step
    np.testing.assert_allclose(parts.mean_target, whole.mean_target, rtol=1e-13)
    np.testing.assert_allclose(parts.mean_reference, whole.mean_reference, rtol=1e-13)


def test_linear_values_of_a_large_tree_agree_with_numpy():
    tree = Tree.complete(2, 16, policy=1.0, seed=4)
    log_reward = np.random.default_rng(1).normal(size=tree.n_leaves)
    level = np.exp(log_reward)
    for t in reversed(range(tree.horizon)):
        level = (tree.layer(t).prob * level).reshape(-1, 2).sum(axis=1)
    assert optimal_twist(tree, log_reward).to_float()[0] == pytest.approx(level[0], rel=1e-14)


def test_an_infinite_error_of_tiny_target_mass_is_not_dropped():
    # Half of pi_ref stands where V^ is zero and rewards are e^-800 of the other half's.
    tree = Tree.complete(2, 2)
    twist = optimal_twist(tree, [-800.0, -800.0, 0.0, 0.0])
    value = Scaled.from_log([twist.log()[0], -np.inf, 0.0, -800.0, -800.0, 0.0, 0.0])
    found = audit(tree, value, twist)
    assert found.mean_target[1] == found.mean_reference[1] == found.bellman_error == math.inf
    # Where the target has no mass at all the error is none of its own.
    twist = optimal_twist(tree, [-np.inf, -np.inf, 0.0, 0.0])
    value = Scaled.from_log([twist.log()[0], 0.0, 0.0, -np.inf, -np.inf, 0.0, 0.0])
    found = audit(tree, value, twist)
    assert found.mean_reference[1] == math.inf
    assert found.mean_target[1] == 0.0


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("sizes", [(-800.0, -1000.0, -1400.0, -900.0), (-720.0, -730.0, -850.0, -715.0)])
def test_of_errors_beyond_floats_the_largest_is_named(sizes, rising, monkeypatch):
    tree = Tree.complete(4, 2)
    log_value = np.zeros(tree.n_nodes)
    log_value[1:5] = np.array(sizes) * (-1 if rising else 1)
    log_value[0] = log_value[1:5].max()
    value, twist = Scaled.from_log(log_value), optimal_twist(tree, np.zeros(16))
    assert audit(tree, value, twist).bellman_error_node == 3
    # A value of zero is farther still, wherever it stands.
    log_value[4] = -np.inf
    assert audit(tree, Scaled.from_log(log_value), twist).bellman_error_node == 4
    # The same across parts.
    monkeypatch.setattr(threads, "SMALLEST_PART", 1)
    assert audit(tree, value, twist).bellman_error_node == 3


def test_a_mean_of_values_in_neighbouring_blocks_keeps_the_smaller_ones():
    # 2^262 has an exponent of its own, 2^250 none; the sum is told to the bit.
    tree = Tree.complete(2, 1)
    twist = optimal_twist(tree, Scaled(np.array([2.0**-250, 2.0**250]), np.array([512, 0], np.int32)))
    assert Fraction(float(twist.mantissa[0])) * Fraction(2) ** int(twist.exponent[0]) == 2**261 + 2**249


@pytest.mark.parametrize("shift", [-1000.0, 1000.0])
def test_mean_errors_do_not_depend_on_the_unit_of_the_reward(shift):
    plain = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.5", seed=3)
    shifted = audit(plain.graph, *(Scaled.from_log(x.log() + shift) for x in (plain.value, plain.twist)))
    for name in ("sup", "mean_reference", "mean_target"):
        np.testing.assert_allclose(getattr(shifted, name), getattr(plain.audit, name), rtol=1e-10)
    assert shifted.log_partition == pytest.approx(plain.audit.log_partition + shift, rel=1e-14)


@pytest.mark.parametrize(("last", "ratio"), [(4.0, 4.0), (0.25, 4.0), (2.0, 2.0)])
def test_a_step_beside_smaller_ones_of_its_level_counts_up_or_down(last, ratio):
    """The first node of level 1 falls by two; below the second one child stays and the other moves."""
    tree = Tree.complete(2, 2)
    value = Scaled.from_float([2.0, 2.0, 1.0, 1.0, 2.0, 1.0, last])
    found = audit(tree, value, optimal_twist(tree, value[tree.leaves]))
    assert found.ratio_bound == ratio
    assert found.ratio_bound_step == ((2, 6) if ratio > 2 else (0, 2))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("prob", "logs"),
    [
        # A step so rare that its term is below floats, to a value so large that nothing else counts.
        ([1e-300, 1.0], [-150.0 + 10 * 512 * math.log(2.0), 0.0]),
        ([1e-320, 1.0], [400.0, -340.0]),
        # A step that pi_ref never takes, to the largest value there is.
        ([0.0, 1.0], [5_000.0, 1.0]),
        ([0.5, 0.5], [0.0, -355.0]),
        ([0.5, 0.5], [0.0, -700.0]),
        ([1e-200, 1e-200], [-300.0, -100.0]),
    ],
)
def test_pairs_of_children_far_apart(prob, logs, swapped):
    """Many pairs alike, so that all but the last are taken together."""
    if swapped:
        prob, logs = prob[::-1], logs[::-1]
    n = 101
    layer = Layer(np.arange(0, 2 * n + 1, 2), np.array(prob * n), np.empty(0, np.int32))
    below = Scaled.from_log(logs * n)
    found = expect_ahead(layer, below)
    terms = zip(prob, below.mantissa[:2].tolist(), below.exponent[:2].tolist(), strict=True)
    expected = sum(Fraction(p) * Fraction(m) * Fraction(2) ** e for p, m, e in terms)
    assert len({*found.mantissa.tolist()}) == len({*found.exponent.tolist()}) == 1
    exact = Fraction(float(found.mantissa[0])) * Fraction(2) ** int(found.exponent[0])
    assert abs(exact - expected) <= Fraction(1, 10**15) * expected
    assert is_canonical(found)
