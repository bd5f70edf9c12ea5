"""Finite automata that read texts letter by letter, and their product with a chain that writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import ConstraintError
from treesim.graphs.layered import Layer
from treesim.graphs.trellis import Trellis
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE

REGEX_SECONDS = 20.0
LARGEST_AUTOMATON = 100_000


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic automaton; state 0 is the first.

    Parameters
    ----------
    next_state : ndarray of int, shape [n_states, n_symbols]
    accepting : ndarray of bool, shape [n_states]

    Examples
    --------
    >>> even = Automaton(np.array([[0, 1], [1, 0]]), np.array([True, False]))
    >>> even.run([1, 0, 1]), bool(even.accepting[even.run([1])])
    (0, False)
    """

    next_state: IntArray
    accepting: BoolArray

    @property
    def n_states(self) -> int:
        """How many states there are."""
        return len(self.next_state)

    def run(self, symbols: list[int], state: int = 0) -> int:
        """The state after reading symbols."""
        for symbol in symbols:
            state = int(self.next_state[state, symbol])
        return state

    def complement(self) -> Automaton:
        """Accepts what this one does not."""
        return Automaton(self.next_state, ~self.accepting)

    def intersect(self, other: Automaton) -> Automaton:
        """Accepts what both accept.

        Raises
        ------
        ConstraintError
            If it would have more than 100,000 states.
        """
        number = {(0, 0): 0}
        pairs, rows = [(0, 0)], []
        for a, b in pairs:
            row = []
            for pair in zip(self.next_state[a].tolist(), other.next_state[b].tolist(), strict=True):
                if pair not in number:
                    number[pair] = len(pairs)
                    pairs.append(pair)
                row.append(number[pair])
            rows.append(row)
            if len(pairs) > LARGEST_AUTOMATON:
                raise ConstraintError(
                    f"the constraints together need more than {LARGEST_AUTOMATON:,} automaton states; simplify them"
                )
        return Automaton(np.array(rows), np.array([self.accepting[a] and other.accepting[b] for a, b in pairs]))

    def over_tokens(self, tokens: list[list[int]]) -> Automaton:
        """The same automaton reading whole tokens, each a list of symbols."""
        columns = []
        for token in tokens:
            state = np.arange(self.n_states)
            for symbol in token:
                state = self.next_state[state, symbol]
            columns.append(state)
        return Automaton(np.stack(columns, axis=1), self.accepting)


def matching(pattern: str, alphabet: str, seconds: float = REGEX_SECONDS) -> Automaton:
    """Accepts the texts that match a regular expression, as a whole.

    Parameters
    ----------
    pattern : str
        As greenery reads it: ``.`` is any letter; classes, groups, ``|``, ``*``, ``+``, ``?``, ``{m,n}``.
    alphabet : str
        The letters that texts are made of.
    seconds : float
        How long the automaton may take to build.

    Raises
    ------
    ConstraintError
        If the pattern is not understood, or its automaton takes too long or too many states.

    Examples
    --------
    >>> automaton = matching("a*b", "ab")
    >>> [bool(automaton.accepting[automaton.run(word)]) for word in ([0, 0, 1], [0], [1, 1])]
    [True, False, False]
    """
    worker = Path(__file__).with_name("regex_worker.py")
    try:
        done = subprocess.run(
            [sys.executable, str(worker)],
            input=json.dumps({"pattern": pattern, "alphabet": alphabet}),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise ConstraintError(
            f"the automaton of constraint {pattern!r} is not built after {seconds:g} s; choose a simpler one"
        ) from None
    except (subprocess.CalledProcessError, ValueError):
        raise ConstraintError(f"constraint {pattern!r} cannot be made an automaton; choose a simpler one") from None
    if "error" in answer:
        raise ConstraintError(f"constraint {pattern!r} is no regular expression: {answer['error']}")
    return Automaton(np.array(answer["next"]), np.array(answer["accepting"]))


def containing(text: str, alphabet: str) -> Automaton:
    """Accepts the texts that contain `text` (Knuth-Morris-Pratt: the state is how much of it has just been read).

    Raises
    ------
    ConstraintError
        If the text is empty or has a letter that is not in the alphabet.

    Examples
    --------
    >>> containing("aba", "ab").next_state.tolist()
    [[1, 0], [1, 2], [3, 0], [3, 3]]
    """
    if not text:
        raise ConstraintError("the text to contain or exclude is empty, expected at least one letter")
    odd = sorted(set(text) - set(alphabet))
    if odd:
        raise ConstraintError(f"{text!r} has the letter {odd[0]!r}, which is not in the vocabulary of the model")
    rows = np.zeros((len(text) + 1, len(alphabet)), np.int64)
    fallback = 0
    for state, letter in enumerate(text):
        symbol = alphabet.index(letter)
        rows[state] = rows[fallback]
        rows[state, symbol] = state + 1
        if state:
            fallback = int(rows[fallback, symbol])
    rows[len(text)] = len(text)
    return Automaton(rows, np.arange(len(text) + 1) == len(text))


@dataclass(frozen=True, eq=False)
class TokenChain:
    """A chain of states that writes a token at each step.

    Parameters
    ----------
    prob : ndarray, shape [n_states, n_tokens]
        Of the next token.
    next_state : ndarray of int, shape [n_states, n_tokens]
    start : int
    """

    prob: FloatArray
    next_state: IntArray
    start: int = 0


@dataclass(frozen=True, eq=False)
class Product:
    """A trellis whose nodes are pairs of a chain's state and an automaton's, the same on every level but the root's.

    Attributes
    ----------
    trellis : Trellis
    chain_state, automaton_state : ndarray of int, shape [n]
        Of the n nodes of each level from 1 to T.
    """

    trellis: Trellis
    chain_state: IntArray
    automaton_state: IntArray


def product(chain: TokenChain, automaton: Automaton, horizon: int, vocabulary: list[str] | None = None) -> Product:
    """What the chain writes and the automaton has read, step by step; layers after the first are one, stored once.

    Parameters
    ----------
    chain : TokenChain
    automaton : Automaton
        Over the chain's tokens.
    horizon : int
        T, tokens in all.
    vocabulary : list of str, optional
        What each token writes.

    Raises
    ------
    MemoryBudgetError
        If the trellis and its values do not fit in the memory budget.

    Examples
    --------
    >>> coin = TokenChain(np.array([[0.5, 0.5]]), np.array([[0, 0]]))
    >>> found = product(coin, containing("bb", "ab"), horizon=4)
    >>> found.trellis.n_level(1), found.automaton_state.tolist()
    (3, [0, 1, 2])
    """
    n_states, n_tokens = chain.prob.shape
    pairs = _reachable_pairs(chain, automaton)
    edges = len(pairs) * n_tokens
    require_memory(
        36.0 * edges + 2.0 * BYTES_A_VALUE * horizon * len(pairs),
        f"a trellis of {len(pairs):,} states, {edges:,} edges and {horizon} levels, with V* and V^,",
    )
    chain_state, automaton_state = pairs // automaton.n_states, pairs % automaton.n_states
    number = np.full(n_states * automaton.n_states, -1, np.int32)
    number[pairs] = np.arange(len(pairs))

    def layer(sources: IntArray, read: IntArray) -> Layer:
        ends = chain.next_state[sources] * automaton.n_states + automaton.next_state[read]
        return Layer(np.arange(len(sources) + 1) * n_tokens, chain.prob[sources].ravel(), number[ends].ravel())

    first = layer(np.array([chain.start]), np.array([0]))
    layers = [first, layer(chain_state, automaton_state)] if horizon > 1 else [first]
    tokens = None
    if vocabulary is not None:
        tokens = [np.tile(np.arange(n_tokens, dtype=np.int32), len(part.ptr) - 1) for part in layers]
    trellis = Trellis(
        np.concatenate([[0, 1], 1 + len(pairs) * np.arange(1, horizon + 1)]),
        layers, np.minimum(np.arange(horizon), 1), None, tokens, vocabulary,
    )  # fmt: skip
    return Product(trellis, chain_state, automaton_state)


def _reachable_pairs(chain: TokenChain, automaton: Automaton) -> NDArray[np.int64]:
    """Pairs (chain state, automaton state) that at least one step leads to, as numbers, sorted."""
    seen = np.zeros(len(chain.prob) * automaton.n_states, bool)
    frontier = np.array([chain.start * automaton.n_states])
    while len(frontier):
        state, read = frontier // automaton.n_states, frontier % automaton.n_states
        ends = chain.next_state[state] * automaton.n_states + automaton.next_state[read]
        frontier = np.unique(ends[~seen[ends]])
        seen[frontier] = True
    return np.flatnonzero(seen)
