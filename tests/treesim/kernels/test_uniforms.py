"""The generator is xoshiro256++, bit for bit."""

import numpy as np
import pytest

from treesim.kernels.uniforms import state_of, uniform

ONES = 2**64 - 1
# Of the state 1, 2, 3, 4, as other implementations have them.
PUBLISHED = [
    41943041,
    58720359,
    3588806011781223,
    3591011842654386,
    9228616714210784205,
    9973669472204895162,
    14011001112246962877,
    12406186145184390807,
    15849039046786891736,
    10450023813501588000,
]


def xoshiro(state: list[int]) -> int:
    """The next 64 bits, in whole numbers; `state` moves on."""

    def rotated(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & ONES

    answer = (rotated((state[0] + state[3]) & ONES, 23) + state[0]) & ONES
    kept = (state[1] << 17) & ONES
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= kept
    state[3] = rotated(state[3], 45)
    return answer


def test_the_whole_numbers_are_the_published_ones():
    state = [1, 2, 3, 4]
    assert [xoshiro(state) for _ in PUBLISHED] == PUBLISHED


@pytest.mark.parametrize(
    "words",
    [
        (1, 2, 3, 4),
        (1, 0, 0, 0),
        (0, 0, 0, 1),
        (ONES, ONES, ONES, ONES),
        (2**63, 2**41, 2**23, 2**17),
        (7**20, 3, 5, 11**18),
    ],
)
def test_numbers_and_states_are_those_of_xoshiro256plusplus(words):
    state, expected = np.array(words, np.uint64), list(words)
    for _ in range(1000):
        assert uniform(state) == (xoshiro(expected) >> 11) / 2**53
        assert state.tolist() == expected


def test_the_state_is_256_bits_of_the_numpy_generator():
    assert state_of(np.random.default_rng(5)).tolist() == np.random.default_rng(5).bit_generator.random_raw(4).tolist()
