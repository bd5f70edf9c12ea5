"""SMC against the PyPI package `particles` on one Feynman-Kac model, paired: turn by turn in one run.

    python benchmarks/bench_smc.py [--environment DIR] [--rounds 7]

The model is a complete binary tree of 20 steps with random pi_ref and V^; systematic resampling at every step.
`particles` 0.4 needs numpy < 2, so this makes it an environment of its own, in DIR or for this run only. The column of
ratios is the median over rounds of their time over ours.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

from treesim import SMC, Instance, family

RIVAL = Path(__file__).with_name("particles_rival.py")
# Particles, and runs of ours and of theirs that take a fraction of a second.
SIZES = ((16, 80_000, 40), (1_000, 4_000, 80), (100_000, 60, 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, help="where to make the rival's environment, and find it again")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        python = make_environment(arguments.environment or Path(scratch) / "rival")
        instance = family("dirichlet", horizon=20, perturbation="log-normal:sigma=0.2", seed=0)
        tables = Path(scratch) / "tree.npz"
        save_tables(instance, tables)
        rival = subprocess.Popen([python, RIVAL, tables], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        print("ns a particle-step, medians: " + f"{'N':>8} {'treesim':>9} {'particles':>10} {'ratio':>8}")
        for particles, runs, rival_runs in SIZES:
            ours, theirs = [], []
            for turn in range(arguments.rounds + 1):
                own = time_ours(instance, particles, runs, seed=turn)
                other = ask(rival, particles, rival_runs)
                if turn > 0:  # the first warms both up
                    ours.append(own)
                    theirs.append(other)
            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            own, other = statistics.median(ours), statistics.median(theirs)
            print(f"{'':29}{particles:>8} {own:>9.2f} {other:>10.1f} {ratio:>8.1f}", flush=True)
        rival.stdin.close()
        rival.wait()


def make_environment(folder: Path) -> Path:
    """The interpreter of an environment that has `particles`."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "particles==0.4", "numpy<2"], check=True)
    return python


def save_tables(instance: Instance, path: Path) -> None:
    """pi_ref of the first child of every node, and log V^, level by level."""
    graph = instance.graph
    tables = {}
    for t in range(graph.horizon + 1):
        tables[f"value{t}"] = instance.value[graph.level(t)].log()
        if t < graph.horizon:
            tables[f"first{t}"] = graph.layer(t).prob[::2]
    np.savez(path, **tables)


def time_ours(instance: Instance, particles: int, runs: int, seed: int) -> float:
    sampler = SMC(particles, "systematic")
    start = time.perf_counter()
    sampler.simulate(instance, runs, seed)
    return (time.perf_counter() - start) / (runs * particles * instance.graph.horizon) * 1e9


def ask(rival: subprocess.Popen, particles: int, runs: int) -> float:
    print(particles, runs, file=rival.stdin, flush=True)
    return float(rival.stdout.readline())


if __name__ == "__main__":
    main()
