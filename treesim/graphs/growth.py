"""Trees grown level by level from the laws of the next token: which prefixes are kept, and what is lost with others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import numpy as np

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import TreeError
from treesim.graphs.builders import TreeArrays
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE

Prefix = tuple[Any, ...]
# Tokens that may follow a prefix, by number, and their probabilities, which sum to one.
NextTokens = tuple[IntArray, FloatArray]

# The one child of a text that has ended, and the one that stands for all that was left out.
ENDED, OTHERS = -1, -2
# What a prefix with its tokens takes, roughly.
_BYTES_A_PREFIX = 200


class Growth(NamedTuple):
    """A tree as it was grown.

    Attributes
    ----------
    arrays : TreeArrays
    prefixes : list of tuple, shape [n_nodes]
        Level by level.
    written : ndarray of int, shape [n_nodes - 1]
        The token of each edge, by number.
    lost : list of list of float, shape [horizon]
        Level by level, the probability of what was left out after each prefix.
    """

    arrays: TreeArrays
    prefixes: list[Prefix]
    written: IntArray
    lost: list[list[float]]


def grow(
    laws: Callable[[int, list[Prefix], list[float]], Iterator[NextTokens]],
    horizon: int,
    least: float = 0.0,
    stop: Collection[int] = (),
    rest: bool = False,
    name: Callable[[int], Any] = int,
    what: str = "a tree",
) -> Growth:
    """Grow the tree of all prefixes whose probability is at least `least`, and of the likeliest token of each node.

    Parameters
    ----------
    laws : callable
        Given a level, its prefixes that go on, and their probabilities, what may follow each of them. What is left out
        anyway may be put together as the token `OTHERS`.
    horizon : int
        T.
    least : float
    stop : collection of int
        Tokens after which a prefix goes on by single edges.
    rest : bool
        Whether what is left out after a prefix is a child of its own; else the others are normalised.
    name : callable
        What stands for a token in prefixes, by its number.
    what : str
        How a message calls the tree.

    Raises
    ------
    TreeError
        If `least` is no probability below 1.
    MemoryBudgetError
        If the tree outgrows the memory budget.
    """
    if not 0.0 <= least < 1.0:
        raise TreeError(f"least is {least}, expected a probability below 1")
    prefixes: list[Prefix] = [()]
    level, reach, goes_on = list(prefixes), np.ones(1), np.ones(1, bool)
    sizes, degrees, probs, written = [1], [], [], []
    lost: list[list[float]] = []
    for t in range(horizon):
        open_at = np.flatnonzero(goes_on).tolist()
        following = laws(t, [level[i] for i in open_at], reach[open_at].tolist())
        below: list[Prefix] = []
        arrived, ids, left_out = [], [], []
        for prefix, mass, is_open in zip(level, reach.tolist(), goes_on.tolist(), strict=True):
            tokens, prob = next(following) if is_open else (np.array([ENDED]), np.ones(1))
            keep = kept(tokens, prob, mass, least)
            out = float(prob[~keep].sum())
            left_out.append(mass * out)
            tokens, prob = tokens[keep], prob[keep]
            if rest and out:
                tokens, prob = np.append(tokens, OTHERS), np.append(prob, out)
            degrees.append(len(tokens))
            probs.append(prob / prob.sum())
            ids.append(tokens)
            below += [(*prefix, name(token)) for token in tokens.tolist()]
            arrived.append(mass * prob)
            require_memory(
                (16 + 2 * BYTES_A_VALUE + _BYTES_A_PREFIX) * float(len(prefixes) + len(below)),
                f"{what} grown to level {t + 1} of {horizon}, pruned at {least:g},",
            )
        level, reach = below, np.concatenate(arrived)
        written.append(np.concatenate(ids))
        goes_on = (written[-1] >= 0) & ~np.isin(written[-1], list(stop))
        prefixes += below
        sizes.append(len(below))
        lost.append(left_out)
    arrays = TreeArrays(np.cumsum([0, *sizes]), np.cumsum([0, *degrees]), np.concatenate(probs))
    return Growth(arrays, prefixes, np.concatenate(written), lost)


def kept(tokens: IntArray, prob: FloatArray, mass: float, least: float) -> BoolArray:
    """Which tokens stay after a prefix of probability `mass`: all whose prefixes are likely enough, and the likeliest.

    Examples
    --------
    >>> kept(np.array([7, 8, 9]), np.array([0.5, 0.3, 0.2]), mass=0.1, least=0.03).tolist()
    [True, True, False]
    """
    one: BoolArray = tokens != OTHERS
    keep: BoolArray = (mass * prob >= least) & (prob > 0) & one
    keep[np.where(one, prob, -1.0).argmax()] = True
    return keep
