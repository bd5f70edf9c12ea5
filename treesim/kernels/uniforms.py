"""Random numbers inside kernels: xoshiro256++, written out so that a number costs a nanosecond and not a call.

Its four words of state come from the numpy generator of the block, so all bits still follow from the one seed. Source:
Blackman & Vigna (2021), "Scrambled linear pseudorandom number generators", ACM TOMS 47, 36.
"""

import numpy as np
from numpy.typing import NDArray

from treesim.kernels import kernel

_TO_UNIT = 2.0**-53


def state_of(rng: np.random.Generator) -> NDArray[np.uint64]:
    """Four words of state, drawn from a numpy generator."""
    return rng.integers(0, 2**64, 4, dtype=np.uint64)


@kernel
def uniform(state):
    """A number in [0, 1), a multiple of 2^-53."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    mixed = a + d
    result = ((mixed << np.uint64(23)) | (mixed >> np.uint64(41))) + a
    shifted_b = b << np.uint64(17)
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted_b
    d = (d << np.uint64(45)) | (d >> np.uint64(19))
    state[0], state[1], state[2], state[3] = a, b, c, d
    return (result >> np.uint64(11)) * _TO_UNIT
