"""n-gram models of letters or words, trained from a text: reference policies that write."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from treesim.arrays import FloatArray
from treesim.decoding.automata import TokenChain
from treesim.errors import ConstraintError
from treesim.spec import require_at_least, require_one_of

ADDITIVE = 0.1
LARGEST_CHAIN = 1 << 24


@dataclass(frozen=True, eq=False)
class NGram:
    """A chain whose states are the contexts it has seen, and what its tokens write.

    Attributes
    ----------
    chain : TokenChain
    vocabulary : list of str
        Tokens, by number.
    contexts : list of tuple of int
        The tokens that each state remembers, oldest first; state 0 remembers nothing.
    """

    chain: TokenChain
    vocabulary: list[str]
    contexts: list[tuple[int, ...]]

    @property
    def alphabet(self) -> str:
        """All letters of the vocabulary."""
        return "".join(sorted(set("".join(self.vocabulary))))

    def spelled(self) -> list[list[int]]:
        """Each token as positions in the alphabet."""
        place = {letter: i for i, letter in enumerate(self.alphabet)}
        return [[place[letter] for letter in token] for token in self.vocabulary]


def read_text(path: str | None) -> str:
    """The text of a UTF-8 file; without one, the help topics that come with Python.

    Raises
    ------
    ConstraintError
        If the file is missing, empty or not UTF-8.
    """
    if path is None:
        from pydoc_data.topics import topics

        # Prose only: the topics are full of code and mark-up.
        return re.sub(r"[^A-Za-z.,'-]+", " ", " ".join(topics[name] for name in sorted(topics)))
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConstraintError(f"cannot read the text {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConstraintError(
            f"{path} is no UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        ) from None
    if not text.strip():
        raise ConstraintError(f"the text {path} is empty, expected something to learn from")
    return text


def tokenize(text: str, unit: str, size: int) -> tuple[list[int], list[str]]:
    """A text as numbers of its most frequent tokens, and these; other tokens are left out.

    The text is put in lower case, and white space is made single spaces.

    Parameters
    ----------
    text : str
    unit : str
        ``letter``, or ``word``: words with the space before them, marks as they are.
    size : int
        How many tokens the vocabulary may have.

    Examples
    --------
    >>> tokenize("So, so!", "word", 4)
    ([0, 2, 0, 1], [' so', '!', ','])
    """
    text = re.sub(r"\s+", " ", text.lower()).strip()
    if unit == "letter":
        pieces = list(text)
    else:
        pieces = [f" {piece}" if piece[0].isalnum() else piece for piece in re.findall(r"\w+|[^\w\s]", text)]
    by_count = sorted(Counter(pieces).items(), key=lambda item: (-item[1], item[0]))
    frequent = sorted(token for token, _ in by_count[:size])
    number = {token: i for i, token in enumerate(frequent)}
    return [number[piece] for piece in pieces if piece in number], frequent


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
        Most tokens to keep, the frequent ones.
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
    require_one_of("unit", unit, ("letter", "word"))
    require_one_of("smoothing", smoothing, ("witten-bell", "additive"))
    require_at_least("order", order, 1)
    require_at_least("tokens", tokens, 2)
    numbers, vocabulary = tokenize(text, unit, tokens)
    if len(vocabulary) < 2:
        raise ConstraintError(f"the text has {len(vocabulary)} different {unit}s, expected at least two to learn from")
    size = len(vocabulary)
    counts: dict[tuple[int, ...], Counter[int]] = {(): Counter(numbers)}
    for length in range(1, order):
        for i in range(length, len(numbers)):
            counts.setdefault(tuple(numbers[i - length : i]), Counter())[numbers[i]] += 1
        if len(counts) * size > LARGEST_CHAIN:
            raise ConstraintError(
                f"a model of order {order} has over {len(counts):,} contexts of {size} tokens; lower either"
            )
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


def _smoothed(count: Counter[int], shorter: FloatArray, smoothing: str) -> FloatArray:
    found = np.zeros(len(shorter))
    found[list(count.keys())] = list(count.values())
    if smoothing == "additive":
        return (found + ADDITIVE) / (found.sum() + ADDITIVE * len(found))
    return (found + len(count) * shorter) / (found.sum() + len(count))
