"""What every sampler offers: its exact law, its simulation, and what it costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import FloatArray, IntArray
from treesim.errors import SpecError
from treesim.instances.instance import Instance, require_instance
from treesim.laws.law import Law
from treesim.runtime.seeds import Stream, generator
from treesim.runtime.threads import thread_map
from treesim.samplers.draws import Draws
from treesim.spec import Parameters, require_kind

# Draws from pi_ref that one block of replicates makes: fixed, so that the bits do not depend on the threads.
BLOCK_DRAWS = 1 << 15
# And the edges it keeps, on a trellis.
BLOCK_EDGES = 1 << 22
# Values that one output may ask for in expectation, when it is simulated.
LARGEST_WALK = 1e8


Answer = TypeVar("Answer")


def remembered(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Answer ``function(instance, *key)`` once for each key, as long as the instance lives: blocks ask it again."""
    known: WeakKeyDictionary[Instance, dict[tuple[Any, ...], Answer]] = WeakKeyDictionary()

    @wraps(function)
    def ask(instance: Instance, *key: Any) -> Answer:
        answers = known.setdefault(instance, {})
        if key not in answers:
            answers[key] = function(instance, *key)
        return answers[key]

    return ask


@dataclass(frozen=True)
class Cost:
    """What one output costs in the oracle model, in expectation.

    Attributes
    ----------
    reference_draws : float
        Prefixes reached one step at a time, by a draw from pi_ref or by listing all children of a prefix.
    value_queries : float
        Values V^ asked for; the reward at a leaf is one.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> sampler("best-of-n:n=16").cost(family("uniform", horizon=5))
    Cost(reference_draws=80.0, value_queries=16.0)
    """

    reference_draws: float
    value_queries: float


def _of_instances(method: Callable[..., Answer]) -> Callable[..., Answer]:
    """A method of an instance that says so where it is given something else, such as its tree."""

    @wraps(method)
    def ask(self: Sampler, instance: Instance) -> Answer:
        require_instance(instance, f"{self.name}.{method.__name__}")
        return method(self, instance)

    return ask


class Sampler(Parameters, ABC):
    """A sampler of leaves with its parameters: a frozen dataclass, named by a spec.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> guided = sampler("sp-gsmc:mh=3")
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.2)
    >>> round(guided.law(instance).tv(instance.target).mid, 4), guided.cost(instance).value_queries
    (0.0054, 24.0)
    >>> guided.simulate(instance, n=5, seed=1).leaf.tolist()
    [11, 0, 11, 1, 11]
    """

    name: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for method in ("law", "cost"):
            if method in vars(cls):
                setattr(cls, method, _of_instances(vars(cls)[method]))

    @abstractmethod
    def law(self, instance: Instance) -> Law:
        """The exact law of one output."""

    @abstractmethod
    def cost(self, instance: Instance) -> Cost:
        """The expected cost of one output."""

    @abstractmethod
    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        """`n` independent outputs from one generator."""

    def draws_per_output(self, instance: Instance) -> int:
        """How many leaves one output looks at, at the most: sets the size of the blocks."""
        return 1

    def block_size(self, instance: Instance) -> int:
        """Outputs of one block: by the problem alone, so that the bits do not depend on the threads."""
        draws = max(1, BLOCK_EDGES // instance.graph.horizon) if instance.graph.keeps_edges else BLOCK_DRAWS
        return max(1, min(BLOCK_DRAWS, draws) // self.draws_per_output(instance))

    def ratio(
        self, instance: Instance, edges: NDArray[np.int32], runs: int, rng: np.random.Generator
    ) -> FloatArray | None:
        """Unbiased estimates of law / target on given paths of the target, each from `runs` runs; None if unknown.

        It may be that of another law which is as far from the target or further.

        Parameters
        ----------
        edges : ndarray of int32, shape [n, horizon]

        Returns
        -------
        ndarray, shape [n], or None
        """
        return None

    def population(self, instance: Instance, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """The leaves among which each of `n` runs picks its output, and with which probabilities, both [n, k].

        A run that knows no more than its output has one. Outputs that are nothing have weight zero.
        """
        leaf = self.block(instance, n, rng).leaf[:, None]
        return np.maximum(leaf, 0), (leaf >= 0).astype(np.float64)

    def simulate(self, instance: Instance, n: int, seed: int) -> Draws:
        """`n` independent outputs; the same bits for any number of threads.

        Parameters
        ----------
        instance : Instance
        n : int
        seed : int

        Returns
        -------
        Draws

        Raises
        ------
        SpecError
            If `n` is below 1 or the seed below 0, or it is no instance.
        """
        require_instance(instance, f"{self.name}.simulate")
        require_kind("n", n, int)
        require_kind("seed", seed, int)
        if n < 1 or seed < 0:
            raise SpecError(f"n is {n} and the seed {seed}, expected at least 1 and at least 0")
        size = self.block_size(instance)
        sizes = [min(size, n - start) for start in range(0, n, size)]
        blocks = thread_map(
            lambda i: self.block(instance, sizes[i], generator(seed, Stream.SIMULATION, i)), range(len(sizes)),
            interruptible=True,
        )  # fmt: skip
        return Draws(
            np.concatenate([block.leaf for block in blocks]),
            None
            if blocks[0].edges is None
            else np.concatenate([block.edges for block in blocks if block.edges is not None]),
            sum(block.reference_draws for block in blocks),
            sum(block.value_queries for block in blocks),
            _joined([block.log_partition for block in blocks]),
        )


def _joined(parts: list[FloatArray | None]) -> FloatArray | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None
