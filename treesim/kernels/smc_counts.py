"""The chain of counts: binomial steps of a population of two kinds, and the last draw of all."""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.one_of_n import select_by_log

NEGLIGIBLE = 1e-19


@kernel
def binomial_step(rho, mass, size, out):
    """Add mass[p, s] * Bin(size, rho[s, 0])(k) to out[p, k].

    Outward from the mode until it is negligible, and divided by its sum: no factorial, whose log would cost digits.
    """
    chance = np.empty(size + 1)
    for s in range(rho.shape[0]):
        p, q = rho[s, 0], rho[s, 1]
        if p == 0.0 or q == 0.0:
            for r in range(mass.shape[0]):
                out[r, 0 if p == 0.0 else size] += mass[r, s]
            continue
        mode = min(size, int((size + 1) * p))
        low, high, total = mode, mode, 1.0
        chance[mode] = 1.0
        # chance[low .. high] are binomial weights over that of the mode, and `total` their sum.
        while high < size and chance[high] > NEGLIGIBLE:
            chance[high + 1] = chance[high] * ((size - high) * p) / ((high + 1) * q)
            high += 1
            total += chance[high]
        while low > 0 and chance[low] > NEGLIGIBLE:
            chance[low - 1] = chance[low] * (low * q) / ((size - low + 1) * p)
            low -= 1
            total += chance[low]
        for r in range(mass.shape[0]):
            share = mass[r, s] / total
            if share > 0.0:
                for k in range(low, high + 1):
                    out[r, k] += share * chance[k]


@kernel
def keep_one(lo, hi, rho, log_weight, draws, log_beside, has_one_beside, kept):
    """For states ``lo..hi``: of `draws` particles of law rho, and perhaps one more of a given weight beside them, one
    is kept in proportion to its weight; the probability that it is one of the draws, by kind."""
    for s in range(lo, hi):
        live = np.flatnonzero(rho[s] > 0.0)
        prob, weight, log_h = rho[s][live], log_weight[live], np.empty(len(live))
        select_by_log(prob, weight, draws, log_beside, log_h)
        for j in range(len(live)):
            chance = prob[j] * math.exp(log_h[j])
            if has_one_beside and weight[j] == -math.inf:
                # Among nothing but zeros the pick is uniform, the one beside them included.
                chance *= draws / (draws + 1.0) if log_beside == -math.inf else 0.0
            kept[s, live[j]] = chance


@kernel
def keep_on_a_grid(lo, hi, rho, zero, decay, share, others, kept):
    """The same for a few draws: psi on a grid that all states share, to a whole power, and sums with it.

    ``decay [kinds, points]`` is exp(-s w), ``share [points, kinds]`` what the sum over the grid is taken with; `zero`
    is the probability of a weight of zero, beside the kinds of `rho`.
    """
    kinds, points = decay.shape
    square, power, total = np.empty(points), np.empty(points), np.empty(kinds)
    for s in range(lo, hi):
        square[:], power[:], total[:] = zero[s], 1.0, 0.0
        for k in range(kinds):
            chance, row = rho[s, k], decay[k]
            for q in range(points):
                square[q] += chance * row[q]
        left = others
        # psi to the power of `others` is power * square**left.
        while left > 0:
            if left % 2 == 1:
                for q in range(points):
                    power[q] *= square[q]
            for q in range(points):
                square[q] *= square[q]
            left //= 2
        for q in range(points):
            number, row = power[q], share[q]
            for k in range(kinds):
                total[k] += number * row[k]
        for k in range(kinds):
            kept[s, k] = rho[s, k] * total[k]
