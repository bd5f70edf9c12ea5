"""Rejection sampling: whole sequences from pi_ref until the reward at the end accepts one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.errors import NoExactLaw
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.kernels.walk import accept
from treesim.laws.corrected import MixtureLaw
from treesim.laws.law import Law, LeafLaw, WalkLaw
from treesim.samplers.base import Cost, Sampler
from treesim.samplers.draws import Draws, Paths, draw_reference
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_one_of


@dataclass(frozen=True)
class Rejection(Sampler):
    """Rejection sampling with a budget: draw until one is accepted with probability phi / C, `budget` times at most.

    Parameters
    ----------
    budget : int
    slack : float
        C / max phi, at least 1.
    fallback : str
        What is returned when the budget is spent: ``last`` (the last draw), ``base`` (a fresh draw from pi_ref)
        or ``fail`` (nothing).

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("uniform", horizon=4, seed=1)
    >>> [round(Rejection(budget).law(instance).tv(instance.target).mid, 4) for budget in (1, 4, 16)]
    [0.5003, 0.2963, 0.0365]
    """

    budget: int
    slack: float = 1.0
    fallback: str = "last"
    name: ClassVar[str] = "rejection"

    def __post_init__(self) -> None:
        require_at_least("budget", self.budget, 1)
        require_at_least("slack", self.slack, 1)
        require_one_of("fallback", self.fallback, ("last", "base", "fail"))

    def _log_envelope(self, instance: Instance) -> float:
        if isinstance(instance.reference, WalkLaw):
            largest = instance.reference.log_largest_ratio(instance.target) + instance.audit.log_partition
        else:
            largest = instance.log_reward[instance.reference.prob.mantissa > 0].max()
        return float(largest + np.log(self.slack))

    def _acceptance(self, instance: Instance) -> float:
        """a = Z / C, the probability that one draw is accepted."""
        if self.slack == 1.0 and isinstance(instance.reference, LeafLaw):
            reachable = instance.log_reward[instance.reference.prob.mantissa > 0]
            if (reachable == reachable[0]).all():
                return 1.0
        return float(min(1.0, np.exp(instance.audit.log_partition - self._log_envelope(instance))))

    def law(self, instance: Instance) -> Law:
        """Known everywhere, but for outputs that are nothing where edges carry potentials.

        Raises
        ------
        NoExactLaw
            There.
        """
        if isinstance(instance.reference, WalkLaw):
            return self._mixture(instance, instance.reference)
        log_accept = np.minimum(instance.log_reward - self._log_envelope(instance), 0.0)
        a = self._acceptance(instance)
        with np.errstate(divide="ignore"):
            log_miss = np.log1p(-a)
            log_h = log_accept + np.log(self._tries(a))
            if self.fallback == "last":
                last = (self.budget - 1) * log_miss if self.budget > 1 else 0.0
                log_h = np.logaddexp(log_h, last + np.log(-np.expm1(log_accept)))
            elif self.fallback == "base":
                log_h = np.logaddexp(log_h, self.budget * log_miss)
        failure = (1.0 - a) ** self.budget if self.fallback == "fail" else 0.0
        return LeafLaw(instance.reference.prob * Scaled.from_log(log_h), failure)

    def _mixture(self, instance: Instance, reference: WalkLaw) -> Law:
        """The target, and pi_ref where the fallback comes: the last draw is returned whatever it is worth."""
        if self.fallback == "fail":
            raise NoExactLaw(
                "rejection:fallback=fail has no law on a trellis whose edges carry potentials; take fallback=last or "
                "base, or estimate its TV from runs"
            )
        refused = self.budget - (self.fallback == "last")
        return MixtureLaw(reference, instance.target, (1.0 - self._acceptance(instance)) ** refused)

    def _tries(self, a: float) -> float:
        """Expected number of draws, (1 - (1 - a)^budget) / a."""
        if a == 0.0:
            return float(self.budget)
        return 1.0 if a == 1.0 else float(-np.expm1(self.budget * np.log1p(-a)) / a)

    def cost(self, instance: Instance) -> Cost:
        a = self._acceptance(instance)
        tries = self._tries(a)
        extra = (1.0 - a) ** self.budget if self.fallback == "base" else 0.0
        return Cost((tries + extra) * instance.graph.horizon, tries)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        weighs = has_potentials(instance.graph)
        log_envelope = self._log_envelope(instance)
        out = Paths(np.full(n, -1), None)
        waiting = np.arange(n)
        draws = queries = 0
        for _ in range(self.budget):
            paths = draw_reference(instance.graph, len(waiting), rng)
            draws += len(waiting)
            queries += len(waiting)
            accepted = np.empty(len(waiting), bool)
            reward = instance.path_reward(*paths) if weighs else instance.reward
            accept(np.arange(len(waiting)) if weighs else paths.leaf, reward.numbers, log_envelope, rng, accepted)
            done = accepted | (self.fallback == "last")
            out = out.put(waiting[done], paths.take(np.flatnonzero(done)))
            waiting = waiting[~accepted]
            if not len(waiting):
                break
        if self.fallback == "base":
            out = out.put(waiting, draw_reference(instance.graph, len(waiting), rng))
            draws += len(waiting)
        return Draws(*out, draws * instance.graph.horizon, queries)
