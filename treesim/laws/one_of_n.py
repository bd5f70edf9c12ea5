"""Laws of "draw N outcomes from pi_ref and keep one": only the rewards of the N draws decide.

Each function returns log h, where the law is pi_ref(x) h(phi(x)). Source: theory of order statistics for
best-of-N; the exponential-integral identity E[w_1 / sum w] = integral of Laplace transforms for the weighted pick.
"""

from __future__ import annotations

import numpy as np

from treesim.arrays import FloatArray
from treesim.kernels.one_of_n import CHEBYSHEV_NODES, interpolate, log_selection, spread_mass
from treesim.runtime.threads import chunked
from treesim.scaled import Scaled

# Up to this many outcomes the integral is taken over them as they are; beyond, over Chebyshev nodes in log weight.
LARGEST_DIRECT = 512

_ANGLES = (2 * np.arange(CHEBYSHEV_NODES) + 1) * np.pi / (2 * CHEBYSHEV_NODES)
_NODES = (1 - np.cos(_ANGLES)) / 2
_SIGNS = np.sin(_ANGLES) * (-1.0) ** np.arange(CHEBYSHEV_NODES)


def best_of(reward: Scaled, prob: FloatArray, draws: int) -> FloatArray:
    """log h of best-of-N, ties broken uniformly among the draws: h(v) = (F(v)^N - F(v-)^N) / P(phi = v).

    Parameters
    ----------
    reward : Scaled, shape [n]
    prob : ndarray, shape [n]
        pi_ref, linear.
    draws : int
        N.

    Examples
    --------
    >>> np.exp(best_of(Scaled.from_float([1.0, 2.0]), np.array([0.5, 0.5]), draws=2))
    array([0.5, 1.5])
    """
    positive = reward.mantissa > 0
    order = np.lexsort((reward.mantissa, reward.exponent, positive))
    sorted_reward = reward[order]
    steps = np.flatnonzero(np.diff(sorted_reward.mantissa) != 0) if len(order) > 1 else np.empty(0, int)
    if sorted_reward.exponent.any():
        steps = np.union1d(steps, np.flatnonzero(np.diff(sorted_reward.exponent) != 0))
    starts = np.concatenate([[0], steps + 1])
    mass = np.add.reduceat(prob[order], starts)
    log_h = np.full(len(starts), -np.inf)
    live = np.flatnonzero(mass > 0)
    mass = mass[live]
    below_or_at = np.cumsum(mass)
    above = np.concatenate([np.cumsum(mass[::-1])[::-1][1:], [0.0]])
    with np.errstate(divide="ignore"):
        log_cdf = np.where(above < 0.5, np.log1p(-above), np.log(below_or_at))
        # F(v)^N - F(v-)^N = F(v)^N (1 - (1 - P(v)/F(v))^N)
        share = np.minimum(mass / np.exp(log_cdf), 1.0)
        share[0] = 1.0
        log_h[live] = draws * log_cdf + np.log(-np.expm1(draws * np.log1p(-share))) - np.log(mass)
    group = np.zeros(len(order), int)
    group[starts[1:]] = 1
    result = np.empty(len(order))
    result[order] = log_h[np.cumsum(group)]
    return result


def weighted_pick(log_weight: FloatArray, prob: FloatArray, draws: int) -> FloatArray:
    """log h of "keep one of N draws in proportion to its weight"; among N weights of zero the pick is uniform.

    Parameters
    ----------
    log_weight : ndarray, shape [n]
        Log weights, in nats; ``-inf`` is zero.
    prob : ndarray, shape [n]
        pi_ref, linear.
    draws : int
        N.

    Notes
    -----
    The integral h(w) = N int_0^inf w exp(-s w) psi(s)^(N-1) ds, psi(s) = E[exp(-s w)], is taken by the
    trapezoid rule in log s, which converges geometrically. Of many outcomes psi sees only the distribution of
    log w: each mass is moved to the 20 Chebyshev nodes of its one-nat bin with signed weights that keep
    every smooth sum, and h is interpolated back from the same nodes. Both steps are exact to 1e-15.

    Examples
    --------
    >>> np.exp(weighted_pick(np.log([1.0, 3.0]), np.array([0.5, 0.5]), draws=2)).round(12)
    array([0.75, 1.25])
    """
    live = prob > 0
    log_h = np.full(len(prob), -np.inf)
    if np.count_nonzero(live) <= LARGEST_DIRECT:
        part = np.empty(np.count_nonzero(live))
        log_selection(prob[live], log_weight[live], float(draws), -np.inf, part)
        log_h[live] = part
        return log_h
    weighted = np.flatnonzero(live & (log_weight > -np.inf))
    p_zero = float(prob[live & (log_weight == -np.inf)].sum())
    if p_zero > 0:
        log_h[log_weight == -np.inf] = (draws - 1) * np.log(p_zero)
    if not len(weighted):
        return log_h
    position = log_weight[weighted]
    lowest = position.min()
    bins = np.floor(position - lowest)
    occupied, slot = np.unique(bins.astype(np.int64), return_inverse=True)
    position = position - lowest - bins
    masses = np.zeros((len(occupied), CHEBYSHEV_NODES))
    spread_mass(position, slot, prob[weighted], _NODES, _SIGNS, masses)
    node_weight = lowest + occupied[:, None] + _NODES
    node_log_h = np.empty(masses.size + 1)
    log_selection(
        np.append(masses.ravel(), p_zero), np.append(node_weight.ravel(), -np.inf), float(draws), -np.inf, node_log_h
    )
    # h / w varies by at most a factor of e within a bin: that is what is interpolated.
    table = node_log_h[:-1].reshape(masses.shape) - node_weight
    top = table.max(axis=1)
    relative_h = np.empty(len(weighted))
    chunked(
        lambda lo, hi: interpolate(lo, hi, position, slot, np.exp(table - top[:, None]), _NODES, _SIGNS, relative_h),
        len(weighted),
        50 * len(weighted),
    )
    log_h[weighted] = np.log(relative_h) + top[slot] + log_weight[weighted]
    return log_h
