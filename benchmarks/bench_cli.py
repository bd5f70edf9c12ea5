"""Cold start of the command line, as whole processes, after the kernels have been compiled once.

pytest benchmarks/bench_cli.py
"""

import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "a.safetensors"
    call(
        "generate", "dirichlet", "--horizon", "5", "--perturbation", "random-sign", "--epsilon", "0.1", "-o", str(path)
    )
    return path


def call(*arguments):
    subprocess.run(
        [sys.executable, "-c", "from treesim.cli.main import main; main()", *arguments], check=True, capture_output=True
    )


@pytest.mark.benchmark(group="cold start")
def test_python_alone(benchmark):
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", "pass"],), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="cold start")
def test_help(benchmark):
    benchmark.pedantic(call, ("--help",), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="cold start")
def test_tv(benchmark, instance):
    specs = [
        "base",
        "best-of-n:n=16",
        "importance:n=16",
        "rejection:budget=64",
        "beam:width=4",
        "sp-gsmc",
        "sp-gsmc:pool=8",
    ]
    benchmark.pedantic(call, ("tv", str(instance), *specs), rounds=5, warmup_rounds=1)
