"""Rewards of the leaves, as log phi."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import RewardError
from treesim.graphs.layered import LayeredGraph
from treesim.runtime.reading import reason, require_file
from treesim.runtime.seeds import Stream, generator
from treesim.spec import Parameters, require_at_least, require_one_of, require_positive


class Reward(Parameters, ABC):
    """A way to reward the leaves of a tree."""

    name: ClassVar[str]

    @abstractmethod
    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        """log phi, in nats, shape [n_leaves]."""


@dataclass(frozen=True)
class Gaussian(Reward):
    """phi = exp(r / beta), r standard normal, independent at every leaf.

    Examples
    --------
    >>> from treesim import Tree
    >>> Gaussian(beta=0.5).log_reward(Tree.complete(2, 1), seed=0).shape
    (2,)
    """

    beta: float = 1.0
    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        require_positive("beta", self.beta)

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        return generator(seed, Stream.REWARD).standard_normal(graph.n_leaves) / self.beta


@dataclass(frozen=True)
class Sparse(Reward):
    """phi = 1 at a random share of the leaves, at least one that pi_ref reaches, and `floor` elsewhere.

    Examples
    --------
    >>> from treesim import Tree
    >>> float(np.exp(Sparse(share=0.01).log_reward(Tree.complete(2, 2), seed=0)).sum())
    1.0
    """

    share: float = 0.1
    floor: float = 0.0
    name: ClassVar[str] = "sparse"

    def __post_init__(self) -> None:
        require_positive("share", self.share)
        require_at_least("floor", self.floor, 0.0)
        if self.share > 1 or self.floor > 1:
            raise RewardError(f"share is {self.share} and floor {self.floor}, expected at most 1")

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        rng = generator(seed, Stream.REWARD)
        rewarded = rng.random(graph.n_leaves) < self.share
        *_, reachable = graph.reachable()
        if not (rewarded & reachable).any():
            rewarded[rng.choice(np.flatnonzero(reachable))] = True
        with np.errstate(divide="ignore"):
            return np.where(rewarded, 0.0, np.log(self.floor))


@dataclass(frozen=True)
class Additive(Reward):
    """log phi = sum over the path of independent standard normal scores, divided by beta.

    Examples
    --------
    >>> from treesim import Tree
    >>> Additive().log_reward(Tree.complete(2, 3), seed=0).shape
    (8,)
    """

    beta: float = 1.0
    name: ClassVar[str] = "additive"

    def __post_init__(self) -> None:
        require_positive("beta", self.beta)

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        _need_tree(self, graph)
        score = np.zeros(1)
        for t in range(graph.horizon):
            score = np.repeat(score, np.diff(graph.layer(t).ptr))
            score += generator(seed, Stream.REWARD, t).standard_normal(len(score))
        return score / self.beta


@dataclass(frozen=True)
class RightSteps(Reward):
    """phi = penalty^-(number of wrong steps): at every node `right` random children are right, the others wrong.

    Examples
    --------
    >>> from treesim import Tree
    >>> np.exp(RightSteps(right=1, penalty=10.0).log_reward(Tree.complete(2, 1), seed=0)).round(3)
    array([0.1, 1. ])
    """

    right: int = 1
    penalty: float = 100.0
    name: ClassVar[str] = "right-steps"

    def __post_init__(self) -> None:
        require_at_least("right", self.right, 1)
        require_at_least("penalty", self.penalty, 1)

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        _need_tree(self, graph)
        wrong = np.zeros(1, np.int64)
        for t in range(graph.horizon):
            degree = np.diff(graph.layer(t).ptr)
            ticket = generator(seed, Stream.REWARD, t).random(int(degree.sum()))
            wrong = np.repeat(wrong, degree) + (ticket > _nth_smallest(ticket, degree, self.right))
        return -wrong * np.log(self.penalty)


@dataclass(frozen=True)
class Given(Reward):
    """Rewards from a file, one number a leaf: ``.npy``, or text with a number a line.

    Parameters
    ----------
    file : str
    scale : str
        ``linear`` if the numbers are phi, ``log`` if they are log phi.
    """

    file: str
    scale: str = "linear"
    name: ClassVar[str] = "given"

    def __post_init__(self) -> None:
        require_one_of("scale", self.scale, ("linear", "log"))

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        numbers = self.numbers()
        return numbers if self.scale == "log" else log_of_linear(numbers)

    def numbers(self) -> FloatArray:
        """What the file has, on its own scale.

        Raises
        ------
        RewardError
            If it cannot be read as real numbers.
        """
        path = Path(self.file)
        require_file(path, RewardError)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of an empty file: the wrong number of rewards says it
                numbers = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, ndmin=1)
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise RewardError(f"cannot read rewards from {self.file}: {reason(error)}") from None
        if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "biuf":
            kind = getattr(numbers, "dtype", type(numbers).__name__)
            raise RewardError(f"rewards in {self.file} are of type {kind}, expected real numbers")
        return numbers.astype(np.float64)


REWARDS: dict[str, type[Reward]] = {kind.name: kind for kind in (Gaussian, Sparse, Additive, RightSteps, Given)}


def _need_tree(reward: Reward, graph: LayeredGraph) -> None:
    """Raise `RewardError` unless every path has a leaf of its own."""
    graph.require_tree(
        f"reward {reward.name!r} adds up along the path, and paths of a trellis share their ends; "
        "expected a reward of the last node: gaussian, sparse or given",
        RewardError,
    )


def log_of_linear(reward: FloatArray) -> FloatArray:
    """log phi of linear rewards, zeros allowed; raises `RewardError` where one is negative or no number."""
    bad = np.flatnonzero(~(reward >= 0))
    if len(bad):
        raise RewardError(f"reward of leaf {bad[0]} is {reward.flat[bad[0]]}, expected a number of at least 0")
    with np.errstate(divide="ignore"):
        return np.log(reward)


def _nth_smallest(ticket: FloatArray, degree: IntArray, n: int) -> FloatArray:
    """For every ticket the n-th smallest of those of its siblings, infinite where they are fewer."""
    nth = np.full(len(degree), np.inf)
    # Families of one size are rows of a table.
    for size in np.unique(degree[degree >= n]).tolist():
        families = np.flatnonzero(degree == size)
        first = (np.cumsum(degree) - degree)[families]
        rows = ticket[first[:, None] + np.arange(size)] if len(families) < len(degree) else ticket.reshape(-1, size)
        nth[families] = np.partition(rows, n - 1, axis=1)[:, n - 1]
    return np.repeat(nth, degree)
