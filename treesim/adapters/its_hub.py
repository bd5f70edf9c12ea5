"""its-hub on a tree: steps are tokens, the reward model scores prefixes.

its-hub expects scores in [0, 1] and weighs particles by their odds. With ``reward=value`` the score of a prefix is
V / (1 + V), so that its odds are V. With ``reward=ratio`` the same algorithms get other scores, `RatioReward`: they
then draw from pi_ref V_T / Z as the number of particles grows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from its_hub.api import (
    AbstractLanguageModel,
    AbstractOutcomeRewardModel,
    AbstractProcessRewardModel,
    AbstractScalingAlgorithm,
)
from its_hub.core.algorithms.beam_search import BeamSearch as ItsBeamSearch
from its_hub.core.algorithms.bon import BestOfN as ItsBestOfN
from its_hub.core.algorithms.particle_gibbs import EntropicParticleFiltering as ItsEntropicParticleFiltering
from its_hub.core.algorithms.particle_gibbs import ParticleFiltering as ItsParticleFiltering
from its_hub.core.algorithms.particle_gibbs import ParticleGibbs as ItsParticleGibbs
from its_hub.core.lms.step_generation import StepGeneration
from its_hub.core.orchestrator import LMOrchestrator

from treesim.adapters.draws import seeded
from treesim.errors import SpecError
from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of

STEP = "\n"


class TreeText:
    """What an oracle has handed out, by the text that stands for it: one line a step."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.reached: dict[str, Prefix] = {"": oracle.root}
        self._known: dict[str, float] = {}

    def prefix(self, text: str) -> Prefix:
        """The prefix of a text."""
        return self.reached[text.strip(STEP)]

    def extend(self, text: str) -> str:
        """A text with one more step, drawn from pi_ref."""
        child = self.oracle.draw(self.prefix(text))
        longer = STEP.join(map(str, child.choices))
        self.reached[longer] = child
        return longer

    def value(self, text: str) -> float:
        """V of a text, in units of the root's, linear."""
        self._known[text] = self.oracle.value(self.prefix(text))
        return self._known[text] / self.known_value("")

    def known_value(self, text: str) -> float:
        """V of a text, linear; asked once at the most."""
        if text not in self._known:
            self._known[text] = self.oracle.value(self.prefix(text))
        return self._known[text]


class TreeLanguageModel(AbstractLanguageModel):
    """pi_ref: one step where a stop sequence is given, else a whole path."""

    def __init__(self, text: TreeText) -> None:
        self.text = text

    async def agenerate(self, messages: Any, stop: str | None = None, **kwargs: Any) -> Any:
        if messages and isinstance(messages[0], list):
            return [self._answer(each, stop) for each in messages]
        return self._answer(messages, stop)

    async def agenerate_single(self, messages: Any, stop: str | None = None, **kwargs: Any) -> dict[str, str]:
        return self._answer(messages, stop)

    def _answer(self, messages: Any, stop: str | None) -> dict[str, str]:
        text = messages[-1].content.strip(STEP) if messages[-1].role == "assistant" else ""
        if stop is None:
            while self.text.prefix(text).level < self.text.oracle.horizon:
                text = self.text.extend(text)
            return {"role": "assistant", "content": text}
        return {"role": "assistant", "content": self.text.extend(text).rpartition(STEP)[2]}


class ValueReward(AbstractProcessRewardModel, AbstractOutcomeRewardModel):
    """V / (1 + V): odds of V. As an outcome reward model it scores whole paths so."""

    def __init__(self, text: TreeText) -> None:
        self.text = text

    def odds(self, text: str) -> float:
        """What the score's odds are."""
        return self.text.value(text)

    def score(self, prompt_or_messages: Any, steps: Any = None, **kwargs: Any) -> Any:
        if steps is None:
            single = bool(prompt_or_messages) and not isinstance(prompt_or_messages[0], list)
            talks = [prompt_or_messages] if single else prompt_or_messages
            scores = [self._score(talk[-1].content) for talk in talks]
            return scores[0] if single else scores
        return self._score(steps) if isinstance(steps, str) else [self._score(text) for text in steps]

    async def ascore(self, prompt_or_messages: Any, steps: Any = None, **kwargs: Any) -> Any:
        return self.score(prompt_or_messages, steps)

    def _score(self, text: str) -> float:
        odds = self.odds(text)
        return odds / (1.0 + odds) if math.isfinite(odds) else 1.0


class RatioReward(ValueReward):
    """w / (1 + w) with w = V_t / V_{t-1}, at the last step its square root: resampling by the odds of the current score
    then telescopes to V_T, whose weight the last resampling and the final selection share."""

    def odds(self, text: str) -> float:
        prefix = self.text.prefix(text)
        before = self.text.known_value(STEP.join(map(str, prefix.choices[:-1])))
        # The library keeps particles of value zero alive, at odds of 1e-7; their ratio is zero as well.
        ratio = self.text.value(text) * self.text.known_value("") / before if before else 0.0
        return float(np.sqrt(ratio)) if prefix.level == self.text.oracle.horizon else ratio


REWARDS = {"value": ValueReward, "ratio": RatioReward}


@dataclass(frozen=True)
class _Algorithm(ABC):
    """One inference of an algorithm of the library."""

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """The response that the library selects."""
        text = TreeText(oracle)
        steps = StepGeneration(max_steps=oracle.horizon - 1, step_token=STEP)
        with seeded(rng):
            answer = self.algorithm(steps, text).infer(TreeLanguageModel(text), "", self.budget)
        return text.prefix(answer["content"])

    @property
    @abstractmethod
    def budget(self) -> int:
        """What the library is told to spend."""

    @abstractmethod
    def algorithm(self, steps: StepGeneration, text: TreeText) -> AbstractScalingAlgorithm:
        """The library's object."""


@dataclass(frozen=True)
class _Particles(_Algorithm):
    particles: int = 64
    selection: str = "sample"
    reward: str = "value"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_one_of("selection", self.selection, ("sample", "argmax"))
        require_one_of("reward", self.reward, REWARDS)

    @property
    def budget(self) -> int:
        return self.particles


@dataclass(frozen=True)
class ParticleFiltering(_Particles):
    """its-hub's ParticleFiltering."""

    def algorithm(self, steps: StepGeneration, text: TreeText) -> AbstractScalingAlgorithm:
        return ItsParticleFiltering(steps, REWARDS[self.reward](text), self.selection)


@dataclass(frozen=True)
class EntropicParticleFiltering(_Particles):
    """its-hub's EntropicParticleFiltering, with the resampling and the temperature it comes with."""

    def algorithm(self, steps: StepGeneration, text: TreeText) -> AbstractScalingAlgorithm:
        return ItsEntropicParticleFiltering(steps, REWARDS[self.reward](text), self.selection)


@dataclass(frozen=True)
class ParticleGibbs(_Particles):
    """its-hub's ParticleGibbs: `particles` in each of `sweeps` iterations, one reference particle."""

    sweeps: int = 4

    @property
    def budget(self) -> int:
        return self.particles * self.sweeps

    def algorithm(self, steps: StepGeneration, text: TreeText) -> AbstractScalingAlgorithm:
        return ItsParticleGibbs(steps, REWARDS[self.reward](text), self.sweeps, self.selection)


@dataclass(frozen=True)
class BestOfN(_Algorithm):
    """its-hub's BestOfN: `particles` responses, the best by V_T."""

    particles: int = 16

    @property
    def budget(self) -> int:
        return self.particles

    def algorithm(self, steps: StepGeneration, text: TreeText) -> AbstractScalingAlgorithm:
        return ItsBestOfN(ValueReward(text), LMOrchestrator(max_concurrency=-1))


@dataclass(frozen=True)
class BeamSearch(_Algorithm):
    """its-hub's BeamSearch: a budget of `particles`, of which `width` are kept."""

    particles: int = 16
    width: int = 4

    def __post_init__(self) -> None:
        if self.width < 1 or self.particles % self.width:
            raise SpecError(f"particles is {self.particles}, expected a multiple of the width, {self.width}")

    @property
    def budget(self) -> int:
        return self.particles

    def algorithm(self, steps: StepGeneration, text: TreeText) -> AbstractScalingAlgorithm:
        return ItsBeamSearch(steps, ValueReward(text), self.width)


ALGORITHMS = {
    "particle-filtering": ParticleFiltering,
    "entropic-particle-filtering": EntropicParticleFiltering,
    "particle-gibbs": ParticleGibbs,
    "best-of-n": BestOfN,
    "beam-search": BeamSearch,
}
