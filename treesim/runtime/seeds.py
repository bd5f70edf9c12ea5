"""Seeds: one integer makes every random number, each purpose and block having a stream of its own.

A stream is named by a key, ``generator(seed, PURPOSE, index)``; its bits depend on nothing else, so work
can be split among any number of threads, repeated in part, or done in another order.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a generator is for."""

    POLICY = 0
    REWARD = 1
    PERTURBATION = 2
    SIMULATION = 3
    ESTIMATION = 4
    DIAGNOSIS = 5
    SEARCH = 6
    MEASUREMENT = 7


def generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """The generator of one purpose and block (PCG64, by `numpy.random.SeedSequence` spawn keys).

    Examples
    --------
    >>> a, b = (generator(7, Stream.REWARD, 3).random() for _ in range(2))
    >>> a == b
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), *index)))
