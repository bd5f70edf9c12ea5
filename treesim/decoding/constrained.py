"""Constrained decoding: an n-gram model must write a text that meets a constraint.

The reference policy is the model, the reward 1 for texts that meet the constraint; so V*(prefix) is the probability
that the model, going on from there, meets it, and log Z the log-probability that it does so by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.decoding.automata import LARGEST_TABLE, Automaton, Product, containing, product, why_no_token
from treesim.decoding.ngram import NGram, learn
from treesim.decoding.regex import matching, unheard_of
from treesim.decoding.tokens import by_frequency, letters, most_frequent, pieces, read_text, spelled
from treesim.errors import ConstraintError, RewardError, SpecError
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import expect_level, optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.perturbations import perturb
from treesim.instances.rewards import REWARDS
from treesim.scaled import Scaled
from treesim.spec import Parameters, parse, require_at_least, require_whole


class PartialValue(Parameters, ABC):
    """An approximate value that sees only part of what a prefix is."""

    name: ClassVar[str]

    @abstractmethod
    def value(self, problem: Problem) -> Scaled:
        """V^ at every node, shape [n_nodes]."""


@dataclass(frozen=True, eq=False, repr=False)
class Problem(Brief):
    """A model, what constrains it, and the trellis of both.

    Attributes
    ----------
    model : NGram
    product : Product
    meets : ndarray of bool, shape [n]
        Which nodes of a level stand for texts that meet the constraint, if they end there.
    twist : Scaled, shape [n_nodes]
        V*.

    Examples
    --------
    >>> problem = pose(horizon=6, contains="is", order=2)
    >>> problem.model.vocabulary[:3], problem.product.trellis.horizon, round(float(problem.twist.log()[0]), 3)
    ([' ', "'", ','], 6, -3.208)
    """

    model: NGram
    product: Product
    meets: BoolArray
    twist: Scaled

    def last_tokens(self, length: int) -> IntArray:
        """A class for each node of a level: those that remember the same last `length` tokens, shape [n]."""
        suffixes = [context[max(0, len(context) - length) :] for context in self.model.contexts]
        number = {suffix: i for i, suffix in enumerate(sorted(set(suffixes)))}
        return np.array([number[suffix] for suffix in suffixes])[self.product.chain_state]


def pose(
    horizon: int,
    text: str | None = None,
    unit: str = "letter",
    order: int = 3,
    tokens: int = 64,
    smoothing: str = "witten-bell",
    constraint: str | None = None,
    contains: str | tuple[str, ...] = (),
    excludes: str | tuple[str, ...] = (),
    violation: float = 0.0,
    reward: str | None = None,
    seed: int = 0,
) -> Problem:
    """The problem that family `ngram` has with these parameters.

    Raises
    ------
    ConstraintError
        If there is no constraint and no reward, it is malformed, too large, or no text of this length meets it.

    Examples
    --------
    >>> round(float(pose(horizon=6, contains="is", order=2).twist.to_float()[0]), 4)  # the model's texts that say "is"
    0.0404
    """
    require_whole("horizon", horizon, 1)
    contains, excludes = ((texts,) if isinstance(texts, str) else texts for texts in (contains, excludes))
    if not 0.0 <= violation < 1.0:
        raise ConstraintError(f"violation is {violation}, expected at least 0 and below 1, the reward of the others")
    written = pieces(read_text(text), unit)
    ranking = by_frequency(written)
    alphabet = letters(ranking)
    if reward is not None and constraint is None and not contains and not excludes:
        constraint = ".*"
    automaton = _automaton(alphabet, constraint, contains, excludes)
    vocabulary = most_frequent(ranking, tokens) + _needed_tokens(automaton, ranking, tokens)
    model = learn(written, vocabulary, order, smoothing)
    reader = automaton.over_tokens(spelled(model.vocabulary, alphabet))
    built = product(model.chain, reader, horizon, model.vocabulary)
    meets = automaton.accepting[built.automaton_state]
    phi = Scaled.from_float(np.where(meets, 1.0, violation))
    if reward is not None:
        trellis, log_reward = parse(reward, REWARDS, "reward").on(built.trellis, seed)
        assert isinstance(trellis, Trellis)
        built, phi = replace(built, trellis=trellis), phi * Scaled.from_log(log_reward)
    try:
        twist = optimal_twist(built.trellis, phi)
    except RewardError:
        strange = [] if constraint is None else unheard_of(constraint, alphabet)
        raise ConstraintError(
            f"no text of {horizon} {unit}s meets the constraint, {_what_to_do(reader, horizon, strange, alphabet)}"
        ) from None
    return Problem(model, built, meets, twist)


@dataclass(frozen=True)
class ExactValue(PartialValue):
    """The optimal twist."""

    name: ClassVar[str] = "exact"

    def value(self, problem: Problem) -> Scaled:
        return problem.twist


@dataclass(frozen=True)
class AutomatonValue(PartialValue):
    """Sees how far the constraint has come, not what was written: E[V* | automaton state, level] under pi_ref."""

    name: ClassVar[str] = "automaton"

    def value(self, problem: Problem) -> Scaled:
        return _averaged(problem, problem.product.automaton_state)


@dataclass(frozen=True)
class SuffixValue(PartialValue):
    """Sees the automaton state and the last `length` tokens: E[V* | both, level] under pi_ref."""

    length: int = 1
    name: ClassVar[str] = "suffix"

    def __post_init__(self) -> None:
        require_at_least("length", self.length, 0)

    def value(self, problem: Problem) -> Scaled:
        seen = problem.last_tokens(self.length)
        return _averaged(problem, problem.product.automaton_state * (seen.max() + 1) + seen)


@dataclass(frozen=True)
class LookaheadValue(PartialValue):
    """Looks `steps` tokens ahead: the probability that the constraint is met by then; `floor` where it cannot be, yet.

    The floor keeps alive what needs longer; what cannot meet the constraint at all stays zero.
    """

    steps: int = 10
    floor: float = 1e-3
    name: ClassVar[str] = "lookahead"

    def __post_init__(self) -> None:
        require_at_least("steps", self.steps, 1)
        require_at_least("floor", self.floor, 0.0)

    def value(self, problem: Problem) -> Scaled:
        graph, twist = problem.product.trellis, problem.twist
        value = Scaled.empty(graph.n_nodes)
        for t in range(1, graph.horizon + 1):
            here = graph.level(t)
            ahead = twist[graph.level(max(t, graph.horizon - self.steps))].to_float()
            if t < graph.horizon:
                ahead = np.where(twist.mantissa[here] > 0, np.maximum(ahead, self.floor), 0.0)
            seen = Scaled.from_float(ahead)
            value.mantissa[here], value.exponent[here] = seen.mantissa, seen.exponent
        expect_level(graph, 0, value)
        return value


PARTIAL_VALUES: dict[str, type[PartialValue]] = {
    kind.name: kind for kind in (ExactValue, AutomatonValue, SuffixValue, LookaheadValue)
}


def ngram(
    horizon: int,
    text: str | None = None,
    unit: str = "letter",
    order: int = 3,
    tokens: int = 64,
    smoothing: str = "witten-bell",
    constraint: str | None = None,
    contains: str | tuple[str, ...] = (),
    excludes: str | tuple[str, ...] = (),
    violation: float = 0.0,
    reward: str | None = None,
    value: str = "exact",
    perturbation: str | None = None,
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
) -> Instance:
    """An n-gram model of letters or words that must meet a constraint, or earns a reward: decoding of real text.

    Parameters
    ----------
    horizon : int
        T, tokens to write.
    text : str, optional
        A UTF-8 file to learn from; Python's own help topics if left out.
    unit, order, tokens, smoothing
        Of the model: see `treesim.decoding.ngram.train`. To the most frequent tokens are added those without which no
        text could meet the constraint.
    constraint : str, optional
        A regular expression that the whole text must match: see `treesim.decoding.regex.matching`.
    contains, excludes : str or tuple of str
        What the text must contain, and what it must not.
    violation : float
        Reward of texts that do not meet the constraint, below 1: above zero it is soft.
    reward : str, optional
        By which that is multiplied, such as ``power:alpha=2``; with it there need be no constraint.
    value : str
        What V^ sees: ``exact``, ``automaton``, ``suffix:length=1`` or ``lookahead:steps=10,floor=0.001``.
    perturbation, epsilon, ratio_cap
        Of the exact value.

    Raises
    ------
    ConstraintError
        If there is no constraint, it is malformed, too large, or no text of this length meets it.

    Examples
    --------
    >>> instance = ngram(horizon=6, contains="is", order=2)
    >>> round(instance.audit.log_partition, 3), instance.audit.bellman_error < 1e-12
    (-3.208, True)
    """
    kind = parse(value, PARTIAL_VALUES, "value")
    for name, other in (("perturbation", perturbation), ("reward", reward)):
        if other is not None and not isinstance(kind, ExactValue):
            raise SpecError(f"value {value!r} and {name} {other!r} exclude each other; give one of them")
    problem = pose(
        horizon, text, unit, order, tokens, smoothing, constraint, contains, excludes, violation, reward, seed
    )
    approximate = kind.value(problem)
    if perturbation is not None or epsilon is not None or ratio_cap is not None:
        approximate = perturb(problem.product.trellis, problem.twist, perturbation or "exact", epsilon, ratio_cap, seed)
    return Instance(problem.product.trellis, approximate)


def _automaton(
    alphabet: str, constraint: str | None, contains: tuple[str, ...], excludes: tuple[str, ...]
) -> Automaton:
    """All constraints as one automaton over letters."""
    parts = [] if constraint is None else [matching(constraint, alphabet)]
    parts += [containing(text, alphabet) for text in contains]
    parts += [containing(text, alphabet).complement() for text in excludes]
    if constraint == "" or not parts:
        raise ConstraintError(
            "there is no constraint, expected a regular expression (constraint), or a text to contain or exclude"
        )
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.intersect(part)
    return whole


def _needed_tokens(automaton: Automaton, ranking: list[str], size: int) -> list[str]:
    """The tokens beyond the `size` most frequent without which no text meets the constraint: as frequent as can be."""
    alphabet = letters(ranking)
    kept = automaton.over_tokens(spelled(ranking[:size], alphabet))
    if (
        kept.cheapest(np.zeros(len(ranking[:size]), np.int64)) is not None
        or automaton.n_states * len(ranking) > LARGEST_TABLE
    ):
        return []
    rank = np.arange(len(ranking))
    text = automaton.over_tokens(spelled(ranking, alphabet)).cheapest(np.maximum(rank - size + 1, 0))
    return [ranking[token] for token in sorted(set(text or ())) if token >= size]


def _what_to_do(reader: Automaton, horizon: int, strange: list[str], alphabet: str) -> str:
    """Why no text of this length meets a constraint, and what to change."""
    shorter, longer = reader.lengths_near(horizon)
    if longer is not None:
        return f"but some of {longer} do; choose a longer horizon or another constraint"
    if shorter is not None:
        return f"but some of {shorter} do; choose a shorter horizon or another constraint"
    if strange:
        return f"and it asks for {why_no_token(strange[0], alphabet)}"
    return "nor does one of any other length; choose another constraint"


def _averaged(problem: Problem, group: IntArray) -> Scaled:
    """E[V* | class, level] under pi_ref; the reward itself at the last level."""
    graph, twist = problem.product.trellis, problem.twist
    value = Scaled.empty(graph.n_nodes)
    value.mantissa[:], value.exponent[:] = twist.mantissa, twist.exponent
    n_groups = int(group.max()) + 1
    reach: FloatArray = np.ones(1)
    for t in range(1, graph.horizon):
        layer = graph.layer(t - 1)
        mass = np.repeat(reach, np.diff(layer.ptr)) * layer.prob
        reach = np.bincount(layer.child, mass, graph.n_level(t)).astype(np.float64)
        here = graph.level(t)
        top = int(twist.exponent[here].max())
        number = np.ldexp(twist.mantissa[here], twist.exponent[here] - top)
        mean = _weighted_mean(number, reach, group, n_groups)
        seen = Scaled.from_float(mean[group])
        value.mantissa[here], value.exponent[here] = seen.mantissa, np.where(seen.mantissa > 0, seen.exponent + top, 0)
    return value


def _weighted_mean(number: FloatArray, weight: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """The mean of each class; where the class has no weight, the plain one."""
    total = np.bincount(group, weight, n_groups)
    unseen = total[group] == 0.0
    weight = np.where(unseen, 1.0, weight)
    total = np.bincount(group, weight, n_groups)
    return np.bincount(group, weight * number, n_groups) / np.where(total > 0, total, 1.0)
