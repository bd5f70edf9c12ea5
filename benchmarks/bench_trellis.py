"""Trellises: twist and audit against a copy of the bytes they touch, and the cost of a certified TV.

    pytest benchmarks/bench_trellis.py

Read the column of medians. The copy moves once every array that the passes must read or write: probabilities and
children of all edges, pointers, and V*.
"""

import numpy as np
import pytest

from treesim import GuidedSMC, Layer, Scaled, Trellis, audit, family, optimal_twist

HORIZON, NODES, DEGREE = 10, 20_000, 50


@pytest.fixture(scope="module")
def trellis():
    """10^7 edges in 10 distinct layers, 50 tokens a node."""
    rng = np.random.default_rng(0)
    layers = [Layer(np.array([0, NODES]), np.full(NODES, 1.0 / NODES), np.arange(NODES, dtype=np.int32))]
    for _ in range(HORIZON):
        prob = rng.dirichlet(np.ones(DEGREE), size=NODES)
        child = rng.integers(0, NODES, NODES * DEGREE).astype(np.int32)
        layers.append(Layer(np.arange(NODES + 1) * DEGREE, prob.ravel(), child))
    return Trellis(np.cumsum([0, 1, *[NODES] * (HORIZON + 1)]), layers, np.arange(HORIZON + 1))


@pytest.fixture(scope="module")
def twist(trellis):
    return optimal_twist(trellis, np.random.default_rng(1).normal(size=NODES))


@pytest.mark.benchmark(group="10^7 edges")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_twist_and_audit(benchmark, trellis, twist, threads, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", threads)
    reward = Scaled(twist.mantissa[trellis.leaves].copy(), twist.exponent[trellis.leaves].copy())

    def both():
        found = optimal_twist(trellis, reward)
        return audit(trellis, found, found)

    assert benchmark.pedantic(both, rounds=7, warmup_rounds=1).bellman_error < 1e-12


@pytest.mark.benchmark(group="10^7 edges")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_twist(benchmark, trellis, twist, threads, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", threads)
    reward = Scaled(twist.mantissa[trellis.leaves].copy(), twist.exponent[trellis.leaves].copy())
    benchmark.pedantic(optimal_twist, (trellis, reward), rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="10^7 edges")
def test_copy(benchmark, trellis, twist):
    sources = [part for layer in trellis.layers for part in layer] + [twist.mantissa, twist.exponent]
    pairs = [(np.zeros_like(source), source) for source in sources]

    def run():
        for target, source in pairs:
            np.copyto(target, source)

    benchmark.pedantic(run, rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="certified TV, 3 nodes a level, one thread")
@pytest.mark.parametrize(("horizon", "width"), [(200, 5e-8), (1000, 1e-6), (1000, 1e-8)])
def test_certified_tv(benchmark, horizon, width, monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "1")
    instance = family("markov", horizon=horizon, perturbation="log-uniform", epsilon="0.5/T", seed=1)
    law, target = GuidedSMC().law(instance), instance.target
    tv = benchmark.pedantic(law.tv, (target,), {"width": width}, rounds=2, warmup_rounds=1)
    assert tv.hi - tv.lo <= width


@pytest.mark.benchmark(group="text: 10^6 edges in a layer stored once, T = 200")
@pytest.mark.parametrize("value", ["exact", "automaton"])
def test_constrained_text(benchmark, value):
    """From the text to the audited instance."""

    def build():
        built = family("ngram", horizon=200, order=5, contains=("python",), value=value)
        _ = built.audit
        return built

    instance = benchmark.pedantic(build, rounds=1, warmup_rounds=1)
    assert len(instance.graph.layers[1].prob) > 1_000_000
