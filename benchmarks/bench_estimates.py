"""Estimated TV of SMC with the exact V* as a control variate, against the conditional laws of outputs alone.

    python benchmarks/bench_estimates.py [--runs 4000] [--rounds 5]

The two take turns in one run. Widths narrow with the root of the runs, so at equal time the gain is the ratio of the
widths over the root of the ratio of the times.
"""

import argparse
import time
from unittest import mock

from treesim import family, sampler
from treesim.empirical import estimation

CASES = (
    ("T = 6, N = 8", 6, "random-sign", "smc:particles=8"),
    ("T = 8, N = 8, systematic", 8, "random-sign", "smc:particles=8,resampling=systematic"),
    ("T = 12, N = 16, systematic", 12, "random-sign", "smc:particles=16,resampling=systematic"),
    ("T = 12, N = 64", 12, "random-sign", "smc:particles=64"),
    ("T = 10, N = 8, poor V^", 10, "log-normal:sigma=0.7", "smc:particles=8"),
    ("T = 10, N = 16, by ESS", 10, "log-normal:sigma=0.7", "smc:particles=16,threshold=0.5"),
    ("T = 10, N = 2, systematic", 10, "random-sign", "smc:particles=2,resampling=systematic"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    print(f"{'':28} {'with V*':>9} {'without':>9} {'time':>7} {'gain at equal time':>20}")
    for name, horizon, perturbation, spec in CASES:
        errors = {"epsilon": "0.5/T"} if perturbation == "random-sign" else {}
        instance = family("dirichlet", horizon=horizon, perturbation=perturbation, seed=1, **errors)
        widths, best = {}, {True: float("inf"), False: float("inf")}
        for _ in range(asked.rounds + 1):
            for with_twist in best:
                with mock.patch.object(
                    estimation, "is_controlled", estimation.is_controlled if with_twist else lambda *_: False
                ):
                    start = time.process_time()
                    found = estimation.estimate(sampler(spec), instance, n=asked.runs)
                    best[with_twist] = min(best[with_twist], time.process_time() - start)
                widths[with_twist] = found.tv.width
        longer = best[True] / best[False]
        gain = widths[False] / widths[True] / longer**0.5
        print(f"{name:28} {widths[True]:9.4f} {widths[False]:9.4f} {longer:5.2f} x {gain:18.1f} x")


if __name__ == "__main__":
    main()
