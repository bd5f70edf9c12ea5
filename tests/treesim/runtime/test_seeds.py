"""Each purpose and block has a stream of its own."""

import numpy as np

from treesim.runtime.seeds import Stream, generator


def test_no_two_purposes_or_blocks_share_their_numbers():
    keys = [(seed, stream, *index) for seed in (0, 1) for stream in Stream for index in ((), (0,), (1,), (0, 1))]
    assert len({generator(*key).integers(2**63) for key in keys}) == len(keys)


def test_the_generator_is_that_of_numpys_spawn_keys():
    expected = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(3, 5)))
    assert generator(7, Stream.SIMULATION, 5).integers(2**63) == expected.integers(2**63)
