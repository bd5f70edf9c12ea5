"""What keeping one of N guided paths costs beside drawing them: a Markov chain of T = 1000 steps.

python benchmarks/bench_selection.py

Prints, for each rule, the median over rounds of (time of the rule) / (time of drawing), rounds in turn.
"""

import statistics
import time

import numpy as np

from treesim import GuidedSMC, family
from treesim.kernels.selection import select_rounded
from treesim.laws.selection import SLACK

RUNS, PATHS, ROUNDS = 64, 16, 15


def main() -> None:
    instance = family("markov", horizon=1000, states=2, perturbation="random-sign", epsilon="0.5/T", seed=1)
    kind = GuidedSMC(chebyshev=PATHS)
    rule = kind.rule(instance)
    rng, column = np.random.default_rng(0), np.empty(RUNS, np.int64)
    _, log_weight, _ = kind._walk(instance, RUNS * PATHS, rng)
    log_weight = np.ascontiguousarray(np.clip(log_weight, -rule.log_bound, rule.log_bound).reshape(RUNS, PATHS))
    shares = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        kind._walk(instance, RUNS * PATHS, rng)
        middle = time.perf_counter()
        outside = select_rounded(log_weight, rule.log_bound, SLACK, rule.high_chance, rng, column)
        end = time.perf_counter()
        assert outside == 0
        shares.append((end - middle) / (middle - start))
    print(f"{RUNS} x {PATHS} paths of 1000 steps: selecting takes {statistics.median(shares):.4%} of drawing", end=" ")
    print(f"(median of {ROUNDS} rounds; {min(shares):.4%} to {max(shares):.4%}), rule of degree {rule.degree}")


if __name__ == "__main__":
    main()
