r"""Perturbations: approximate values V^ of controlled quality, made from the optimal twist.

V^ = phi at the leaves, always. *Bottom-up* kinds choose each node's one-step error: going up,
V^(v) = (P V^)(v) / rho(v) with rho(v) in [1/(1 + eps_t), 1 + eps_t], so the Bellman error is exactly the largest
eps_t asked for. *Top-down* kinds multiply V* by noise, and *rollouts* see a sample of what V* is the mean of; the
Bellman error that results is the audit's to tell.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import BoolArray, FloatArray
from treesim.errors import PerturbationError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import ahead, has_potentials, live_reach
from treesim.graphs.values import Audit, audit, expect_level
from treesim.instances.adversary import worst_signs
from treesim.instances.rollouts import mean_rollouts
from treesim.instances.schedules import epsilon_schedule
from treesim.kernels.backward import cap_ratios, multiply
from treesim.runtime.seeds import Stream, generator
from treesim.scaled import Scaled
from treesim.spec import Parameters, parse, require_at_least, require_positive, spell

TOLERANCE = 1e-12
_BISECTIONS = 30

# Directions of the errors of one level, in [-1, 1]: rho = (1 + eps_t) ** direction.
Directions = Callable[[int], FloatArray]


class Perturbation(Parameters, ABC):
    """A way to make V^ from V*.

    Examples
    --------
    >>> from treesim import PERTURBATIONS, family
    >>> sorted(PERTURBATIONS)[:4]
    ['adversarial', 'constant-down', 'constant-up', 'correlated']
    >>> round(family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.1").audit.bellman_error, 3)
    0.29
    """

    name: ClassVar[str]


class BottomUp(Perturbation):
    """A perturbation that chooses the direction of every node's one-step error."""

    @abstractmethod
    def directions(self, graph: LayeredGraph, twist: Scaled, epsilon: FloatArray, seed: int) -> Directions:
        """The directions at each level t: an array of shape [n_nodes of the level]."""


class TopDown(Perturbation):
    """A perturbation that multiplies V* by noise."""

    @abstractmethod
    def log_noise(self, graph: LayeredGraph, t: int, above: FloatArray, rng: np.random.Generator) -> FloatArray:
        """The log of the factors of level `t`, given `above`, those of level t - 1 (one zero for the root)."""


@dataclass(frozen=True)
class Exact(Perturbation):
    """No perturbation: V^ = V*."""

    name: ClassVar[str] = "exact"


@dataclass(frozen=True)
class ConstantUp(BottomUp):
    """Every node overrates what lies ahead: rho = 1/(1 + eps)."""

    name: ClassVar[str] = "constant-up"

    def directions(self, graph: LayeredGraph, twist: Scaled, epsilon: FloatArray, seed: int) -> Directions:
        return lambda t: np.full(graph.n_level(t), -1.0)


@dataclass(frozen=True)
class ConstantDown(BottomUp):
    """Every node underrates what lies ahead: rho = 1 + eps."""

    name: ClassVar[str] = "constant-down"

    def directions(self, graph: LayeredGraph, twist: Scaled, epsilon: FloatArray, seed: int) -> Directions:
        return lambda t: np.full(graph.n_level(t), 1.0)


@dataclass(frozen=True)
class RandomSign(BottomUp):
    """rho = 1 + eps or 1/(1 + eps), a fair coin at every node."""

    name: ClassVar[str] = "random-sign"

    def directions(self, graph: LayeredGraph, twist: Scaled, epsilon: FloatArray, seed: int) -> Directions:
        return lambda t: generator(seed, Stream.PERTURBATION, t).choice([-1.0, 1.0], graph.n_level(t))


@dataclass(frozen=True)
class LogUniform(BottomUp):
    """log rho uniform in [-log(1 + eps), log(1 + eps)], then stretched so that each level attains its eps."""

    name: ClassVar[str] = "log-uniform"

    def directions(self, graph: LayeredGraph, twist: Scaled, epsilon: FloatArray, seed: int) -> Directions:
        live = _live_levels(graph, twist)

        def level(t: int) -> FloatArray:
            direction = generator(seed, Stream.PERTURBATION, t).uniform(-1.0, 1.0, graph.n_level(t))
            size = np.abs(direction[live[t]]).max(initial=0.0)
            return np.clip(direction / size, -1.0, 1.0) if size > 0 else direction

        return level


@dataclass(frozen=True)
class Adversarial(BottomUp):
    """The signs that maximise the TV of exact single-particle guidance.

    Over all sign patterns where at most 16 nodes matter; on larger trees the best local optimum of an alternating
    search from a greedy starting point and `starts` random ones: see `treesim.instances.adversary`.
    """

    starts: int = 64
    name: ClassVar[str] = "adversarial"

    def __post_init__(self) -> None:
        require_at_least("starts", self.starts, 0)

    def directions(self, graph: LayeredGraph, twist: Scaled, epsilon: FloatArray, seed: int) -> Directions:
        tree = graph.require_tree(
            "perturbation 'adversarial' needs a tree, whose every path has errors of its own; perturb the tree and "
            "merge it, or take random-sign",
            PerturbationError,
        )
        signs = worst_signs(tree, twist, np.log1p(epsilon), self.starts, generator(seed, Stream.PERTURBATION))
        return lambda t: signs[t]


@dataclass(frozen=True)
class LogNormal(TopDown):
    """V^ = V* exp(sigma z), z standard normal at every node."""

    sigma: float = 0.1
    name: ClassVar[str] = "log-normal"

    def __post_init__(self) -> None:
        require_at_least("sigma", self.sigma, 0)

    def log_noise(self, graph: LayeredGraph, t: int, above: FloatArray, rng: np.random.Generator) -> FloatArray:
        return self.sigma * rng.standard_normal(graph.n_level(t))


@dataclass(frozen=True)
class StudentT(TopDown):
    """V^ = V* exp(sigma z), z Student-t with `df` degrees of freedom at every node: heavy tails."""

    sigma: float = 0.1
    df: float = 3.0
    name: ClassVar[str] = "student-t"

    def __post_init__(self) -> None:
        require_at_least("sigma", self.sigma, 0)
        require_positive("df", self.df)

    def log_noise(self, graph: LayeredGraph, t: int, above: FloatArray, rng: np.random.Generator) -> FloatArray:
        return np.clip(self.sigma * rng.standard_t(self.df, graph.n_level(t)), -1e6, 1e6)


@dataclass(frozen=True)
class Correlated(TopDown):
    """V^ = V* exp(sigma z), z normal and autoregressive along the path: z(c) = r z(v) + sqrt(1 - r^2) noise."""

    sigma: float = 0.1
    correlation: float = 0.9
    name: ClassVar[str] = "correlated"

    def __post_init__(self) -> None:
        require_at_least("sigma", self.sigma, 0)
        if not -1.0 <= self.correlation <= 1.0:
            raise PerturbationError(f"correlation is {self.correlation}, expected between -1 and 1")

    def log_noise(self, graph: LayeredGraph, t: int, above: FloatArray, rng: np.random.Generator) -> FloatArray:
        fresh = self.sigma * rng.standard_normal(graph.n_level(t))
        if t == 0:
            return fresh
        layer = graph.layer(t - 1)
        inherited = np.zeros(graph.n_level(t))
        # Where paths meet, the edge of the highest probability hands down its noise.
        order = np.argsort(layer.prob, kind="stable")
        inherited[layer.ends(order)] = above[layer.sources()[order]]
        return self.correlation * inherited + np.sqrt(1.0 - self.correlation**2) * fresh


@dataclass(frozen=True)
class Rollouts(Perturbation):
    """What is seen from each prefix: the mean reward of `k` continuations by pi_ref, zero where all of them have none.

    So V^ is unbiased, and its errors are independent: what a value that was trained on returns would tend to.

    Examples
    --------
    >>> from treesim import family
    >>> errors = [family("dirichlet", horizon=4, perturbation=f"rollouts:k={k}").audit.bellman_error for k in (4, 4096)]
    >>> errors[0] > 0.5 > 0.1 > errors[1]
    True
    """

    k: int = 64
    name: ClassVar[str] = "rollouts"

    def __post_init__(self) -> None:
        require_at_least("k", self.k, 1)


PERTURBATIONS: dict[str, type[Perturbation]] = {
    kind.name: kind
    for kind in (
        Exact, ConstantUp, ConstantDown, RandomSign, LogUniform, Adversarial, LogNormal, StudentT, Correlated,
        Rollouts,
    )
}  # fmt: skip


def perturb(
    graph: LayeredGraph,
    twist: Scaled,
    kind: Perturbation | str,
    epsilon: str | ArrayLike | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
) -> Scaled:
    """An approximate value V^ with V^ = phi at the leaves.

    Parameters
    ----------
    graph : LayeredGraph
    twist : Scaled, shape [n_nodes]
        V*, from `optimal_twist`.
    kind : Perturbation, or its spec
    epsilon : str or array_like, optional
        For bottom-up kinds, the Bellman error asked for: see `epsilon_schedule`. The audited one equals its
        maximum, and none of a level is above its own, to 1e-12 (relative, above 1).
    ratio_cap : float, optional
        For bottom-up kinds, an upper bound on L: the error of a node is cut where it would break it.
    seed : int

    Returns
    -------
    Scaled, shape [n_nodes]

    Raises
    ------
    PerturbationError
        If `epsilon` is missing or not wanted, or cannot be met under the cap: the message says which can.
    SpecError
        If there is no such perturbation.

    Examples
    --------
    >>> from treesim import Tree, audit, optimal_twist
    >>> tree = Tree.complete(branching=2, horizon=2)
    >>> twist = optimal_twist(tree, np.log([1.0, 2.0, 3.0, 6.0]))
    >>> value = perturb(tree, twist, ConstantUp(), epsilon=0.25)
    >>> round(audit(tree, value, twist).bellman_error, 12)
    0.25
    """
    if isinstance(kind, str):
        kind = parse(kind, PERTURBATIONS, "perturbation")
    if isinstance(kind, BottomUp):
        if epsilon is None:
            raise PerturbationError(f"perturbation {kind.name!r} needs an epsilon")
        return _bottom_up(graph, twist, kind, epsilon_schedule(epsilon, graph.horizon), ratio_cap, seed)
    if epsilon is not None or ratio_cap is not None:
        bottom_up = ", ".join(name for name, other in PERTURBATIONS.items() if issubclass(other, BottomUp))
        raise PerturbationError(f"perturbation {kind.name!r} takes no epsilon and no ratio cap; these do: {bottom_up}")
    if isinstance(kind, Rollouts):
        return mean_rollouts(graph, twist, kind.k, seed)
    return _top_down(graph, twist, kind, seed) if isinstance(kind, TopDown) else twist


def _bottom_up(
    graph: LayeredGraph, twist: Scaled, kind: BottomUp, epsilon: FloatArray, ratio_cap: float | None, seed: int
) -> Scaled:
    if ratio_cap is not None and not 1.0 <= ratio_cap < np.inf:
        raise PerturbationError(f"ratio cap is {ratio_cap}, expected a finite number of at least 1, or none")

    def build(schedule: FloatArray) -> Scaled:
        return _climb(graph, twist, kind.directions(graph, twist, schedule, seed), schedule, ratio_cap)

    value = build(epsilon)
    if ratio_cap is not None and not _meets(audit(graph, value, twist), epsilon, ratio_cap):
        raise _conflict(graph, twist, kind, build, epsilon, ratio_cap)
    return value


def _climb(
    graph: LayeredGraph, twist: Scaled, directions: Directions, epsilon: FloatArray, ratio_cap: float | None
) -> Scaled:
    """V^(v) = (P V^)(v) (1 + eps_t)^-direction(v), from the leaves up, cut where it would break the cap."""
    value = Scaled.empty(graph.n_nodes)
    value.mantissa[graph.leaves] = twist.mantissa[graph.leaves]
    value.exponent[graph.leaves] = twist.exponent[graph.leaves]
    for t in reversed(range(graph.horizon)):
        expect_level(graph, t, value)
        here = value[graph.level(t)]
        factor = _power(1.0 + epsilon[t], directions(t))
        multiply(factor, here.room)
        if ratio_cap is not None:
            layer, below = ahead(graph, t, value)
            cap_ratios(tuple(layer), below.numbers, ratio_cap, here.room)
    return value


def _power(base: float, direction: FloatArray) -> FloatArray:
    """base ** -direction, without rounding of its own at the ends."""
    inner = np.exp(-direction * np.log(base))
    return np.where(direction == 1.0, 1.0 / base, np.where(direction == -1.0, base, inner))


def _meets(audit: Audit, epsilon: FloatArray, ratio_cap: float) -> bool:
    """Whether the audited Bellman error is the one asked for, no level's is above its own, and L within the cap."""
    asked = epsilon.max()
    attained = audit.bellman_error >= asked - TOLERANCE * max(1.0, asked)
    error_fits = attained and bool((audit.sup <= epsilon + TOLERANCE * np.maximum(1.0, epsilon)).all())
    return error_fits and audit.ratio_bound <= ratio_cap * (1.0 + TOLERANCE)


def _conflict(
    graph: LayeredGraph,
    twist: Scaled,
    kind: BottomUp,
    build: Callable[[FloatArray], Scaled],
    epsilon: FloatArray,
    ratio_cap: float,
) -> PerturbationError:
    """Say which epsilon the cap leaves reachable, searching over the size of all errors together."""
    asked = epsilon.max()

    def works(reachable: float) -> bool:
        schedule = epsilon * (reachable / asked)
        return _meets(audit(graph, build(schedule), twist), schedule, ratio_cap)

    conflict = f"epsilon {asked:.6g} and ratio cap {ratio_cap:.6g} conflict for {spell(kind)}"
    least = audit(graph, build(0.0 * epsilon), twist)
    if least.ratio_bound > ratio_cap * (1.0 + TOLERANCE):
        a, b = (graph.describe(node) for node in least.ratio_bound_step)
        return PerturbationError(
            f"{conflict}: no epsilon is reachable, the reward alone forces a ratio of {least.ratio_bound:.6g} "
            f"between {a} and {b}; raise the cap"
        )
    if asked > 0 and least.bellman_error <= asked:
        low, high = least.bellman_error, asked
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if works(middle) else (low, middle)
        candidates = [float(f"{low * (1 - 5e-7):.6g}")]
    else:
        candidates = [float(f"{e:.6g}") for e in least.bellman_error * np.geomspace(1.000001, 100.0, _BISECTIONS)]
    for candidate in candidates:
        if asked > 0 and works(candidate):
            return PerturbationError(f"{conflict}: {candidate:.6g} is reachable under this cap")
    level = int(np.argmax(least.sup - epsilon))
    return PerturbationError(
        f"{conflict}: the cap alone forces a Bellman error of {least.sup[level]:.6g} at level {level}, whose own is "
        f"{epsilon[level]:.6g}; raise the cap"
    )


def _top_down(graph: LayeredGraph, twist: Scaled, kind: TopDown, seed: int) -> Scaled:
    value = Scaled.empty(graph.n_nodes)
    value.mantissa[:], value.exponent[:] = twist.mantissa, twist.exponent
    noise = np.zeros(1)
    for t in range(graph.horizon):
        noise = kind.log_noise(graph, t, noise, generator(seed, Stream.PERTURBATION, t))
        part = twist[graph.level(t)] * Scaled.from_log(noise)
        value.mantissa[graph.level(t)], value.exponent[graph.level(t)] = part.mantissa, part.exponent
    return value


def _live_levels(graph: LayeredGraph, twist: Scaled) -> list[BoolArray]:
    """Level by level, the nodes that count: reachable, and with some reward ahead."""
    alive = (reach > 0 for reach in live_reach(graph)) if has_potentials(graph) else graph.reachable()
    return [reach & (twist.mantissa[graph.level(t)] > 0) for t, reach in enumerate(alive)]
