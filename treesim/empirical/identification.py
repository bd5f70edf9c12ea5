"""Which law does a sampler draw from? Runs, compared with the target and with the laws that implementations end at."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import SpecError
from treesim.instances.instance import Instance, require_instance
from treesim.laws.tv import TV
from treesim.samplers import Sampler
from treesim.samplers.registry import SamplerLike
from treesim.samplers.registry import sampler as sampler_of

DEFAULT_RUNS = 2_000
DEFAULT_SIZES = (4, 16, 64)
LEVEL = 0.99
NONE = "none of these"
_QUANTILE = 2.5758293035489004  # of the normal law, for the level
_STEPS = 200
_LARGEST_EXPONENT = 60.0
_UNSEEN = 1e-9  # share of the largest information below which a direction is not identified


@dataclass(frozen=True)
class Candidate:
    """A law that a sampler might draw from.

    Attributes
    ----------
    name : str
    tv : TV or None
        Of the sampler to this law, estimated; None for "none of these".
    probability : float
        Posterior, all candidates and "none of these" (any law at all, uniformly) being as likely before the runs.
    """

    name: str
    tv: TV | None
    probability: float


@dataclass(frozen=True)
class Exponent:
    """How often the value of a prefix is counted: a_t in pi_ref prod_t V_t^a_t, with its interval at level 0.99.

    None where the runs do not tell: V_t does not vary, or the law has no such exponent.
    """

    step: int
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SizeRow:
    """A sampler at one size.

    Attributes
    ----------
    size : int or None
        Particles, or whatever it has; None if it has no size.
    tv : TV
        To the target, estimated.
    reference_draws, value_queries : float
        Of one run.
    seconds : float
        Wall time of one run.
    """

    size: int | None
    tv: TV
    reference_draws: float
    value_queries: float
    seconds: float


@dataclass(frozen=True, eq=False, repr=False)
class Identification(Brief):
    """What runs say of a sampler's law.

    Attributes
    ----------
    rows : list of SizeRow
        One a size; what follows is of the largest.
    runs : int
        Of each size.
    floor : float
        TV that exact draws have to their own law, in expectation and at most.
    candidates : list of Candidate
        Most probable first.
    exponents : list of Exponent
        The law pi_ref prod_t V_t^a_t that fits best; a correct sampler has 0, .., 0, 1.
    fit_tv : float
        TV of the observed frequencies to that law.
    frequencies, target, fitted : ndarray, shape [n_leaves]

    Examples
    --------
    >>> from treesim import family, sampler
    >>> found = identify_law(sampler("sp-gsmc"), family("uniform", horizon=2, seed=1), runs=1000)
    >>> print(found.verdict)
    it draws from the target, to what 1000 runs can tell (TV at most 0.061)
    """

    rows: list[SizeRow]
    runs: int
    floor: float
    candidates: list[Candidate]
    exponents: list[Exponent]
    fit_tv: float
    frequencies: FloatArray
    target: FloatArray
    fitted: FloatArray

    @property
    def verdict(self) -> str:
        """One line."""
        best, tv = self.candidates[0], self.rows[-1].tv
        if best.name == "target":
            return f"it draws from the target, to what {self.runs} runs can tell (TV at most {tv.hi:.3f})"
        where = "a law that is none of the candidates" if best.name == NONE else f"the law '{best.name}'"
        near = " though nearly the target" if best.name == NONE and tv.lo == 0.0 else ""
        return f"it draws from {where}{near}: TV to the target {tv.lo:.3f} to {tv.hi:.3f}"


def identify_law(
    sampler: SamplerLike,
    instance: Instance,
    runs: int = DEFAULT_RUNS,
    sizes: Sequence[int] = DEFAULT_SIZES,
    seed: int = 0,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Identification:
    """Run a sampler, of this library or of another, and say which law it draws from.

    Parameters
    ----------
    sampler : Sampler, or what `treesim.sampler` makes one of
        A spec, or a class, object or function of yours.
        Its parameter `particles`, or `n`, takes the sizes; without either it runs as it is.
    instance : Instance
        On a tree.
    runs : int
        Of each size, at least 100.
    sizes : sequence of int
    seed : int

    Raises
    ------
    SpecError
        If the graph is no tree, or there are too few runs.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("dirichlet", horizon=2, seed=1)
    >>> identified = identify_law(sampler("sp-gsmc"), instance, runs=2_000)
    >>> identified.candidates[0].name, [round(exponent.estimate) for exponent in identified.exponents]
    ('target', [0, 1])
    """
    sampler = sampler_of(sampler)
    require_instance(instance, "identify_law")
    instance.graph.require_tree("an audit lists the leaves of a tree; unroll the trellis first", SpecError)
    if runs < 100:
        raise SpecError(f"runs is {runs}, expected at least 100")
    target = instance.target.prob.to_float()
    rows, count = [], np.zeros(0, np.int64)
    sized = (
        [(size, _of_size(sampler, size)) for size in sorted(set(sizes))] if _size_field(sampler) else [(None, sampler)]
    )
    for size, kind in track(sized):
        start = time.perf_counter()
        draws = kind.simulate(instance, runs, seed)
        seconds = (time.perf_counter() - start) / runs
        count = np.bincount(draws.leaf[draws.leaf >= 0], minlength=len(target))
        rows.append(SizeRow(size, tv_interval(count, target, runs), draws.reference_draws / runs,
                            draws.value_queries / runs, seconds))  # fmt: skip
    features = log_values(instance)
    weights, information = fit_exponents(count, instance, features)
    fitted = tilted(instance, features, np.nan_to_num(weights))
    frequencies = count / runs
    return Identification(
        rows=rows,
        runs=runs,
        floor=0.5 * float(np.sqrt(target * (1 - target) / runs).sum()),
        candidates=_candidates(count, instance, features, runs),
        exponents=_exponents(weights, information, int(count.sum())),
        fit_tv=0.5 * float(np.abs(frequencies - fitted).sum()),
        frequencies=frequencies,
        target=target,
        fitted=fitted,
    )


def log_values(instance: Instance) -> FloatArray:
    """log V of the prefixes of every leaf, in nats, shape [horizon, n_leaves]; at the last step log of the reward."""
    graph = instance.graph
    edges = graph.path_edges(np.arange(graph.n_leaves), None)
    log_value = instance.value.log()
    return np.array([log_value[graph.level(t + 1)][edges[:, t]] for t in range(graph.horizon)])


def tilted(instance: Instance, features: FloatArray, exponents: FloatArray) -> FloatArray:
    """pi_ref prod_t V_t^a_t, normalised, shape [n_leaves].

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=2, ratio=3.0)
    >>> tilted(instance, log_values(instance), np.array([0.0, 1.0])).round(4).tolist()
    [0.0625, 0.1875, 0.1875, 0.5625]
    """
    with np.errstate(invalid="ignore"):
        # An exponent of zero does not count, though the value be zero.
        weight = np.where(exponents[:, None] != 0, exponents[:, None] * features, 0.0).sum(axis=0)
    log_law = instance.reference.prob.log() + np.nan_to_num(weight, nan=-np.inf, neginf=-np.inf)
    law = np.exp(log_law - log_law.max())
    return law / law.sum()


def fit_exponents(count: IntArray, instance: Instance, features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The exponents that make the counts most likely, shape [horizon], and the information in one draw.

    Leaves of value zero somewhere are left out. The log-likelihood is concave: Newton's method, halving steps.
    NaN where an exponent runs off without bound.
    """
    reference = instance.reference.prob.to_float()
    use = (reference > 0) & np.isfinite(features).all(axis=0)
    n, x, base, seen = float(count[use].sum()), features[:, use], np.log(reference[use]), count[use]
    a = np.zeros(len(features))
    if n == 0:
        return np.full(len(features), np.nan), np.zeros((len(features), len(features)))

    def law(a: FloatArray) -> tuple[FloatArray, float]:
        score = base + a @ x
        top = score.max()
        weight = np.exp(score - top)
        likelihood = float((seen * score).sum() - n * (top + math.log(weight.sum())))
        return weight / weight.sum(), likelihood

    p, best = law(a)
    for _ in range(_STEPS):
        gradient = x @ (seen - n * p)
        centred = x - (x @ p)[:, None]
        information = (centred * p) @ centred.T
        step = np.linalg.pinv(n * information, rcond=_UNSEEN, hermitian=True) @ gradient
        size = 1.0
        while size > 1e-10:
            q, likelihood = law(a + size * step)
            if likelihood >= best:
                break
            size /= 2
        else:
            break
        a, p, gain, best = a + size * step, q, likelihood - best, likelihood
        if np.abs(a).max() > _LARGEST_EXPONENT:
            return np.full(len(a), np.nan), information
        if gain < 1e-9 and np.abs(size * step).max() < 1e-9:
            break
    centred = x - (x @ p)[:, None]
    return a, (centred * p) @ centred.T


def tv_interval(count: IntArray, law: FloatArray, n: int, level: float = LEVEL) -> TV:
    """Bounds on the TV of a sampler to a law from `n` runs, of kind ``estimated``.

    The observed TV is within sqrt(log(2 / (1 - level)) / 2n) of its mean (McDiarmid's inequality), which is at least
    the true one, and above it by at most sqrt(K / n) / 2 for K leaves.
    """
    observed = 0.5 * (float(np.abs(count / n - law).sum()) + max(0.0, 1.0 - count.sum() / n))
    margin = math.sqrt(math.log(2.0 / (1.0 - level)) / (2.0 * n))
    excess = 0.5 * math.sqrt((np.count_nonzero(law + count) - 1) / n)
    return TV(max(0.0, observed - margin - excess), min(1.0, observed + margin), "estimated", level)


def _candidates(count: IntArray, instance: Instance, features: FloatArray, runs: int) -> list[Candidate]:
    horizon = len(features)
    one, last = np.ones(horizon), np.eye(horizon)[-1]
    reference = instance.reference.prob.to_float()
    score = np.where(reference > 0, features[-1], -np.inf)
    best = score == score.max()
    laws = {
        "target": instance.target.prob.to_float(),
        "pi_ref, untilted": reference,
        "pi_ref prod_t V_t": tilted(instance, features, one),
        "pi_ref prod_t V_t, V_T once more": tilted(instance, features, one + last),
        "argmax of the reward": best / best.sum(),
    }
    if horizon == 1:
        del laws["pi_ref prod_t V_t"]
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = {name: float(np.where(count > 0, count * np.log(law), 0.0).sum()) for name, law in laws.items()}
    # Any law on the leaves that pi_ref reaches, uniformly: the Dirichlet-multinomial law of the counts in order.
    cells = int(np.count_nonzero(reference))
    evidence[NONE] = (
        math.lgamma(cells) - math.lgamma(cells + int(count.sum())) + sum(math.lgamma(k + 1) for k in count.tolist())
    )
    top = max(evidence.values())
    total = sum(math.exp(value - top) for value in evidence.values())
    candidates = [
        Candidate(name, tv_interval(count, laws[name], runs) if name in laws else None, math.exp(value - top) / total)
        for name, value in evidence.items()
    ]
    return sorted(candidates, key=lambda candidate: -candidate.probability)


def _exponents(weights: FloatArray, information: FloatArray, n: int) -> list[Exponent]:
    values, vectors = np.linalg.eigh(information)
    unseen = values <= _UNSEEN * max(float(values.max()), 1e-300)
    hidden = (vectors[:, unseen] ** 2).sum(axis=1) > 1e-6
    spread = (vectors[:, ~unseen] ** 2 / (np.maximum(values[~unseen], 1e-300) * max(n, 1))).sum(axis=1)
    exponents = []
    for t, (weight, variance, lost) in enumerate(zip(weights, spread, hidden, strict=True), start=1):
        if lost or not math.isfinite(weight):
            exponents.append(Exponent(t, None, None, None))
        else:
            margin = _QUANTILE * math.sqrt(variance)
            exponents.append(Exponent(t, float(weight), float(weight - margin), float(weight + margin)))
    return exponents


def _size_field(sampler: Sampler) -> str | None:
    names = {field.name for field in fields(sampler)}  # type: ignore[arg-type]
    return next((name for name in ("particles", "n") if name in names), None)


def _of_size(sampler: Sampler, size: int) -> Sampler:
    field = _size_field(sampler)
    assert field is not None
    return replace(sampler, **{field: size})  # type: ignore[type-var]
