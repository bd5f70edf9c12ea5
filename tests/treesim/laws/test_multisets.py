"""Multisets are all the ways to spread things over kinds, each once, in the order of their places."""

import itertools

import numpy as np
import pytest

from treesim.laws.multisets import multisets, rank


@pytest.mark.parametrize(("kinds", "size"), [(1, 3), (2, 5), (3, 0), (3, 4), (5, 3)])
def test_multisets_are_all_counts_in_order_and_rank_finds_their_places(kinds, size):
    every = [counts for counts in itertools.product(range(size + 1), repeat=kinds) if sum(counts) == size]
    listed = multisets(kinds, size)
    assert listed.tolist() == [list(counts) for counts in every]
    assert np.array_equal(rank(listed), np.arange(len(every)))
