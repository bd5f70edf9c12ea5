"""What streaming finds of a compiled tree: the figures of its audit, the law of its reward, and what follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.errors import NoExactLaw
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance
from treesim.kernels.by_reward import level_masses
from treesim.laws.tv import TV
from treesim.samplers import Base, BestOfN, GuidedSMC, Importance, Race, Rejection, SoftBestOfN, sampler
from treesim.samplers.registry import SamplerLike
from treesim.scaled import Scaled, exp_or_inf
from treesim.tables import escaped, number, table

# Whose laws are functions of the reward times pi_ref.
_BY_REWARD = (Base, BestOfN, SoftBestOfN, Importance, Race, Rejection)


class RewardMasses(NamedTuple):
    """The law of the reward under pi_ref.

    Attributes
    ----------
    reward : ndarray, shape [n]
        The different rewards, the smallest first.
    mass : ndarray, shape [n]
        pi_ref of the leaves of each.
    """

    reward: FloatArray
    mass: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Streamed(Brief):
    """What is true of a tree that was streamed; without a value all but the size, log Z and the rewards is None.

    Attributes
    ----------
    title : str
    horizon : int
    nodes, paths : int
        Of the tree, children of probability zero left out.
    log_partition : float
        log Z, in nats.
    rewards : RewardMasses or None
        None if there are more different rewards than were to be told apart.
    rounding : float
        A bound on the relative error of Z.
    sup, mean_reference, mean_target : ndarray, shape [horizon], or None
        The Bellman error level by level: supremum, mean under pi_ref, mean under pi~.
    log_ratio_bound : float or None
        log L.
    guided : TV or None
        Of exact single-particle guidance by the value (`sp-gsmc`).

    Examples
    --------
    A coin that is worth 1 or 3, as `CompiledTree.stream` would find it:

    >>> rewards = RewardMasses(np.array([1.0, 3.0]), np.array([0.5, 0.5]))
    >>> found = Streamed("coin", 1, 3, 2, math.log(2.0), rewards, rounding=0.0)
    >>> found.tv("base").lo, found.tv("best-of-n:n=2").hi < 1e-12
    (0.25, True)
    """

    title: str
    horizon: int
    nodes: int
    paths: int
    log_partition: float
    rewards: RewardMasses | None = field(repr=False)
    rounding: float = field(repr=False)
    sup: FloatArray | None = None
    mean_reference: FloatArray | None = None
    mean_target: FloatArray | None = None
    log_ratio_bound: float | None = None
    guided: TV | None = None

    @property
    def bellman_error(self) -> float | None:
        """epsilon, the supremum over all levels."""
        return None if self.sup is None else float(self.sup.max())

    @property
    def ratio_bound(self) -> float | None:
        """L; infinite where floats end."""
        return None if self.log_ratio_bound is None else exp_or_inf(self.log_ratio_bound)

    def tv(self, spec: SamplerLike) -> TV:
        """The distance of a sampler's law to the target, exact.

        Parameters
        ----------
        spec : str or sampler
            One that draws whole sequences and looks at rewards only (``base``, ``best-of-n``, ``soft-best-of-n``,
            ``importance``, ``race``, ``rejection``), or ``sp-gsmc`` without pool and correction.

        Raises
        ------
        NoExactLaw
            If its law is none of the reward alone, or there are too many rewards.
        """
        asked = sampler(spec)
        if asked == GuidedSMC():
            if self.guided is None:
                raise NoExactLaw(
                    f"{asked.name} is guided by a value, and {self.title} has none; define value(self, state)"
                )
            return self.guided
        if not isinstance(asked, _BY_REWARD):
            raise NoExactLaw(
                f"the law of {asked.name} depends on more than rewards, and a stream keeps no tree; "
                "if it fits in arrays: .instance()"
            )
        return asked.law(self.outcomes).tv(self.outcomes.target)

    @cached_property
    def outcomes(self) -> Instance:
        """The different rewards as the leaves of one step: all divergences of laws of the reward are the same there.

        Raises
        ------
        NoExactLaw
            If there are too many.
        """
        if self.rewards is None:
            raise NoExactLaw(
                f"{self.title} has too many different rewards to tell apart; raise most_rewards, or round them"
            )
        reward, mass = self.rewards
        graph = Tree(np.array([0, 1, 1 + len(mass)]), np.array([0, len(mass)]), mass / math.fsum(mass))
        value = Scaled.from_log([self.log_partition]).followed_by(Scaled.from_float(reward))
        return Instance(graph, value, source=self.title)

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        document: dict[str, Any] = {
            "title": self.title, "horizon": self.horizon, "nodes": self.nodes, "paths": self.paths,
            "log_partition": self.log_partition, "rounding": self.rounding,
            "rewards": None if self.rewards is None else len(self.rewards.reward),
        }  # fmt: skip
        if self.sup is None or self.mean_reference is None or self.mean_target is None:
            return document
        return document | {
            "bellman_error": {
                "sup": self.bellman_error,
                "by_level": {
                    "sup": self.sup.tolist(), "mean_reference": self.mean_reference.tolist(),
                    "mean_target": self.mean_target.tolist(),
                },
            },
            "ratio_bound": self.ratio_bound, "log_ratio_bound": self.log_ratio_bound,
        }  # fmt: skip

    def levels(self) -> tuple[list[str], list[list[str]]]:
        """The Bellman error, level by level; no rows without a value."""
        headers = ["level", "sup", "mean under pi_ref", "mean under target"]
        if self.sup is None or self.mean_reference is None or self.mean_target is None:
            return headers, []
        columns = zip(self.sup, self.mean_reference, self.mean_target, strict=True)
        return headers, [[str(t), *map(number, row)] for t, row in enumerate(columns)]

    def __str__(self) -> str:
        rewards = "too many to tell apart" if self.rewards is None else f"{len(self.rewards.reward):,}"
        facts = [("log Z", f"{self.log_partition:.10g}"), ("rewards", rewards)]
        if self.sup is not None:
            facts += [
                ("Bellman error", number(self.bellman_error, 10)),
                ("ratio bound L", number(self.ratio_bound, 10)),
            ]
        text = "\n".join(f"{name:<15}{value}" for name, value in facts)
        size = f"horizon {self.horizon}, {self.nodes:,} nodes, {self.paths:,} paths"
        shown = f"{escaped(self.title)}\n{size}\n{text}"
        return shown if self.sup is None else f"{shown}\n\n{table(*self.levels())}"


def merged_rewards(
    parts: Sequence[tuple[Sequence[float] | None, Sequence[float] | None]], reach: FloatArray, most: int
) -> RewardMasses | None:
    """The law of the reward of a tree, from those of its subtrees and the mass of each; None if there are too many.

    Examples
    --------
    >>> merged_rewards([([1.0, 2.0], [0.5, 0.5]), ([2.0], [1.0])], np.array([0.5, 0.5]), most=4)
    RewardMasses(reward=array([1., 2.]), mass=array([0.25, 0.75]))
    """
    if any(reward is None for reward, _ in parts):
        return None
    every = np.concatenate([np.asarray(reward, np.float64) for reward, _ in parts])
    mass = np.concatenate([np.asarray(each, np.float64) * r for (_, each), r in zip(parts, reach, strict=True)])
    reward, which = np.unique(every, return_inverse=True)
    if len(reward) > most:
        return None
    total = Scaled.zeros(len(reward))
    level_masses(which.astype(np.int32), Scaled.from_float(mass).numbers, total.room)
    return RewardMasses(reward, total.to_float())
