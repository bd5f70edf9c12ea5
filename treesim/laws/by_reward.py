"""Laws that differ from pi_ref by a factor which depends on the reward alone.

Between two of them every divergence is the same on the distinct rewards as on the leaves: a million leaves of eleven
rewards are eleven outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from treesim.kernels.by_reward import level_masses
from treesim.laws.density_ratio import Effort
from treesim.laws.law import Law, LeafLaw
from treesim.laws.tv import TV
from treesim.scaled import Scaled

ONE = Scaled.from_float([1.0])


class Levels(NamedTuple):
    """The distinct rewards of the leaves that pi_ref reaches, the smallest first.

    Attributes
    ----------
    reward : Scaled, shape [n_levels]
    mass : Scaled, shape [n_levels]
        pi_ref of the leaves of each reward.
    of_leaf : ndarray of int32, shape [n_leaves]
        Which reward a leaf has; leaves out of reach count as one of the first.
    """

    reward: Scaled
    mass: Scaled
    of_leaf: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class RewardedLeaves:
    """The leaves of a graph: pi_ref and reward of each.

    Parameters
    ----------
    reference, reward : Scaled, shape [n_leaves]

    Examples
    --------
    >>> leaves = RewardedLeaves(*(Scaled.from_float(x) for x in ([0.5, 0.25, 0.25], [2.0, 0.0, 2.0])))
    >>> levels = leaves.levels
    >>> levels.reward.to_float(), levels.mass.to_float(), levels.of_leaf
    (array([0., 2.]), array([0.25, 0.75]), array([1, 0, 1], dtype=int32))
    """

    reference: Scaled
    reward: Scaled

    @cached_property
    def levels(self) -> Levels:
        """What the distinct rewards are, and which leaf has which."""
        reached = np.flatnonzero(self.reference.mantissa > 0)
        mantissa, exponent = self.reward.mantissa[reached], self.reward.exponent[reached]
        # The exponent of zero is that of one: it is below all.
        by_parts = exponent.any()
        order = np.lexsort((mantissa, exponent, mantissa > 0)) if by_parts else np.argsort(mantissa)
        ascending, blocks = mantissa[order], exponent[order]
        is_new = np.ones(len(order), bool)
        is_new[1:] = (np.diff(ascending) != 0) | (np.diff(blocks) != 0)
        of_leaf = np.zeros(len(self.reward), np.int32)
        of_leaf[reached[order]] = np.cumsum(is_new) - 1
        first = np.flatnonzero(is_new)
        mass = Scaled.zeros(len(first))
        level_masses(of_leaf, self.reference.numbers, mass.room)
        return Levels(Scaled(ascending[first], blocks[first]), mass, of_leaf)


class RewardLaw(LeafLaw):
    """A law of density h(phi) to pi_ref.

    Parameters
    ----------
    leaves : RewardedLeaves
    density : Scaled, shape [n_levels]
        h of each distinct reward.

    Examples
    --------
    >>> leaves = RewardedLeaves(*(Scaled.from_float(x) for x in ([0.5, 0.25, 0.25], [2.0, 0.0, 2.0])))
    >>> law = RewardLaw(leaves, Scaled.from_float([0.4, 1.2]))
    >>> law.prob.to_float(), round(law.tv(TargetLaw(leaves, Scaled.from_float([1.5]))).lo, 12)
    (array([0.6, 0.1, 0.3]), 0.1)
    """

    leaves: RewardedLeaves
    density: Scaled

    def __init__(self, leaves: RewardedLeaves, density: Scaled) -> None:
        for name, given in (("leaves", leaves), ("density", density), ("failure", 0.0)):
            object.__setattr__(self, name, given)

    @cached_property
    def prob(self) -> Scaled:
        """Probability of each leaf, shape [n_leaves]."""
        return self.leaves.reference * self.density[self.leaves.levels.of_leaf]

    @cached_property
    def by_level(self) -> LeafLaw:
        """The law of the reward."""
        return LeafLaw(self.leaves.levels.mass * self.density)

    def _tv(self, target: Law, effort: Effort) -> TV:
        if isinstance(target, RewardLaw) and target.leaves is self.leaves:
            return self.by_level._tv(target.by_level, effort)
        return super()._tv(target, effort)

    def kl(self, target: Law) -> float | None:
        """KL(law || target), in nats; infinite where the law has mass that the target lacks."""
        if isinstance(target, RewardLaw) and target.leaves is self.leaves:
            return self.by_level.kl(target.by_level)
        return super().kl(target)

    def chi2(self, target: Law) -> float | None:
        """chi^2(law || target) = sum (law - target)^2 / target; infinite where the law has mass the target lacks."""
        if isinstance(target, RewardLaw) and target.leaves is self.leaves:
            return self.by_level.chi2(target.by_level)
        return super().chi2(target)


class TargetLaw(RewardLaw):
    """The target pi~ = pi_ref phi / Z.

    Parameters
    ----------
    leaves : RewardedLeaves
    partition : Scaled, shape [1]
        Z.
    """

    def __init__(self, leaves: RewardedLeaves, partition: Scaled) -> None:
        for name, given in (("leaves", leaves), ("failure", 0.0), ("_weight", ONE.over(partition))):
            object.__setattr__(self, name, given)

    _weight: Scaled

    @cached_property
    def prob(self) -> Scaled:
        """Probability of each leaf, shape [n_leaves]."""
        return (self.leaves.reference * self.leaves.reward * self._weight).frozen()

    @cached_property
    def density(self) -> Scaled:  # type: ignore[override]
        """phi / Z of each distinct reward, shape [n_levels]."""
        return self.leaves.levels.reward * self._weight
