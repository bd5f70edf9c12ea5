"""The exact guided sampler: its output law is the target itself, at an expected cost polynomial in T."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import SpecError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import ahead
from treesim.graphs.values import expect_ahead
from treesim.instances.instance import Instance
from treesim.kernels.bernoulli_factory import factory_step, rejection_step
from treesim.laws.law import Law
from treesim.laws.walks import GuidedSteps
from treesim.samplers.base import LARGEST_WALK, Cost, Sampler, remembered
from treesim.samplers.bernoulli_factory import expected_flips
from treesim.samplers.draws import Draws, Paths
from treesim.scaled import Scaled
from treesim.spec import require_at_least

ROUNDING = 1e-9
# Attempts made at once, so that outputs which few attempts give need no round each.
SMALLEST_ROUND = 256


@dataclass(frozen=True)
class ExactGuided(Sampler):
    """Guidance by rejection at each step, paths accepted by a Bernoulli factory: the law of the output is pi~.

    Each step draws children from pi_ref until one is accepted with probability V^(child) / (L V^(prefix)). A path must
    pass, at every prefix v below the root, a coin of probability b(v) / ((1 + epsilon)(1 + 1/T)), where
    b(v) = E[V^(child)] / V^(v); a linear Bernoulli factory tosses it, b unknown. At the first failure all begins anew.
    Nothing depends on a tolerance: the expected cost is O(L T^2 (1 + epsilon)^(2T)), O(L T^2) where epsilon = O(1/T).

    Parameters
    ----------
    epsilon, ratio_bound : float
        Upper bounds on the Bellman error and on L. They are checked against the instance, since understated ones would
        bias the output; 0 takes the instance's own.

    References
    ----------
    Huber (2014), Nearly optimal Bernoulli factories for linear functions.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon="0.5/T")
    >>> exact = ExactGuided()
    >>> exact.law(instance).tv(instance.target).hi
    0.0
    >>> round(exact.cost(instance).value_queries, 1)
    1136.5
    """

    epsilon: float = 0.0
    ratio_bound: float = 0.0
    name: ClassVar[str] = "exact-guided"

    def __post_init__(self) -> None:
        require_at_least("epsilon", self.epsilon, 0.0)
        require_at_least("ratio_bound", self.ratio_bound, 0.0)

    def law(self, instance: Instance) -> Law:
        self._bounds(instance)
        return instance.target

    def cost(self, instance: Instance) -> Cost:
        draws = _expected_draws(instance, self)
        return Cost(draws, draws + 1.0)

    def _bounds(self, instance: Instance) -> tuple[float, float]:
        """epsilon and L, checked.

        Raises
        ------
        SpecError
            If one is understated, or the instance has none.
        """
        audit = instance.audit
        if not (math.isfinite(audit.bellman_error) and math.isfinite(audit.ratio_bound)):
            raise SpecError(f"{self.name} needs a finite Bellman error and a finite L: a value is zero, or falls to it")
        for what, stated, true in (
            ("epsilon", self.epsilon, audit.bellman_error),
            ("ratio_bound", self.ratio_bound, audit.ratio_bound),
        ):
            if 0.0 < stated < true * (1.0 - ROUNDING):
                raise SpecError(
                    f"{what} is {stated:g}, but the instance has {true:g}; expected at least that, or the output would "
                    "be biased"
                )
        return self.epsilon or audit.bellman_error, self.ratio_bound or audit.ratio_bound

    def _factory(self, instance: Instance) -> tuple[float, float, float]:
        """L, the scale of the factory's coin, and its gap."""
        epsilon, bound = self._bounds(instance)
        horizon = instance.graph.horizon
        # Audited bounds are met with equality: half of the gap is kept for rounding.
        return bound, bound / ((1.0 + epsilon) * (1.0 + 1.0 / horizon)), 1.0 / (horizon + 1.0) * (1.0 - 1e-9)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        expected = self.cost(instance).value_queries
        if expected > LARGEST_WALK:
            raise SpecError(
                f"{self.name} asks for {expected:.2g} values for one output, expected at most {LARGEST_WALK:.0e}; "
                "its law and its cost are known without running it"
            )
        out = Paths(np.zeros(n, np.int64), instance.graph.room_for_edges(n))
        found = draws = 0
        # Attempts are independent: outputs are their successes, in order, and what comes after the last is not made.
        while found < n:
            attempts, succeeded, made = self._attempts(instance, max(n - found, SMALLEST_ROUND), rng)
            accepted = np.flatnonzero(succeeded)[: n - found]
            out = out.put(np.arange(found, found + len(accepted)), attempts.take(accepted))
            found += len(accepted)
            draws += int(made[: accepted[-1] + 1 if found == n else None].sum())
        return Draws(*out, draws, draws + n)

    def _attempts(self, instance: Instance, n: int, rng: np.random.Generator) -> tuple[Paths, BoolArray, IntArray]:
        """Independent attempts at an output: paths, which of them passed all coins, and the draws that each made."""
        graph = instance.graph
        bound, scale, gap = self._factory(instance)
        paths = Paths(np.zeros(n, np.int64), graph.room_for_edges(n))
        alive, draws = np.arange(n), np.zeros(n, np.int64)
        for t in range(graph.horizon):
            (layer, below), here = ahead(graph, t, instance.value), instance.value[graph.level(t)]
            node, made = paths.leaf[alive], np.zeros(len(alive), np.int64)
            common = (tuple(layer), here.numbers, below.numbers, math.log2(bound))
            if t:
                passed = np.zeros(len(node), np.bool_)
                factory_step(*common, scale, gap, node, rng, passed, made)
                draws[alive] += made
                alive, node, made = alive[passed], node[passed], np.zeros(int(passed.sum()), np.int64)
            rejection_step(*common, node, rng, made)
            draws[alive] += made
            if paths.edges is not None:
                paths.edges[alive, t] = node
            paths.leaf[alive] = graph.layer(t).ends(node)
        succeeded = np.zeros(n, np.bool_)
        succeeded[alive] = True
        return paths, succeeded, draws


def _coins(graph: LayeredGraph, value: Scaled, t: int) -> FloatArray:
    """b of the nodes of a level: E[V(child)] / V(prefix); 1 where nothing leads to."""
    mean = expect_ahead(*ahead(graph, t, value))
    here = value[graph.level(t)]
    live: BoolArray = (here.mantissa > 0) & (mean.mantissa > 0)
    chance = np.ones(len(here))
    chance[live] = mean[live].over(here[live]).to_float()
    return chance


@remembered
def _expected_draws(instance: Instance, sampler: ExactGuided) -> float:
    """Draws of one round, over the probability that a round succeeds (Wald)."""
    graph, value = instance.graph, instance.value
    bound, scale, gap = sampler._factory(instance)
    steps = GuidedSteps(graph, value)
    mass: FloatArray = np.ones(1)
    draws = 0.0
    coins, weights = [], []
    for t in range(graph.horizon):
        b = _coins(graph, value, t)
        if t:
            reached: IntArray = np.flatnonzero(mass > 0)
            # Many prefixes have the same coin, on other levels too.
            coin, place = np.unique(b[reached], return_inverse=True)
            coins.append(coin)
            weights.append(np.bincount(place, mass[reached]))
            mass = mass * b * (scale / bound)
        draws += float(mass @ (bound / b))
        layer = graph.layer(t)
        edge: FloatArray = steps.edges(t).to_float() * mass[layer.sources()]
        mass = np.bincount(layer.ends(np.arange(len(edge))), edge, minlength=graph.n_level(t + 1)).astype(np.float64)
    if coins:
        coin, place = np.unique(np.concatenate(coins), return_inverse=True)
        draws += float(np.concatenate(weights) @ expected_flips(coin / bound, scale, gap)[place])
    success = float(mass.sum())
    return draws / success if success > 0.0 else math.inf
