"""Arithmetic on numbers ``mantissa * 2**exponent``: see `treesim.scaled` for the canonical form."""

import math

import numpy as np

from treesim.kernels import kernel

BLOCK = 512
LOWEST = 2.0**-257
HIGHEST = 2.0**255
ONE_BLOCK_DOWN = 2.0**-BLOCK
LN2 = math.log(2.0)
NO_EXPONENT = -(2**40)

# ln 2 in two parts: the first has few enough bits for exact products with the exponents.
LN2_HIGH = float.fromhex("0x1.62e42fefap-1")
LN2_LOW = float.fromhex("0x1.cf79abc9e3b3ap-40")
POWERS_A_NAT = 1.0 / LN2
BLOCKS_A_NAT = 1.0 / (BLOCK * LN2)

# Numbers that a kernel works on together: few enough for the fastest cache.
VECTOR = 512

# Exponents are 32-bit: what is smaller than this, in nats, becomes zero.
LOWEST_LOG = -5e8


@kernel
def canonical(mantissa, exponent):
    """The canonical form of ``mantissa * 2**exponent``."""
    if mantissa == 0.0:
        return 0.0, 0
    fraction, power = math.frexp(mantissa)
    power += exponent
    block = BLOCK * ((power + BLOCK // 2) // BLOCK)
    return math.ldexp(fraction, power - block), block


@kernel
def first_odd(mantissa, exponent, largest_exponent):
    """The first number that is not in canonical form; -1 if all are."""
    for i in range(mantissa.shape[0]):
        if LOWEST <= mantissa[i] < HIGHEST:
            if exponent[i] % BLOCK == 0 and abs(exponent[i]) <= largest_exponent:
                continue
        elif mantissa[i] == 0.0 and exponent[i] == 0:
            continue
        return i
    return -1


@kernel
def shifted(mantissa, shift):
    """``mantissa * 2**shift`` as a float, zero or infinite where floats end."""
    if shift == 0:
        return mantissa
    return math.ldexp(mantissa, max(-4000, min(4000, shift)))


@kernel
def product(mantissa_a, exponent_a, mantissa_b, exponent_b):
    """The product of two scaled numbers; either mantissa may be any float."""
    result = mantissa_a * mantissa_b
    exponent = exponent_a + exponent_b
    if LOWEST <= result < HIGHEST:
        return result, exponent
    fraction_a, power_a = math.frexp(mantissa_a)
    fraction_b, power_b = math.frexp(mantissa_b)
    return canonical(fraction_a * fraction_b, exponent + power_a + power_b)


@kernel
def total(mantissa_a, exponent_a, mantissa_b, exponent_b):
    """The sum of two scaled numbers."""
    if mantissa_a == 0.0:
        return mantissa_b, exponent_b
    if mantissa_b == 0.0:
        return mantissa_a, exponent_a
    top = max(exponent_a, exponent_b)
    return canonical(shifted(mantissa_a, exponent_a - top) + shifted(mantissa_b, exponent_b - top), top)


@kernel
def exponential(x):
    """exp of a number in nats, as a scaled number."""
    number, power, block = exponential_parts(x)
    return math.ldexp(number, int(power)), int(block)


@kernel
def exponential_parts(x):
    """exp of a number in nats as ``number * 2**(power + block)``, the canonical form but for ``2**power``.

    All three are floats, and nothing branches: loops over it run on vectors. What is left of the number after whole
    powers of two is at most ln 2 / 2 in size, where the Taylor series of 14 terms has all the digits of a float.
    """
    is_positive = x >= LOWEST_LOG
    rest = x if is_positive else 0.0
    block = np.floor(rest * BLOCKS_A_NAT + 0.5) * BLOCK
    rest -= block * LN2_HIGH
    power = np.floor(rest * POWERS_A_NAT + 0.5)
    rest = (rest - power * LN2_HIGH) - (block + power) * LN2_LOW
    series = 1 / 6227020800 * rest + 1 / 479001600
    series = series * rest + 1 / 39916800
    series = series * rest + 1 / 3628800
    series = series * rest + 1 / 362880
    series = series * rest + 1 / 40320
    series = series * rest + 1 / 5040
    series = series * rest + 1 / 720
    series = series * rest + 1 / 120
    series = series * rest + 1 / 24
    series = series * rest + 1 / 6
    series = series * rest + 0.5
    number = 1.0 + (rest + rest * rest * series)
    # Canonical numbers are below 2**255.
    up = BLOCK if power + (1.0 if number >= 1.0 else 0.0) > BLOCK // 2 - 1 else 0.0
    return number if is_positive else 0.0, power - up, block + up


@kernel
def exponentials(lo, hi, log_number, largest, out, power, bits):
    """exp of the numbers ``lo..hi``, some at a time: powers of two are made of bits, in room for `VECTOR` floats.

    Returns whether all of them are -inf or at most `largest` in size.
    """
    mantissa, exponent = out
    is_fine = True
    for start in range(lo, hi, VECTOR):
        stop = min(start + VECTOR, hi)
        x, number, block = log_number[start:stop], mantissa[start:stop], exponent[start:stop]
        for i in range(stop - start):
            is_fine &= (abs(x[i]) <= largest) | (x[i] == -math.inf)
            number[i], shift, blocks = exponential_parts(x[i])
            block[i] = np.int32(blocks)
            # The last bits of a float of this size are a whole number: shifted, the exponent of a power of two.
            power[i] = (shift + 1023.0) + 2.0**52
        for i in range(stop - start):
            bits[i] <<= 52
        for i in range(stop - start):
            number[i] *= power[i]
    return is_fine


@kernel
def careful_expectation(start, stop, prob, child, mantissa, exponent):
    """``sum_k prob[k] * V(child k)`` for any range: terms are aligned at the largest exponent before they are added.

    Terms two blocks below the largest are left out: if the sum is in range they are below its 2**-500th part. If it
    is not, the probabilities are tiny too, and their exponents must be aligned with the rest.
    """
    is_tree = child.shape[0] == 0
    top = NO_EXPONENT
    # `top` is the largest exponent of a term that counts; no term, no top.
    for k in range(start, stop):
        c = k if is_tree else child[k]
        if prob[k] > 0.0 and mantissa[c] > 0.0:
            top = max(top, exponent[c])
    if top == NO_EXPONENT:
        return 0.0, 0
    result = 0.0
    for k in range(start, stop):
        c = k if is_tree else child[k]
        if exponent[c] == top:
            result += prob[k] * mantissa[c]
        elif exponent[c] == top - BLOCK:
            result += prob[k] * (mantissa[c] * ONE_BLOCK_DOWN)
    if LOWEST <= result < HIGHEST:
        return result, top
    top = NO_EXPONENT
    for k in range(start, stop):
        c = k if is_tree else child[k]
        if prob[k] > 0.0 and mantissa[c] > 0.0:
            top = max(top, math.frexp(prob[k])[1] + math.frexp(mantissa[c])[1] + exponent[c])
    result = 0.0
    # Products of fractions are in [1/4, 1), and no shift is positive: the sum neither overflows nor vanishes.
    for k in range(start, stop):
        c = k if is_tree else child[k]
        if prob[k] > 0.0 and mantissa[c] > 0.0:
            fraction_p, power_p = math.frexp(prob[k])
            fraction_m, power_m = math.frexp(mantissa[c])
            result += shifted(fraction_p * fraction_m, power_p + power_m + exponent[c] - top)
    return canonical(result, top)
