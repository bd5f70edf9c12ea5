"""Laws of "draw N outcomes from pi_ref and keep one": only the rewards of the N draws decide.

Each function returns log h, where the law is pi_ref(x) h(phi(x)). Source: theory of order statistics for
best-of-N; the exponential-integral identity E[w_1 / sum w] = integral of Laplace transforms for the weighted pick.
"""

from __future__ import annotations

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.kernels.one_of_n import CHEBYSHEV_NODES, interpolate, log_selection, positions, spread_mass
from treesim.runtime.threads import chunked
from treesim.scaled import Scaled

_ANGLES = (2 * np.arange(CHEBYSHEV_NODES) + 1) * np.pi / (2 * CHEBYSHEV_NODES)
_NODES = (1 - np.cos(_ANGLES)) / 2
_SIGNS = np.sin(_ANGLES) * (-1.0) ** np.arange(CHEBYSHEV_NODES)


def best_of(prob: FloatArray, draws: int) -> FloatArray:
    """log h of best-of-N, ties broken uniformly among the draws: h(v) = (F(v)^N - F(v-)^N) / P(phi = v).

    Parameters
    ----------
    prob : ndarray, shape [n]
        pi_ref of each reward, the smallest reward first, linear.
    draws : int
        N.

    Examples
    --------
    >>> np.exp(best_of(np.array([0.5, 0.5]), draws=2))
    array([0.5, 1.5])
    """
    log_h = np.full(len(prob), -np.inf)
    live = np.flatnonzero(prob > 0)
    mass = prob[live]
    below_or_at = np.cumsum(mass)
    above = np.concatenate([np.cumsum(mass[::-1])[::-1][1:], [0.0]])
    with np.errstate(divide="ignore"):
        log_cdf = np.where(above < 0.5, np.log1p(-above), np.log(below_or_at))
        # F(v)^N - F(v-)^N = F(v)^N (1 - (1 - P(v)/F(v))^N)
        share = np.minimum(mass / np.exp(log_cdf), 1.0)
        share[0] = 1.0
        log_h[live] = draws * log_cdf + np.log(-np.expm1(draws * np.log1p(-share))) - np.log(mass)
    return log_h


def weighted_pick(weight: Scaled, prob: FloatArray, draws: int, power: float = 1.0) -> FloatArray:
    """log h of "keep one of N draws in proportion to its weight"; among N weights of zero the pick is uniform.

    Parameters
    ----------
    weight : Scaled, shape [n]
        The smallest first.
    prob : ndarray, shape [n]
        pi_ref of each weight, linear.
    draws : int
        N.
    power : float
        To which the weights are raised.

    Notes
    -----
    The integral h(w) = N int_0^inf w exp(-s w) psi(s)^(N-1) ds, psi(s) = E[exp(-s w)], is taken by the
    trapezoid rule in log s, which converges geometrically. Of weights that lie close psi sees only the distribution
    of log w: each mass is moved to the 20 Chebyshev nodes of its one-nat bin with signed weights that keep
    every smooth sum, and h is interpolated back from the same nodes. Both steps are exact to 1e-15.

    Examples
    --------
    >>> np.exp(weighted_pick(Scaled.from_float([1.0, 3.0]), np.array([0.5, 0.5]), draws=2)).round(12)
    array([0.75, 1.25])
    """
    log_h = np.full(len(prob), -np.inf)
    live = prob > 0
    p_zero = float(prob[weight.mantissa == 0].sum())
    weighted = np.flatnonzero(live & (weight.mantissa > 0))[::-1]
    if not len(weighted):
        log_h[live] = 0.0
        return log_h
    if p_zero > 0:
        log_h[live & (weight.mantissa == 0)] = (draws - 1) * np.log(p_zero)
    whole, part = np.empty(len(weighted), np.int64), np.empty(len(weighted))
    positions(*weight.numbers, weighted, power, whole, part)
    is_new = np.ones(len(weighted), bool)
    is_new[1:] = np.diff(whole) != 0
    bins = whole[is_new]
    if len(bins) * CHEBYSHEV_NODES < len(weighted):
        log_h[weighted] = _by_nodes(prob[weighted], bins, np.cumsum(is_new) - 1, part, p_zero, draws)
    else:
        found = np.empty(len(weighted))
        log_selection(prob[weighted], whole, part, p_zero, float(draws), -1, found)
        log_h[weighted] = found
    return log_h


def _by_nodes(
    prob: FloatArray, bins: IntArray, slot: IntArray, part: FloatArray, p_zero: float, draws: int
) -> FloatArray:
    """log h from the integral over the Chebyshev nodes of one-nat bins, in which weights lie at `part`."""
    masses = np.zeros((len(bins), CHEBYSHEV_NODES))
    spread_mass(part, slot, prob, _NODES, _SIGNS, masses)
    down = slice(None, None, -1)
    at_nodes = np.empty(masses.size)
    whole, rest = np.repeat(bins, CHEBYSHEV_NODES), np.tile(_NODES[down], len(bins))
    log_selection(masses[:, down].ravel(), whole, rest, p_zero, float(draws), -1, at_nodes)
    # h / w varies by at most a factor of e within a bin: that is what is interpolated.
    table = at_nodes.reshape(masses.shape)[:, down] - _NODES
    top = table.max(axis=1)
    relative_h = np.empty(len(part))
    chunked(
        lambda lo, hi: interpolate(lo, hi, part, slot, np.exp(table - top[:, None]), _NODES, _SIGNS, relative_h),
        len(part),
        50 * len(part),
    )
    return np.log(relative_h) + top[slot] + part
