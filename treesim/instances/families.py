"""Families: named ways to build an instance from a few parameters and a seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from treesim.errors import SpecError
from treesim.graphs.layered import Layer, LayeredGraph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.perturbations import perturb
from treesim.instances.rewards import REWARDS
from treesim.instances.schedules import epsilon_schedule
from treesim.registry import Registry
from treesim.runtime.memory import require_memory
from treesim.runtime.seeds import Stream, generator
from treesim.scaled import Scaled
from treesim.spec import parse, require_countable, require_kind, require_one_of, require_positive, require_whole

Builder = Callable[..., Instance]
Planter = Callable[..., LayeredGraph]

FAMILIES: Registry[Builder] = Registry("treesim.families")

LARGEST_PRODUCT_TREE = 16
# What a level takes in any graph: two nodes with their values, and the arrays of the level.
BYTES_A_LEVEL = 300.0


def register(name: str) -> Callable[[Builder], Builder]:
    """Make a builder known under a name; its keyword arguments are the family's parameters."""

    def add(builder: Builder) -> Builder:
        FAMILIES[name] = builder
        return builder

    return add


def family(name: str, seed: int = 0, **parameters: Any) -> Instance:
    """An instance of a family.

    Parameters
    ----------
    name : str
        One of `FAMILIES`.
    seed : int
        Of everything random in it.
    **parameters
        The family's own: see its builder.

    Raises
    ------
    SpecError
        If the family or a parameter is unknown, or one is missing.
    TreesimError
        If a parameter is out of range: the subclass says of what.

    Examples
    --------
    >>> instance = family("product", horizon=10, ratio=1.2)
    >>> round(instance.audit.bellman_error, 12)
    0.1
    """
    if name not in FAMILIES:
        raise SpecError(f"unknown family {name!r}, expected one of: {', '.join(FAMILIES)}")
    require_whole("seed", seed, 0)
    known = {key: p for key, p in inspect.signature(FAMILIES[name]).parameters.items() if key != "seed"}
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise SpecError(f"family {name!r} has no parameter {unknown[0]!r}; its parameters: {', '.join(known)}")
    missing = [key for key, p in known.items() if p.default is p.empty and key not in parameters]
    if missing:
        raise SpecError(f"family {name!r} needs {missing[0]}")
    for key, value in parameters.items():
        require_kind(key, value, known[key].annotation)
    settings = {key: parameters.get(key, p.default) for key, p in known.items()}
    for key, value in settings.items():
        require_countable(key, value)
    if isinstance(settings.get("horizon"), int):
        require_memory(BYTES_A_LEVEL * float(settings["horizon"]), f"a graph of {settings['horizon']} levels")
    built = FAMILIES[name](seed=seed, **settings)
    provenance = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    return Instance(built.graph, built.value, name, provenance, seed, outcomes=built.outcomes)


def register_graph(name: str) -> Callable[[Planter], Planter]:
    """Make a family of a function that builds graphs: it gains a reward and a perturbation, both by their specs."""

    def add(plant: Planter) -> Planter:
        def build(
            reward: str = "gaussian",
            perturbation: str = "exact",
            epsilon: str | float | None = None,
            ratio_cap: float | None = None,
            seed: int = 0,
            **shape: Any,
        ) -> Instance:
            graph, log_reward = parse(reward, REWARDS, "reward").on(plant(seed=seed, **shape), seed)
            twist = optimal_twist(graph, log_reward)
            return Instance(graph, perturb(graph, twist, perturbation, epsilon, ratio_cap, seed))

        *shared, _ = inspect.signature(build).parameters.values()
        own = [p for key, p in inspect.signature(plant).parameters.items() if key != "seed"]
        build.__doc__ = plant.__doc__
        build.__signature__ = inspect.Signature([*own, *(p.replace(kind=p.KEYWORD_ONLY) for p in shared)])  # type: ignore[attr-defined]
        FAMILIES[name] = build
        return plant

    return add


@register_graph("uniform")
def uniform(*, horizon: int, branching: int = 2, seed: int = 0) -> Tree:
    """Complete tree, uniform pi_ref."""
    return Tree.complete(branching, horizon)


@register_graph("dirichlet")
def dirichlet(*, horizon: int, branching: int = 2, concentration: float = 1.0, seed: int = 0) -> Tree:
    """Complete tree, pi_ref Dirichlet(concentration) at every node."""
    return Tree.complete(branching, horizon, policy=float(concentration), seed=seed)


@register_graph("random-branching")
def random_branching(
    *, horizon: int, branching: int = 3, concentration: float = 1.0, stop: float = 0.0, seed: int = 0
) -> Tree:
    """1 to branching children, Dirichlet pi_ref, prefixes that may end early."""
    return Tree.random(horizon, branching, concentration, stop, seed)


@register_graph("markov")
def markov(*, horizon: int, states: int = 3, order: int = 1, concentration: float = 1.0, seed: int = 0) -> Trellis:
    """A Markov chain of random transitions, as a trellis of states^order nodes a level: any horizon."""
    for name, number in (("horizon", horizon), ("states", states), ("order", order)):
        require_whole(name, number, 1)
    require_positive("concentration", concentration)
    require_memory(8.0 * float(states) ** (order + 1), f"a chain of order {order} over {states} states")
    rng = generator(seed, Stream.POLICY)
    transition = rng.dirichlet(np.full(states, float(concentration)), size=(states,) * order)
    return Trellis.markov(transition, horizon)


@register("product")
def product(
    horizon: int,
    ratio: float | None = None,
    form: str = "auto",
    perturbation: str | None = None,
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
) -> Instance:
    """Binary, pi_ref = 1/2, V^(prefix) = ratio^(number of ones): L = ratio, SP-gSMC is exact at any epsilon.

    The Bellman error is (ratio - 1) / 2: epsilon gives the ratio 1 + 2 epsilon; without either the ratio is 1.2. The
    form is ``tree``, ``trellis`` (prefixes of as many ones merged, for any horizon), or ``auto``: a tree up to horizon
    16. With a perturbation V^ is made from V* instead, with that epsilon, the reward staying ratio^(number of ones).
    """
    if perturbation is None and epsilon is not None:
        if ratio is not None:
            raise SpecError("ratio and epsilon are given, expected one: without a perturbation ratio is 1 + 2 epsilon")
        schedule = epsilon_schedule(epsilon, horizon)
        if schedule.min() < schedule.max():
            raise SpecError(f"epsilon is {epsilon!r}, expected the same at every step: the product model has one ratio")
        ratio, epsilon = 1.0 + 2.0 * float(schedule[0]), None
    ratio = 1.2 if ratio is None else ratio
    require_positive("ratio", ratio)
    require_whole("horizon", horizon, 1)
    require_one_of("form", form, ("auto", "tree", "trellis"))
    graph: LayeredGraph
    if form == "tree" or (form == "auto" and horizon <= LARGEST_PRODUCT_TREE):
        graph = Tree.complete(2, horizon)
        ones = np.zeros(graph.n_nodes, np.int64)
        for t in range(horizon):
            ones[graph.level(t + 1)] = (ones[graph.level(t)][:, None] + [0, 1]).ravel()
    else:
        require_memory(40.0 * (horizon + 1) * (horizon + 2) / 2, f"a trellis of the product model of {horizon} steps")
        graph = Trellis(
            np.cumsum([0, *range(1, horizon + 2)]),
            [
                Layer(
                    np.arange(0, 2 * t + 3, 2),
                    np.full(2 * t + 2, 0.5),
                    (np.arange(t + 1, dtype=np.int32)[:, None] + np.array([0, 1], np.int32)).ravel(),
                )
                for t in range(horizon)
            ],
            np.arange(horizon),
        )
        ones = np.concatenate([np.arange(t + 1) for t in range(horizon + 1)])
    powers = Scaled.from_log(np.arange(horizon + 1) * np.log(ratio))
    value = powers[ones]
    if perturbation is None:
        return Instance(graph, value)
    twist = optimal_twist(graph, value[graph.leaves])
    return Instance(graph, perturb(graph, twist, perturbation, epsilon, ratio_cap, seed))
