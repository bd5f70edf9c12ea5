"""The oracle game: find the hidden prefix, and pay for every prefix that you look at.

The oracle answers about prefixes it has handed out, so nobody can guess. With q queries at most q of the H equally
likely prefixes have been looked into: no strategy succeeds with probability above q / H. What a sampler near the target
must do therefore has a price, (mass - 1/3) H, and it is exponential in T.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.errors import SpecError
from treesim.hard_instances.certificate import certificate
from treesim.hard_instances.hidden_prefix import hidden_at, hidden_prefix_certificate
from treesim.instances.instance import Instance
from treesim.runtime.seeds import Stream, generator
from treesim.samplers import Sampler, sampler
from treesim.samplers.oracle import Oracle, Prefix
from treesim.samplers.user import adapter
from treesim.scaled import Scaled
from treesim.spec import require_at_least
from treesim.studies.scaling import slope

SEARCH = "sequential-search"
# Samplers whose one parameter grows with the budget.
RIVALS = ("best-of-n:n={}", "smc:particles={}")
LARGEST_SIZE = 1 << 12


class SequentialSearch:
    """Look into prefix after prefix, depth first, never into one twice, until V^ rises above one."""

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """The complete prefix that is found; the last one looked into if there is none."""
        waiting, last = [oracle.root], oracle.root
        while waiting:
            last = waiting.pop()
            value = oracle.value(last)
            if last.level == oracle.horizon or value < 1.0:
                continue  # V^ falls below one on all prefixes but the hidden one
            children = [child for child, _ in oracle.children(last)]
            if value > 1.0:
                while last.level < oracle.horizon:
                    last = oracle.draw(last)
                return last
            waiting.extend(reversed(children))
        while last.level < oracle.horizon:
            last = oracle.draw(last)
        return last


Search = adapter(SEARCH, SequentialSearch)


@dataclass(frozen=True, eq=False, repr=False)
class SuccessCurve(Brief):
    """How likely a strategy is to return the hidden prefix, against what it may spend.

    Attributes
    ----------
    strategy : str
    queries : ndarray, shape [n]
        Prefixes looked at.
    success : ndarray, shape [n]
    kind : str
        ``exact`` or ``estimated``.
    games : int
        Games that an estimate is from.
    """

    strategy: str
    queries: FloatArray
    success: FloatArray
    kind: str
    games: int = 0


def best_possible(queries: FloatArray, hidden: int) -> FloatArray:
    """min(1, q / H): no strategy does better.

    Examples
    --------
    >>> best_possible(np.array([16.0, 100.0]), hidden=64).tolist()
    [0.25, 1.0]
    """
    return np.minimum(1.0, np.asarray(queries, np.float64) / hidden)


def search_costs(instance: Instance) -> FloatArray:
    """Queries that sequential search needs, for each place the prefix may hide at, in ascending order."""
    costs = []
    for word in range(certificate(instance).hidden):
        oracle = Oracle(hidden_at(word, instance), np.random.default_rng(0))
        SequentialSearch().simulate(oracle, np.random.default_rng(0))
        costs.append(float(oracle.reference_draws.sum()))
    return np.sort(costs)


def exact_curve(strategy: str, instance: Instance, budgets: Iterable[float]) -> SuccessCurve:
    """Success of a strategy by a closed form or an exact law.

    Parameters
    ----------
    strategy : str
        ``best possible``, ``sequential-search``, or a spec with ``{}`` in place of the number that grows.
    instance : Instance
        Of the family ``hidden-prefix``.
    budgets : iterable of float
        Queries.

    Raises
    ------
    NoExactLaw
        If there is no exact law.
    """
    proof = certificate(instance)
    grid = np.array(list(budgets), np.float64)
    if strategy == "best possible":
        return SuccessCurve(strategy, grid, best_possible(grid, proof.hidden), "exact")
    if strategy == SEARCH:
        costs = search_costs(instance)
        return SuccessCurve(strategy, grid, np.searchsorted(costs, grid, side="right") / proof.hidden, "exact")
    good = Scaled.zeros(instance.graph.n_leaves)
    good.mantissa[proof.region[0]] = 1.0
    points = [(cost, kind.law(instance).expected(good)) for kind, cost in _within(strategy, instance, grid)]
    queries, success = np.array(points, np.float64).reshape(-1, 2).T
    return SuccessCurve(strategy, queries, success, "exact")


def played_curve(
    strategy: str, instance: Instance, budgets: Iterable[float], games: int, seed: int = 0
) -> SuccessCurve:
    """Success of any registered sampler, measured over games, each with a prefix hidden anew.

    Parameters
    ----------
    strategy : str
        A spec, run again and again until the budget is spent; or one with ``{}`` in place of a number that is chosen to
        spend the budget in one run.
    """
    grid = np.array(list(budgets), np.float64)
    n_words = certificate(instance).hidden
    words = generator(seed, Stream.POLICY).integers(n_words, size=games).tolist()
    places = {word: hidden_at(word, instance) for word in words}
    if "{}" in strategy:
        points = []
        for kind, cost in _within(strategy, instance, grid):
            # Games with the same prefix are runs on one instance.
            found = [
                kind.simulate(places[word], n, seed=seed * n_words + word).leaf == word
                for word, n in Counter(words).items()
            ]
            points.append((cost, float(np.concatenate(found).mean())))
        queries, success = np.array(points, np.float64).reshape(-1, 2).T
        return SuccessCurve(strategy, queries, success, "estimated", games)
    kind = Search() if strategy == SEARCH else sampler(strategy)
    spent = np.full(games, np.inf)
    for game, word in enumerate(words):
        total, turn = 0.0, 0
        while total < grid.max() and math.isinf(spent[game]):
            draws = kind.simulate(places[word], 1, seed=game + turn * games)
            total += max(1, draws.reference_draws)
            turn += 1
            if draws.leaf[0] == word:
                spent[game] = total
    return SuccessCurve(strategy, grid, (spent[:, None] <= grid).mean(axis=0), "estimated", games)


@dataclass(frozen=True)
class PriceRow:
    """What nearness to the target costs at one horizon.

    Attributes
    ----------
    horizon, hidden : int
    mass : float
        pi~ of the hidden prefix.
    bound : float
        Queries that every sampler within TV 1/3 must make.
    best_of_n : float
        Queries of the least best-of-N that returns the hidden prefix with probability mass - 1/3.
    """

    horizon: int
    hidden: int
    mass: float
    bound: float
    best_of_n: float


def prices(horizons: Iterable[int], epsilon: float, branching: int) -> Iterator[PriceRow]:
    """The lower bound against the horizon, and what drawing with pi_ref pays.

    Examples
    --------
    >>> [(row.hidden, round(row.bound, 1)) for row in prices([3, 6, 9], epsilon=1.0, branching=2)]
    [(4, 1.0), (16, 2.9), (64, 10.9)]
    """
    for horizon in horizons:
        proof = hidden_prefix_certificate(horizon, epsilon, branching, form="trellis")
        draws = math.ceil(math.log1p(-proof.forced_hit) / math.log1p(-1.0 / proof.hidden))
        yield PriceRow(horizon, proof.hidden, proof.target_mass, proof.queries, float(draws * horizon))


def fitted_exponent(rows: list[PriceRow]) -> float:
    """Slope of log(bound) against T by least squares, in nats a step."""
    require_at_least("horizons", len(rows), 2)
    return slope((row.horizon, math.log(row.bound)) for row in rows)


def _within(strategy: str, instance: Instance, budgets: FloatArray) -> Iterator[tuple[Sampler, float]]:
    """The largest sampler of a template that each budget pays for, and what it costs."""
    seen = set()
    for budget in budgets:
        size = min(LARGEST_SIZE, int(budget // instance.graph.horizon))
        if size < 1 or size in seen:
            continue
        seen.add(size)
        try:
            kind = sampler(strategy.format(size))
        except SpecError:
            if size > 1:
                raise
            continue
        yield kind, kind.cost(instance).reference_draws
