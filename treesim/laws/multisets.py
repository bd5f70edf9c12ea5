"""Multisets of a given size, in lexicographic order, and their places in it."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations

import numpy as np

from treesim.arrays import IntArray, read_only


@cache
def multisets(kinds: int, size: int) -> IntArray:
    """All counts of `size` things of `kinds` kinds in lexicographic order, shape [n, kinds].

    Examples
    --------
    >>> multisets(2, 3).tolist()
    [[0, 3], [1, 2], [2, 1], [3, 0]]
    """
    # Things in a row, with bars between the kinds.
    places = size + kinds - 1
    bars = np.array(list(combinations(range(places), kinds - 1)), np.int64).reshape(
        math.comb(places, kinds - 1), kinds - 1
    )
    walls = np.concatenate([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), places)], axis=1)
    return read_only(np.diff(walls, axis=1) - 1)


def rank(counts: IntArray) -> IntArray:
    """The places of multisets of one size in the order of `multisets`, shape [n].

    Examples
    --------
    >>> rank(multisets(3, 2)).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    n, kinds = counts.shape
    place = np.zeros(n, np.int64)
    left = counts.sum(axis=1)
    # Multisets of r things of k + 1 kinds, C(r + k, k): sums over smaller r of those of k kinds.
    ways_of = [np.ones(int(left.max(initial=0)) + 1, np.int64)]
    for _ in range(kinds - 1):
        ways_of.append(np.cumsum(ways_of[-1]))
    for j in range(kinds - 1):
        ways = ways_of[kinds - j - 1]
        place += ways[left] - ways[left - counts[:, j]]
        left = left - counts[:, j]
    return place
