"""Samplers that draw whole sequences from pi_ref and keep one: only the reward at the end is asked."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.kernels.race import race_by_log, race_columns
from treesim.kernels.walk import pick_best, pick_weighted
from treesim.laws.by_reward import Levels, RewardLaw
from treesim.laws.corrected import corrected_law
from treesim.laws.law import Law, LeafLaw, WalkLaw
from treesim.laws.one_of_n import best_of, weighted_pick
from treesim.samplers.base import Cost, Sampler
from treesim.samplers.draws import Draws, draw_reference
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_positive


@dataclass(frozen=True)
class Base(Sampler):
    """The reference policy itself: one draw, no reward asked.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> round(Base().law(instance).tv(instance.target).lo, 6)
    0.280093
    """

    name: ClassVar[str] = "base"

    def law(self, instance: Instance) -> LeafLaw | WalkLaw:
        return instance.reference

    def cost(self, instance: Instance) -> Cost:
        return Cost(float(instance.graph.horizon), 0.0)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        return Draws(*draw_reference(instance.graph, n, rng), n * instance.graph.horizon, 0)


class _OneOfN(Sampler):
    """N draws from pi_ref, one kept by its reward."""

    n: int

    def __post_init__(self) -> None:
        require_at_least("n", self.n, 1)

    @abstractmethod
    def _log_density(self, levels: Levels) -> FloatArray:
        """log(law / pi_ref) at every distinct reward."""

    @abstractmethod
    def _pick(self, leaf: IntArray, reward: Scaled, rng: np.random.Generator, out: IntArray) -> None:
        """The column of the leaf that each row keeps."""

    def law(self, instance: Instance) -> Law:
        """Known where the end of a path tells its reward.

        Raises
        ------
        NoExactLaw
            If edges carry potentials.
        """
        leaves = instance.rewarded_leaves
        return RewardLaw(leaves, Scaled.from_log(self._log_density(leaves.levels)))

    def cost(self, instance: Instance) -> Cost:
        return Cost(float(self.n * instance.graph.horizon), float(self.n))

    def draws_per_output(self, instance: Instance) -> int:
        return self.n

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        paths = draw_reference(instance.graph, n * self.n, rng)
        column, place, reward = np.empty(n, np.int64), paths.leaf, instance.reward
        if has_potentials(instance.graph):
            place, reward = np.arange(len(place)), instance.path_reward(*paths)
        self._pick(place.reshape(n, self.n), reward, rng, column)
        kept = paths.take(np.arange(n) * self.n + column)
        return Draws(*kept, n * self.n * instance.graph.horizon, n * self.n)


class _WeightedOneOfN(_OneOfN):
    """N draws from pi_ref, one kept in proportion to reward ** power."""

    @property
    @abstractmethod
    def _power(self) -> float: ...

    def _log_density(self, levels: Levels) -> FloatArray:
        return weighted_pick(levels.reward, levels.mass.to_float(), self.n, self._power)

    def _pick(self, leaf: IntArray, reward: Scaled, rng: np.random.Generator, out: IntArray) -> None:
        pick_weighted(leaf, reward.numbers, self._power, rng, out)


@dataclass(frozen=True)
class BestOfN(_OneOfN):
    """Best-of-N: the draw of the highest reward, ties broken uniformly.

    Parameters
    ----------
    n : int
        N, draws from pi_ref.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(BestOfN(n).law(instance).tv(instance.target).lo, 4) for n in (1, 2, 64)]
    [0.2801, 0.0899, 0.7864]
    """

    n: int
    name: ClassVar[str] = "best-of-n"

    def _log_density(self, levels: Levels) -> FloatArray:
        return best_of(levels.mass.to_float(), self.n)

    def _pick(self, leaf: IntArray, reward: Scaled, rng: np.random.Generator, out: IntArray) -> None:
        pick_best(leaf, reward.numbers, out)


@dataclass(frozen=True)
class SoftBestOfN(_WeightedOneOfN):
    """Soft best-of-N: one of N draws kept in proportion to exp(r / temperature) with r = log phi.

    Temperature 1 is importance resampling, 0 best-of-N, infinity the reference policy. Among N draws of reward
    zero the pick is uniform.

    Parameters
    ----------
    n : int
        N, draws from pi_ref.
    temperature : float

    References
    ----------
    Verdun et al. (2025), "Soft best-of-n sampling for model alignment".

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("uniform", horizon=4, seed=1)
    >>> [round(SoftBestOfN(16, t).law(instance).tv(instance.target).mid, 4) for t in (0.1, 0.5, 1.0, 2.0)]
    [0.3136, 0.1658, 0.0727, 0.271]
    """

    n: int
    temperature: float = 1.0
    name: ClassVar[str] = "soft-best-of-n"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("temperature", self.temperature)

    @property
    def _power(self) -> float:
        return 1.0 / self.temperature


@dataclass(frozen=True)
class Importance(_WeightedOneOfN):
    """Importance resampling (SIR): one of N draws kept in proportion to its reward.

    Among N draws of reward zero the pick is uniform. TV decays as 1/N, with N measured in chi^2(target || pi_ref).

    Parameters
    ----------
    n : int
        N, draws from pi_ref.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> round(Importance(64).law(instance).tv(instance.target).lo, 4)
    0.0054
    """

    n: int
    name: ClassVar[str] = "importance"

    @property
    def _power(self) -> float:
        return 1.0


@dataclass(frozen=True)
class Race(_OneOfN):
    """The race: of N draws the one of the largest reward / uniform number is kept; among rewards of zero any, alike.

    Its law is that of independent Metropolis-Hastings from pi_ref after N - 1 updates of a first draw, in one parallel
    round; nowhere was it found farther from the target than importance resampling of as many draws (see the
    discovery `race`).

    Parameters
    ----------
    n : int
        N, draws from pi_ref.

    References
    ----------
    Shin, Jun & Pang (2026), arXiv 2609.34639, for the rule; Smith & Tierney (1996) for the law of the chain.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> [round(kind(16).law(instance).tv(instance.target).lo, 6) for kind in (Race, Importance)]
    [0.000449, 0.022076]
    """

    n: int
    name: ClassVar[str] = "race"

    def law(self, instance: Instance) -> Law:
        """Known everywhere: where edges carry potentials, as the law of the chain."""
        if has_potentials(instance.graph):
            return corrected_law(instance.reference, instance.target, self.n)
        return super().law(instance)

    def _log_density(self, levels: Levels) -> FloatArray:
        log_h = np.empty(len(levels.reward))
        race_by_log(levels.mass.to_float(), levels.reward.log(), float(self.n), log_h)
        return log_h

    def _pick(self, leaf: IntArray, reward: Scaled, rng: np.random.Generator, out: IntArray) -> None:
        race_columns(leaf, reward.numbers, rng, out)
