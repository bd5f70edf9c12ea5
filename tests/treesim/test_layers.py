"""Algorithms see layers only: a graph that merges prefixes of identical future gives the numbers of its tree."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from tests.statistics import FALSE_ALARM, fit_p_value
from treesim import Draws, Law, Layer, Scaled, Tree, audit, family, optimal_twist, perturb
from treesim.kernels.walk import step_guided, step_pool, step_reference
from treesim.law import descend, guided_steps, pool_steps, reference_steps
from treesim.perturb import ConstantUp, RandomSign
from treesim.samplers.base import walk

HORIZON, RATIO = 7, 1.5


def merged_product() -> SimpleNamespace:
    """The product model with prefixes of as many ones merged: t + 1 nodes at level t."""
    graph = SimpleNamespace(horizon=HORIZON)
    starts = np.cumsum([0, *range(1, HORIZON + 2)])
    graph.n_nodes, graph.n_leaves = int(starts[-1]), HORIZON + 1
    graph.level = lambda t: slice(int(starts[t]), int(starts[t + 1]))
    graph.n_level = lambda t: t + 1
    graph.leaves = graph.level(HORIZON)
    graph.describe = str
    graph.layer = lambda t: Layer(
        np.arange(0, 2 * t + 3, 2),
        np.full(2 * t + 2, 0.5),
        np.stack([np.arange(t + 1), np.arange(1, t + 2)], axis=1).ravel(),
    )
    graph.reachable = lambda: Tree.reachable(graph)
    return graph


GRAPH = merged_product()
TREE = family("product", horizon=HORIZON, ratio=RATIO).tree
ONES = np.concatenate([[bin(x).count("1") for x in range(2**t)] for t in range(HORIZON + 1)])
LEVEL = np.repeat(np.arange(HORIZON + 1), 2 ** np.arange(HORIZON + 1))
NODE = LEVEL * (LEVEL + 1) // 2 + ONES  # of the merged graph, for every node of the tree


def reward(ones):
    return np.log(RATIO) * ones


TWIST = optimal_twist(GRAPH, reward(np.arange(HORIZON + 1)))
TREE_TWIST = optimal_twist(TREE, reward(ONES[TREE.leaves]))


def merged_law(law: Law) -> np.ndarray:
    """The law of a tree's leaves, summed over leaves with as many ones."""
    return np.bincount(ONES[TREE.leaves], law.prob.to_float(), minlength=HORIZON + 1)


def test_twist_and_audit():
    np.testing.assert_allclose(TWIST.log()[NODE], TREE_TWIST.log(), rtol=0, atol=1e-14)
    value = Scaled.from_log(reward(np.concatenate([np.arange(t + 1) for t in range(HORIZON + 1)])))
    merged = audit(GRAPH, value, TWIST)
    plain = audit(TREE, value[NODE], TREE_TWIST)
    assert merged.bellman_error == plain.bellman_error == pytest.approx(0.25)
    assert merged.ratio_bound == pytest.approx(plain.ratio_bound)
    np.testing.assert_allclose(merged.mean_reference, plain.mean_reference, rtol=1e-13)
    np.testing.assert_allclose(merged.mean_target, plain.mean_target, rtol=1e-13)
    start, end = merged.ratio_bound_step
    assert abs(value.log()[end] - value.log()[start]) == pytest.approx(math.log(RATIO))


@pytest.mark.parametrize("cap", [None, 1.4])
def test_perturbations(cap):
    for kind in (ConstantUp(), RandomSign()):
        value = perturb(GRAPH, TWIST, kind, 0.05, cap)
        assert audit(GRAPH, value, TWIST).bellman_error == pytest.approx(0.05, abs=1e-12)
        assert audit(TREE, value[NODE], TREE_TWIST).bellman_error == pytest.approx(0.05, abs=1e-12)
        if cap:
            assert audit(TREE, value[NODE], TREE_TWIST).ratio_bound <= cap * (1 + 1e-12)


VALUE = perturb(GRAPH, TWIST, RandomSign(), 0.4)


@pytest.mark.parametrize(
    "steps",
    [
        lambda graph, value: reference_steps,
        guided_steps,
        lambda graph, value: pool_steps(graph, value, 3),
        lambda graph, value: pool_steps(graph, value, 3, by_quadrature=True),
    ],
    ids=["reference", "guided", "pool", "pool by quadrature"],
)
def test_laws(steps):
    merged, children = descend(GRAPH, steps(GRAPH, VALUE))
    plain, _ = descend(TREE, steps(TREE, VALUE[NODE]))
    np.testing.assert_allclose(merged.prob.to_float(), merged_law(plain), rtol=1e-12)
    assert children == pytest.approx(2 * HORIZON)


@pytest.mark.parametrize("pool", [0, 3])
def test_simulation(pool):
    rng = np.random.default_rng(5)

    def step(t, node):
        ahead = VALUE[GRAPH.level(t + 1)]
        if pool:
            step_pool(*GRAPH.layer(t), ahead.mantissa, ahead.exponent, pool, node, rng)
        else:
            step_guided(*GRAPH.layer(t), ahead.mantissa, ahead.exponent, node, rng)

    law = merged_law(
        descend(TREE, (pool_steps(TREE, VALUE[NODE], pool) if pool else guided_steps(TREE, VALUE[NODE])))[0]
    )
    draws = Draws(walk(GRAPH, 100_000, step), 0, 0)
    assert fit_p_value(draws, Law(Scaled.from_float(law))) > FALSE_ALARM


def test_simulation_of_the_reference():
    rng = np.random.default_rng(6)
    draws = Draws(walk(GRAPH, 100_000, lambda t, node: step_reference(*GRAPH.layer(t), node, rng)), 0, 0)
    binomial = np.array([math.comb(HORIZON, k) for k in range(HORIZON + 1)]) / 2**HORIZON
    assert fit_p_value(draws, Law(Scaled.from_float(binomial))) > FALSE_ALARM


def test_values_of_nodes_that_paths_share_are_careful_too():
    wide = optimal_twist(GRAPH, 200.0 * np.arange(HORIZON + 1))
    plain = optimal_twist(TREE, 200.0 * ONES[TREE.leaves])
    assert wide.exponent.any()
    np.testing.assert_allclose(wide.log()[NODE], plain.log(), rtol=1e-15)
