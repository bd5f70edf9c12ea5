"""Regular expressions as automata: what `re.fullmatch` accepts, read letter by letter.

Python's own parser reads the pattern, and Python's own matcher says which letters a class holds and where ``^``, ``$``
or ``\\b`` hold; so the automaton means what Python means. In between lie two classics: Thompson's automaton, whose
states are places in the pattern, and the subset construction, whose states are the sets of places where one may be.

A condition such as ``\\b`` looks at the letters on both sides of a place. It is a move without a letter, open or not
once the letter before (part of the state) and the letter after (the one that is read) are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, partial
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from treesim.arrays import BoolArray, IntArray
from treesim.decoding.automata import LARGEST_AUTOMATON, Automaton, quoted
from treesim.errors import ConstraintError
from treesim.runtime.memory import require_memory

# Not public, but the only way to Python's own meaning; the same since 3.11.
_parser, _compiler = import_module("re._parser"), import_module("re._compiler")

LARGEST_PATTERN = 100_000
LARGEST_WORK = 20_000_000

# What a move without a letter may need: nothing, that its condition holds, or that the text ends after the next letter.
CLOSED, OPEN, OPEN_BEFORE_LAST = 0, 1, 2

NO_AUTOMATON = {
    "ASSERT": "a lookahead or lookbehind",
    "ASSERT_NOT": "a negative lookahead or lookbehind",
    "ATOMIC_GROUP": "an atomic group",
    "GROUPREF": "a reference to a group",
    "GROUPREF_EXISTS": "a choice by whether a group has matched",
    "POSSESSIVE_REPEAT": "a possessive quantifier",
}


def matching(pattern: str, alphabet: str) -> Automaton:
    r"""Accepts the texts that match a regular expression as a whole, as `re.fullmatch` does.

    Parameters
    ----------
    pattern : str
        In Python's syntax. What needs more than this automaton is refused by name: lookahead, lookbehind, references to
        groups, possessive quantifiers and atomic groups.
    alphabet : str
        The letters that texts are made of.

    Returns
    -------
    Automaton
        The smallest there is.

    Raises
    ------
    ConstraintError
        If the pattern is not understood, or its automaton takes too much work or too many states.
    MemoryBudgetError
        If the automaton does not fit in the memory budget.

    References
    ----------
    Thompson (1968), "Regular expression search algorithm"; Rabin & Scott (1959), "Finite automata and their decision
    problems".

    Examples
    --------
    >>> automaton = matching(r"a*\bb$", "ab")
    >>> [bool(automaton.accepting[automaton.run(word)]) for word in ([1], [0, 1], [1, 1])]
    [True, False, False]
    """
    places = _Places(pattern, alphabet)
    kind_of, kinds = places.letter_kinds()
    try:
        rows, accepting = _Subsets(places, kinds).build()
    except _TooMuch:
        raise ConstraintError(
            f"the automaton of constraint {quoted(pattern)} grows over {LARGEST_AUTOMATON:,} states or takes too much"
            " work; choose a simpler one"
        ) from None
    smallest = Automaton(np.array(rows).reshape(len(rows), len(kinds)), np.array(accepting)).reduced()
    require_memory(8.0 * smallest.n_states * len(alphabet), f"the automaton of constraint {quoted(pattern)}")
    return Automaton(smallest.next_state[:, kind_of], smallest.accepting)


def unheard_of(pattern: str, alphabet: str) -> list[str]:
    """The first letter of each literal or class of a pattern that no letter of the alphabet is in.

    Examples
    --------
    >>> unheard_of("a[X-Z]|b+|é", "ab")
    ['X', 'é']
    """
    return _Places(pattern, alphabet).unheard_of


Opening: TypeAlias = tuple[int, ...]


class _TooMuch(Exception):
    """The automaton grows beyond what we are willing to build."""


class _Places:
    """Thompson's automaton: places in a pattern, the first of them 0, and the moves between them.

    Attributes
    ----------
    moves : list of list of (int, int)
        From each place: a set of letters, by number, and the place that reading one of them leads to.
    jumps : list of list of (int or None, int)
        From each place: a condition, by number, and the place that it leads to without reading.
    last : int
        Where the pattern ends.
    """

    def __init__(self, pattern: str, alphabet: str) -> None:
        self.alphabet = alphabet
        self.moves: list[list[tuple[int, int]]] = [[]]
        self.jumps: list[list[tuple[int | None, int]]] = [[]]
        self.sets: list[BoolArray] = [np.ones(len(alphabet), bool)]
        self.conditions: list[re.Pattern[str]] = []
        self.unheard_of: list[str] = []
        self._number: dict[tuple[str, int], int] = {}
        self._visits = 0
        try:
            tree = _parser.parse(pattern)
            self.last = self._sequence(tree, tree.state.flags, 0)
        except _TooMuch:
            raise ConstraintError(
                f"constraint {quoted(pattern)} is longer than {LARGEST_PATTERN:,} letters and signs when its"
                " repetitions are written out; choose a simpler one"
            ) from None
        except RecursionError:
            raise ConstraintError(f"constraint {quoted(pattern)} is nested too deeply; choose a simpler one") from None
        except _Refused as refused:
            raise ConstraintError(
                f"constraint {quoted(pattern)} has {refused}, which no finite automaton reads as Python does; "
                "write it without"
            ) from None
        except (re.error, OverflowError, ValueError) as error:
            raise ConstraintError(f"constraint {quoted(pattern)} is no regular expression: {error}") from None

    def letter_kinds(self) -> tuple[IntArray, list[str]]:
        """The kind of each letter, and a letter of each kind; the pattern treats letters of a kind alike."""
        members = list(self.sets)
        if self.conditions:
            members += [self._members(sign) for sign in (r"\w", r"(?a:\w)", r"\n")]
        _, first, kind_of = np.unique(np.array(members), axis=1, return_index=True, return_inverse=True)
        return kind_of.reshape(-1), [self.alphabet[i] for i in first]

    def moves_by_kind(self, kinds: list[str]) -> list[list[tuple[frozenset[int], int]]]:
        """The moves with the kinds of letters, by number, in place of sets."""
        where = [self.alphabet.index(letter) for letter in kinds]
        sets = [frozenset(np.flatnonzero(members[where]).tolist()) for members in self.sets]
        return [[(sets[number], end) for number, end in moves] for moves in self.moves]

    def _place(self) -> int:
        self.moves.append([])
        self.jumps.append([])
        return len(self.moves) - 1

    def _jump(self, start: int, end: int, condition: int | None = None) -> int:
        self.jumps[start].append((condition, end))
        return end

    def _sequence(self, items: Iterable[tuple[Any, Any]], flags: int, start: int) -> int:
        """Add parts of a pattern, one after the other; where they end."""
        self._visit()
        for sign, what in items:
            self._visit()
            start = self._part(str(sign), what, flags, start)
        return start

    def _part(self, sign: str, what: Any, flags: int, start: int) -> int:
        """Add one part of a pattern, by the name that Python's parser gives it; where it ends."""
        if sign in NO_AUTOMATON:
            raise _Refused(NO_AUTOMATON[sign])
        if sign == "SUBPATTERN":
            _, added, taken, inner = what
            return self._sequence(inner, _compiler._combine_flags(flags, added, taken), start)
        if sign == "BRANCH":
            ends = [self._sequence(branch, flags, start) for branch in what[1]]
            return self._meet(ends)
        if sign in ("MAX_REPEAT", "MIN_REPEAT"):
            return self._repeat(what, flags, start)
        if sign == "AT":
            return self._jump(start, self._place(), self._condition(what, flags))
        if sign == "FAILURE":
            return self._place()
        self.moves[start].append((self._set(sign, what, flags), end := self._place()))
        return end

    def _repeat(self, what: Any, flags: int, start: int) -> int:
        least, most, inner = what
        for _ in range(least):
            start = self._sequence(inner, flags, start)
        if most == _parser.MAXREPEAT:
            # A place of its own: what comes before must not take part in the loop.
            loop = self._jump(start, self._place())
            return self._jump(self._sequence(inner, flags, loop), loop)
        ends = [start]
        for _ in range(most - least):
            ends.append(start := self._sequence(inner, flags, start))
        return self._meet(ends)

    def _meet(self, ends: list[int]) -> int:
        meeting = self._place()
        for end in ends:
            self._jump(end, meeting)
        return meeting

    def _visit(self) -> None:
        self._visits += 1
        if self._visits > LARGEST_PATTERN:
            raise _TooMuch

    def _set(self, sign: str, what: Any, flags: int) -> int:
        """The number of a set of letters."""
        key = (f"{sign} {what}", flags)
        if key not in self._number:
            self._number[key] = len(self.sets)
            self.sets.append(self._members(_compiled(sign, what, flags)))
            if not self.sets[-1].any():
                self.unheard_of += _first_letter(sign, what)
        return self._number[key]

    def _members(self, one_letter: str | re.Pattern[str]) -> BoolArray:
        members = np.zeros(len(self.alphabet), bool)
        members[[match.start() for match in re.finditer(one_letter, self.alphabet)]] = True
        return members

    def _condition(self, what: Any, flags: int) -> int:
        """The number of a condition."""
        key = (f"AT {what}", flags)
        if key not in self._number:
            self._number[key] = len(self.conditions)
            self.conditions.append(_compiled("AT", what, flags))
        return self._number[key]


class _Refused(Exception):
    """A part of a pattern that has no automaton, in words."""


def _compiled(sign: str, what: Any, flags: int) -> re.Pattern[str]:
    """One part of a pattern as a pattern."""
    part = (getattr(_parser, sign), what)
    return _compiler.compile(_parser.SubPattern(_parser.State(), [part]), flags)


def _first_letter(sign: str, what: Any) -> list[str]:
    """The first letter that a literal or a class names, if it names any."""
    named = [(sign, what)] if sign == "LITERAL" else what if sign == "IN" else []
    for sign, what in named:
        if str(sign) in ("LITERAL", "RANGE"):
            return [chr(what[0] if str(sign) == "RANGE" else what)]
        if str(sign) == "NEGATE":
            break
    return []


def _opening(condition: re.Pattern[str], before: str, after: str) -> int:
    """How a condition stands between two letters, either of them empty at the edge of the text."""
    if after and condition.match(before + after + "x", len(before)):
        return OPEN
    if condition.match(before + after, len(before)):
        return OPEN_BEFORE_LAST if after else OPEN
    return CLOSED


class _Subsets:
    """The subset construction: states are where one may be in the pattern after a letter.

    A state is those places, those of them where the text has to end now, and how the conditions see the letter before.
    """

    def __init__(self, places: _Places, kinds: list[str]) -> None:
        self.places, self.n_kinds = places, len(kinds)
        self.moves = places.moves_by_kind(kinds)
        sides = [*kinds, ""]
        self.openings = [
            [tuple(_opening(condition, before, after) for condition in places.conditions) for after in sides]
            for before in sides
        ]
        self._work = 0

    def build(self) -> tuple[list[list[int]], list[bool]]:
        """The next states of each state, by kind of letter, and whether it accepts."""
        # Letters after which every condition stands alike are the same to what follows.
        seen_as = [self.openings.index(row) for row in self.openings]
        start = (frozenset({0}), frozenset[int](), seen_as[-1])
        number, states = {start: 0}, [start]
        rows: list[list[int]] = []
        accepting: list[bool] = []
        for here, ending, before in states:
            opening = self.openings[before]
            reach = cache(partial(self._reach, here))
            accepting.append(self.places.last in self._reach(here | ending, opening[-1])[0])
            row = []
            for kind in range(self.n_kinds):
                free, closing = reach(opening[kind])
                state = (self._step(free, kind), self._step(closing, kind), seen_as[kind])
                if state not in number:
                    number[state] = len(states)
                    states.append(state)
                row.append(number[state])
            rows.append(row)
            if len(states) > LARGEST_AUTOMATON:
                raise _TooMuch
        return rows, accepting

    def _reach(self, here: frozenset[int], opening: Opening) -> tuple[frozenset[int], frozenset[int]]:
        """Places reached without reading; and those reached only if the text ends after the next letter."""
        free = self._flood(here, opening, {OPEN})
        before_last = {
            end
            for place in free
            for condition, end in self.places.jumps[place]
            if condition is not None and opening[condition] == OPEN_BEFORE_LAST
        }
        closing = self._flood(before_last, opening, {OPEN, OPEN_BEFORE_LAST}) if before_last else before_last
        return frozenset(free), frozenset(closing - free)

    def _flood(self, here: Iterable[int], opening: Opening, enough: set[int]) -> set[int]:
        reached, waiting = set(here), list(here)
        while waiting:
            for condition, end in self.places.jumps[waiting.pop()]:
                if end not in reached and (condition is None or opening[condition] in enough):
                    reached.add(end)
                    waiting.append(end)
        self._spend(len(reached))
        return reached

    def _step(self, places: frozenset[int], kind: int) -> frozenset[int]:
        self._spend(len(places))
        return frozenset(end for place in places for letters, end in self.moves[place] if kind in letters)

    def _spend(self, work: int) -> None:
        self._work += 1 + work
        if self._work > LARGEST_WORK:
            raise _TooMuch
