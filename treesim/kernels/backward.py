"""From the leaves to the root: one level at a time."""

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import (
    BLOCK,
    HIGHEST,
    LOWEST,
    ONE_BLOCK_DOWN,
    canonical,
    careful_expectation,
    product,
    shifted,
)

# Parents that are worked on together: few, as one that leaves the range has all of them looked at again.
PAIRS = 64
# An exponent below all.
NOWHERE = -1e18


@kernel
def expect_children(lo, hi, layer, ahead, out):
    """(P V)(v) = sum_c p(c|v) V(c) for parents ``lo..hi``.

    Nearly always the children share one exponent and the plain sum stays in range: that costs what linear arithmetic
    costs. Everything else goes the careful way. The loop is written out: arrays handed to an inner function are
    counted in and out at every call.
    """
    ptr, prob, child = layer
    mantissa, exponent = ahead
    out_mantissa, out_exponent = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    # `differs` is zero as long as all exponents seen are `common`: then `total` is the plain sum of mantissas.
    for v in range(lo, hi):
        start, stop = ptr[v] - base, ptr[v + 1] - base
        first = start if is_tree else child[start]
        common = exponent[first]
        differs = common ^ common
        total = prob[start] * mantissa[first]
        for k in range(start + 1, stop):
            c = k if is_tree else child[k]
            total += prob[k] * mantissa[c]
            differs |= exponent[c] ^ common
        if differs == 0 and LOWEST <= total < HIGHEST:
            out_mantissa[v], out_exponent[v] = total, common
        else:
            out_mantissa[v], out_exponent[v] = careful_expectation(start, stop, prob, child, mantissa, exponent)


@kernel
def has_pairs(ptr):
    """Whether every parent has two children."""
    odd = 0
    for v in range(ptr.shape[0] - 1):
        odd |= (ptr[v + 1] - ptr[v]) ^ 2
    return odd == 0


@kernel
def expect_pairs(lo, hi, layer, ahead, out):
    """The same where every parent has two children: without branches, on vectors, as fast for exponents that differ.

    Exponents are aligned as in `careful_expectation`, which takes what leaves the range: also where the larger is that
    of a step of probability zero, as then nothing is left of the other. Unsigned indices need no check for counting
    from the end.
    """
    _, prob, child = layer
    mantissa, exponent = ahead
    out_mantissa, out_exponent = out
    for start in range(lo, hi, PAIRS):
        stop = min(start + PAIRS, hi)
        for v in range(start, stop):
            a, b = np.uint64(2 * v), np.uint64(2 * v + 1)
            p, q, x, y = prob[a], prob[b], mantissa[a], mantissa[b]
            level_x, level_y = float(exponent[a]), float(exponent[b])
            level_x = level_x if x > 0.0 else NOWHERE
            level_y = level_y if y > 0.0 else NOWHERE
            top = level_x if level_x > level_y else level_y
            apart = abs(level_x - level_y)
            lower = 1.0 if apart == 0.0 else (ONE_BLOCK_DOWN if apart == BLOCK else 0.0)
            x = x if level_x == top else x * lower
            y = y if level_y == top else y * lower
            out_mantissa[v] = p * x + q * y
            out_exponent[v] = np.int32(top)
        strange = 0
        for v in range(start, stop):
            strange += 0 if LOWEST <= out_mantissa[v] < HIGHEST else 1
        if strange > 0:
            for v in range(start, stop):
                if not LOWEST <= out_mantissa[v] < HIGHEST:
                    pair = careful_expectation(2 * v, 2 * v + 2, prob, child, mantissa, exponent)
                    out_mantissa[v], out_exponent[v] = pair


@kernel
def expect_shared(lo, hi, layer, ahead, common, out):
    """The same where edges name their children and all children have the exponent `common`.

    Four sums at once, so that none waits for another; unsigned indices need no check for counting from the end.
    """
    ptr, prob, child = layer
    mantissa, exponent = ahead
    out_mantissa, out_exponent = out
    base = ptr[0]
    for v in range(lo, hi):
        start, stop = ptr[v] - base, ptr[v + 1] - base
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        quarters = (stop - start) // 4
        # Edges start .. start + 4 i are in one of the four sums, each edge once.
        for i in range(quarters):
            k = start + 4 * i
            a += prob[k] * mantissa[np.uint32(child[k])]
            b += prob[k + 1] * mantissa[np.uint32(child[k + 1])]
            c += prob[k + 2] * mantissa[np.uint32(child[k + 2])]
            d += prob[k + 3] * mantissa[np.uint32(child[k + 3])]
        for k in range(start + 4 * quarters, stop):
            a += prob[k] * mantissa[np.uint32(child[k])]
        total = (a + b) + (c + d)
        if LOWEST <= total < HIGHEST:
            out_mantissa[v], out_exponent[v] = total, common
        else:
            out_mantissa[v], out_exponent[v] = careful_expectation(start, stop, prob, child, mantissa, exponent)


@kernel
def common_exponent(exponent):
    """Whether all exponents are the same, and the first."""
    first = exponent[0]
    differs = first ^ first
    for v in range(exponent.shape[0]):
        differs |= exponent[v] ^ first
    return differs == 0, first


@kernel
def multiply(factor, numbers):
    """Multiply scaled numbers in place by plain positive factors."""
    mantissa, exponent = numbers
    for v in range(factor.shape[0]):
        if mantissa[v] != 0.0:
            mantissa[v], exponent[v] = product(mantissa[v], exponent[v], factor[v], 0)


@kernel
def cap_ratios(layer, ahead, cap, out):
    """Clip each parent into [max child / cap, cap * min child], or to the middle where that is empty."""
    ptr, prob, child = layer
    mantissa, exponent = ahead
    out_mantissa, out_exponent = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(out_mantissa.shape[0]):
        if out_mantissa[v] == 0.0:
            continue
        own = out_exponent[v]
        low, high = 0.0, float("inf")
        # [low, high] holds the factors for the parent that respect the cap towards all children seen.
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            if prob[k] > 0.0:
                relative = shifted(mantissa[c] / out_mantissa[v], exponent[c] - own)
                low = max(low, relative / cap)
                high = min(high, relative * cap)
        factor = (low * high) ** 0.5 if low > high else min(max(1.0, low), high)
        if 0.0 < factor < float("inf") and factor != 1.0:
            out_mantissa[v], out_exponent[v] = canonical(out_mantissa[v] * factor, own)
