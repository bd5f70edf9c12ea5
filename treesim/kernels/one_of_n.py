r"""The law of "draw N, keep one in proportion to its weight".

An outcome of weight w is kept with probability p(outcome) * h(w), where, with psi(s) = E[exp(-s w)],

    h(w) = N \int_0^\infty w exp(-s w) psi(s)^(N-1) ds.

In u = log s the integrand is analytic in the strip |Im u| < pi/2 and there at most 1/cos(Im u) times its real
counterpart, so the trapezoid rule of step d has a relative error below (8 e pi / d) exp(-pi^2 / d): with d = 1/5
less than 1e-18, whatever the weights and N.

Logs of weights come in two parts, a whole number and a rest in [0, 1): differences of near weights are as precise a
billion nats from the heaviest as beside it.
"""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2_HIGH, LN2_LOW, canonical, exponential, product, shifted

STEPS_A_NAT = 5
LEFT_TAIL = 40.0  # the integral left of exp(-40) / (N w) is below 1e-16 of that of an outcome of weight w
RIGHT_TAIL = 4.0  # right of exp(4) / w it is below exp(-50)
DEAD = 7.0  # exp(-exp(7)) is zero
CHEBYSHEV_NODES = 20  # interpolation error on a bin one nat wide: 2 (2 pi)^-20, about 2e-16
LARGEST_BINOMIAL_POOL = 1024
SMALLEST_BINOMIAL_RATIO = 1e-260  # of V(low) to V(high)
FARTHEST_STEP = 1e9  # nats between two weights beyond which it does not matter how far they are apart


@kernel
def log_selection(prob, whole, part, p_zero, draws, beside, out):
    """log h of outcomes of weight ``exp(whole + part)``, heaviest first.

    Beside them there are outcomes of weight zero. The outcome number `beside`, where one has that number, is no draw
    but one more that can be kept: its probability is zero, and a factor exp(-s weight) is inside the integral.

    One sweep over a grid of u from the heaviest to the lightest: an outcome sees the grid points near its own
    1 / weight; those to the left of them, where its exp(-s w) is one, by their sum.
    """
    n = prob.shape[0]
    others = draws - 1.0
    log_draws = math.log(draws)
    left = STEPS_A_NAT * math.ceil(LEFT_TAIL + log_draws + 1.0)
    right = STEPS_A_NAT * int(RIGHT_TAIL)
    size = 1
    while size < left + right + 2 * STEPS_A_NAT:
        size *= 2
    # `rest` holds, for the last `size` grid points, log of the integrand that all outcomes share, but for exp(u).
    rest, own = np.empty(size), np.empty(size)
    # Sums of probabilities: of all lighter ones from each on, added from the lightest.
    lighter = np.empty(n + 1)
    lighter[n] = p_zero
    for k in range(n - 1, -1, -1):
        lighter[k] = lighter[k + 1] + prob[k]
    dead, awake, p_dead = 0, 0, 0.0
    # The grid points before `first` are summed: log of it, in units of exp(first / STEPS_A_NAT).
    first, end = 0, 0
    log_before = -math.inf
    for j in range(n):
        low = -STEPS_A_NAT * whole[j] - left
        high = -STEPS_A_NAT * whole[j] + right
        if j == 0:
            first = end = low
        # Grid points that this outcome and all lighter ones see as a sum only.
        stop = min(low, end)
        for q in range(first, stop):
            term = rest[q & (size - 1)]
            top = max(log_before, term)
            if top > -math.inf:
                log_before = top + math.log(math.exp(log_before - top) + math.exp(term - top))
            log_before -= 1.0 / STEPS_A_NAT
        # Between far weights the integral is nothing beside that at the lighter ones.
        if low > stop:
            log_before -= (low - stop) / STEPS_A_NAT
            end = low
        first = low
        for q in range(end, high + 1):
            nat, fraction = q // STEPS_A_NAT, (q % STEPS_A_NAT) / STEPS_A_NAT
            while dead < n and (nat + whole[dead]) + (fraction + part[dead]) > DEAD:
                p_dead += prob[dead]
                dead += 1
            awake = max(awake, dead)
            while awake < n and (nat + whole[awake]) + (fraction + part[awake]) > -LEFT_TAIL - log_draws:
                awake += 1
            if 0 <= beside < dead:
                rest[q & (size - 1)] = -math.inf
                continue
            drop, psi = -p_dead, lighter[awake]
            for k in range(dead, awake):
                exponent = -math.exp((nat + whole[k]) + (fraction + part[k]))
                drop += prob[k] * math.expm1(exponent)
            if drop < -0.5:
                for k in range(dead, awake):
                    psi += prob[k] * math.exp(-math.exp((nat + whole[k]) + (fraction + part[k])))
                shared = others * math.log(psi) if psi > 0.0 else -math.inf
            else:
                shared = others * math.log1p(drop)
            if others == 0.0:
                shared = 0.0
            if dead <= beside < awake:
                shared -= math.exp((nat + whole[beside]) + (fraction + part[beside]))
            rest[q & (size - 1)] = shared
        end = max(end, high + 1)
        before = log_before + (first // STEPS_A_NAT + whole[j]) + ((first % STEPS_A_NAT) / STEPS_A_NAT + part[j])
        top = before
        for q in range(first, end):
            x = (q // STEPS_A_NAT + whole[j]) + ((q % STEPS_A_NAT) / STEPS_A_NAT + part[j])
            own[q - first] = x + rest[q & (size - 1)] - math.exp(x)
            top = max(top, own[q - first])
        if top == -math.inf:
            out[j] = -math.inf
            continue
        mass = math.exp(before - top)
        for q in range(first, end):
            mass += math.exp(own[q - first] - top)
        out[j] = log_draws - math.log(STEPS_A_NAT) + top + math.log(mass)


@kernel
def select_by_log(prob, log_weight, draws, log_beside, out):
    """log h at every atom; where a weight is zero, p0^(N-1): among nothing but zeros the pick is uniform.

    Beside the draws there may be one more that can be kept, of a given weight.
    """
    n, zeros, p_zero = prob.shape[0], 0, 0.0
    weights, order = np.empty(n + 1), np.empty(n + 1, np.int64)
    for i in range(n + 1):
        weights[i] = log_weight[i] if i < n else log_beside
        if weights[i] > -math.inf:
            order[i - zeros] = i
        else:
            zeros += 1
            p_zero += prob[i] if i < n else 0.0
    live = n + 1 - zeros
    heaviest_first(weights, np.zeros(n + 1, np.int32), order[:live])
    # Number `live`, which none has. From a literal -1 numba would take a type for which it compiles all once more.
    beside = live
    chances, whole, part, log_h = np.empty(live), np.empty(live, np.int64), np.empty(live), np.empty(live)
    for i in range(live):
        beside = i if order[i] == n else beside
        chances[i] = prob[order[i]] if order[i] < n else 0.0
        whole[i] = math.floor(weights[order[i]])
        part[i] = weights[order[i]] - whole[i]
    if live > 0:
        log_selection(chances, whole, part, p_zero, float(draws), beside, log_h)
    for k in range(n):
        if log_weight[k] == -math.inf:
            out[k] = 0.0 if live == 0 else ((draws - 1.0) * math.log(p_zero) if p_zero > 0.0 else -math.inf)
    for i in range(live):
        if order[i] < n:
            out[order[i]] = log_h[i]


@kernel
def heaviest_first(mantissa, exponent, order):
    """Sort places by the numbers that are there, the largest first (Shell's sort)."""
    n = order.shape[0]
    gap = n // 2
    while gap > 0:
        for i in range(gap, n):
            place = order[i]
            k = i
            while k >= gap:
                other = order[k - gap]
                if exponent[other] > exponent[place]:
                    break
                if exponent[other] == exponent[place] and mantissa[other] >= mantissa[place]:
                    break
                order[k] = other
                k -= gap
            order[k] = place
        gap = 1 if gap == 2 else int(gap / 2.2)


@kernel
def positions(mantissa, exponent, order, power, whole, part):
    """Logs of the numbers in `order`, from the largest down, times `power`, less that of the largest, in two parts.

    Each comes from the one before: what rounds is a difference, so near numbers stay as near as they are.
    """
    whole[0], part[0] = 0, 0.0
    for i in range(1, order.shape[0]):
        a, b = order[i - 1], order[i]
        blocks = exponent[a] - exponent[b]
        high, low = mantissa[a], mantissa[b]
        fall = math.log1p((high - low) / low) if low <= high < 2.0 * low else math.log(high / low)
        if blocks != 0:
            fall = (blocks * LN2_HIGH + fall) + blocks * LN2_LOW
        fall = min(power * fall, FARTHEST_STEP)
        rest = part[i - 1] - fall
        nats = math.floor(rest)
        whole[i], part[i] = whole[i - 1] + int(nats), rest - nats


@kernel
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


@kernel
def pool_edges(lo, hi, layer, value, draws, by_quadrature, out):
    """The conditional law on every edge when `draws` children are drawn and one kept in proportion to V."""
    ptr, prob, child = layer
    out_mantissa, out_exponent = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    width = 1
    for v in range(lo, hi):
        width = max(width, ptr[v + 1] - ptr[v])
    edges, mantissa, exponent = np.empty(width, np.int64), np.empty(width), np.empty(width, np.int32)
    whole, part, log_h = np.empty(width, np.int64), np.empty(width), np.empty(width)
    for v in range(lo, hi):
        live, p_zero = 0, 0.0
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            out_mantissa[k], out_exponent[k] = 0.0, 0
            if prob[k] > 0.0 and value[0][c] > 0.0:
                edges[live], mantissa[live], exponent[live] = k, value[0][c], value[1][c]
                live += 1
            elif prob[k] > 0.0:
                p_zero += prob[k]
        if p_zero > 0.0:
            # Among nothing but zeros the pick is uniform.
            all_zero, power = exponential((draws - 1.0) * math.log(p_zero)) if live else (1.0, 0)
            for k in range(ptr[v] - base, ptr[v + 1] - base):
                if prob[k] > 0.0 and value[0][k if is_tree else child[k]] == 0.0:
                    out_mantissa[k], out_exponent[k] = product(all_zero, power, prob[k], 0)
        if live == 1 and p_zero == 0.0:
            out_mantissa[edges[0]] = 1.0
        if live == 0 or (live == 1 and p_zero == 0.0):
            continue
        order = np.arange(live)
        heaviest_first(mantissa, exponent, order)
        if live == 2 and p_zero == 0.0 and draws <= LARGEST_BINOMIAL_POOL and not by_quadrature:
            high, low = order[0], order[1]
            low_over_high = shifted(mantissa[low] / mantissa[high], exponent[low] - exponent[high])
            if low_over_high > SMALLEST_BINOMIAL_RATIO:
                keep_high, keep_low = two_child_pool(prob[edges[high]], prob[edges[low]], low_over_high, draws)
                out_mantissa[edges[high]], out_exponent[edges[high]] = canonical(keep_high, 0)
                out_mantissa[edges[low]], out_exponent[edges[low]] = canonical(keep_low, 0)
                continue
        positions(mantissa, exponent, order, 1.0, whole, part)
        log_selection(prob[edges[order]], whole, part, p_zero, float(draws), order.shape[0], log_h)
        for i in range(live):
            factor, power = exponential(log_h[i])
            k = edges[order[i]]
            out_mantissa[k], out_exponent[k] = product(factor, power, prob[k], 0)


@kernel
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


@kernel
def spread_mass(position, slot, prob, nodes, signs, out):
    """Move each mass to the nodes of its bin, so that sums of smooth functions keep their value."""
    row = np.empty(nodes.shape[0])
    for i in range(position.shape[0]):
        chebyshev_row(position[i], nodes, signs, row)
        for j in range(nodes.shape[0]):
            out[slot[i], j] += prob[i] * row[j]


@kernel
def interpolate(lo, hi, position, slot, table, nodes, signs, out):
    """Values at the positions of what `table` holds at the nodes of each bin."""
    row = np.empty(nodes.shape[0])
    for i in range(lo, hi):
        chebyshev_row(position[i], nodes, signs, row)
        result = 0.0
        for j in range(nodes.shape[0]):
            result += row[j] * table[slot[i], j]
        out[i] = result
