"""Outcomes: what outputs are worth to those who use them, beside the reward that samplers see.

A leaf may carry an *answer*, some answers being correct, and a *true* reward, of which the reward phi is a proxy. They
belong to the leaf: on a trellis to the last node, whatever the way to it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray, frozen
from treesim.errors import OutcomeError, quoted
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.instances.names import is_text
from treesim.scaled import Scaled

NO_ANSWER = -1

# An answer a leaf, a regular expression over what leaves say, "names", or "tokens".
Answers = Sequence[Hashable | None] | NDArray[np.generic] | re.Pattern[str] | str


@dataclass(frozen=True, eq=False, repr=False)
class Outcomes(Brief):
    """Answers of the leaves, which of them are correct, and the true reward.

    Parameters
    ----------
    answers : tuple of str
        The different answers.
    answer : ndarray of int32, shape [n_leaves], optional
        The place of each leaf's answer among them; -1 where a leaf has none.
    correct : tuple of str
        Those that are correct; none if that is not known.
    true_reward : Scaled, shape [n_leaves], optional

    Raises
    ------
    OutcomeError
        If an answer is no text or listed twice, a place is none, or the sizes differ.

    Examples
    --------
    >>> Outcomes(("4", "5"), np.array([0, 1, -1], np.int32), correct=("4",)).is_correct
    array([ True, False])
    """

    answers: tuple[str, ...] = ()
    answer: NDArray[np.int32] | None = None
    correct: tuple[str, ...] = ()
    true_reward: Scaled | None = None

    def __post_init__(self) -> None:
        for name in ("answers", "correct"):
            texts = tuple(getattr(self, name))
            odd = next((text for text in texts if not (isinstance(text, str) and is_text(text))), None)
            if odd is not None:
                raise OutcomeError(f"{name} has {quoted(odd)}, expected texts")
            if len(set(texts)) < len(texts):
                twice = next(text for text in texts if texts.count(text) > 1)
                raise OutcomeError(f"{name} has {quoted(twice)} twice, expected once")
            object.__setattr__(self, name, texts)
        if self.answer is None and (self.answers or self.correct):
            raise OutcomeError("there are answers, but no leaf is said to have one")
        if self.answer is not None:
            self._check_places(np.asarray(self.answer))
        if self.answer is None and self.true_reward is None:
            raise OutcomeError("neither answers nor a true reward are given, expected one of them")
        if self.answer is not None and self.true_reward is not None and len(self.answer) != len(self.true_reward):
            raise OutcomeError(f"{len(self.answer)} leaves have answers and {len(self.true_reward)} a true reward")

    def _check_places(self, answer: NDArray[Any]) -> None:
        if answer.ndim != 1 or answer.dtype.kind not in "iu":
            raise OutcomeError(f"places are {answer.dtype}{list(answer.shape)}, expected [n_leaves] integers")
        bad = np.flatnonzero((answer < NO_ANSWER) | (answer >= len(self.answers)))
        if len(bad):
            raise OutcomeError(
                f"leaf {bad[0]} has answer number {answer[bad[0]]}, expected {NO_ANSWER} to {len(self.answers) - 1}"
            )
        object.__setattr__(self, "answer", frozen(answer.astype(np.int32, copy=False)))

    @property
    def n_leaves(self) -> int:
        """How many leaves they are of."""
        if self.answer is not None:
            return len(self.answer)
        assert self.true_reward is not None
        return len(self.true_reward)

    @cached_property
    def is_correct(self) -> BoolArray:
        """Which answers are correct, shape [n_answers]."""
        return np.array([text in self.correct for text in self.answers], np.bool_)

    def mass_of_answers(self, mass: FloatArray) -> FloatArray:
        """How much of a mass of leaves has each answer, shape [n_answers].

        Examples
        --------
        >>> Outcomes(("4", "5"), np.array([0, 1, -1, 0], np.int32)).mass_of_answers(np.full(4, 0.25))
        array([0.5 , 0.25])
        """
        if self.answer is None:
            return np.zeros(0)
        has = self.answer >= 0
        return np.bincount(self.answer[has], mass[has], len(self.answers)).astype(np.float64)

    def take(self, leaves: IntArray | NDArray[np.int32]) -> Outcomes:
        """The outcomes of some leaves, in this order, such as those of another graph."""
        return Outcomes(
            self.answers, None if self.answer is None else self.answer[leaves], self.correct,
            None if self.true_reward is None else self.true_reward[np.asarray(leaves, np.int64)],
        )  # fmt: skip

    def same_as(self, other: Outcomes | None) -> bool:
        """Whether they are equal, to the bit."""
        if other is None or (self.answers, self.correct) != (other.answers, other.correct):
            return False
        one, two = self.true_reward, other.true_reward
        same = one is None and two is None if one is None or two is None else one.equals(two)
        return same and np.array_equal(_or_empty(self.answer), _or_empty(other.answer))


def outcomes_of(
    graph: LayeredGraph,
    answers: Answers | None = None,
    correct: str | Iterable[str] = (),
    true_reward: ArrayLike | Scaled | None = None,
) -> Outcomes:
    r"""Outcomes of the leaves of a graph.

    Parameters
    ----------
    graph : LayeredGraph
    answers : sequence, re.Pattern or str, optional
        An answer for each leaf, None where it has none, others as their texts. A compiled regular expression finds the
        answer in the leaf's text, or in its name where steps write nothing: group 1 of the first match, or all of the
        match where there is no group. ``names`` are the names of the leaves, ``tokens`` what the last step writes.
    correct : str or iterable of str
        The correct answer, or all of them; leaves need not have it.
    true_reward : array_like or Scaled, shape [n_leaves], optional
        Linear.

    Raises
    ------
    OutcomeError
        If the leaves say nothing to find answers in, or there is not one answer, or reward, a leaf.

    Examples
    --------
    >>> tree, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], "ab", horizon=2)
    >>> outcomes_of(tree, re.compile("a+"), correct="aa")
    Outcomes(answers=('a', 'aa'), answer=[1, 0, 0, -1], correct=('aa',), true_reward=None)
    """
    reward = None if true_reward is None else _true_reward(graph, true_reward)
    given = [correct] if isinstance(correct, str) else list(correct)
    if answers is None:
        return Outcomes((), None, tuple(given), reward)
    texts = _answers(graph, answers)
    if len(texts) != graph.n_leaves:
        raise OutcomeError(f"there are {len(texts)} answers, expected one for each of {graph.n_leaves} leaves")
    return Outcomes(*numbered(texts), tuple(given), reward)


def numbered(texts: Sequence[str | None]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The different answers, sorted, and which of them each leaf has.

    Examples
    --------
    >>> numbered(["b", None, "a"])
    (('a', 'b'), array([ 1, -1,  0], dtype=int32))
    """
    different = sorted({text for text in texts if text is not None})
    place = {text: i for i, text in enumerate(different)} | {None: NO_ANSWER}
    return tuple(different), np.array([place[text] for text in texts], np.int32)


def _true_reward(graph: LayeredGraph, given: ArrayLike | Scaled) -> Scaled:
    if not isinstance(given, Scaled):
        number = np.asarray(given)
        if number.dtype.kind not in "biuf" or number.ndim != 1:
            raise OutcomeError(f"the true reward is {number.dtype}{list(number.shape)}, expected [n_leaves] numbers")
        bad = np.flatnonzero(~((number >= 0) & (number < np.inf)))
        if len(bad):
            raise OutcomeError(
                f"the true reward of leaf {bad[0]} is {number[bad[0]]}, expected a finite number of at least 0"
            )
        given = Scaled.from_float(number)
    if len(given) != graph.n_leaves:
        raise OutcomeError(f"there are {len(given)} true rewards, expected one for each of {graph.n_leaves} leaves")
    return given.frozen()


def _answers(graph: LayeredGraph, answers: Answers) -> list[str | None]:
    if isinstance(answers, re.Pattern):
        group = min(1, answers.groups)
        matches = map(answers.search, _sayings(graph))
        return [None if match is None else match[group] for match in matches]
    if isinstance(answers, str):
        if answers not in ("names", "tokens"):
            raise OutcomeError(
                f"answers is {quoted(answers)}, expected names, tokens, a compiled regular expression, or one a leaf"
            )
        return _named(graph) if answers == "names" else _last_tokens(graph)
    items = answers.tolist() if isinstance(answers, np.ndarray) else list(answers)
    return [None if item is None else str(item) for item in items]


def _sayings(graph: LayeredGraph) -> list[str]:
    """What each leaf says: its text, or else its name."""
    if isinstance(graph, Tree) and graph.tokens is not None:
        return graph.texts()
    if graph.names is None:
        raise OutcomeError(
            f"the leaves of this {graph.kind} have neither texts of their own nor names; "
            "give an answer for each leaf" + ("" if isinstance(graph, Tree) else ", or unroll it")
        )
    return [text or "" for text in _named(graph)]


def _named(graph: LayeredGraph) -> list[str | None]:
    """The name of each leaf; padding has that of the early end before it."""
    if graph.names is None:
        raise OutcomeError(f"the nodes of this {graph.kind} have no names")
    names: list[Hashable | None] = [graph.names[0]]
    for t in range(graph.horizon):
        layer, ahead = graph.layer(t), graph.level(t + 1)
        below = list(graph.names[ahead])
        ends = layer.ends(np.arange(len(layer.prob))).tolist()
        for source, end in zip(layer.sources().tolist(), ends, strict=True):
            below[end] = names[source] if below[end] is None else below[end]
        names = below
    return [None if name is None else _as_text(name) for name in names]


def _as_text(name: Hashable) -> str:
    return "".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _last_tokens(graph: LayeredGraph) -> list[str | None]:
    """What the last step to each leaf writes."""
    tokens, words, layer = graph.edge_tokens(graph.horizon - 1), graph.vocabulary, graph.layer(graph.horizon - 1)
    if tokens is None or words is None:
        raise OutcomeError(f"the edges of this {graph.kind} have no tokens")
    ends = layer.ends(np.arange(len(layer.prob)))
    last = np.full(graph.n_leaves, NO_ANSWER)
    last[ends] = tokens
    odd = np.flatnonzero(last[ends] != tokens)
    if len(odd):
        raise OutcomeError(
            f"leaf {ends[odd[0]]} is reached by {quoted(words[tokens[odd[0]]])} and by "
            f"{quoted(words[last[ends[odd[0]]]])}, so it has no last token; unroll the trellis"
        )
    return [None if token == NO_ANSWER else words[token] for token in last.tolist()]


def _or_empty(array: NDArray[np.int32] | None) -> NDArray[np.int32]:
    return np.empty(0, np.int32) if array is None else array
