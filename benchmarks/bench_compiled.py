"""Compiled trees of 2^22 and 2^26 leaves: built, merged, streamed; and how much that is beside a walk that only sums.

    pytest benchmarks/bench_compiled.py

The rival is the shortest recursion that finds Z, compiled for this one tree, one thread, nothing checked. A stream
finds Z, epsilon by level, L, the law of the reward and the TV of guidance: two passes. Read the column `ns_a_node` (of
the tree; for streams `ns_a_leaf`) beside the medians; all run in one process. Kernels are compiled before.
"""

import math

import pytest
from numba import njit

from treesim import compiled_tree
from treesim.graphs.values import optimal_twist

BUILT, STREAMED, MERGED = 22, 26, 250


@compiled_tree
class Ones:
    horizon: int
    up: float = 0.3

    def root(self):
        return 0

    def children(self, state):
        return (state, state + 1), (1.0 - self.up, self.up)

    def reward(self, state):
        return 1.0 + 0.1 * state

    def value(self, state):
        return 1.3 + 0.1 * state


@compiled_tree
class Dice:
    horizon: int

    def root(self):
        return (0, 0)

    def children(self, state):
        a, b = state
        return ((a, b), (a + 1, b), (a, b + 1)), (0.5, 0.25, 0.25)

    def reward(self, state):
        return 1.0 + 0.1 * state[0] + 0.2 * state[1]


@njit(nogil=True)
def shortest(state, level, horizon, up):
    if level == horizon:
        return 1.0 + 0.1 * state
    return (1.0 - up) * shortest(state, level + 1, horizon, up) + up * shortest(state + 1, level + 1, horizon, up)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    Ones(12).stream()
    Ones(4).instance()
    Dice(4).trellis()
    shortest(0, 0, 4, 0.3)


@pytest.mark.benchmark(group="build")
def test_tree(benchmark):
    tree = benchmark.pedantic(Ones(BUILT).tree, rounds=7, warmup_rounds=1)
    tell(benchmark, "node", tree.n_nodes)


@pytest.mark.benchmark(group="build")
def test_instance(benchmark):
    instance = benchmark.pedantic(Ones(BUILT).instance, rounds=7, warmup_rounds=1)
    tell(benchmark, "node", instance.graph.n_nodes)


@pytest.mark.benchmark(group="build")
def test_trellis(benchmark):
    """A node has three edges: of each the state at its end is looked up."""
    trellis = benchmark.pedantic(Dice(MERGED).trellis, rounds=7, warmup_rounds=1)
    tell(benchmark, "node", trellis.n_nodes)


@pytest.mark.benchmark(group="partition function")
def test_shortest_recursion(benchmark):
    z = benchmark.pedantic(shortest, (0, 0, STREAMED, 0.3), rounds=3)
    assert math.isclose(z, 1.0 + 0.03 * STREAMED, rel_tol=1e-12)
    tell(benchmark, "leaf", 2**STREAMED)


@pytest.mark.benchmark(group="partition function")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_stream(benchmark, threads, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", threads)
    found = benchmark.pedantic(Ones(STREAMED).stream, rounds=3)
    assert math.isclose(math.exp(found.log_partition), 1.0 + 0.03 * STREAMED, rel_tol=1e-12)
    tell(benchmark, "leaf", 2**STREAMED)


@pytest.mark.benchmark(group="partition function")
def test_arrays(benchmark):
    """Built, and the twist alone: a sixteenth of the leaves."""

    def build():
        instance = Ones(BUILT).instance()
        return optimal_twist(instance.graph, instance.reward)

    benchmark.pedantic(build, rounds=3)
    tell(benchmark, "leaf", 2**BUILT)


def tell(benchmark, what, size):
    benchmark.extra_info[f"ns_a_{what}"] = round(benchmark.stats["min"] / size * 1e9, 2)
