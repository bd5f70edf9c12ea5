"""Demonstrations: small studies whose every number is exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from treesim.decoding.constrained import AutomatonValue, ExactValue, LookaheadValue, PartialValue, Problem
from treesim.empirical.diagnosis import Diagnosis, diagnose
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.law import TV, WalkLaw
from treesim.laws.walks import ReferenceSteps, marginals
from treesim.samplers import SMC, Base, BestOfN, GuidedSMC, Importance, Sampler
from treesim.studies.scaling import least, scale, slope
from treesim.theory.bounds import guidance_bound


@dataclass(frozen=True)
class BlowupRow:
    """One horizon of the blow-up demo.

    Attributes
    ----------
    horizon : int
    best_of_n, importance : int or None
        Least N with TV <= delta; None if no N up to 2^40 was found.
    guided_tv, guided_bound : float
        TV of exact single-particle guidance by a value of Bellman error `epsilon`, and the largest it could be.
    epsilon : float
    guided_queries : float
        Values that guidance asks for.
    """

    horizon: int
    best_of_n: int | None
    importance: int | None
    epsilon: float
    guided_tv: float
    guided_bound: float
    guided_queries: float

    def steps_drawn(self, least: int | None) -> float | None:
        """Steps drawn from pi_ref to get `least` sequences."""
        return None if least is None else least * self.horizon


def blowup(horizons: Iterable[int], delta: float = 0.1, seed: int = 0) -> Iterator[BlowupRow]:
    """Least compute for TV <= `delta` against the horizon, without and with a reward model for partial answers.

    At every step two of four continuations are right, and pi_ref does not know which; each wrong one divides the
    reward by 50 T. Best-of-N and importance resampling see the reward at the end only. Guidance sees V*, every node of
    it wrong by a factor 1 + 1/(4T) up or down at random.

    Examples
    --------
    >>> [(row.importance, round(row.guided_tv, 3)) for row in blowup([2, 4])]
    [(9, 0.0), (36, 0.031)]
    """
    for horizon in horizons:
        epsilon = 1.0 / (4 * horizon)
        instance = right_steps(horizon, epsilon, seed)
        guided = GuidedSMC()

        def meets(sampler: Sampler, instance: Instance = instance) -> bool:
            return sampler.law(instance).tv(instance.target).hi <= delta

        yield BlowupRow(
            horizon=horizon,
            best_of_n=least(lambda n: meets(BestOfN(n))),
            importance=least(lambda n: meets(Importance(n))),
            epsilon=epsilon,
            guided_tv=guided.law(instance).tv(instance.target).hi,
            guided_bound=guidance_bound(horizon, epsilon).sharp,
            guided_queries=guided.cost(instance).value_queries,
        )


def right_steps(horizon: int, epsilon: float, seed: int = 0) -> Instance:
    """The instance of the blow-up demo, with a value of Bellman error `epsilon`."""
    return family(
        "uniform",
        horizon=horizon,
        branching=4,
        reward=f"right-steps:right=2,penalty={50 * horizon}",
        perturbation="random-sign",
        epsilon=epsilon,
        seed=seed,
    )


@dataclass(frozen=True)
class ConstrainedRow:
    """One way to write the texts of the constrained demo.

    Attributes
    ----------
    name : str
    bellman_error : float or None
        Of the value that guides; None without one.
    meets : float
        Probability that a text meets the constraint, exact.
    tv : TV
        To the model's own texts among those that meet it.
    queries : float
        Values asked for a text, in expectation.
    progress : list of float, length horizon
        Probability that what is written after t tokens meets the constraint, exact.
    text : str
        One text.
    """

    name: str
    bellman_error: float | None
    meets: float
    tv: TV
    queries: float
    progress: list[float]
    text: str


def constrained(problem: Problem, seed: int = 0, width: float = 1e-3) -> Iterator[ConstrainedRow]:
    """The same model and constraint: written by the model alone, guided by crude values, and by the optimal twist.

    Examples
    --------
    >>> from treesim.decoding.constrained import pose
    >>> rows = list(constrained(pose(horizon=20, order=2, contains=("python",))))
    >>> [row.name for row in rows]
    ['the model alone', 'sees the constraint only', 'looks 10 letters ahead', 'the optimal twist']
    >>> rows[0].meets < 1e-4, round(rows[-1].meets, 12), rows[-1].tv.hi < 1e-9
    (True, 1.0, True)
    """
    ways: list[tuple[str, Sampler, PartialValue]] = [
        ("the model alone", Base(), ExactValue()),
        ("sees the constraint only", GuidedSMC(), AutomatonValue()),
        ("looks 10 letters ahead", GuidedSMC(), LookaheadValue(10)),
        ("the optimal twist", GuidedSMC(), ExactValue()),
    ]
    for name, sampler, kind in ways:
        yield constrained_row(problem, name, sampler, kind, seed, width)


def constrained_row(
    problem: Problem, name: str, sampler: Sampler, kind: PartialValue, seed: int = 0, width: float = 1e-3
) -> ConstrainedRow:
    """One way to write the texts: a sampler, and the value it is guided by."""
    graph = problem.product.trellis
    instance = Instance(graph, kind.value(problem))
    law = sampler.law(instance)
    steps = law.steps if isinstance(law, WalkLaw) else ReferenceSteps(graph)
    edges = sampler.simulate(instance, 1, seed).edges
    assert edges is not None
    progress = [float(mass.to_float()[problem.meets].sum()) for mass, _ in marginals(steps)]
    return ConstrainedRow(
        name=name,
        bellman_error=None if isinstance(sampler, Base) else instance.audit.bellman_error,
        meets=progress[-1],
        tv=law.tv(instance.target, width=width),
        queries=sampler.cost(instance).value_queries,
        progress=progress,
        text=graph.text(edges[0]),
    )


@dataclass(frozen=True)
class GuidanceRow:
    """One Bellman error of the guidance demo.

    Attributes
    ----------
    epsilon : float
    paper, sharp : float
        2 T epsilon of Theorem 4.3, and tanh((T - 1) log(1 + epsilon) / 2).
    adversarial, random_sign : float
        Exact TV of guidance on a Dirichlet tree whose V^ is the worst the adversary finds, and off at random.
    """

    epsilon: float
    paper: float
    sharp: float
    adversarial: float
    random_sign: float


def guidance(horizon: int, epsilons: Iterable[float], seed: int = 0) -> Iterator[GuidanceRow]:
    """The paper's bound on guidance, the sharp one, and exact distances between zero and it.

    Examples
    --------
    >>> row = next(guidance(4, [0.1]))
    >>> row.random_sign <= row.adversarial <= row.sharp <= row.paper
    True
    """
    for epsilon in epsilons:
        tv = []
        for perturbation in ("adversarial", "random-sign"):
            instance = family("dirichlet", horizon=horizon, perturbation=perturbation, epsilon=epsilon, seed=seed)
            tv.append(GuidedSMC().law(instance).tv(instance.target).hi)
        bound = guidance_bound(horizon, epsilon)
        yield GuidanceRow(epsilon, bound.value, bound.sharp, *tv)


@dataclass(frozen=True, eq=False)
class Failures:
    """Three ways in which samplers fail, side by side.

    Attributes
    ----------
    collapse, degeneracy : Diagnosis
        Of SMC that resamples at every step, and of SMC that never does, on the same instance.
    particles, horizon : int
    draws : dict of int to int
        Least N of importance resampling with TV <= 0.1, by horizon.
    """

    collapse: Diagnosis
    degeneracy: Diagnosis
    particles: int
    horizon: int
    draws: dict[int, int]


def failures(particles: int = 100, horizon: int = 100, seed: int = 0) -> Failures:
    """Particle collapse, weight degeneracy, exponential slow-down.

    Examples
    --------
    >>> found = failures(particles=50, horizon=100)
    >>> found.collapse.verdict[0][:17], found.degeneracy.verdict[0][:17]
    ('particle collapse', 'weight degeneracy')
    """
    instance = family("product", horizon=horizon, ratio=2.0)
    always = diagnose(SMC(particles), instance, seed=seed)
    never = diagnose(SMC(particles, threshold=1e-9), instance, seed=seed)
    return Failures(always, never, particles, horizon, slow_down())


@cache
def slow_down() -> dict[int, int]:
    """Least N of importance resampling with TV <= 0.1 by horizon, where one of two continuations is right each time."""
    rows = scale("uniform", "importance", range(2, 13, 2), delta=0.1, reward="right-steps:right=1,penalty=100")
    return {row.horizon: row.least for row in rows if row.least}


def growth_per_step(rows: list[BlowupRow], pick: Callable[[BlowupRow], int | None]) -> float | None:
    """The factor by which a count grows with each step: least squares of its log on the horizon."""
    points = [(row.horizon, math.log(count)) for row in rows if (count := pick(row))]
    if len({horizon for horizon, _ in points}) < 2:
        return None
    return math.exp(slope(points))
