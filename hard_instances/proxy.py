"""A reward that is the true one but for errors on a small mass of strings: more search, and the errors are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import RewardError
from treesim.graphs.tree import Tree
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.runtime.seeds import Stream, generator
from treesim.spec import (
    Parameters,
    parse,
    require_at_least,
    require_one_of,
    require_positive,
    require_whole,
)


class Error(Parameters, ABC):
    """How much more than it is worth the proxy gives to a string that it overrates."""

    name: ClassVar[str]

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Errors, at least 0, shape [n]."""


@dataclass(frozen=True)
class Constant(Error):
    """The same for all."""

    size: float = 1.0
    name: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        require_at_least("size", self.size, 0.0)

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        return np.full(n, float(self.size))


@dataclass(frozen=True)
class Normal(Error):
    """size |g|, g standard normal."""

    size: float = 1.0
    name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        require_at_least("size", self.size, 0.0)

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        return self.size * np.abs(rng.standard_normal(n))


@dataclass(frozen=True)
class StudentT(Error):
    """size |t|, t of Student's law with `df` degrees of freedom: heavy tails."""

    size: float = 1.0
    df: float = 3.0
    name: ClassVar[str] = "student-t"

    def __post_init__(self) -> None:
        require_at_least("size", self.size, 0.0)
        require_positive("df", self.df)

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        return self.size * np.abs(rng.standard_t(self.df, n))


ERRORS: dict[str, type[Error]] = {kind.name: kind for kind in (Constant, Normal, StudentT)}


def proxy(
    horizon: int,
    branching: int = 2,
    share: float = 0.02,
    error: str = "constant:size=1",
    hits: str = "worst",
    depth: int | None = None,
    strength: float = 4.0,
    seed: int = 0,
) -> Instance:
    """B^T strings, all alike under pi_ref; the proxy is the true reward, and more on a share of them. V^ = V*.

    True rewards r are (i + 1/2) / B^T, i = 0, 1, ..., in random order. The proxy is r plus an error on the strings
    below some prefixes, which all have the error of their prefix; samplers see phi = exp(strength * proxy). The true
    reward is an outcome, see `treesim.Outcomes`. Where the worst strings are overrated above all others (errors of 1 or
    more, depth T) best-of-N has a closed form: `best_of_n_true_reward`.

    Parameters
    ----------
    horizon : int
        T.
    branching : int
        B.
    share : float
        pi_ref of the strings that are overrated, rounded to whole prefixes, one at least.
    error : str
        ``constant:size=1``, ``normal:size=1``, or ``student-t:size=1,df=3``, whose tails are heavy.
    hits : str
        Which prefixes are overrated: ``worst``, those of the lowest mean true reward, or ``random`` ones.
    depth : int, optional
        Level of these prefixes; T if left out: each string by itself. Above T errors are correlated.
    strength : float
        Of the proxy in phi: above 0.

    Raises
    ------
    RewardError
        If the share or the depth is out of range.

    Examples
    --------
    >>> from treesim import sampler
    >>> from treesim.empirical.measure import measure
    >>> instance = proxy(horizon=10)
    >>> [round(measure(f"best-of-n:n={n}", instance).worth.true_reward.mid, 3) for n in (1, 6, 1000)]
    [0.5, 0.765, 0.018]
    """
    require_whole("horizon", horizon, 1)
    require_whole("branching", branching, 2)
    require_one_of("hits", hits, ("worst", "random"))
    require_positive("strength", strength)
    if not 0 < share < 1:
        raise RewardError(f"share is {share}, expected a number between 0 and 1")
    level = horizon if depth is None else depth
    if not 1 <= level <= horizon:
        raise RewardError(f"depth is {depth}, expected a level from 1 to {horizon}")
    kind = parse(error, ERRORS, "error")
    tree = Tree.complete(branching, horizon)
    rng = generator(seed, Stream.REWARD)
    n, prefixes = tree.n_leaves, branching**level
    true = (rng.permutation(n) + 0.5) / n
    chosen = _overrated(true.reshape(prefixes, -1).mean(axis=1), max(1, round(share * prefixes)), hits, rng)
    errors = np.zeros(prefixes)
    errors[chosen] = kind.draw(len(chosen), rng)
    log_reward = strength * (true + np.repeat(errors, n // prefixes))
    parameters = {
        "horizon": horizon, "branching": branching, "share": share, "error": error, "hits": hits, "depth": depth,
        "strength": strength,
    }  # fmt: skip
    instance = Instance(tree, optimal_twist(tree, log_reward), "proxy", parameters, seed)
    return instance.with_outcomes(true_reward=true)


def best_of_n_true_reward(n: int, share: float) -> float:
    """Expected true reward of best-of-N where the proxy puts the worst strings, a `share` s, above all others.

    N / (N + 1) - (1 - s) + (1 - s)^N: without errors it is N / (N + 1); with them it ends at s. It is that of
    infinitely many strings; B^T of them are off by at most B^-T / 2 where s is a whole number of them.

    Examples
    --------
    >>> [round(best_of_n_true_reward(n, 0.02), 3) for n in (1, 6, 1000)]
    [0.5, 0.763, 0.019]
    """
    require_whole("n", n, 1)
    return n / (n + 1) - (1.0 - share) + float((1.0 - share) ** n)


def best_n(share: float) -> int:
    """The N of the largest `best_of_n_true_reward`, for shares up to a half: about 1/sqrt(share) where that is large.

    Examples
    --------
    >>> best_n(0.02), best_n(1e-4)
    (7, 99)
    """
    if not 0 < share <= 0.5:
        raise RewardError(
            f"share is {share}, expected a number from 0 to 1/2: beyond, more draws are better in the end"
        )
    n = 1
    # One more draw is worth 1/(N + 1)(N + 2), and costs s (1 - s)^N.
    while 1.0 / ((n + 1) * (n + 2)) > share * (1.0 - share) ** n:
        n += 1
    return n


def _overrated(mean: FloatArray, count: int, hits: str, rng: np.random.Generator) -> IntArray:
    """Which prefixes the proxy overrates."""
    return np.argsort(mean, kind="stable")[:count] if hits == "worst" else rng.permutation(len(mean))[:count]
