"""The exact law of a sampler in plain Python: every run that it can make, with its probability."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from treesim.arrays import BoolArray, Brief, FloatArray, IntArray
from treesim.errors import TreesimError
from treesim.graphs.layered import LayeredGraph
from treesim.instances.instance import Instance
from treesim.laws.enclosed import EnclosedLaw
from treesim.laws.law import Law, LeafLaw, PathListLaw
from treesim.samplers.base import Cost
from treesim.samplers.choices import PROBES, Choices, expected_runs
from treesim.samplers.lazy_generator import LazyGenerator
from treesim.samplers.oracle import Oracle, Prefix, never_reached
from treesim.samplers.stand_ins import StandIns
from treesim.scaled import Scaled

# What may be missing of a law that is called exact.
COMPLETE = 1e-13
# Masses of one outcome that wait to be added, without an error that grows.
_TOGETHER = 4096

# Of a run that failed and is less likely than what laws are exact to.
_LOST = ((), -1, -1)

# One run: the output that it returns, given an oracle and a generator.
OneRun = Callable[[Oracle, np.random.Generator], Prefix | None]
_Key = tuple[Hashable, int, int]


@dataclass(frozen=True, eq=False, repr=False)
class CostLaw(Brief):
    """The law of what one output costs.

    Attributes
    ----------
    reference_draws, value_queries : ndarray of int64, shape [n]
        The costs that occur, each pair once, the cheapest first.
    prob : ndarray, shape [n]
        How likely each is.
    """

    reference_draws: IntArray
    value_queries: IntArray
    prob: FloatArray

    @property
    def mean(self) -> Cost:
        """Expected cost of one output; of a law that is cut, what its known part contributes."""
        return Cost(float(self.prob @ self.reference_draws), float(self.prob @ self.value_queries))

    def at_most(self, reference_draws: float = math.inf, value_queries: float = math.inf) -> float:
        """Probability that one output costs no more than this."""
        within: BoolArray = (self.reference_draws <= reference_draws) & (self.value_queries <= value_queries)
        return math.fsum(self.prob[within])


@dataclass(frozen=True, eq=False, repr=False)
class Enumeration(Brief):
    """All runs of a sampler on an instance, or the most probable ones.

    Attributes
    ----------
    law : Law
        Of one output: exact, or an `EnclosedLaw` where runs are missing.
    cost : CostLaw
        Of one output.
    runs : int
        That were made.
    missing : float
        Mass of those that were not made.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("uniform", horizon=2)
    >>> found = exact_law(lambda oracle, rng: oracle.draw(oracle.draw(oracle.root)), instance)
    >>> found.runs, found.missing, found.law.prob.to_float().tolist()
    (4, 0.0, [0.25, 0.25, 0.25, 0.25])
    """

    law: Law
    cost: CostLaw
    runs: int
    missing: float

    @property
    def is_complete(self) -> bool:
        """Whether the law is exact."""
        return self.missing <= COMPLETE


class KnownPrefix(Prefix):
    """A prefix that all runs share.

    Attributes
    ----------
    run : int
        The latest in which it was handed out, numbered from 1; of the root, the latest of all.
    children, prob : tuple
        Those of its children that can be drawn, and their probabilities; empty until one asks for them.
    known_log : float or None
        log V^; None until one asks for it.
    """

    run: int = 0
    children: tuple[KnownPrefix, ...] = ()
    prob: tuple[float, ...] = ()
    known_log: float | None = None

    def __reduce__(self) -> tuple[type[Prefix], tuple[Any, ...]]:
        return Prefix, tuple(self)


class LazyOracle(Oracle):
    """An oracle whose draws are choices; what is the same in all runs is looked up once.

    Parameters
    ----------
    instance : Instance
    rng : LazyGenerator
    root : KnownPrefix
        With all below it that oracles of earlier runs have looked up.
    """

    def __init__(self, instance: Instance, rng: LazyGenerator, root: KnownPrefix) -> None:
        super().__init__(instance, rng)
        self._choose, self._root = rng.choices.choose, root
        root.run = self._run = root.run + 1

    @property
    def root(self) -> Prefix:
        return self._root

    def draw(self, prefix: Prefix) -> Prefix:
        at = self._shared(prefix, "going on from it")
        prob = at.prob or self._look_up(at)
        child = at.children[self._choose(prob) if len(prob) > 1 else 0]
        child.run = self._run
        self._drawn[len(child[0])] += 1
        return child

    def children(self, prefix: Prefix) -> list[tuple[Prefix, float]]:
        at = self._shared(prefix, "going on from it")
        prob = at.prob or self._look_up(at)
        for child in at.children:
            child.run = self._run
        self._drawn[len(prefix[0]) + 1] += len(prob)
        return list(zip(at.children, prob, strict=True))

    def log_value(self, prefix: Prefix) -> float:
        at = self._shared(prefix, "asking its value")
        if at.known_log is None:
            at.known_log = super().log_value(at)
        else:
            self._asked[len(at[0])] += 1
        return at.known_log

    def require_reached(self, prefix: Prefix, purpose: str) -> None:
        self._shared(prefix, purpose)

    def _shared(self, prefix: Prefix, purpose: str) -> KnownPrefix:
        """The prefix that runs share, where this run reached it."""
        if type(prefix) is KnownPrefix and prefix.run == self._run:
            return prefix
        # One that was made by hand, or that another run reached.
        at: KnownPrefix | None = self._root
        for choice in prefix.choices:
            at = next((child for child in at.children if child[0][-1] == choice), None) if at else None
        if at is None or at.run != self._run:
            raise never_reached(prefix, purpose)
        return at

    def _look_up(self, prefix: KnownPrefix) -> tuple[float, ...]:
        """The probabilities of the children of a prefix, which it knows from now on."""
        edges = self._edges(prefix)
        live = [k for k, p in enumerate(edges.prob) if p > 0]
        prefix.children = tuple([KnownPrefix(*edges.child(prefix, k)) for k in live])
        prefix.prob = tuple([edges.prob[k] for k in live])
        return prefix.prob


def enumerate_runs(instance: Instance, make: Callable[[], OneRun], budget: float) -> Enumeration:
    """Enumerate the runs of a sampler.

    Parameters
    ----------
    instance : Instance
    make : callable
        Gives what makes one run; called before each, so that no run knows of those before.
    budget : float
        Runs at the most.

    Raises
    ------
    NoExactLaw
        If the sampler draws what cannot be enumerated, or depends on something besides its generator.

    Examples
    --------
    >>> from treesim import family
    >>> def first_of_two(oracle, rng):
    ...     pair = [oracle.draw(oracle.root) for _ in range(2)]
    ...     return pair[0] if rng.random() * oracle.value(pair[1]) < oracle.value(pair[0]) else pair[1]
    >>> found = enumerate_runs(family("product", horizon=1, ratio=3.0), lambda: first_of_two, budget=100)
    >>> found.law.prob.to_float().round(6), found.runs, found.cost.mean
    (array([0.333333, 0.666667]), 5, Cost(reference_draws=2.0, value_queries=2.0))
    """
    masses: dict[tuple[_Key, int], list[float]] = defaultdict(list)
    choices, count = Choices(), 0
    with StandIns() as stand_ins:
        for mass, exponent, key in choices.runs(_program(instance, make, stand_ins), budget):
            count += 1
            same = masses[key, exponent]
            same.append(mass)
            if len(same) == _TOGETHER:
                same[:] = [math.fsum(same)]
    lost = [math.ldexp(mass, e) for key, e in [*masses] if key == _LOST for mass in masses.pop((key, e))]
    missing = choices.left + math.fsum(lost)
    return Enumeration(_law(instance.graph, masses, missing), _cost(masses, missing), count, missing)


def foresee_runs(instance: Instance, make: Callable[[], OneRun], probes: int = PROBES) -> float:
    """How many runs `enumerate_runs` would make, about: see `treesim.samplers.choices.expected_runs`."""
    with StandIns() as stand_ins:
        return expected_runs(_program(instance, make, stand_ins), probes)


def _program(instance: Instance, make: Callable[[], OneRun], stand_ins: StandIns) -> Callable[[Choices], _Key]:
    """One run by its choices: where its output lies, and what it cost."""
    root = KnownPrefix((), 0, ())
    at = 2 if instance.graph.keeps_edges else 1

    def program(choices: Choices) -> _Key:
        if stand_ins.rng.choices is not choices:
            stand_ins.rng = LazyGenerator(choices)
        rng = stand_ins.rng
        oracle = LazyOracle(instance, rng, root)
        try:
            output = make()(oracle, rng)
        except TreesimError:
            # Such as an index one beyond the last, where cumulated probabilities lack of one what rounding took.
            if choices.mass > COMPLETE:
                raise
            return _LOST
        return (None if output is None else output[at], *oracle.spent)

    return program


def _law(graph: LayeredGraph, masses: dict[tuple[_Key, int], list[float]], missing: float) -> Law:
    """The law of the output."""
    failure = math.fsum(
        math.ldexp(mass, exponent)
        for ((place, *_), exponent), same in masses.items() if place is None for mass in same
    )  # fmt: skip
    by_exponent: dict[Any, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for ((place, *_), exponent), same in masses.items():
        if place is not None:
            by_exponent[place][exponent] += same
    prob = Scaled.zeros(len(by_exponent))
    for i, parts in enumerate(by_exponent.values()):
        top = max(parts)
        prob.mantissa[i] = math.fsum(math.ldexp(m, e - top) for e, same in parts.items() for m in same)
        prob.exponent[i] = top
    prob = Scaled(prob.mantissa, prob.exponent)
    known: LeafLaw | PathListLaw
    if graph.keeps_edges:
        edges = np.array(list(by_exponent), np.int32).reshape(len(prob), graph.horizon)
        known = PathListLaw(graph, edges, prob, failure)
    else:
        every, places = Scaled.zeros(graph.n_leaves), np.array(list(by_exponent), np.int64)
        every.mantissa[places], every.exponent[places] = prob.mantissa, prob.exponent
        known = LeafLaw(every, failure)
    return known if missing <= COMPLETE else EnclosedLaw(known, missing)


def _cost(masses: dict[tuple[_Key, int], list[float]], missing: float) -> CostLaw:
    """The law of the cost."""
    by_cost: dict[tuple[int, int], list[float]] = defaultdict(list)
    for ((_, draws, queries), exponent), same in masses.items():
        by_cost[draws, queries] += [math.ldexp(mass, exponent) for mass in same]
    costs = sorted(by_cost)
    spent = np.array(costs, np.int64).reshape(len(costs), 2)
    prob = np.array([math.fsum(by_cost[cost]) for cost in costs])
    return CostLaw(spent[:, 0], spent[:, 1], prob / math.fsum(prob) if missing <= COMPLETE else prob)
