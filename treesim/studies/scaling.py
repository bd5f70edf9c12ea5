"""Laws of scaling: the least compute for TV <= delta against the horizon, and which growth explains it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from treesim.empirical.measure import distance
from treesim.errors import NoExactLaw, SpecError
from treesim.instances.families import FAMILIES, family
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.laws.tv import TV
from treesim.runtime.search import first
from treesim.samplers.open_parameters import open_sampler
from treesim.samplers.registry import SamplerLike
from treesim.spec import spell

LARGEST = 2**40
# Of parameters whose TV must be estimated from runs.
LARGEST_ESTIMATED = 2**12
SCANNED = 8
RUNS = 20_000
# AIC differences below this decide nothing (Burnham & Anderson 2002, section 2.6).
UNDECIDED = 2.0
# Two-sided 95% quantiles of Student's t, by degrees of freedom; beyond the table by Fisher's expansion in 1 / freedom.
STUDENT = (math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Need:
    """What one sampler needs at one horizon.

    Attributes
    ----------
    horizon : int
    epsilon : float
        Audited Bellman error of the instance.
    sampler : str
        The spec at the least parameter, or at the largest one tried if none is enough.
    parameter : str
        Which one varies.
    least : int or None
    tv : TV
        At it; at the largest one tried if none is enough.
    queries : float or None
        Values asked for one output, in expectation.

    Examples
    --------
    >>> from treesim import family
    >>> found = need(family("uniform", horizon=4, seed=1), "importance", 0.05, "n")
    >>> found.least, round(found.tv.mid, 4), found.queries
    (24, 0.0488, 24.0)
    """

    horizon: int
    epsilon: float
    sampler: str
    parameter: str
    least: int | None
    tv: TV
    queries: float | None

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return {**vars(self), "tv": self.tv.document()}


@dataclass(frozen=True)
class Growth:
    """One law of growth, fitted by least squares to the log of the least parameter.

    Attributes
    ----------
    exponent, low, high : float
        ``power``: of T; ``exponential``: nats a step; and its 95% confidence interval.
    intercept : float
        log of the constant.
    aic : float
        Akaike's criterion: the smaller explains better.
    """

    exponent: float
    low: float
    high: float
    intercept: float
    aic: float


@dataclass(frozen=True)
class Fits:
    """Both growths, and which explains the data.

    Attributes
    ----------
    power, exponential : Growth
    verdict : str
        ``power``, ``exponential``, ``constant``, or ``undecided`` where their AIC differ by less than 2.
    """

    power: Growth
    exponential: Growth
    verdict: str


def scale(
    name: str,
    spec: SamplerLike,
    horizons: Iterable[int],
    delta: float,
    vary: str | None = None,
    epsilon: str | float | None = None,
    seed: int = 0,
    runs: int = RUNS,
    **parameters: Any,
) -> Iterator[Need]:
    """The least parameter of a sampler with TV <= `delta`, horizon by horizon.

    Parameters
    ----------
    name : str
        A family.
    spec : whatever `treesim.sampler` takes
        A sampler. What varies is left out of a spec; of an object, what it has of that is replaced.
    horizons : iterable of int
    delta : float
    vary : str, optional
        The parameter that grows; left out, the first that has no default.
    epsilon : str or float, optional
        Bellman error at each horizon, such as ``0.5/T``; the product model takes it as ratio 1 + 2 epsilon, families
        with perturbations as that of ``random-sign`` unless the parameters say otherwise.
    seed : int
    runs : int
        That estimate a TV where there is no exact law.
    **parameters
        Of the family.

    Raises
    ------
    SpecError
        If delta is out of range, or nothing can vary.

    Examples
    --------
    >>> rows = scale("product", "smc", [8, 16, 32], delta=0.02, epsilon="0.5/T")
    >>> [(row.horizon, row.least) for row in rows]
    [(8, 4), (16, 3), (32, 2)]
    """
    vary = varying(spec, vary)
    for horizon in horizons:
        yield need(instance_at(name, horizon, epsilon, seed, **parameters), spec, delta, vary, runs, seed)


@dataclass(frozen=True)
class Question:
    """What one sampler needs at one horizon: see `scale`."""

    name: str
    spec: SamplerLike
    horizon: int
    delta: float
    vary: str | None
    epsilon: str | float | None
    seed: int
    runs: int
    parameters: Mapping[str, Any]

    def answer(self) -> Need:
        """The row of `scale`."""
        return next(scale(self.name, self.spec, [self.horizon], self.delta, self.vary, self.epsilon, self.seed,
                          self.runs, **self.parameters))  # fmt: skip


def need(
    instance: Instance,
    spec: SamplerLike,
    delta: float,
    vary: str | None = None,
    runs: int = RUNS,
    seed: int = 0,
    effort: Effort | None = None,
    largest: int = LARGEST,
    tried: Callable[[int, TV], object] = lambda n, tv: None,
) -> Need:
    """The least parameter of a sampler with TV <= `delta` on one instance.

    Parameters
    ----------
    instance : Instance
    spec : whatever `treesim.sampler` takes
        A sampler. What varies is left out of a spec; of an object, what it has of that is replaced.
    delta : float
    vary : str, optional
        The parameter that grows; left out, the first that has no default.
    runs : int
        That estimate a TV where there is no exact law; sizes above 4096 are not estimated.
    seed : int
        Of those runs.
    effort : Effort, optional
        How near the bounds on a TV must be that can only be enclosed, and what they may cost.
    largest : int
        Larger sizes are not tried.
    tried : callable (n, TV), optional
        Called after each size that is tried.

    Raises
    ------
    SpecError
        If delta is out of range, or nothing can vary.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=16, epsilon="0.5/T")
    >>> found = need(instance, "smc", delta=0.02)
    >>> found.least, found.sampler, found.tv.hi <= 0.02
    (3, 'smc:particles=3', True)
    """
    if not 0 < delta < 1:
        raise SpecError(f"delta is {delta}, expected between 0 and 1")
    vary, open_kind = varying(spec, vary), open_sampler(spec)
    distances: dict[int, TV] = {}

    def meets(n: int) -> bool:
        kind = open_kind.having(vary, n)
        distances[n] = distance(kind, instance, effort, runs if n <= LARGEST_ESTIMATED else 0, seed)
        tried(n, distances[n])
        return distances[n].hi <= delta

    try:
        n = least(meets, largest)
    except NoExactLaw:
        if not distances:
            raise
        n = None
    last = max(distances) if n is None else n
    kind = open_kind.having(vary, last)
    queries = None if n is None else kind.cost(instance).value_queries
    return Need(instance.graph.horizon, instance.audit.bellman_error, spell(kind), vary, n, distances[last], queries)


def least(meets: Callable[[int], bool], largest: int = LARGEST) -> int | None:
    """The least n that is enough; None if even the largest is not.

    The first numbers are tried one by one, since a TV need not fall steadily; then by doubling and bisection, which
    finds the least where it does.

    Examples
    --------
    >>> least(lambda n: n * n >= 1000)
    32
    """
    for n in range(1, min(SCANNED, largest) + 1):
        if meets(n):
            return n
    return first(meets, SCANNED + 1, largest) if largest > SCANNED else None


def instance_at(name: str, horizon: int, epsilon: str | float | None, seed: int, **parameters: Any) -> Instance:
    """The instance of a family at a horizon, with a given Bellman error."""
    if epsilon is not None:
        parameters = {"epsilon": epsilon, **parameters}
        # The product model has an error of its own.
        perturbed = name in FAMILIES and "perturbation" in inspect.signature(FAMILIES[name]).parameters
        if perturbed and name != "product":
            parameters = {"perturbation": "random-sign", **parameters}
    return family(name, seed=seed, horizon=horizon, **parameters)


def varying(spec: SamplerLike, vary: str | None) -> str:
    """The parameter of a sampler that varies, over whole numbers."""
    kind = open_sampler(spec)
    if vary is None:
        if not kind.needed:
            raise SpecError(f"sampler {kind.name!r} has no parameter that must be given; say which one varies")
        vary = kind.needed[0]
    if vary not in kind.types:
        known = ", ".join(kind.types) or "none"
        raise SpecError(f"sampler {kind.name!r} has no parameter {vary!r}; its parameters: {known}")
    if kind.types[vary] != "int":
        raise SpecError(
            f"{vary} of {kind.name!r} is no whole number, and only those can grow; expected another parameter"
        )
    if vary in kind.given:
        raise SpecError(f"{vary} varies, and {spec!r} gives it; leave it out of the spec")
    return vary


def fit(counts: Mapping[int, float]) -> Fits | None:
    """Fit both growths to counts by horizon; None for fewer than three horizons.

    Examples
    --------
    >>> fits = fit({t: 3 * t**1.5 for t in (4, 8, 16, 32, 64)})
    >>> fits.verdict, round(fits.power.exponent, 6)
    ('power', 1.5)
    """
    if len(counts) < 3:
        return None
    horizon = np.array(sorted(counts), np.float64)
    log_count = np.log([counts[int(t)] for t in horizon])
    power, exponential = (_line(x, log_count) for x in (np.log(horizon), horizon))
    if float(np.ptp(log_count)) == 0.0:
        verdict = "constant"
    elif abs(power.aic - exponential.aic) < UNDECIDED:
        verdict = "undecided"
    else:
        verdict = "power" if power.aic < exponential.aic else "exponential"
    return Fits(power, exponential, verdict)


def slope(points: Iterable[tuple[float, float]]) -> float:
    """Of the line through some points, by least squares.

    Examples
    --------
    >>> round(slope([(0, 1), (1, 3), (2, 5)]), 9)
    2.0
    """
    x, y = np.array(list(points), np.float64).T
    return float(np.polyfit(x, y, 1)[0])


def _line(x: np.ndarray, y: np.ndarray) -> Growth:
    """Least squares, with Student's interval for the slope and Akaike's criterion for Gaussian errors."""
    n = len(x)
    slope, intercept = np.polyfit(x, y, 1)
    rest = float(((y - slope * x - intercept) ** 2).sum())
    freedom = n - 2
    expansion = 1.959964 + 2.372271 / freedom + 2.822499 / freedom**2 + 2.555850 / freedom**3
    student = STUDENT[freedom] if freedom < len(STUDENT) else expansion
    margin = student * math.sqrt(rest / freedom / float(((x - x.mean()) ** 2).sum()))
    # A fit that is exact to rounding has no finite criterion: the floor is that of rounding.
    aic = n * math.log(max(rest / n, 1e-30)) + 2 * 3
    return Growth(float(slope), float(slope - margin), float(slope + margin), float(intercept), aic)
