"""How far guidance by V^ goes from the target, level by level: masses down the graph, residuals up."""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2, product, shifted, total

# Of a guided step against pi_ref, below which quotients by it may leave the range of a float.
SMALLEST_GAIN = 1e-150


@kernel
def log_quotient(a, a_exponent, b, b_exponent):
    """log(a / b); zero where both are zero, infinite where one is."""
    if a == 0.0 or b == 0.0:
        return 0.0 if a == b else (-math.inf if a == 0.0 else math.inf)
    shift = a_exponent - b_exponent
    return math.log(a / b) + shift * LN2 if shift else math.log(a / b)


@kernel
def relative_entropy_term(q, ratio):
    """``q h(ratio)`` with h(x) = x log x - x + 1 >= 0: what one child adds to KL(ratio q || q)."""
    if ratio == 0.0:
        return q
    excess = ratio - 1.0
    return q * max(0.0, ratio * (math.log1p(excess) if abs(excess) < 0.5 else math.log(ratio)) - excess)


@kernel
def residuals(ahead, here, reach, out):
    """log rho = log P V^ / V^ of every parent; NaN where pi_ref does not come."""
    mean, mean_exponent = ahead
    value, value_exponent = here
    reached, _ = reach
    for v in range(out.shape[0]):
        out[v] = math.nan
        if reached[v] > 0.0:
            out[v] = log_quotient(mean[v], mean_exponent[v], value[v], value_exponent[v])


@kernel
def push_three(layer, ahead, ahead_twist, values, reach, target, guided, below):
    """Carry pi_ref, the target and guidance from one level to the next; returns E KL(target's step || guided step).

    `ahead` and `ahead_twist` are P V^ and V* of the parents, `values` V^ and V* of the children; pi_ref is scaled.
    """
    ptr, prob, child = layer
    norm, norm_exponent = ahead
    twist, twist_exponent = ahead_twist
    (value, value_exponent), (next_twist, next_twist_exponent) = values
    reached, reached_exponent = reach
    (below_reach, below_reach_exponent), below_target, below_guided = below
    base = ptr[0]
    is_tree = child.shape[0] == 0
    divergence = 0.0
    # The children hold what parents before v have sent them.
    for v in range(ptr.shape[0] - 1):
        if reached[v] == 0.0:
            continue
        surprise = 0.0
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if prob[k] == 0.0:
                continue
            c = k if is_tree else child[k]
            piece, piece_exponent = product(reached[v], reached_exponent[v], prob[k], 0)
            below_reach[c], below_reach_exponent[c] = total(
                below_reach[c], below_reach_exponent[c], piece, piece_exponent
            )
            gain = 1.0
            if norm[v] > 0.0:
                gain = shifted(value[c] / norm[v], value_exponent[c] - norm_exponent[v])
            below_guided[c] += guided[v] * prob[k] * gain
            if target[v] == 0.0:
                continue
            wanted = shifted(next_twist[c] / twist[v], next_twist_exponent[c] - twist_exponent[v])
            below_target[c] += target[v] * prob[k] * wanted
            if SMALLEST_GAIN < gain < math.inf:
                surprise += relative_entropy_term(prob[k] * gain, wanted / gain)
            elif wanted > 0.0:
                log_gain = log_quotient(value[c], value_exponent[c], norm[v], norm_exponent[v])
                surprise += max(0.0, prob[k] * (wanted * (math.log(wanted) - log_gain - 1.0) + gain))
        if target[v] > 0.0:
            divergence += target[v] * surprise
    return divergence


@kernel
def weigh(reach, value, out):
    """pi_ref(v) V(v), as plain numbers relative to the largest; returns their sum."""
    reached, reached_exponent = reach
    mantissa, exponent = value
    top = -(2**62)
    for v in range(out.shape[0]):
        if reached[v] > 0.0 and mantissa[v] > 0.0:
            piece, piece_exponent = product(reached[v], reached_exponent[v], mantissa[v], exponent[v])
            top = max(top, piece_exponent)
    mass = 0.0
    for v in range(out.shape[0]):
        piece, piece_exponent = product(reached[v], reached_exponent[v], mantissa[v], exponent[v])
        out[v] = shifted(piece, piece_exponent - top) if piece > 0.0 else 0.0
        mass += out[v]
    return mass


@kernel
def moments_level(layer, log_residual, twists, below, here):
    """Mean and variance, under the target, of the sum of log residuals from a parent on, given those of its children.

    Deviations are taken from the mean, so that nothing cancels in the variance.
    """
    ptr, prob, child = layer
    (twist, twist_exponent), (next_twist, next_twist_exponent) = twists
    below_mean, below_variance = below
    mean, variance = here
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(ptr.shape[0] - 1):
        mean[v], variance[v] = 0.0, 0.0
        if twist[v] == 0.0 or np.isnan(log_residual[v]):
            continue
        # Where a child of the target's has an infinite sum, so has the parent.
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            step = prob[k] * shifted(next_twist[c] / twist[v], next_twist_exponent[c] - twist_exponent[v])
            if step > 0.0:
                mean[v] += step * below_mean[c]
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            step = prob[k] * shifted(next_twist[c] / twist[v], next_twist_exponent[c] - twist_exponent[v])
            if step > 0.0:
                variance[v] += step * (below_variance[c] + (below_mean[c] - mean[v]) ** 2)
        mean[v] += log_residual[v]
