"""The exact law of SMC on trees: populations one by one, and merged prefixes, against a chain on all multisets.

    python benchmarks/bench_smc_law.py [--rounds 3]

Rivals take turns in one run; what the chain on all multisets cannot do is timed alone.
"""

import argparse
import time

from treesim import SMC, family
from treesim.laws.particle_kinds import kinds_of
from treesim.laws.smc_chain import CountChain


class AllMultisets(CountChain):
    """Every step goes from all multisets to all multisets."""

    def _single_work(self, t):
        return float("inf")


def generic(horizon, branching=2):
    """A tree where nothing merges."""
    return family(
        "dirichlet", horizon=horizon, branching=branching, perturbation="log-normal:sigma=0.7", seed=3
    )  # fmt: skip


def hidden(horizon):
    """A tree where nearly all merges."""
    return family("hidden-prefix", horizon=horizon, form="tree")


# Name, instance, N, and whether the rival can do it.
CASES = (
    ("2^8 leaves, N = 2", generic(8), 2, True),
    ("2^5 leaves, N = 3", generic(5), 3, True),
    ("hidden-prefix, T = 9, N = 2", hidden(9), 2, True),
    ("2^12 leaves, N = 2", generic(12), 2, False),
    ("2^8 leaves, N = 3", generic(8), 3, False),
    ("4^4 leaves, N = 4", generic(4, 4), 4, False),
    ("hidden-prefix, T = 15, N = 256", hidden(15), 256, False),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    for name, instance, particles, has_rival in CASES:
        sampler = SMC(particles)
        chain = AllMultisets(list(kinds_of(sampler.mechanism(instance))), particles)
        runs = {"here": lambda: sampler.law(instance)}  # noqa: B023
        if has_rival:
            runs["all multisets"] = chain.leaf_law
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(rounds + 1):
            for rival, run in runs.items():
                start = time.perf_counter()
                run()
                best[rival] = min(best[rival], time.perf_counter() - start)
        ratio = f"{best['all multisets'] / best['here']:9.0f} x" if has_rival else ""
        print(f"{name:32} {best['here']:8.3f} s {ratio}")


if __name__ == "__main__":
    main()
