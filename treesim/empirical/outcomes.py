"""What a sampler's outputs are worth: right answers, votes, true and proxy rewards, wins against pi_ref.

Exact from a law of leaves, else estimated from runs. Votes that are too many to count are estimated too, from draws of
the law. An output that is nothing, or has no answer, votes for nothing; nothing is worth zero and beats nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.empirical.estimation import DEFAULT_LEVEL, LEAST_RUNS, margin
from treesim.errors import NoExactLaw
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.instances.outcomes import Outcomes
from treesim.laws.by_reward import RewardedLeaves
from treesim.laws.law import Law
from treesim.laws.outcomes import LeafMass, leaf_mass, pass_at, wins
from treesim.laws.votes import TIED, weighted_vote
from treesim.runtime.seeds import Stream, generator
from treesim.samplers import Sampler
from treesim.scaled import Scaled
from treesim.tables import distance

# k, where nobody says which.
DEFAULT_VOTES = (8,)
# Totals of votes that are held at once, when votes are simulated.
_TOTALS = 1 << 22


@dataclass(frozen=True)
class Quantity:
    """A number between `lo` and `hi`.

    Attributes
    ----------
    lo, hi : float
        Equal where the kind is ``exact``.
    kind : str
        ``exact``, or ``estimated``: a confidence interval of the given `level`.
    level : float or None
    """

    lo: float
    hi: float
    kind: Literal["exact", "estimated"] = "exact"
    level: float | None = None

    @property
    def mid(self) -> float:
        """The middle of the interval."""
        return 0.5 * (self.lo + self.hi) if self.lo < self.hi else self.lo

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return {"lo": self.lo, "hi": self.hi, "kind": self.kind, "level": self.level}

    def __str__(self) -> str:
        return distance(self.lo, self.hi)


@dataclass(frozen=True)
class Worth:
    """What the outputs of a sampler are worth; None where it is not known, or nothing is said of it.

    Attributes
    ----------
    accuracy : Quantity or None
        Probability that the answer is correct.
    pass_at, majority, weighted : mapping of int to Quantity or None
        By k: that one of k outputs is correct, that the answer most of k vote for is, and the answer of the heaviest
        votes, each weighing its proxy reward; ties broken uniformly.
    proxy_reward, true_reward : Quantity or None
        Expected, linear: of phi, which samplers see, and of the true reward.
    win_rate, true_win_rate : Quantity or None
        Against a draw from pi_ref, by the one reward and by the other, ties counting half.
    kl : Quantity or None
        KL(law || pi_ref), in nats; infinite where the sampler may return nothing.
    """

    proxy_reward: Quantity | None
    win_rate: Quantity | None
    kl: Quantity | None = None
    true_reward: Quantity | None = None
    true_win_rate: Quantity | None = None
    accuracy: Quantity | None = None
    pass_at: Mapping[int, Quantity | None] = field(default_factory=dict)
    majority: Mapping[int, Quantity | None] = field(default_factory=dict)
    weighted: Mapping[int, Quantity | None] = field(default_factory=dict)

    def _named(self) -> dict[str, tuple[str, Quantity | None]]:
        """Each quantity by its name in documents, with the head of its column."""
        by_votes = {
            f"{name}.{k}": (f"{head}@{k}", quantity)
            for name, head in (("pass_at", "pass"), ("majority", "maj"), ("weighted", "weighted"))
            for k, quantity in getattr(self, name).items()
        }
        return {
            "accuracy": ("accuracy", self.accuracy),
            **by_votes,
            "true_reward": ("E true", self.true_reward),
            "proxy_reward": ("E proxy", self.proxy_reward),
            "true_win_rate": ("true wins", self.true_win_rate),
            "win_rate": ("proxy wins", self.win_rate),
            "kl": ("KL to pi_ref", self.kl),
        }

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it: each quantity by its name, ``pass_at.8`` the one of eight outputs."""
        return {name: quantity and quantity.document() for name, (_, quantity) in self._named().items()}

    def cells(self) -> dict[str, str]:
        """What tables show: texts by the heads of their columns; what only outcomes say is left out without them."""
        unsaid = [name for name in ("accuracy", "true_reward", "true_win_rate") if getattr(self, name) is None]
        return {
            head: "-" if quantity is None else str(quantity)
            for name, (head, quantity) in self._named().items()
            if name not in unsaid
        }


def worth_of_law(
    law: Law, instance: Instance, votes: Sequence[int] = DEFAULT_VOTES, runs: int = 0, seed: int = 0
) -> Worth | None:
    """What outputs of a law are worth, exactly; None where the law of the leaf is not known.

    Parameters
    ----------
    law : Law
    instance : Instance
    votes : sequence of int
        k of pass@k and votes.
    runs : int
        Draws from the law that estimate votes which are too many to count.
    seed : int
        Of those draws.

    Examples
    --------
    >>> from treesim import BestOfN, family
    >>> instance = family("product", horizon=2, ratio=2.0, form="tree")
    >>> instance = instance.with_outcomes(["no", "yes", "no", None], correct="yes", true_reward=[0.0, 1.0, 0.5, 0.0])
    >>> worth = worth_of_law(BestOfN(2).law(instance), instance, votes=(3,))
    >>> worth.accuracy.mid, worth.true_reward.mid, worth.win_rate.mid
    (0.25, 0.375, 0.640625)
    >>> {head: text for head, text in worth.cells().items() if "@" in head}
    {'pass@3': '0.5781', 'maj@3': '0.4023', 'weighted@3': '0.4243'}
    """
    known = leaf_mass(law, instance.graph)
    return None if known is None else _worth(_Exact(law, known, instance, runs, seed), instance, votes)


def worth_of_runs(
    sampler: Sampler, instance: Instance, votes: Sequence[int] = DEFAULT_VOTES, runs: int = 0, seed: int = 0
) -> Worth:
    """What runs say of the worth of a sampler's outputs, each quantity with a confidence interval of its own.

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("product", horizon=2, ratio=2.0, form="tree").with_outcomes(list("abab"), correct="b")
    >>> worth = worth_of_runs(SMC(4), instance, runs=4000)
    >>> exact = worth_of_law(SMC(4).law(instance), instance)
    >>> worth.accuracy.lo < exact.accuracy.mid < worth.accuracy.hi
    True
    """
    leaf = sampler.simulate(instance, runs, seed).leaf if runs else np.empty(0, np.int64)
    return _worth(_Simulated(leaf, instance), instance, votes)


class _Source(Protocol):
    """Where numbers come from: functions of the leaf are averaged, nothing counting as zero."""

    def reward(self, reward: Scaled) -> Quantity | None:
        """The mean of a reward, shape [n_leaves]."""

    def share(self, share: FloatArray) -> Quantity | None:
        """The mean of numbers from 0 to 1, shape [n_leaves]."""

    def vote(self, outcomes: Outcomes, weight: FloatArray, k: int) -> Quantity | None:
        """How likely the heaviest of k votes are right; weights of leaves, shape [n_leaves]."""

    def kl(self) -> Quantity | None:
        """KL(law || pi_ref)."""


def _worth(source: _Source, instance: Instance, votes: Sequence[int]) -> Worth:
    outcomes, reference = instance.outcomes, instance.reference.prob
    true = None if outcomes is None else outcomes.true_reward
    # Potentials make reward a matter of the way, and all here is known by the leaf.
    by_leaf = not has_potentials(instance.graph)
    worth = Worth(
        proxy_reward=source.reward(instance.reward) if by_leaf else None,
        win_rate=source.share(wins(instance.rewarded_leaves)) if by_leaf else None,
        kl=source.kl(),
        true_reward=None if true is None else source.reward(true),
        true_win_rate=None if true is None else source.share(wins(RewardedLeaves(reference, true))),
    )
    if outcomes is None or outcomes.answer is None or not outcomes.correct:
        return worth
    accuracy = source.share(np.append(outcomes.is_correct, False)[outcomes.answer].astype(np.float64))
    alike = np.ones(instance.graph.n_leaves)
    weight = _weights(instance) if by_leaf else None
    return replace(
        worth,
        accuracy=accuracy,
        pass_at={k: accuracy and _passed(accuracy, k) for k in votes},
        majority={k: source.vote(outcomes, alike, k) for k in votes},
        weighted={k: None if weight is None else source.vote(outcomes, weight, k) for k in votes},
    )


@dataclass(frozen=True)
class _Exact(_Source):
    """A law that is known by its leaves."""

    law: Law
    known: LeafMass
    instance: Instance
    runs: int
    seed: int

    def reward(self, reward: Scaled) -> Quantity | None:
        return _exactly(self.law.expected(reward))

    def share(self, share: FloatArray) -> Quantity | None:
        return _exactly(min(1.0, float(self.known.mass @ share)))

    def kl(self) -> Quantity | None:
        return _exactly(self.law.kl(self.instance.reference))

    def vote(self, outcomes: Outcomes, weight: FloatArray, k: int) -> Quantity | None:
        assert outcomes.answer is not None
        has = outcomes.answer >= 0
        answer = outcomes.answer[has].astype(np.int64)
        try:
            return _exactly(weighted_vote(self.known.mass[has], weight[has], answer, outcomes.is_correct, k))
        except NoExactLaw:
            return _vote(self._draws, outcomes, weight, k)

    @cached_property
    def _draws(self) -> IntArray:
        whole = np.append(self.known.mass, self.known.failure)
        rng = generator(self.seed, Stream.ESTIMATION, 5)
        leaf = rng.choice(len(whole), self.runs, p=whole / whole.sum())
        return np.where(leaf < len(self.known.mass), leaf, -1)


@dataclass(frozen=True)
class _Simulated(_Source):
    """Outputs of runs, -1 where there is none."""

    leaf: IntArray
    instance: Instance

    def reward(self, reward: Scaled) -> Quantity | None:
        number = reward.to_float()
        largest = float(number[self.instance.reference.prob.mantissa > 0].max())
        return _mean(np.append(number, 0.0)[self.leaf], largest) if largest < np.inf else None

    def share(self, share: FloatArray) -> Quantity | None:
        return _mean(np.append(share, 0.0)[self.leaf], 1.0)

    def kl(self) -> None:
        """Not known: runs bound it from no side."""

    def vote(self, outcomes: Outcomes, weight: FloatArray, k: int) -> Quantity | None:
        return _vote(self.leaf, outcomes, weight, k)


def _exactly(value: float | None) -> Quantity | None:
    return None if value is None else Quantity(value, value)


def _passed(accuracy: Quantity, k: int) -> Quantity:
    return Quantity(pass_at(accuracy.lo, k), pass_at(accuracy.hi, k), accuracy.kind, accuracy.level)


def _weights(instance: Instance) -> FloatArray:
    """Rewards in parts of the largest that pi_ref reaches, which is a float whatever they are, shape [n_leaves]."""
    top = instance.rewarded_leaves.levels.reward[-1:]
    return np.minimum(instance.reward.over(top).to_float(), 1.0)


def _vote(leaf: IntArray, outcomes: Outcomes, weight: FloatArray, k: int) -> Quantity | None:
    """How often the heaviest of k votes is right, in runs taken k at a time."""
    assert outcomes.answer is not None
    n, answers = len(leaf) // k, len(outcomes.answers)
    size = max(1, _TOTALS // max(1, answers))
    ballots = leaf[: n * k].reshape(n, k)
    parts = [_won(ballots[start : start + size], outcomes, weight, answers) for start in range(0, n, size)]
    return _mean(np.concatenate([np.zeros(0), *parts]), 1.0)


def _won(ballots: IntArray, outcomes: Outcomes, weight: FloatArray, answers: int) -> FloatArray:
    """The share of right answers among the heaviest of each row, shape [n]; ballots are leaves, [n, k]."""
    assert outcomes.answer is not None
    n = len(ballots)
    # Nothing, and no answer, are one more answer, which cannot win.
    answer = np.where(ballots >= 0, np.append(outcomes.answer, -1)[ballots], -1)
    slot = (np.where(answer >= 0, answer, answers) + (answers + 1) * np.arange(n)[:, None]).ravel()
    total = np.bincount(slot, np.append(weight, 0.0)[ballots].ravel(), n * (answers + 1)).reshape(n, -1)[:, :answers]
    given = np.bincount(slot, minlength=n * (answers + 1)).reshape(n, -1)[:, :answers] > 0
    heaviest = total.max(axis=1, initial=0.0, keepdims=True)
    first = given & (total >= heaviest - TIED * heaviest)
    return (first & outcomes.is_correct).sum(axis=1) / np.maximum(first.sum(axis=1), 1)


def _mean(value: FloatArray, largest: float) -> Quantity | None:
    """A confidence interval of a mean of numbers from 0 to `largest`; None where there are too few of them."""
    if len(value) < LEAST_RUNS:
        return None
    if largest == 0.0:
        return Quantity(0.0, 0.0)
    share = value / largest
    off = margin(share, float(np.log(4.0 / (1.0 - DEFAULT_LEVEL))))
    middle = float(share.mean())
    lo, hi = max(0.0, middle - off), min(1.0, middle + off)
    return Quantity(largest * lo, largest * hi, "estimated", DEFAULT_LEVEL)
