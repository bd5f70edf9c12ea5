"""Values from rollouts: means of rewards ahead, with the spread that k of them have."""

import math

import numpy as np
import pytest

from treesim import Instance, Scaled, SpecError, Tree, family, optimal_twist
from treesim.instances import rollouts
from treesim.instances.rollouts import mean_rollouts


def test_means_are_unbiased_and_spread_as_k_says(monkeypatch):
    """z = 6 for each of 60 means: a false alarm in 1e-7 of seeds."""
    graphs = [family("dirichlet", horizon=3, seed=3), family("markov", horizon=4, states=3, seed=1)]
    for instance, block in zip(graphs, (1 << 20, 7), strict=True):
        monkeypatch.setattr(rollouts, "_BLOCK", block)
        graph, twist = instance.graph, instance.value
        square = optimal_twist(graph, 2 * instance.log_reward).to_float()
        truth = twist.to_float()
        sd = np.sqrt(np.maximum(0.0, square - truth**2))[: graph.leaves.start]
        for k in (1, 50):
            n = 400
            means = np.array([mean_rollouts(graph, twist, k, seed).to_float() for seed in range(n)])
            inner = means[:, : graph.leaves.start]
            np.testing.assert_allclose(means[:, graph.leaves], np.tile(truth[graph.leaves], (n, 1)), rtol=1e-12)
            error = np.maximum(sd / math.sqrt(k * n), 1e-12)
            assert (np.abs(inner.mean(axis=0) - truth[: graph.leaves.start]) < 6 * error).all()
            spread = inner.std(axis=0, ddof=1) * math.sqrt(k)
            moved = sd > 1e-9
            assert (np.abs(spread[moved] / sd[moved] - 1.0) < 0.5).all()


def test_a_prefix_all_of_whose_rollouts_are_worth_nothing_has_no_value():
    tree = Tree([0, 1, 3], [0, 2], [0.999, 0.001])
    twist = optimal_twist(tree, Scaled.from_float([0.0, 1.0]))
    assert mean_rollouts(tree, twist, 1, seed=0).log()[0] == -np.inf
    instance = Instance(tree, mean_rollouts(tree, twist, 1, seed=0))
    assert instance.audit.bellman_error == np.inf


def test_rewards_beyond_floats_have_means():
    tree = Tree.complete(branching=2, horizon=1)
    twist = optimal_twist(tree, np.array([5000.0, 5001.0]))
    log_mean = mean_rollouts(tree, twist, 100_000).log()[0]
    assert log_mean == pytest.approx(5000 + math.log((1 + math.e) / 2), abs=0.02)


def test_k_is_at_least_one():
    with pytest.raises(SpecError, match="k is 0, expected at least 1"):
        family("uniform", horizon=2, perturbation="rollouts:k=0")
