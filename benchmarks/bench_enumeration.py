"""Enumeration of samplers in plain Python: microseconds a run, and a million runs.

    python benchmarks/bench_enumeration.py [--rounds 3] [--million]

Trees of three binary steps. Half of the time is the sampler's own.
"""

import argparse
import time

import numpy as np

from treesim import exact_law, family


def drawn(oracle):
    """A path by pi_ref."""
    prefix = oracle.root
    while prefix.level < oracle.horizon:
        prefix = oracle.draw(prefix)
    return prefix


def best_of(oracle, rng, n=4):
    """The best of n draws."""
    pool = [drawn(oracle) for _ in range(n)]
    return max(pool, key=oracle.value)


def importance(oracle, rng, n=4):
    """One of n draws by its reward."""
    pool = [drawn(oracle) for _ in range(n)]
    weights = np.array([oracle.value(prefix) for prefix in pool])
    return pool[rng.choice(n, p=weights / weights.sum())]


def pooled(oracle, rng, pool=3):
    """Step by step, one of a pool by its value."""
    prefix = oracle.root
    while prefix.level < oracle.horizon:
        children = [oracle.draw(prefix) for _ in range(pool)]
        weights = np.array([oracle.value(child) for child in children])
        prefix = children[np.searchsorted(np.cumsum(weights), rng.random() * weights.sum())]
    return prefix


def metropolis(oracle, rng, steps=3):
    """Independent Metropolis-Hastings from pi_ref."""
    state, value = None, 0.0
    for _ in range(steps):
        prefix = drawn(oracle)
        offered = oracle.value(prefix)
        if state is None or rng.random() * value < offered:
            state, value = prefix, offered
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--million", action="store_true", help="a million runs of the first two as well")
    arguments = parser.parse_args()
    instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=0.7", seed=3)
    print(f"{'sampler':>12} {'runs':>8} {'us a run':>9}")
    for sampler in (best_of, importance, pooled, metropolis):
        seconds = []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            found = exact_law(sampler, instance)
            seconds.append(time.perf_counter() - start)
        print(f"{sampler.__name__:>12} {found.runs:>8} {min(seconds) / found.runs * 1e6:>9.1f}", flush=True)
    if arguments.million:
        wide = family("dirichlet", horizon=3, branching=4, perturbation="log-normal:sigma=0.7", seed=3)
        for sampler in (best_of, importance):
            start = time.perf_counter()
            found = exact_law(sampler, wide, budget=1e6)
            print(f"{sampler.__name__:>12} {found.runs:>8} in {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
