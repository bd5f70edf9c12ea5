"""From the root to the leaves: conditional probabilities of edges, and the mass they carry down."""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import HIGHEST, LN2, LOWEST, careful_expectation, product, shifted, total

SMALLEST_REACH = 2.3e-308


@kernel
def guided_edges(lo, hi, layer, mean, ahead, out):
    """p(c|v) V(c) / (PV)(v) on every edge; p(c|v) itself where (PV)(v) is zero."""
    ptr, prob, child = layer
    norm, norm_exponent = mean
    mantissa, exponent = ahead
    out_mantissa, out_exponent = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(lo, hi):
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            if norm[v] == 0.0:
                out_mantissa[k], out_exponent[k] = product(1.0, 0, prob[k], 0)
            else:
                relative = mantissa[c] / norm[v]
                out_mantissa[k], out_exponent[k] = product(relative, exponent[c] - norm_exponent[v], prob[k], 0)


@kernel
def push_mass(layer, here, edges, below):
    """Add mass(v) * q(c|v) to every child; returns the expected number of children pi_ref can draw."""
    ptr, prob, child = layer
    mass, mass_exponent = here
    edge, edge_exponent = edges
    out, out_exponent = below
    base = ptr[0]
    is_tree = child.shape[0] == 0
    children = 0.0
    # The children hold what parents before v have sent them; the rest is still with the parents.
    for v in range(ptr.shape[0] - 1):
        here = shifted(mass[v], mass_exponent[v])
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            piece, piece_exponent = product(mass[v], mass_exponent[v], edge[k], edge_exponent[k])
            out[c], out_exponent[c] = total(out[c], out_exponent[c], piece, piece_exponent)
            if prob[k] > 0.0:
                children += here
    return children


@kernel
def push_reach(lo, hi, layer, reach, out):
    """Add reach(v) * p(c|v) to every child of the parents ``lo..hi``.

    Positive reach never underflows to zero, so that "unreachable" stays exact.
    """
    ptr, prob, child = layer
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(lo, hi):
        mass = reach[v]
        if mass == 0.0:
            continue
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if prob[k] > 0.0:
                out[k if is_tree else np.uint32(child[k])] += mass * prob[k] + SMALLEST_REACH


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

    Two sums and extremes at once, so that none waits for another.
    """
    ptr, prob, child = layer
    mantissa, exponent = below
    ahead, ahead_exp, lowest, highest = out
    base = ptr[0]
    common = exponent[0]
    for v in range(lo, hi):
        start, stop = ptr[v] - base, ptr[v + 1] - base
        total, least, most = 0.0, math.inf, 0.0
        second_total, second_least, second_most = 0.0, math.inf, 0.0
        for i in range((stop - start) // 2):
            k = start + 2 * i
            number, second = mantissa[np.uint32(child[k])], mantissa[np.uint32(child[k + 1])]
            total += prob[k] * number
            second_total += prob[k + 1] * second
            least = number if number < least else least
            most = number if number > most else most
            second_least = second if second < second_least else second_least
            second_most = second if second > second_most else second_most
        if (stop - start) % 2:
            number = mantissa[np.uint32(child[stop - 1])]
            total += prob[stop - 1] * number
            least, most = min(least, number), max(most, number)
        total += second_total
        if LOWEST <= total < HIGHEST:
            ahead[v - lo], ahead_exp[v - lo] = total, common
            lowest[v - lo], highest[v - lo] = min(least, second_least), max(most, second_most)
        else:
            ahead[v - lo], ahead_exp[v - lo] = careful_expectation(start, stop, prob, child, mantissa, exponent)
            lowest[v - lo] = math.nan


@kernel
def audit_parents(lo, hi, layer, reach, here, here_twist, root, seen, below):
    """Bellman errors of the parents ``lo..hi`` and ratios along their edges, after a look ahead at the same parents.

    Returns sup error, log of sup max(rho, 1/rho) where that is beyond floats, and its parent, the error's mean under
    pi_ref and under pi~, log of the largest ratio and its edge.
    """
    ptr, prob, child = layer
    value, value_exp = here
    twist, twist_exp = here_twist
    partition, partition_exp = root
    ahead, ahead_exp, lowest, highest = seen
    next_value, next_value_exp = below
    base = ptr[0]
    is_tree = child.shape[0] == 0
    worst, log_worst, worst_parent = -1.0, -1.0, -1
    mean_reference, mean_target = 0.0, 0.0
    log_ratio, ratio, ratio_edge = -1.0, 0.0, -1
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
                log_here = math.log(here)
            else:
                log_here = abs(math.log(next_value[c] / value[v]) + (next_value_exp[c] - value_exp[v]) * LN2)
                here = math.exp(log_here)
            if log_here > log_ratio:
                log_ratio, ratio, ratio_edge = log_here, here, k
    return worst, log_worst, worst_parent, mean_reference, mean_target, log_ratio, ratio_edge
