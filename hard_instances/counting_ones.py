"""Binary strings whose values depend on few of their bits: small errors that add up, and particles that are too few."""

from __future__ import annotations

import math

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
    logs = [(math.log(chance), math.log1p(-chance)) for chance in (p, q)]

    def gap(k: int) -> float:
        ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        one, other = (math.exp(ways + k * log_one + (n - k) * log_zero) for log_one, log_zero in logs)
        return abs(one - other)

    return 0.5 * math.fsum(gap(k) for k in range(n + 1))
