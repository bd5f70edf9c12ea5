"""genlm-control on a tree: pi_ref as potential, V as critic."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from genlm import control

from treesim.adapters.draws import pick, seeded
from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of


class _OnTree(control.Potential):
    """A potential over children as tokens, which knows what the oracle has handed out."""

    def __init__(self, oracle: Oracle, reached: dict[tuple[int, ...], tuple[Prefix, float]]) -> None:
        super().__init__([str(child) for child in range(oracle.branching)])
        self.oracle, self.reached = oracle, reached

    def find(self, context: list[str]) -> tuple[Prefix, float] | None:
        """The prefix of a context with its probability; None if pi_ref cannot write it."""
        choices = tuple(map(int, context))
        for t in range(len(choices)):
            if choices[: t + 1] not in self.reached:
                self.children(choices[:t])
                if choices[: t + 1] not in self.reached:
                    return None
        return self.reached[choices]

    def children(self, choices: tuple[int, ...]) -> list[tuple[Prefix, float]]:
        """The children of a prefix that was reached, with their probabilities; they are reached from now on."""
        prefix, mass = self.reached[choices]
        children = self.oracle.children(prefix)
        self.reached.update((child.choices, (child, mass * prob)) for child, prob in children)
        return children


class TreePolicy(_OnTree):
    """pi_ref: sequences end at level T."""

    async def prefix(self, context: list[str]) -> float:
        place = self.find(context)
        return -math.inf if place is None else math.log(place[1])

    async def complete(self, context: list[str]) -> float:
        return await self.prefix(context) if len(context) == self.oracle.horizon else -math.inf

    async def logw_next(self, context: list[str]) -> Any:
        weights = np.full(len(self.vocab_eos), -np.inf)
        if len(context) == self.oracle.horizon:
            weights[-1] = 0.0
        else:
            place = self.find(context)
            assert place is not None
            for child, prob in self.children(place[0].choices):
                weights[child.choices[-1]] = math.log(prob)
        return self.make_lazy_weights(weights)


class TreeValue(_OnTree):
    """log V of prefixes, log of the reward of complete ones."""

    async def prefix(self, context: list[str]) -> float:
        place = self.find(context)
        return -math.inf if place is None else self.oracle.log_value(place[0])

    async def complete(self, context: list[str]) -> float:
        return await self.prefix(context) if len(context) == self.oracle.horizon else -math.inf


@dataclass(frozen=True)
class SMC:
    """genlm.control.SMC with a direct token sampler; the output is drawn by the last weights."""

    particles: int = 16
    threshold: float = 0.5
    resampling: str = "multinomial"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_one_of("resampling", self.resampling, ("multinomial", "stratified", "systematic", "residual"))

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One run."""
        import torch

        reached: dict[tuple[int, ...], tuple[Prefix, float]] = {(): (oracle.root, 1.0)}
        policy, value = TreePolicy(oracle, reached), TreeValue(oracle, reached)
        with seeded(rng):
            torch.manual_seed(int(rng.integers(2**32)))
            smc = control.SMC(control.direct_token_sampler(policy), critic=value)
            sequences = asyncio.run(
                smc(self.particles, self.threshold, oracle.horizon + 1, resampling_method=self.resampling)
            )
        chosen = pick(sequences.log_weights, rng)
        if chosen is None:
            return None
        return reached[tuple(int(token) for token in sequences.contexts[chosen] if isinstance(token, str))][0]


ALGORITHMS = {"smc": SMC}
