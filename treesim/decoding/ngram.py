"""n-gram models of letters or words, trained from a text: reference policies that write."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.decoding.automata import TokenChain
from treesim.decoding.tokens import as_numbers, by_frequency, most_frequent, pieces
from treesim.errors import ConstraintError
from treesim.spec import require_at_least, require_one_of

ADDITIVE = 0.1
LARGEST_CHAIN = 1 << 24
# Tokens to read while counting, each context at each place of the text; and to remember, in all contexts.
LARGEST_COUNT = 1 << 33
LARGEST_MEMORY = 1 << 26


@dataclass(frozen=True, eq=False, repr=False)
class NGram(Brief):
    """A chain whose states are the contexts it has seen, and what its tokens write.

    Attributes
    ----------
    chain : TokenChain
    vocabulary : list of str
        Tokens, by number.
    contexts : list of tuple of int
        The tokens that each state remembers, oldest first; state 0 remembers nothing.

    Examples
    --------
    >>> model = train("to be or not to be", unit="word", order=2)
    >>> model.vocabulary, model.contexts
    ([' be', ' not', ' or', ' to', 'to'], [(), (0,), (1,), (2,), (3,), (4,)])
    """

    chain: TokenChain
    vocabulary: list[str]
    contexts: list[tuple[int, ...]]


def train(text: str, unit: str = "letter", order: int = 3, tokens: int = 64, smoothing: str = "witten-bell") -> NGram:
    """An n-gram model of a text.

    Parameters
    ----------
    text : str
    unit : str
        ``letter`` or ``word``.
    order : int
        n: the next token depends on the last n - 1, or as many of them as the text has shown together.
    tokens : int
        How many tokens to keep: the most frequent; the others are left out of the text.
    smoothing : str
        ``witten-bell``: (count + d P(shorter context)) / (total + d), d the number of different tokens seen after the
        context, down to the uniform law. ``additive``: (count + 0.1) / (total + 0.1 V).

    Raises
    ------
    SpecError
        If a parameter is out of range.
    ConstraintError
        If the text has fewer than two tokens, or the model grows too large.

    References
    ----------
    Witten & Bell (1991); Chen & Goodman (1999), "An empirical study of smoothing techniques for language modeling".

    Examples
    --------
    >>> model = train("abababac", order=2, tokens=3)
    >>> model.vocabulary, model.contexts
    (['a', 'b', 'c'], [(), (0,), (1,)])
    >>> model.chain.prob.round(3)[1]
    array([0.152, 0.621, 0.227])
    """
    written = pieces(text, unit)
    return learn(written, most_frequent(by_frequency(written), tokens), order, smoothing)


def learn(written: list[str], vocabulary: list[str], order: int, smoothing: str) -> NGram:
    """An n-gram model of a text that is given in tokens; see `train`.

    Parameters
    ----------
    written : list of str
        The text, token by token.
    vocabulary : list of str
        The tokens to keep.
    order, smoothing
        See `train`.
    """
    require_one_of("smoothing", smoothing, ("witten-bell", "additive"))
    require_at_least("order", order, 1)
    if len(vocabulary) < 2:
        raise ConstraintError(f"the text has {len(vocabulary)} different tokens, expected at least two to learn from")
    vocabulary = sorted(vocabulary)
    numbers, size = as_numbers(written, vocabulary), len(vocabulary)
    counts = _counts(numbers, size, order)
    contexts = sorted(counts, key=lambda context: (len(context), context))
    state = {context: i for i, context in enumerate(contexts)}
    prob = np.empty((len(contexts), size))
    next_state = np.zeros((len(contexts), size), np.int64)
    for length, group in itertools.groupby(state.items(), key=lambda item: len(item[0])):
        members = list(group)
        # A context is where the one without its last token leads to; then its own tokens lead where they lead from its
        # suffix, until longer contexts say otherwise.
        for context, i in members:
            if length:
                next_state[state[context[:-1]], context[-1]] = i
        for context, i in members:
            suffix = state[context[1:]]
            shorter = prob[suffix] if length else np.full(size, 1.0 / size)
            prob[i] = _smoothed(counts[context], shorter, smoothing)
            next_state[i] = next_state[suffix]
    return NGram(TokenChain(prob / prob.sum(axis=1, keepdims=True), next_state), vocabulary, contexts)


def _counts(numbers: list[int], size: int, order: int) -> dict[tuple[int, ...], Counter[int]]:
    """What follows each context of fewer than `order` tokens, and how often."""
    if len(numbers) * order**2 > LARGEST_COUNT:
        most = max(1, math.isqrt(LARGEST_COUNT // len(numbers)))
        raise ConstraintError(f"order is {order}, expected at most {most} for a text of {len(numbers):,} tokens")
    counts: dict[tuple[int, ...], Counter[int]] = {(): Counter(numbers)}
    text, remembered = tuple(numbers), 0
    for length in range(1, order):
        shorter = len(counts)
        written = Counter(text[i - length : i + 1] for i in range(length, len(text)))
        for seen, times in written.items():
            counts.setdefault(seen[:-1], Counter())[seen[-1]] = times
        remembered += length * (len(counts) - shorter)
        if len(counts) * size > LARGEST_CHAIN or remembered > LARGEST_MEMORY:
            raise ConstraintError(
                f"a model of order {order} has over {len(counts):,} contexts of {size} tokens; lower either"
            )
    return counts


def _smoothed(count: Counter[int], shorter: FloatArray, smoothing: str) -> FloatArray:
    seen = np.zeros(len(shorter))
    seen[list(count.keys())] = list(count.values())
    if smoothing == "additive":
        return (seen + ADDITIVE) / (seen.sum() + ADDITIVE * len(seen))
    return (seen + len(count) * shorter) / (seen.sum() + len(count))
