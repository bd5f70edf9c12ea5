"""Rewards: of the leaves, as log phi; or of steps, which add up along the path.

On a tree rewards of steps are added up to rewards of the leaves; on a trellis, whose paths share their ends, they are
potentials of its edges.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import RewardError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import with_potentials
from treesim.graphs.trellis import Trellis
from treesim.runtime.reading import reason, require_file
from treesim.runtime.seeds import Stream, generator
from treesim.spec import Parameters, require_at_least, require_one_of, require_positive


class Reward(Parameters, ABC):
    """A way to reward the leaves of a tree.

    Examples
    --------
    >>> from treesim import REWARDS, family
    >>> sorted(REWARDS)
    ['additive', 'gaussian', 'given', 'power', 'process', 'right-steps', 'sparse']
    >>> instance = family("uniform", horizon=3, reward="sparse:share=0.25")
    >>> instance.log_reward.round(3).tolist()
    [-inf, 0.0, -inf, -inf, -inf, -inf, -inf, -inf]
    """

    name: ClassVar[str]

    @abstractmethod
    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        """log phi, in nats, shape [n_leaves]."""

    def on(self, graph: LayeredGraph, seed: int) -> tuple[LayeredGraph, FloatArray]:
        """The graph, with potentials if that is how it is rewarded, and log phi, in nats, shape [n_leaves]."""
        return graph, self.log_reward(graph, seed)


class StepReward(Reward):
    """A reward whose log adds up along the path."""

    @abstractmethod
    def log_potential(self, graph: LayeredGraph, t: int, seed: int) -> FloatArray:
        """What each edge from level `t` adds to log phi, in nats, shape [n_edges of the layer]; -inf is zero."""

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        return self._added_up(graph, lambda t: self.log_potential(graph, t, seed))

    def _added_up(self, graph: LayeredGraph, of_step: Callable[[int], FloatArray]) -> FloatArray:
        """What the edges of each level have, added up along the paths of a tree, shape [n_leaves]."""
        tree = graph.require_tree(
            f"reward {self.name!r} adds up along the path, and paths of a trellis share their ends; "
            "`Reward.on` gives the trellis potentials",
            RewardError,
        )
        total = np.zeros(1)
        for t in range(tree.horizon):
            total = total[tree.layer(t).sources()] + of_step(t)
        return total

    def on(self, graph: LayeredGraph, seed: int) -> tuple[LayeredGraph, FloatArray]:
        if not isinstance(graph, Trellis):
            return graph, self.log_reward(graph, seed)
        potentials = [self.log_potential(graph, t, seed) for t in range(graph.horizon)]
        return with_potentials(graph, potentials), np.zeros(graph.n_leaves)


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
class Additive(StepReward):
    """log phi = sum over the path of standard normal scores of its steps, divided by beta.

    At each level every edge has a score of its own, independent of all others; on a trellis all ways that take the edge
    share it.

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

    def log_potential(self, graph: LayeredGraph, t: int, seed: int) -> FloatArray:
        return self._score(graph, t, seed) / self.beta

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        return self._added_up(graph, lambda t: self._score(graph, t, seed)) / self.beta

    def _score(self, graph: LayeredGraph, t: int, seed: int) -> FloatArray:
        return generator(seed, Stream.REWARD, t).standard_normal(len(graph.layer(t).prob))


@dataclass(frozen=True)
class RightSteps(StepReward):
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

    def log_potential(self, graph: LayeredGraph, t: int, seed: int) -> FloatArray:
        return -self._wrong(graph, t, seed) * np.log(self.penalty)

    def _wrong(self, graph: LayeredGraph, t: int, seed: int) -> FloatArray:
        """1 for each wrong edge from level `t`, 0 for the others."""
        degree = np.diff(graph.layer(t).ptr)
        ticket = generator(seed, Stream.REWARD, t).random(int(degree.sum()))
        return (ticket > _nth_smallest(ticket, degree, self.right)).astype(np.float64)

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        return -self._added_up(graph, lambda t: self._wrong(graph, t, seed)) * np.log(self.penalty)


@dataclass(frozen=True)
class Power(StepReward):
    """The target is proportional to pi_ref^alpha, over whole paths: phi = pi_ref(path)^(alpha - 1).

    What sharpening a model by its own likelihood aims at; alpha = 1 is pi_ref itself, 0 uniform where pi_ref goes.

    References
    ----------
    Karan & Du (2025), "Reasoning with Sampling: Your Base Model is Smarter Than You Think", arXiv 2510.14901.

    Examples
    --------
    >>> from treesim import Tree
    >>> np.exp(Power(alpha=3.0).log_reward(Tree.complete(2, 2, [0.25, 0.75]), seed=0)).round(6)
    array([0.003906, 0.035156, 0.035156, 0.316406])
    """

    alpha: float
    name: ClassVar[str] = "power"

    def __post_init__(self) -> None:
        require_at_least("alpha", self.alpha, 0.0)

    def log_potential(self, graph: LayeredGraph, t: int, seed: int) -> FloatArray:
        prob = graph.layer(t).prob
        with np.errstate(divide="ignore"):
            # Where pi_ref never goes it does not matter.
            return (self.alpha - 1.0) * np.log(np.where(prob > 0.0, prob, 1.0))


@dataclass(frozen=True)
class Process(StepReward):
    """Rewards of steps from a file, such as a process reward model gives: phi = exp(sum over the path of r / beta).

    Parameters
    ----------
    file : str
        r, a number for each edge, those of one level after those of another: ``.npy``, or text with a number a line.
    beta : float
    """

    file: str
    beta: float = 1.0
    name: ClassVar[str] = "process"

    def __post_init__(self) -> None:
        require_positive("beta", self.beta)

    def log_potential(self, graph: LayeredGraph, t: int, seed: int) -> FloatArray:
        return self._rewards(graph)[t]

    def log_reward(self, graph: LayeredGraph, seed: int) -> FloatArray:
        rewards = self._rewards(graph)
        return self._added_up(graph, lambda t: rewards[t])

    def on(self, graph: LayeredGraph, seed: int) -> tuple[LayeredGraph, FloatArray]:
        if not isinstance(graph, Trellis):
            return graph, self.log_reward(graph, seed)
        return with_potentials(graph, self._rewards(graph)), np.zeros(graph.n_leaves)

    def _rewards(self, graph: LayeredGraph) -> list[FloatArray]:
        """r / beta of the edges from each level."""
        numbers = Given(self.file).numbers().ravel() / self.beta
        if len(numbers) != graph.n_edges:
            raise RewardError(
                f"{self.file} has {len(numbers)} rewards of steps, expected one for each of {graph.n_edges} edges"
            )
        odd = np.flatnonzero(np.isnan(numbers) | np.isposinf(numbers))
        if len(odd):
            raise RewardError(f"reward of edge {odd[0]} is {numbers[odd[0]]}, expected a number or -inf")
        sizes = [len(graph.layer(t).prob) for t in range(graph.horizon)]
        return np.split(numbers, np.cumsum(sizes)[:-1])


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


REWARDS: dict[str, type[Reward]] = {
    kind.name: kind for kind in (Gaussian, Sparse, Additive, RightSteps, Power, Process, Given)
}


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
