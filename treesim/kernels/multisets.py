"""Binomial steps of a population of two kinds."""

import numpy as np
from numba import njit

NEGLIGIBLE = 1e-19


@njit(nogil=True, cache=True)
def binomial_step(rho, mass, size, out):
    """Add mass[p, s] * Bin(size, rho[s, 0])(k) to out[p, k].

    Outward from the mode until it is negligible, and divided by its sum: no factorial, whose log would cost digits.
    """
    chance = np.empty(size + 1)
    for s in range(rho.shape[0]):
        p, q = rho[s, 0], rho[s, 1]
        if p == 0.0 or q == 0.0:
            out[:, 0 if p == 0.0 else size] += mass[:, s]
            continue
        mode = min(size, int((size + 1) * p))
        low, high, total = mode, mode, 1.0
        chance[mode] = 1.0
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
