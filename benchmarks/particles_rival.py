"""The other side of `bench_smc.py`, run in an environment with `particles` 0.4.

Reads "N runs" lines from stdin and answers each with the nanoseconds that a particle-step took.
"""

import sys
import time

import numpy as np
import particles


class TreeWalk(particles.FeynmanKac):
    """pi_ref on a complete binary tree, weighed by V^(child) / V^(parent)."""

    def __init__(self, first, value):
        super().__init__(len(first))
        self.first, self.value, self.rng = first, value, np.random.default_rng(0)

    def M0(self, N):  # noqa: N802
        return self.M(0, np.zeros(N, np.int64))

    def M(self, t, xp):  # noqa: N802
        self.before = self.value[t][xp]
        return 2 * xp + (self.rng.random(len(xp)) >= self.first[t][xp])

    def logG(self, t, xp, x):  # noqa: N802
        return self.value[t + 1][x] - self.before


def main():
    tables = np.load(sys.argv[1])
    horizon = len(tables) // 2
    first = [tables[f"first{t}"] for t in range(horizon)]
    value = [tables[f"value{t}"] for t in range(horizon + 1)]
    for line in sys.stdin:
        size, runs = map(int, line.split())
        start = time.perf_counter()
        for _ in range(runs):
            particles.SMC(TreeWalk(first, value), N=size, resampling="systematic", ESSrmin=1.0).run()
        print((time.perf_counter() - start) / (size * runs * horizon) * 1e9, flush=True)


if __name__ == "__main__":
    main()
