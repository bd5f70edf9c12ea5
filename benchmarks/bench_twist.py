"""Backward twist on 2^24 leaves against a plain copy of the bytes it touches.

    pytest benchmarks/bench_twist.py

Read the column of medians: the twist is the pass from the leaves to the root, rewards in place; the copy moves every
array that the pass reads or writes once (edge_ptr, edge_prob, mantissas, exponents), the smaller copy leaves out the
structure (edge_ptr) and the exponents. All rivals run in one process.
"""

import numpy as np
import pytest

from treesim import Scaled, Tree
from treesim.graphs.values import audit, expect_level, optimal_twist

HORIZON = 24


@pytest.fixture(scope="module")
def tree():
    return Tree.complete(2, HORIZON, policy=1.0, seed=0)


@pytest.fixture(scope="module")
def value(tree):
    return optimal_twist(tree, np.random.default_rng(0).normal(size=tree.n_leaves))


@pytest.fixture(scope="module")
def wide_value(tree):
    """Rewards over exp(+-700): the leaves no longer share one exponent."""
    return optimal_twist(tree, np.random.default_rng(0).uniform(-700, 700, size=tree.n_leaves))


def backward(tree, value):
    for t in reversed(range(tree.horizon)):
        expect_level(tree, t, value)


def writeable(value):
    return Scaled(value.mantissa.copy(), value.exponent.copy())


@pytest.mark.benchmark(group="twist")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_twist(benchmark, tree, value, threads, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", threads)
    working = writeable(value)
    benchmark.pedantic(backward, (tree, working), rounds=9, warmup_rounds=1)
    assert working.equals(value)


@pytest.mark.benchmark(group="twist")
def test_twist_over_a_wide_range(benchmark, tree, wide_value, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "1")
    benchmark.pedantic(backward, (tree, writeable(wide_value)), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="twist")
def test_twist_from_log_rewards(benchmark, tree, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "1")
    log_reward = np.random.default_rng(0).normal(size=tree.n_leaves)
    benchmark.pedantic(optimal_twist, (tree, log_reward), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="twist")
def test_audit(benchmark, tree, value):
    benchmark.pedantic(audit, (tree, value, value), rounds=3, warmup_rounds=1)


def copy_all(pairs):
    for target, source in pairs:
        np.copyto(target, source)


@pytest.mark.benchmark(group="twist")
@pytest.mark.parametrize("what", ["all", "without_structure"])
def test_copy(benchmark, tree, value, what):
    sources = [tree.edge_prob, value.mantissa]
    if what == "all":
        sources += [tree.edge_ptr, value.exponent]
    pairs = [(np.zeros_like(source), source) for source in sources]
    benchmark.pedantic(copy_all, (pairs,), rounds=9, warmup_rounds=1)


@pytest.mark.benchmark(group="twist")
def test_numpy_linear(benchmark, tree, value):
    """The same recursion in numpy, linear, unsafe against overflow: what a careful script would do."""
    leaves = value.to_float()[tree.leaves]

    def run():
        level = leaves
        for t in reversed(range(tree.horizon)):
            level = (tree.layer(t).prob * level).reshape(-1, 2).sum(axis=1)
        return level[0]

    assert benchmark.pedantic(run, rounds=3, warmup_rounds=1) == pytest.approx(value.to_float()[0], rel=1e-13)


@pytest.mark.benchmark(group="twist")
def test_numpy_logs(benchmark, tree, value):
    """The same recursion in numpy, in logs: safe, and what the scaled form replaces."""
    log_leaves = value[tree.leaves].log()

    def run():
        level = log_leaves
        for t in reversed(range(tree.horizon)):
            pairs = (np.log(tree.layer(t).prob) + level).reshape(-1, 2)
            level = np.logaddexp(pairs[:, 0], pairs[:, 1])
        return level[0]

    assert benchmark.pedantic(run, rounds=2, warmup_rounds=1) == pytest.approx(value.log()[0], abs=1e-12)
