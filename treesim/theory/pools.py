r"""What can be promised of pools: children drawn from pi_ref stand in for P V^, which nobody can ask for.

The values of a pool over their mean P V^ lie in [1/C, C], C = L (1 + epsilon), with mean 1 and so, by Bhatia & Davis,
with a variance of (C - 1)(1 - 1/C) at the most. Two promises follow for every T, epsilon and L.

*One path, not corrected.* Keeping one of M children is importance resampling, or a race, of one step: its law is near
the guided one, and steps add up.

*Paths corrected.* On the good event no pool mean of a path is off by more than xi, relatively; then the path's weight
R lies in a known range. Runs that are all good are runs of the correction for the proposal given the good event, whose
target is the target given it. So with N paths, q their law and p the augmented target,

    TV <= TV(correction of weights in the range) + N q(bad) + p(bad).

Both are sums over T pools: under q all M children come from pi_ref; under p one of them is the path's own, anything in
[1/C, C], and the others come from pi_ref.
"""

from __future__ import annotations

import math

from treesim.runtime.search import first
from treesim.theory.correction import race_bound, race_draws, resampling_bound, resampling_draws


def pool_step_bound(pool: int, largest: float, by_race: bool = False) -> float:
    """TV of one step of pool guidance to the exact guided step, at the most.

    Parameters
    ----------
    pool : int
        M.
    largest : float
        C: no child's value is more than C times their mean.
    by_race : bool
        Whether a race keeps the child, instead of a choice in proportion to value.

    Examples
    --------
    >>> round(pool_step_bound(64, 2.0), 4), f"{pool_step_bound(64, 2.0, by_race=True):.1e}"
    (0.0154, '5.4e-20')
    """
    return (race_bound if by_race else resampling_bound)(pool, math.log(largest))


def least_pool(horizon: int, largest: float, slack: float, by_race: bool = False) -> int:
    """The least M with which T steps of pool guidance are within `slack` of exact guidance, by `pool_step_bound`.

    2^62 stands for all that are larger.

    Examples
    --------
    >>> least_pool(10, 2.0, 0.05), least_pool(10, 2.0, 0.05, by_race=True)
    (195, 8)
    """
    # Steps are coupled one after the other: all T agree with probability (1 - TV of a step)^T.
    step = -math.expm1(math.log1p(-slack) / horizon)
    needed = (race_draws if by_race else resampling_draws)(step, math.log(largest))
    return int(min(needed, 2.0**62))


def log_pool_failure(pool: int, largest: float, error: float, has_own: bool = False) -> float:
    """log of a bound on P(a pool's mean is off P V^ by more than `error`, relatively), by Bernstein's inequality.

    Parameters
    ----------
    pool : int
        M.
    largest : float
        C.
    error : float
        xi, below 1.
    has_own : bool
        Whether one of the M is the path's own, anything in [1/C, C], as under the augmented target.

    Examples
    --------
    >>> round(log_pool_failure(1000, 1.5, 0.1), 3), round(log_pool_failure(1000, 1.5, 0.1, has_own=True), 3)
    (-26.58, -26.344)
    """
    off = largest - 1.0  # at least |V / P V - 1|
    if off <= 0.0:
        return -math.inf
    free, room = pool, error * pool
    if has_own:
        free, room = pool - 1, room - off
    if free < 1 or room <= 0.0:
        return math.log(2.0)
    # The sum of `free` centred values exceeds `room`.
    return math.log(2.0) - room * room / (2.0 * (free * off * off / largest + off * room / 3.0))


def log_runs_failure(horizon: int, pool: int, largest: float, error: float, paths: int) -> float:
    """log of N q(bad) + p(bad), as above.

    Examples
    --------
    >>> round(log_runs_failure(10, 2000, 1.5, 0.1, paths=8), 3)
    -49.323
    """
    ours = math.log(paths) + log_pool_failure(pool, largest, error)
    targets = log_pool_failure(pool, largest, error, has_own=True)
    top = max(ours, targets)
    return math.log(horizon) + (
        top + math.log(math.exp(ours - top) + math.exp(targets - top)) if top > -math.inf else top
    )


def least_good_pool(horizon: int, largest: float, error: float, paths: int, failure: float) -> int:
    """The least M found with N q(bad) + p(bad) <= `failure`.

    Examples
    --------
    >>> least_good_pool(10, 1.5, 0.1, paths=8, failure=0.01)
    361
    """
    wanted = math.log(failure)
    return first(lambda pool: log_runs_failure(horizon, pool, largest, error, paths) <= wanted) or 1


def log_good_range(horizon: int, epsilon: float, error: float) -> float:
    """log of the largest over the least weight R of a path on the good event; the root's P V^ is common to all.

    Examples
    --------
    >>> round(math.exp(log_good_range(3, 0.0, 0.1)), 6) == round((1.1 / 0.9) ** 3, 6)
    True
    """
    return 2 * (horizon - 1) * math.log1p(epsilon) + 2.0 * horizon * math.atanh(error)


def log_good_bound(horizon: int, epsilon: float, error: float) -> float:
    """log k: R lies in [1/k, k] on the good event, the root's own Bellman error included.

    Examples
    --------
    >>> round(log_good_bound(3, 0.1, 0.1), 6) == round(3 * math.log(1.1 / 0.9), 6)
    True
    """
    return horizon * (math.log1p(epsilon) - math.log1p(-error))
