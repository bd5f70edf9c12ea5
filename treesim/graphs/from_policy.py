"""A policy given as a function, enumerated into a tree: language models whose vocabulary is small enough, or pruned."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import FloatArray
from treesim.errors import TreeError, quoted
from treesim.graphs.builders import TreeArrays
from treesim.graphs.distributions import Normaliser, of_logits
from treesim.graphs.growth import NextTokens, grow
from treesim.graphs.layered import SMALLEST_PROBABILITY


def enumerate_policy(
    policy: Callable[[tuple[Any, ...]], ArrayLike],
    vocabulary: Sequence[Any],
    horizon: int,
    least: float = 0.0,
    logits: bool = False,
) -> tuple[TreeArrays, list[tuple[Any, ...]], float]:
    """The tree of all prefixes whose probability is at least `least`, their names, and the mass that was pruned.

    See `treesim.Tree.from_policy`.
    """
    if not isinstance(horizon, Integral) or horizon < 1 or not len(vocabulary):
        sizes = f"horizon is {quoted(horizon)} and the vocabulary has {len(vocabulary)} tokens"
        raise TreeError(f"{sizes}, expected whole numbers of at least 1")
    normaliser = Normaliser()

    def laws(_: int, prefixes: list[tuple[Any, ...]], __: list[float]) -> Iterator[NextTokens]:
        size = len(vocabulary)
        return ((np.arange(size), _distribution(policy(p), size, p, logits, normaliser)) for p in prefixes)

    what = f"a tree over {len(vocabulary)} tokens"
    grown = grow(laws, horizon, least, name=vocabulary.__getitem__, what=what)
    normaliser.say()
    return grown.arrays, grown.prefixes, sum(itertools.chain(*grown.lost))


def _distribution(
    answer: ArrayLike, size: int, prefix: tuple[Any, ...], logits: bool, normaliser: Normaliser
) -> FloatArray:
    """What the policy answers after a prefix, as probabilities."""
    what = "logits" if logits else "probabilities"
    try:
        value = np.array(answer, np.float64) if np.asarray(answer).dtype.kind != "c" else None
    except (TypeError, ValueError):
        value = None
    if value is None or value.shape != (size,):
        of = "that are no numbers" if value is None else f"of shape {value.shape}"
        raise TreeError(f"the policy returned {what} {of} after {quoted(prefix)}, expected shape ({size},)")
    if logits:
        value = of_logits(
            value, f"the policy returned logits after {quoted(prefix)} of which none is finite, or some are NaN"
        )
    value[(value > 0) & (value < SMALLEST_PROBABILITY)] = 0.0
    return normaliser.groups(
        np.array([0, size]), value, lambda _: f"probabilities that the policy returned after {quoted(prefix)}"
    )
