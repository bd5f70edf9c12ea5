"""What every sampler offers: its exact law, its simulation, and what it costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.errors import SpecError
from treesim.instance import Instance
from treesim.kernels.walk import step_reference
from treesim.law import Law
from treesim.parallel import thread_map
from treesim.randomness import Stream, generator
from treesim.scaled import IntArray
from treesim.tree import Tree

# Draws from pi_ref that one block of replicates makes: fixed, so that the bits do not depend on the threads.
BLOCK_DRAWS = 1 << 15


@dataclass(frozen=True)
class Cost:
    """What one output costs in the oracle model, in expectation.

    Attributes
    ----------
    reference_draws : float
        Prefixes reached one step at a time, by a draw from pi_ref or by listing all children of a prefix.
    value_queries : float
        Values V^ asked for; the reward at a leaf is one.
    """

    reference_draws: float
    value_queries: float


@dataclass(frozen=True, eq=False)
class Draws:
    """Simulated outputs.

    Attributes
    ----------
    leaf : ndarray of int64, shape [n]
        The leaf of each output, numbered from 0; -1 where the sampler returned nothing.
    reference_draws, value_queries : int
        What all of them cost together.
    """

    leaf: IntArray
    reference_draws: int
    value_queries: int


class Sampler(ABC):
    """A sampler of leaves with its parameters: a frozen dataclass, named by a spec."""

    name: ClassVar[str]

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
            If `n` is below 1 or the seed below 0.
        """
        if n < 1 or seed < 0:
            raise SpecError(f"n is {n} and the seed {seed}, expected at least 1 and at least 0")
        size = max(1, BLOCK_DRAWS // self.draws_per_output(instance))
        sizes = [min(size, n - start) for start in range(0, n, size)]
        blocks = thread_map(
            lambda i: self.block(instance, sizes[i], generator(seed, Stream.SIMULATION, i)), range(len(sizes))
        )
        return Draws(
            np.concatenate([block.leaf for block in blocks]),
            sum(block.reference_draws for block in blocks),
            sum(block.value_queries for block in blocks),
        )


def walk(tree: Tree, n: int, step: Callable[[int, IntArray], None]) -> IntArray:
    """The leaves of `n` walks from the root; ``step(t, node)`` moves them all from level t to t + 1, in place."""
    node = np.zeros(n, np.int64)
    for t in range(tree.horizon):
        step(t, node)
    return node


def draw_reference(tree: Tree, n: int, rng: np.random.Generator) -> IntArray:
    """`n` leaves drawn from pi_ref, shape [n]."""
    return walk(tree, n, lambda t, node: step_reference(*tree.layer(t), node, rng))
