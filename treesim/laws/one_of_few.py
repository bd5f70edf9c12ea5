"""Keep one of a few draws in proportion to its weight, where the law of a draw differs and the weights do not.

The integral of `treesim.kernels.one_of_n`, on one grid for all laws. With few draws its integrand needs no logs.
"""

from __future__ import annotations

import math

import numpy as np

from treesim.arrays import FloatArray, spread
from treesim.kernels.one_of_n import LEFT_TAIL, RIGHT_TAIL, STEPS_A_NAT
from treesim.kernels.smc_counts import keep_on_a_grid
from treesim.runtime.threads import chunked

# With so many draws, and weights that near, kept draws have a relative error below 1e-13.
MOST_DRAWS = 64
FARTHEST_WEIGHTS = 50.0  # nats


def keep_one_of_few(rho: FloatArray, log_weight: FloatArray, draws: int, log_beside: float | None = None) -> FloatArray:
    """The probability that a draw of each kind is kept, of `draws` draws and perhaps one more beside them.

    Parameters
    ----------
    rho : ndarray, shape [n, kinds]
        Laws of one draw.
    log_weight : ndarray, shape [kinds]
        In nats; -inf is a weight of zero. Among nothing but zeros the pick is uniform.
    draws : int
    log_beside : float, optional
        Of one that can be kept beside the draws.

    Returns
    -------
    ndarray, shape [n, kinds]

    Examples
    --------
    >>> keep_one_of_few(np.array([[0.5, 0.5]]), np.log([1.0, 3.0]), 2).round(12).tolist()
    [[0.375, 0.625]]
    """
    live = log_weight > -np.inf
    zero = rho[:, ~live].sum(axis=1)
    kept = np.zeros_like(rho)
    kept[:, ~live] = rho[:, ~live] * zero[:, None] ** (draws - 1)
    if log_beside is not None:
        kept *= draws / (draws + 1.0) if log_beside == -np.inf else 0.0
    if not live.any():
        return kept
    decay, share = _grid(log_weight[live], draws, -np.inf if log_beside is None else log_beside)
    of_live = np.ascontiguousarray(rho[:, live])
    found = np.empty_like(of_live)
    chunked(
        lambda lo, hi: keep_on_a_grid(lo, hi, of_live, zero, decay, share, draws - 1, found),
        len(rho),
        of_live.size * len(share),
    )
    kept[:, live] = found
    return kept


def are_few(log_weight: FloatArray, draws: int) -> bool:
    """Whether there are few enough draws, of weights that are near enough.

    Examples
    --------
    >>> are_few(np.array([-np.inf, 0.0, 40.0]), 64), are_few(np.array([0.0, 400.0]), 64)
    (True, False)
    """
    return draws <= MOST_DRAWS and spread(log_weight) <= FARTHEST_WEIGHTS


def _grid(log_weight: FloatArray, draws: int, log_beside: float) -> tuple[FloatArray, FloatArray]:
    """exp(-s w) for all weights and points s of the grid, and what the product with psi(s)^(N-1) is summed with."""
    heaviest = max(float(log_weight.max()), log_beside)
    first = math.floor(-heaviest - LEFT_TAIL - math.log(draws)) * STEPS_A_NAT
    last = math.ceil(-float(log_weight.min()) + RIGHT_TAIL) * STEPS_A_NAT
    log_s = np.arange(first, last + 1) / STEPS_A_NAT
    seen = np.exp(log_s[:, None] + log_weight)
    decay = np.exp(-seen)
    beside = np.exp(-np.exp(log_s + log_beside))
    return np.ascontiguousarray(decay.T), draws / STEPS_A_NAT * seen * decay * beside[:, None]
