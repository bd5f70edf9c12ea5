"""Bellman errors and ratios of an approximate value: parents look one step ahead."""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import HIGHEST, LN2, LOWEST, careful_expectation, shifted

# Parents that are audited together.
PAIRS = 1024

# Sup error, log of sup max(rho, 1/rho) where that is beyond floats, and its parent; the error's mean under pi_ref and
# under pi~; log of the largest ratio, the ratio, and its edge.
NOTHING_FOUND = (-1.0, -1.0, -1, 0.0, 0.0, -1.0, 0.0, -1)


@kernel
def look_ahead(lo, hi, layer, below, out):
    """Of parents ``lo..hi``: P V, the least and greatest V of their children.

    The extremes are mantissas; the least is NaN where the children differ in exponent or P V leaves the range.
    """
    ptr, prob, child = layer
    mantissa, exponent = below
    ahead, ahead_exp, lowest, highest = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    # As in `expect_children`; `least` and `most` are over the children that pi_ref can draw.
    for v in range(lo, hi):
        start, stop = ptr[v] - base, ptr[v + 1] - base
        common = exponent[start if is_tree else child[start]]
        differs = common ^ common
        total, least, most = 0.0, math.inf, 0.0
        for k in range(start, stop):
            c = k if is_tree else child[k]
            number = mantissa[c]
            differs |= exponent[c] ^ common
            total += prob[k] * number
            if prob[k] > 0.0:
                least = min(least, number)
                most = max(most, number)
        if differs == 0 and LOWEST <= total < HIGHEST:
            ahead[v - lo], ahead_exp[v - lo], lowest[v - lo], highest[v - lo] = total, common, least, most
        else:
            ahead[v - lo], ahead_exp[v - lo] = careful_expectation(start, stop, prob, child, mantissa, exponent)
            lowest[v - lo] = math.nan


@kernel
def look_ahead_shared(lo, hi, layer, below, out):
    """The same where edges name their children, all children have one exponent and no edge has probability zero.

    Four sums and two extremes at once, so that none waits for another.
    """
    ptr, prob, child = layer
    mantissa, exponent = below
    ahead, ahead_exp, lowest, highest = out
    base = ptr[0]
    common = exponent[0]
    for v in range(lo, hi):
        start, stop = ptr[v] - base, ptr[v + 1] - base
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        least, most, second_least, second_most = math.inf, 0.0, math.inf, 0.0
        quarters = (stop - start) // 4
        # Edges start .. start + 4 i are in one of the four sums, each edge once, and all between the extremes.
        for i in range(quarters):
            k = start + 4 * i
            w, x = mantissa[np.uint32(child[k])], mantissa[np.uint32(child[k + 1])]
            y, z = mantissa[np.uint32(child[k + 2])], mantissa[np.uint32(child[k + 3])]
            a += prob[k] * w
            b += prob[k + 1] * x
            c += prob[k + 2] * y
            d += prob[k + 3] * z
            low, high = (w if w < x else x), (x if w < x else w)
            second_low, second_high = (y if y < z else z), (z if y < z else y)
            least = low if low < least else least
            most = high if high > most else most
            second_least = second_low if second_low < second_least else second_least
            second_most = second_high if second_high > second_most else second_most
        for k in range(start + 4 * quarters, stop):
            number = mantissa[np.uint32(child[k])]
            a += prob[k] * number
            least, most = min(least, number), max(most, number)
        total = (a + b) + (c + d)
        if LOWEST <= total < HIGHEST:
            ahead[v - lo], ahead_exp[v - lo] = total, common
            lowest[v - lo], highest[v - lo] = min(least, second_least), max(most, second_most)
        else:
            ahead[v - lo], ahead_exp[v - lo] = careful_expectation(start, stop, prob, child, mantissa, exponent)
            lowest[v - lo] = math.nan


@kernel
def audit_parents(lo, hi, layer, reach, here, here_twist, root, seen, below, found):
    """Bellman errors of the parents ``lo..hi`` and ratios along their edges, after a look ahead at the same parents.

    Returns what was `found` before with these parents: see `NOTHING_FOUND`.
    """
    ptr, prob, child = layer
    value, value_exp = here
    twist, twist_exp = here_twist
    partition, partition_exp = root
    ahead, ahead_exp, lowest, highest = seen
    next_value, next_value_exp = below
    base = ptr[0]
    is_tree = child.shape[0] == 0
    worst, log_worst, worst_parent, mean_reference, mean_target, log_ratio, ratio, ratio_edge = found
    per_partition = 1.0 / partition
    # `worst` and `ratio` are the largest of the parents before v that pi_ref reaches, and where they are attained.
    for v in range(lo, hi):
        if reach[v] == 0.0:
            continue
        error, log_error = 0.0, 0.0
        mean, least, most = ahead[v - lo], lowest[v - lo], highest[v - lo]
        shift = ahead_exp[v - lo] - value_exp[v]
        if mean == 0.0 or value[v] == 0.0:
            if mean != value[v]:
                error = log_error = math.inf
        elif shift > 0 or (shift == 0 and mean >= value[v]):
            error = shifted(mean / value[v], shift) - 1.0
        else:
            error = shifted(value[v] / mean, -shift) - 1.0
        if error == math.inf and log_error == 0.0:
            log_error = abs(math.log(mean / value[v]) + shift * LN2)
        if error > worst or (error == worst and log_error > log_worst):
            worst, log_worst, worst_parent = error, log_error, v
        if error > 0.0:
            mean_reference += reach[v] * error
            tilt = reach[v] * shifted(twist[v] * per_partition, twist_exp[v] - partition_exp)
            if tilt > 0.0:
                mean_target += tilt * error
            elif error == math.inf and twist[v] > 0.0:
                mean_target = math.inf
        is_plain = least > 0.0 and value[v] > 0.0 and shift == 0
        if is_plain and most <= ratio * value[v] and value[v] <= ratio * least:
            continue
        # Only here can the ratio grow: above, both extremes of the children are as near to V(v) as some step before.
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            if prob[k] == 0.0 or (value[v] == 0.0 and next_value[c] == 0.0):
                continue
            if value[v] == 0.0 or next_value[c] == 0.0:
                here, log_here = math.inf, math.inf
            elif next_value_exp[c] == value_exp[v]:
                here = max(next_value[c] / value[v], value[v] / next_value[c])
                if here <= ratio:
                    continue
                log_here = math.log(here)
            else:
                log_here = abs(math.log(next_value[c] / value[v]) + (next_value_exp[c] - value_exp[v]) * LN2)
                here = math.exp(log_here)
            if log_here > log_ratio:
                log_ratio, ratio, ratio_edge = log_here, here, k
    return worst, log_worst, worst_parent, mean_reference, mean_target, log_ratio, ratio, ratio_edge


@kernel
def added(numbers, size):
    """The sum of the first numbers: four at once, so that none waits for another."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    rest = size % 4
    for i in range(rest):
        a += numbers[i]
    # Numbers rest .. i are in one of the four sums, each once.
    for i in range(rest, size, 4):
        a += numbers[i]
        b += numbers[i + 1]
        c += numbers[i + 2]
        d += numbers[i + 3]
    return (a + b) + (c + d)


@kernel
def audit_pairs(lo, hi, layer, reach, here, here_twist, root, room, below, found):
    """The same, look ahead included, where every parent has two children; `room` is for `PAIRS` parents.

    Nearly always no number among those of some parents in a row is special: all share their exponent, none is zero,
    none makes an error or ratio larger than those before, not even towards a child that is never drawn. Then nothing
    branches, and the loops run on vectors.
    """
    _, prob, _ = layer
    value, value_exp = here
    twist, twist_exp = here_twist
    partition, partition_exp = root
    ahead, ahead_exp, lowest, highest, errors, tilted = room
    next_value, next_value_exp = below
    per_partition = 1.0 / partition
    for start in range(lo, hi, PAIRS):
        stop = min(start + PAIRS, hi)
        worst, ratio = found[0], found[6]
        common = value_exp[start]
        differs = common ^ partition_exp
        for v in range(start, stop):
            u = np.uint64(v)
            differs |= (value_exp[u] ^ common) | (twist_exp[u] ^ common)
        for c in range(2 * start, 2 * stop):
            differs |= next_value_exp[np.uint64(c)] ^ common
        strange = False
        for v in range(start, stop):
            i, u, a, b = np.uint64(v - start), np.uint64(v), np.uint64(2 * v), np.uint64(2 * v + 1)
            x, y, own = next_value[a], next_value[b], value[u]
            mean = prob[a] * x + prob[b] * y
            larger, smaller = (mean if mean >= own else own), (own if mean >= own else mean)
            error = larger / smaller - 1.0
            errors[i] = error
            least, most = (x if x < y else y), (y if x < y else x)
            strange |= (smaller < LOWEST) | (larger >= HIGHEST) | (least < LOWEST)
            strange |= (error > worst) | (most > ratio * own) | (own > ratio * least)
        for v in range(start, stop):
            i, u = np.uint64(v - start), np.uint64(v)
            tilted[i] = reach[u] * (twist[u] * per_partition) * errors[i]
            errors[i] *= reach[u]
        if differs != 0 or strange:
            seen = (ahead, ahead_exp, lowest, highest)
            look_ahead(start, stop, layer, below, seen)
            found = audit_parents(start, stop, layer, reach, here, here_twist, root, seen, below, found)
            continue
        mean_reference, mean_target = found[3] + added(errors, stop - start), found[4] + added(tilted, stop - start)
        found = (worst, found[1], found[2], mean_reference, mean_target, found[5], ratio, found[7])
    return found
