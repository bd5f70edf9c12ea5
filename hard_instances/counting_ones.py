"""Binary strings whose values depend on few of their bits: small errors that add up, and particles that are too few."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from treesim.arrays import FloatArray, read_only
from treesim.errors import TreeError
from treesim.spec import require_one_of, require_whole

LARGEST_TREE = 12


def is_tree(horizon: int, form: str) -> bool:
    """Whether the instance is built as a tree."""
    return form == "tree" or (form == "auto" and horizon <= LARGEST_TREE)


def check_bits(horizon: int, least: int, ratio: float, form: str) -> None:
    """Raise an error unless the parameters are in range."""
    require_whole("horizon", horizon, least)
    require_one_of("form", form, ("auto", "tree", "trellis"))
    if not 1 < ratio < math.inf:
        raise TreeError(f"ratio is {ratio}, expected a number above 1")


def binomial_tv(n: int, p: float, q: float) -> float:
    """TV of Bin(n, p) and Bin(n, q), that is of n independent bits."""
    ones, ways = np.arange(n + 1), _log_ways(n)
    one, other = (np.exp(ways + ones * math.log(c) + (n - ones) * math.log1p(-c)) for c in (p, q))
    return 0.5 * math.fsum(np.abs(one - other).tolist())


@cache
def _log_ways(n: int) -> FloatArray:
    """log of the binomial coefficients of n, shape [n + 1]."""
    log_factorial = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    return read_only(log_factorial[n] - log_factorial - log_factorial[::-1])
