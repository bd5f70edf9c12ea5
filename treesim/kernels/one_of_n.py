r"""The law of "draw N, keep one in proportion to its weight".

An outcome of weight w is kept with probability p(outcome) * h(w), where, with psi(s) = E[exp(-s w)],

    h(w) = N \int_0^\infty w exp(-s w) psi(s)^(N-1) ds.

In u = log s the integrand is analytic in the strip |Im u| < pi/2 and there at most 1/cos(Im u) times its real
counterpart, so the trapezoid rule of step d has a relative error below (8 e pi / d) exp(-pi^2 / d): with d = 0.22
less than 1e-16, whatever the weights and N.
"""

import math

import numpy as np
from numba import njit

from treesim.kernels.arithmetic import BLOCK, LN2, canonical, product

STEP = 0.22
LEFT_TAIL = 40.0  # the integral left of exp(-40) / (N max w) is below 1e-16 of the whole
RIGHT_TAIL = math.log(45.0)  # right of 45 / min w it is below exp(-45)
CHEBYSHEV_NODES = 20  # interpolation error on a bin one nat wide: 2 (2 pi)^-20, about 2e-16
LARGEST_BINOMIAL_POOL = 1024
LARGEST_BINOMIAL_RANGE = 600.0  # log of V(high) / V(low): its inverse is still a float


@njit(nogil=True, cache=True)
def log_selection(prob, log_weight, draws, log_beside, out):
    """log h at every atom; where a weight is zero, p0^(N-1): among nothing but zeros the pick is uniform.

    Beside the draws there may be one more that can be kept, of a given weight: a factor exp(-s weight) inside.
    """
    lowest, highest, p_zero = math.inf, -math.inf, 0.0
    for k in range(log_weight.shape[0]):
        if log_weight[k] == -math.inf:
            p_zero += prob[k]
        else:
            lowest = min(lowest, log_weight[k])
            highest = max(highest, log_weight[k])
    top_weight = max(highest, log_beside)
    others = draws - 1.0
    if highest == -math.inf:
        out[:] = 0.0
        return
    first = -LEFT_TAIL - math.log(draws) - top_weight
    size = math.ceil((RIGHT_TAIL - lowest - first) / STEP) + 1
    log_rest = np.empty(size)
    # log of all of the integrand that outcomes share: u = log s, psi^(N - 1), and who is beside.
    for q in range(size):
        u = first + q * STEP
        drop = 0.0
        for k in range(prob.shape[0]):
            drop += prob[k] * math.expm1(-math.exp(u + log_weight[k]))
        if drop < -0.5:
            psi = 0.0
            for k in range(prob.shape[0]):
                psi += prob[k] * math.exp(-math.exp(u + log_weight[k]))
            log_psi = math.log(psi) if psi > 0.0 else -1e300
        else:
            log_psi = math.log1p(drop)
        log_rest[q] = u + others * log_psi - math.exp(u + log_beside)
    scale = math.log(draws * STEP)
    for j in range(log_weight.shape[0]):
        if log_weight[j] == -math.inf:
            out[j] = others * math.log(p_zero) if p_zero > 0.0 else -math.inf
            continue
        top = -math.inf
        for q in range(size):
            top = max(top, log_rest[q] - math.exp(first + q * STEP + log_weight[j]))
        mass = 0.0
        for q in range(size):
            mass += math.exp(log_rest[q] - math.exp(first + q * STEP + log_weight[j]) - top)
        out[j] = scale + log_weight[j] + top + math.log(mass)


@njit(nogil=True, cache=True)
def two_child_pool(p_high, p_low, low_over_high, draws):
    """P(keep the child of the higher value), P(keep the other), for a pool of `draws`, given V(low) / V(high).

    A sum over how often the first is drawn, its binomial weights by recurrence outward from the mode.
    """
    odds = p_high / p_low
    mode = min(draws, int((draws + 1) * p_high))
    norm, keep_high, keep_low = 0.0, 0.0, 0.0
    # `mass` is the binomial weight of k over that of the mode; the mode itself is counted once, upwards.
    for direction in (1, -1):
        mass = 1.0
        k = mode
        while 0 <= k <= draws and mass > 0.0:
            if direction == 1 or k < mode:
                low_weight = (draws - k) * low_over_high
                norm += mass
                keep_high += mass * k / (k + low_weight)
                keep_low += mass * low_weight / (k + low_weight)
            mass *= (draws - k) / (k + 1) * odds if direction == 1 else k / ((draws - k + 1) * odds)
            k += direction
    return keep_high / norm, keep_low / norm


@njit(nogil=True, cache=True)
def pool_edges(lo, hi, layer, log_value, draws, by_quadrature, out):
    """The conditional law on every edge when `draws` children are drawn and one kept in proportion to V."""
    ptr, prob, child = layer
    out_mantissa, out_exponent = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    width = 1
    for v in range(lo, hi):
        width = max(width, ptr[v + 1] - ptr[v])
    edges = np.empty(width, np.int64)
    weights = np.empty(width)
    probs = np.empty(width)
    log_h = np.empty(width)
    for v in range(lo, hi):
        live = 0
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            out_mantissa[k], out_exponent[k] = 0.0, 0
            if prob[k] > 0.0:
                edges[live] = k
                weights[live] = log_value[k if is_tree else child[k]]
                probs[live] = prob[k]
                live += 1
        if live == 1:
            out_mantissa[edges[0]] = 1.0
        elif (
            live == 2
            and draws <= LARGEST_BINOMIAL_POOL
            and abs(weights[0] - weights[1]) < LARGEST_BINOMIAL_RANGE
            and not by_quadrature
        ):
            high, low = (0, 1) if weights[0] >= weights[1] else (1, 0)
            low_over_high = math.exp(weights[low] - weights[high])
            keep_high, keep_low = two_child_pool(probs[high], probs[low], low_over_high, draws)
            out_mantissa[edges[high]], out_exponent[edges[high]] = canonical(keep_high, 0)
            out_mantissa[edges[low]], out_exponent[edges[low]] = canonical(keep_low, 0)
        else:
            log_selection(probs[:live], weights[:live], draws, -math.inf, log_h[:live])
            for i in range(live):
                if log_h[i] > -math.inf:
                    block = BLOCK * math.floor(log_h[i] / (BLOCK * LN2))
                    out_mantissa[edges[i]], out_exponent[edges[i]] = product(
                        math.exp(log_h[i] - block * LN2), block, probs[i], 0
                    )


@njit(nogil=True, cache=True)
def chebyshev_row(x, nodes, signs, row):
    """Values at x of the Lagrange polynomials of Chebyshev nodes on [0, 1] (barycentric form)."""
    norm = 0.0
    for j in range(nodes.shape[0]):
        gap = x - nodes[j]
        if gap == 0.0:
            row[:] = 0.0
            row[j] = 1.0
            return
        row[j] = signs[j] / gap
        norm += row[j]
    for j in range(nodes.shape[0]):
        row[j] /= norm


@njit(nogil=True, cache=True)
def spread_mass(position, slot, prob, nodes, signs, out):
    """Move each mass to the nodes of its bin, so that sums of smooth functions keep their value."""
    row = np.empty(nodes.shape[0])
    for i in range(position.shape[0]):
        chebyshev_row(position[i], nodes, signs, row)
        for j in range(nodes.shape[0]):
            out[slot[i], j] += prob[i] * row[j]


@njit(nogil=True, cache=True)
def interpolate(lo, hi, position, slot, table, nodes, signs, out):
    """Values at the positions of what `table` holds at the nodes of each bin."""
    row = np.empty(nodes.shape[0])
    for i in range(lo, hi):
        chebyshev_row(position[i], nodes, signs, row)
        result = 0.0
        for j in range(nodes.shape[0]):
            result += row[j] * table[slot[i], j]
        out[i] = result
