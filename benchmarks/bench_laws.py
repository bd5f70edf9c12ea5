"""Exact laws on 2^20 leaves.

pytest benchmarks/bench_laws.py
"""

import pytest

from treesim import family, sampler


@pytest.fixture(scope="module")
def instance():
    built = family("dirichlet", horizon=20, perturbation="random-sign", epsilon="0.5/T", seed=0)
    _ = built.reference, built.twist, built.audit
    return built


@pytest.mark.benchmark(group="laws")
@pytest.mark.parametrize(
    "spec",
    [
        "best-of-n:n=16",
        "importance:n=16",
        "importance:n=1000000",
        "soft-best-of-n:n=16,temperature=0.5",
        "rejection:budget=64",
        "beam:width=64",
        "sp-gsmc",
        "sp-gsmc:pool=8",
        "sp-gsmc:pool=100",
    ],
)
def test_law(benchmark, instance, spec):
    law = benchmark.pedantic(sampler(spec).law, (instance,), rounds=3, warmup_rounds=1)
    assert law.prob.to_float().sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.benchmark(group="simulation: 10^6 outputs")
@pytest.mark.parametrize("spec", ["base", "sp-gsmc", "sp-gsmc:pool=8", "importance:n=16"])
def test_simulation(benchmark, instance, spec):
    draws = benchmark.pedantic(sampler(spec).simulate, (instance, 1_000_000, 1), rounds=2, warmup_rounds=1)
    assert len(draws.leaf) == 1_000_000
