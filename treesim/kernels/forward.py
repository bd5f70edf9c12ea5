"""From the root to the leaves: conditional probabilities of edges, and the mass they carry down."""

import math

from numba import njit

from treesim.kernels.arithmetic import LN2, product, shifted, total


@njit(nogil=True, cache=True)
def guided_edges(lo, hi, ptr, prob, child, norm, norm_exponent, mantissa, exponent, out_mantissa, out_exponent):
    """p(c|v) V(c) / (PV)(v) on every edge; p(c|v) itself where (PV)(v) is zero."""
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


@njit(nogil=True, cache=True)
def push_mass(ptr, prob, child, mass, mass_exponent, edge, edge_exponent, out, out_exponent):
    """Add mass(v) * q(c|v) to every child; returns the expected number of children pi_ref can draw."""
    base = ptr[0]
    is_tree = child.shape[0] == 0
    children = 0.0
    for v in range(ptr.shape[0] - 1):
        here = shifted(mass[v], mass_exponent[v])
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            piece, piece_exponent = product(mass[v], mass_exponent[v], edge[k], edge_exponent[k])
            out[c], out_exponent[c] = total(out[c], out_exponent[c], piece, piece_exponent)
            if prob[k] > 0.0:
                children += here
    return children


@njit(nogil=True, cache=True)
def audit_level(
    ptr, prob, child, reach, value, value_exp, twist, twist_exp, partition, partition_exp,
    ahead, ahead_exp, next_value, next_value_exp, next_reach,
):  # fmt: skip
    """Bellman errors of the parents, ratios along the edges, and the reach probability of the children (unless
    it has no room for them).

    Returns sup error and its parent, the error's mean under pi_ref and under pi~, log of the largest ratio
    and its edge. Positive reach never underflows to zero, so that "unreachable" stays exact.
    """
    base = ptr[0]
    is_tree = child.shape[0] == 0
    worst, worst_parent = -1.0, -1
    mean_reference, mean_target = 0.0, 0.0
    log_ratio, ratio, ratio_edge = -1.0, 0.0, -1
    per_partition = 1.0 / partition
    for v in range(ptr.shape[0] - 1):
        if reach[v] == 0.0:
            continue
        error = 0.0
        if ahead[v] == 0.0 or value[v] == 0.0:
            if ahead[v] != value[v]:
                error = math.inf
        else:
            shift = ahead_exp[v] - value_exp[v]
            if shift > 0 or (shift == 0 and ahead[v] >= value[v]):
                error = shifted(ahead[v] / value[v], shift) - 1.0
            else:
                error = shifted(value[v] / ahead[v], -shift) - 1.0
        if error > worst:
            worst, worst_parent = error, v
        tilt = reach[v] * shifted(twist[v] * per_partition, twist_exp[v] - partition_exp)
        if error > 0.0:
            mean_reference += reach[v] * error
            if tilt > 0.0:
                mean_target += tilt * error
        per_value = 1.0 / value[v] if value[v] > 0.0 else 0.0
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if prob[k] == 0.0:
                continue
            c = k if is_tree else child[k]
            if next_reach.shape[0]:
                next_reach[c] = max(next_reach[c] + reach[v] * prob[k], 2.3e-308)
            if value[v] == 0.0 and next_value[c] == 0.0:
                continue
            if value[v] == 0.0 or next_value[c] == 0.0:
                if log_ratio < math.inf:
                    log_ratio, ratio, ratio_edge = math.inf, math.inf, k
                continue
            step = next_value[c] * per_value
            if next_value_exp[c] == value_exp[v]:
                if step > ratio or step * ratio < 1.0:
                    ratio = max(step, 1.0 / step)
                    log_ratio, ratio_edge = math.log(ratio), k
            else:
                log_step = abs(math.log(step) + (next_value_exp[c] - value_exp[v]) * LN2)
                if log_step > log_ratio:
                    log_ratio, ratio, ratio_edge = log_step, math.exp(log_step), k
    return worst, worst_parent, mean_reference, mean_target, log_ratio, ratio_edge
