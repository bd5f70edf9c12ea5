"""Levels of trees that users define by functions: grown, weighed, and merged. See `treesim.kernels.compiled`."""

from typing import Any

import numpy as np

from treesim.kernels import kernel, walker
from treesim.kernels.compiled import (
    FINE,
    HIGH_BITS,
    LEAST,
    MANY_CHILDREN,
    ODD_LENGTH,
    ODD_PROBABILITY,
    ODD_REWARD,
    ODD_SUM,
    ONE,
    SUM_TOLERANCE,
    ZERO,
    Functions,
    is_odd,
    mixed,
)
from treesim.kernels.states import get, kept_by_code, put

LARGEST = 2**63 - 1


def make_growth(functions: Functions) -> Any:
    """The loop that finds the children of a level."""
    children, fields_of = functions.children, functions.fields

    @walker
    def grow_level(lo, hi, fields, like, room, below, degree, prob, width):
        """Children of positive probability of the nodes ``lo..hi``, one after the other from place ``lo * width`` on.

        Returns a code, their number, and what is odd; an odd state lies in place `lo` then.
        """
        self = fields_of(*fields)
        at = lo * width
        # Places lo * width .. at hold the children of the nodes before v.
        for v in range(lo, hi):
            state = get(room, v, like)
            states, probs = children(self, state)
            if len(states) != len(probs):
                put(room, lo, state)
                return ODD_LENGTH, len(probs), float(len(states))
            if len(states) > width:
                return MANY_CHILDREN, len(states), 0.0
            total, start = 0.0, at
            for k in range(len(states)):
                p = probs[k]
                total += p
                if p < LEAST:
                    if p == 0.0:
                        continue
                    put(room, lo, state)
                    return ODD_PROBABILITY, 0, p
                put(below, at, states[k])
                prob[at] = p
                at += 1
            if not abs(total - 1.0) <= SUM_TOLERANCE:
                put(room, lo, state)
                return ODD_SUM, 0, total
            degree[v] = at - start
        return FINE, at - lo * width, 0.0

    return kept_by_code(grow_level, functions.code_of("growth"))


def make_weighing(functions: Functions, name: str) -> Any:
    """The loop that asks the ``reward``, or the ``value``, of every node of a level."""
    function, fields_of = getattr(functions, name), functions.fields

    @walker
    def weigh_level(lo, hi, fields, like, room, out):
        """Numbers of the nodes ``lo..hi``. Returns a code and what is odd; an odd state lies in place `lo` then."""
        self = fields_of(*fields)
        for v in range(lo, hi):
            state = get(room, v, like)
            number = function(self, state)
            if is_odd(number):
                put(room, lo, state)
                return ODD_REWARD, number
            out[v] = number
        return FINE, 0.0

    return kept_by_code(weigh_level, functions.code_of(name))


@kernel
def merge_equal(n, like, room, table, child):
    """Keep one of each state among the first `n` of a room, in the order in which they come; returns how many.

    `table` is a power of two of places, more than `n`, all -1; `child` gets where each state has gone.
    """
    mask, width = np.uint64(table.shape[0] - 1), room.shape[0] // n
    kept = 0
    # Places 0..kept of the room hold the different states among those before i.
    for i in range(n):
        state = get(room, i, like)
        # By its words, without the sign of floats, as -0.0 is 0.0; numba's hash takes longer to compile than the rest.
        key = ZERO
        for k in range(i * width, (i + 1) * width):
            key = mixed(key, np.uint64(room[k] & LARGEST))
        place = (key >> HIGH_BITS) & mask
        while table[place] >= 0 and get(room, table[place], like) != state:
            place = (place + ONE) & mask
        if table[place] < 0:
            table[place] = kept
            put(room, kept, state)
            kept += 1
        child[i] = table[place]
    return kept
