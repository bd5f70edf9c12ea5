"""Finite automata that read texts letter by letter, and their product with a chain that writes them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.errors import ConstraintError
from treesim.graphs.layered import Layer
from treesim.graphs.trellis import Trellis
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE

LARGEST_AUTOMATON = 100_000
LARGEST_TABLE = 1 << 25


@dataclass(frozen=True, eq=False, repr=False)
class Automaton(Brief):
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
            If it would have more than 100,000 states, or fewer with thousands of symbols.
        """
        most = min(LARGEST_AUTOMATON, LARGEST_TABLE // self.next_state.shape[1])
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
            if len(pairs) > most:
                raise ConstraintError(
                    f"the constraints together need more than {most:,} automaton states; simplify them"
                )
        return Automaton(np.array(rows), np.array([self.accepting[a] and other.accepting[b] for a, b in pairs]))

    def reduced(self) -> Automaton:
        """The smallest automaton that accepts the same, of the states that can be reached.

        References
        ----------
        Hopcroft (1971), "An n log n algorithm for minimizing states in a finite automaton".

        Examples
        --------
        >>> Automaton(np.array([[1, 2], [1, 2], [2, 1]]), np.array([True, True, False])).reduced().n_states
        2
        """
        reached = _reached(self.next_state)
        place = np.full(self.n_states, -1)
        place[reached] = np.arange(len(reached))
        next_state, accepting = place[self.next_state[reached]], self.accepting[reached]
        _, first, block = np.unique(_blocks(next_state, accepting), return_index=True, return_inverse=True)
        # Blocks in the order of their first states, so that the first state stays the first.
        order = np.argsort(first)
        number = np.argsort(order)[block]
        return Automaton(number[next_state[first[order]]], accepting[first[order]])

    def cheapest(self, cost: IntArray) -> list[int] | None:
        """Of the texts that it accepts, one of least total cost, of one symbol or more; None if it accepts none.

        Parameters
        ----------
        cost : ndarray of int, shape [n_symbols]
            Of a symbol, at least 0.

        Examples
        --------
        >>> containing("bb", "abc").cheapest(np.array([1, 2, 0]))
        [1, 1]
        """
        by_cost = np.argsort(cost, kind="stable")
        # Dijkstra; -1 is the first state before it has read anything.
        came: dict[int, tuple[int, int]] = {}
        waiting = [(0, -1, -1, -1)]
        while waiting:
            total, state, source, symbol = heapq.heappop(waiting)
            if state in came:
                continue
            came[state] = source, symbol
            if state >= 0 and self.accepting[state]:
                return _trace(came, state)
            ends, first = np.unique(self.next_state[max(state, 0), by_cost], return_index=True)
            for end, cheapest in zip(ends.tolist(), by_cost[first].tolist(), strict=True):
                if end not in came:
                    heapq.heappush(waiting, (total + int(cost[cheapest]), end, state, cheapest))
        return None

    def lengths_near(self, length: int, most_work: int = 10**8) -> tuple[int | None, int | None]:
        """The longest text it accepts that is shorter than `length` and at least 1 long, and the shortest longer one.

        None where there is none, or none that is seen with so many looks at the table.

        Examples
        --------
        >>> Automaton(np.array([[1], [2], [0]]), np.array([True, False, False])).lengths_near(4)
        (3, 6)
        """
        shorter, states = None, np.array([0])
        for n in range(1, length + self.n_states + 1):
            states = np.unique(self.next_state[states])
            if n != length and self.accepting[states].any():
                if n > length:
                    return shorter, n
                shorter = n
            most_work -= len(states) * self.next_state.shape[1]
            if most_work < 0:
                break
        return shorter, None

    def over_tokens(self, tokens: list[list[int]]) -> Automaton:
        """The same automaton reading whole tokens, each a list of symbols.

        Raises
        ------
        MemoryBudgetError
            If its table does not fit in the memory budget.
        """
        require_memory(16.0 * self.n_states * len(tokens), f"an automaton of {self.n_states:,} states over all tokens")
        columns = []
        for token in tokens:
            state = np.arange(self.n_states)
            for symbol in token:
                state = self.next_state[state, symbol]
            columns.append(state)
        return Automaton(np.stack(columns, axis=1), self.accepting)


def why_no_token(letter: str, alphabet: str) -> str:
    """That a letter is not in the alphabet, and what to do about it.

    Examples
    --------
    >>> why_no_token("A", "abc")
    "the letter 'A', which is not in the vocabulary: texts are in lower case, write 'a'"
    """
    advice = "the text to learn from never has it, choose another text or constraint"
    if letter != letter.lower() and set(letter.lower()) <= set(alphabet):
        advice = f"texts are in lower case, write {quoted(letter.lower())}"
    elif letter.isspace():
        advice = "white space is made single spaces, write ' '"
    return f"the letter {quoted(letter)}, which is not in the vocabulary: {advice}"


def quoted(text: str) -> str:
    r"""A text in quotes as one would type it: what cannot be printed is escaped, a long end left out.

    Examples
    --------
    >>> print(quoted(r"a\d*"), quoted("tab\t"), quoted("x" * 70)[-7:])
    'a\d*' 'tab\t' xxx...'
    """
    return repr(text if len(text) <= 60 else f"{text[:57]}...").replace(r"\\", "\\")


def _reached(next_state: IntArray) -> IntArray:
    """The states that can be reached from the first, in ascending order."""
    seen = np.zeros(len(next_state), bool)
    frontier = np.array([0])
    while len(frontier):
        seen[frontier] = True
        ends = np.unique(next_state[frontier])
        frontier = ends[~seen[ends]]
    return np.flatnonzero(seen)


def _blocks(next_state: IntArray, accepting: BoolArray) -> list[int]:
    """A number for each state, the same for states that accept the same texts from there on."""
    n_states, n_symbols = next_state.shape
    arrivals = np.argsort(next_state, axis=0, kind="stable").T.tolist()
    starts = [np.searchsorted(np.sort(column), np.arange(n_states + 1)).tolist() for column in next_state.T]
    block = accepting.astype(int).tolist()
    blocks = [set(np.flatnonzero(~accepting).tolist()), set(np.flatnonzero(accepting).tolist())]
    # Invariant: states of a block differ by a letter only if it leads them to a block that still waits, or was part of
    # one that does.
    waiting = {0, 1}
    while waiting:
        splitter = list(blocks[waiting.pop()])
        for symbol in range(n_symbols):
            start, arrival = starts[symbol], arrivals[symbol]
            sources: dict[int, set[int]] = {}
            for state in splitter:
                for source in arrival[start[state] : start[state + 1]]:
                    sources.setdefault(block[source], set()).add(source)
            for number, part in sources.items():
                if len(part) == len(blocks[number]):
                    continue
                blocks[number] -= part
                if len(part) > len(blocks[number]):
                    part, blocks[number] = blocks[number], part
                for state in part:
                    block[state] = len(blocks)
                waiting.add(len(blocks))
                blocks.append(part)
    return block


def _trace(came: dict[int, tuple[int, int]], state: int) -> list[int]:
    """The symbols that led to a state, by where each state came from."""
    symbols = []
    while state >= 0:
        state, symbol = came[state]
        symbols.append(symbol)
    return symbols[::-1]


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
        raise ConstraintError(f"{quoted(text)} has {why_no_token(odd[0], alphabet)}")
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


@dataclass(frozen=True, eq=False, repr=False)
class TokenChain(Brief):
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


@dataclass(frozen=True, eq=False, repr=False)
class Product(Brief):
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
