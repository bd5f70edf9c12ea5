"""Beyond the paper: six results that an exact laboratory can show, each with the checks that decide it and its curves.

Each function returns a `Discovery`. Its checks are rows of ``treesim verify``, its curves a figure of
``treesim demo discoveries``, its page is in docs/discoveries/.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from treesim.errors import TreeError
from treesim.graphs.tree import Tree
from treesim.hard_instances.counting_ones import binomial_tv
from treesim.hard_instances.extinction import extinction, particles_to_survive, survival
from treesim.hard_instances.hidden_prefix import hidden_prefix_certificate
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.corrected import corrected_law
from treesim.laws.law import Law, LeafLaw
from treesim.samplers import SMC, Backtracking, ExactGuided, GuidedSMC, Importance
from treesim.scaled import Scaled
from treesim.studies.experiments import Curve, Experiment, Surface
from treesim.studies.scaling import fit, least, slope
from treesim.theory.bounds import algorithm_2_plan
from treesim.theory.verification import Check

ROUNDING = 1e-9


@dataclass(frozen=True)
class Discovery:
    """A result.

    Attributes
    ----------
    name : str
        Also of its page and figure.
    statement : str
        One sentence.
    checks : list of Check
    found : Experiment
        What is drawn, and the answer in numbers.
    """

    name: str
    statement: str
    checks: list[Check]
    found: Experiment


@cache
def exact_guided() -> Discovery:
    """The exact guided sampler costs O(L T^2) values, and its law is pi~.

    Examples
    --------
    >>> all(check.holds for check in exact_guided().checks)
    True
    """
    checks = []
    for seed in range(4):
        instance = family("dirichlet", horizon=6, perturbation="random-sign", epsilon="0.5/T", seed=seed)
        horizon, epsilon, ratio = 6, instance.audit.bellman_error, instance.audit.ratio_bound
        checks.append(Check("exact", "TV of exact-guided", ExactGuided().law(instance).tv(instance.target).hi, 0.0))
        rounds = math.e * (1 + epsilon) ** (2 * (horizon - 1))
        most = rounds * horizon * ratio * ((1 + epsilon) + 9.5 * (horizon + 1))
        checks.append(Check("exact", "draws of exact-guided", ExactGuided().cost(instance).reference_draws, most))
    horizons = (10, 20, 40, 80, 160, 320)
    exact: Curve = []
    plans: Curve = []
    for t in horizons:
        instance = family("markov", horizon=t, states=2, perturbation="random-sign", epsilon="0.25/T", seed=1)
        exact.append((t, ExactGuided().cost(instance).value_queries))
        audit = instance.audit
        plan = algorithm_2_plan(t, audit.bellman_error, audit.ratio_bound, 0.01, 0.01)
        plans.append((t, float(plan.pool * plan.steps * t)))
    growth = fit({int(t): cost for t, cost in exact})
    assert growth is not None
    return Discovery(
        "exact-guided",
        "Sampling from the target exactly, with no delta, costs O(L T^2) values in expectation if epsilon = O(1/T).",
        checks,
        Experiment(
            "Values asked: the exact sampler, and Algorithm 2 as its theorem plans it for TV <= 0.01 (a Markov chain)",
            f"The exact sampler's cost grows like T^{growth.power.exponent:.2f}; at T = {horizons[-1]} it is "
            f"{plans[-1][1] / exact[-1][1]:.0f} times below the plan of Algorithm 2.",
            "horizon T", "values asked", {"exact-guided (exact expectation)": exact, "Algorithm 2, planned": plans},
            True, True, {"exponent": growth.power.exponent},
        ),
    )  # fmt: skip


@cache
def first_leaf() -> Discovery:
    """The first leaf that backtracking hits is drawn from the harmonic measure: exact for V*, flat where errors add up.

    Examples
    --------
    >>> all(check.holds for check in first_leaf().checks)
    True
    """
    kind = Backtracking(0, stop="first-leaf")
    checks = []
    for seed in range(4):
        instance = family("random-branching", horizon=6, branching=3, seed=seed)
        tv = kind.law(instance).tv(instance.target).hi
        checks.append(Check("first leaf", "TV of first-leaf backtracking with V*", tv, ROUNDING))
    horizons, ratio = (4, 6, 8, 10, 12, 14), 1.2
    curves: dict[str, Curve] = {"guided, one particle": [], "backtracking, first leaf": []}
    for t in horizons:
        instance = family("error-amplification", horizon=t, ratio=ratio, form="tree")
        for name, sampler in zip(curves, (GuidedSMC(), kind), strict=True):
            curves[name].append((t, sampler.law(instance).tv(instance.target).hi))
    guided, backtracking = (curve[-1][1] for curve in curves.values())
    checks.append(Check("first leaf", "TV on error-amplification, T = 14, against guidance", backtracking, guided / 2))
    flat = max(y for _, y in curves["backtracking, first leaf"][2:]) / curves["backtracking, first leaf"][2][1]
    checks.append(Check("first leaf", "growth of that TV from T = 8 to 14", flat, 1.1))
    plain: Curve = [
        (t, _given_a_leaf(Backtracking(t * t).law(instance), instance.target))
        for t in horizons
        for instance in [family("error-amplification", horizon=t, ratio=ratio, form="tree")]
    ]
    return Discovery(
        "first-leaf",
        "The first leaf that value-guided backtracking hits has the law of a harmonic measure: the target itself for "
        "V*, and no farther with T on the instances where guidance amplifies its errors.",
        checks,
        Experiment(
            f"Error amplification: every value off by a factor of {ratio:g}, up or down with the last token",
            f"Guidance goes from {curves['guided, one particle'][0][1]:.3f} to {guided:.3f}; the first leaf stays at "
            f"{backtracking:.3f}.",
            "horizon T", "total variation (exact)", {**curves, "backtracking, T^2 steps, given a leaf": plain},
        ),
    )  # fmt: skip


@cache
def sharper_hidden_prefix() -> Discovery:
    """Code depth and boosting depth chosen apart: the exponent of the lower bound comes to 2, that of the upper bound.

    Examples
    --------
    >>> all(check.holds for check in sharper_hidden_prefix().checks)
    True
    """
    epsilon, horizons = 0.1, tuple(range(30, 241, 30))
    paper: Curve = [(t, _best(t, epsilon, 2, (0,))[0]) for t in horizons]
    curves = {"depth 2 T / 3 (Theorem 4.2)": paper}
    exponents = {"depth 2 T / 3": _exponent(paper, epsilon)}
    checks = []
    for branching in (2, 8, 64):
        curve: Curve = [(t, _best(t, epsilon, branching, range(1, t))[0]) for t in horizons]
        curves[f"best depth, B = {branching}"] = curve
        exponents[f"B = {branching}"] = found = _exponent(curve, epsilon)
        predicted = 2 / (1 + 2 * math.log(1 + epsilon) / math.log(branching))
        # Whole depths and words, and the constant (1/6), cost a little at these T.
        checks.append(Check("sharp 4.2", f"exponent of the price, B = {branching}", found, 0.97 * predicted, False))
        checks.append(Check("sharp 4.2", f"exponent against that of guided paths + MH, B = {branching}", found, 2.0))
    return Discovery(
        "sharper-hidden-prefix",
        "With the code and the boost of the hidden prefix at depths of their own, TV <= 1/3 costs (1 + epsilon)^(c T) "
        "queries with c = 2 / (1 + 2 log(1 + epsilon) / log B), near 2; the paper's instance has c = 2/3.",
        checks,
        Experiment(
            f"Queries that TV <= 1/3 costs any sampler in the oracle model, epsilon = {epsilon:g}",
            "Exponents c: " + ", ".join(f"{name} {value:.3f}" for name, value in exponents.items()) + ".",
            "horizon T", "queries, at least", curves, False, True, exponents,
        ),
    )  # fmt: skip


@cache
def single_or_many() -> Discovery:
    """One guided particle is enough exactly up to (T - 1) log(1 + epsilon) = 2 atanh(delta); beyond, N grows like e^x.

    Examples
    --------
    >>> all(check.holds for check in single_or_many().checks)
    True
    """
    horizon = 12
    checks = []
    for delta in (0.01, 0.05, 0.2, 0.5):
        x = 2 * math.atanh(delta)
        instance = family("sharpest-guidance", horizon=horizon, epsilon=math.expm1(x / (horizon - 1)))
        tv = GuidedSMC().law(instance).tv(instance.target).hi
        checks.append(Check("phase", f"TV at the threshold for {delta:g}, over it", abs(tv / delta - 1), ROUNDING))
    for seed in range(4):
        instance = family("dirichlet", horizon=6, perturbation="adversarial", epsilon="1/T", seed=seed)
        x = 5 * math.log1p(instance.audit.bellman_error)
        tv = GuidedSMC().law(instance).tv(instance.target).hi
        checks.append(Check("phase", "TV of one guided particle", tv, math.tanh(x / 2)))
    xs, deltas = [0.05 * 1.3**k for k in range(18)], [0.01 * 1.25**k for k in range(18)]
    needed = [[_particles_for(x, delta) for x in xs] for delta in deltas]
    growth: Curve = [(x, float(_particles_for(x, 0.05))) for x in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)]
    worst: Curve = [(x, float(_particles_for(x, 0.05, worst=True))) for x in (1.0, 2.0, 3.0, 4.0)]
    own, any_p = (slope([(x, math.log(n)) for x, n in curve[-3:]]) for curve in (growth, worst))
    checks.append(Check("phase", "exponent of N in x, worst two-point law, off 2", abs(any_p - 2), 0.1))
    return Discovery(
        "single-or-many",
        "One guided particle is within delta on all instances just if x = (T - 1) log(1 + epsilon) <= 2 atanh(delta); "
        "beyond that N guided particles, resampled once, need N to grow like e^(2 x).",
        checks,
        Experiment(
            "Least N of guided particles with one resampling, on two-point laws of the weight e^(+-x), TV <= 0.05",
            f"N grows like e^({own:.2f} x) on the worst tree for guidance, like e^({any_p:.2f} x) on the worst "
            "two-point law.",
            "x = (T - 1) log(1 + epsilon)", "least N (exact)",
            {"worst tree for one particle": growth, "worst two-point law": worst}, False, True,
            {"exponent": own, "worst exponent": any_p},
            Surface(xs, deltas, [[math.log10(n) for n in row] for row in needed],
                    "x = (T - 1) log(1 + epsilon)", "TV delta", "log10 of the least N",
                    "One particle is enough above x = 2 atanh(delta)", [(2 * math.atanh(d), d) for d in deltas]),
        ),
    )  # fmt: skip


@cache
def log_not_loglog() -> Discovery:
    """On two-point weights the distance after n Metropolis-Hastings updates is TV_0 ((1 - p)(1 - k^-2))^n: log 1/delta.

    Examples
    --------
    >>> all(check.holds for check in log_not_loglog().checks)
    True
    """
    checks = []
    curves: dict[str, Curve] = {}
    slopes = {}
    for k, p in ((1.5, 0.2), (math.e, 0.1), (5.0, 0.02)):
        proposal, target = _two_points(p, k)
        start = proposal.tv(target).hi
        rate = (1 - p) * (1 - k**-2)
        off = max(
            abs(corrected_law(proposal, target, n + 1).tv(target).hi / (start * rate**n) - 1) for n in (1, 2, 5, 10)
        )
        checks.append(Check("log", f"TV over its closed form - 1, k = {k:.3g}, p = {p:g}", off, ROUNDING))
        needed = [math.ceil(math.log(start / 10.0**-power) / -math.log(rate)) for power in range(2, 17)]
        label = f"k = {k:.3g}, p = {p:g}"
        curves[label] = [(power * math.log(10), float(n)) for power, n in zip(range(2, 17), needed, strict=True)]
        slopes[label] = slope(curves[label])
        checks.append(
            Check(
                "log",
                f"updates a nat of 1/delta, off 1 / log(1/rate), {label}",
                abs(slopes[label] * -math.log(rate) - 1),
                0.02,
            )
        )
    return Discovery(
        "log-not-loglog",
        "Independent Metropolis-Hastings needs Theta(log 1/delta) updates, even from exact guidance: log log 1/delta is"
        " out of its reach.",
        checks,
        Experiment(
            "Updates for TV <= delta on two-point weights W in {1/k, k}, P(W = k) = p (closed form)",
            "Updates a nat of 1/delta: " + ", ".join(f"{name}: {value:.3g}" for name, value in slopes.items()) + ".",
            "log 1/delta (nats)", "updates n", curves, False, False, slopes,
        ),
    )  # fmt: skip


@cache
def perfect_value_particles() -> Discovery:
    """With V^ = V* particles still need N of order sqrt(T), or log T / log log T where steps can end them all.

    Examples
    --------
    >>> all(check.holds for check in perfect_value_particles().checks)
    True
    """
    needed = {t: _particles_on_the_product(t) for t in (10, 100, 1_000, 10_000)}
    known = {10: 12, 100: 36, 1_000: 110, 10_000: 346}
    checks = [Check("sqrt T", f"least N at T = {t}, off {known[t]}", abs(n - known[t]), 0.0) for t, n in needed.items()]
    for t, n in ((10, 5), (200, 16)):
        instance = family("perfect-value", horizon=t, ratio=3.0)
        off = abs(SMC(n).law(instance).tv(instance.target).hi - _product_tv(t, n))
        checks.append(Check("sqrt T", f"TV of SMC, off that of independent bits, T = {t}, N = {n}", off, ROUNDING))
    growth = fit(dict(needed))
    assert growth is not None
    checks.append(Check("sqrt T", "exponent of N in T, off 1/2", abs(growth.power.exponent - 0.5), 0.02))
    for t, bad, n in ((10, 0.5, 4), (50, 0.3, 3), (200, 0.2, 5)):
        instance = extinction(t, bad)
        off = abs(SMC(n).law(instance).tv(instance.target).hi - (1 - survival(t, bad, n)))
        checks.append(Check("extinction", f"TV, off 1 - (1 - bad^N)^T, T = {t}, N = {n}", off, ROUNDING))
    survive = [
        (float(t), float(particles_to_survive(t, 1 / math.log(t), 0.05))) for t in (10, 100, 1_000, 10_000, 10**6)
    ]
    return Discovery(
        "perfect-value-particles",
        "A perfect value does not save particles: on the normalised product model TV <= 0.05 takes N = 3.46 sqrt(T) of "
        "them, where one guided particle is exact.",
        checks,
        Experiment(
            "Least N of SMC for TV <= 0.05 with V^ = V*: product model (r = 3), and steps that end paths (1 / log T)",
            f"N grows like T^{growth.power.exponent:.3f} on the product model, {needed[10_000]} at T = 10,000; "
            f"against extinction {survive[-1][1]:.0f} are enough at T = 1,000,000.",
            "horizon T", "least N (exact)",
            {"product model": [(float(t), float(n)) for t, n in needed.items()], "extinction": survive}, True, True,
            {"exponent": growth.power.exponent},
        ),
    )  # fmt: skip


DISCOVERIES: dict[str, Callable[[], Discovery]] = {
    "exact-guided": exact_guided,
    "first-leaf": first_leaf,
    "sharper-hidden-prefix": sharper_hidden_prefix,
    "single-or-many": single_or_many,
    "log-not-loglog": log_not_loglog,
    "perfect-value-particles": perfect_value_particles,
}


def _best(horizon: int, epsilon: float, branching: int, depths: range | tuple[int, ...]) -> tuple[float, int]:
    """The largest price of the hidden prefix over some depths, and the depth."""
    found = []
    for depth in depths:
        try:
            certificate = hidden_prefix_certificate(horizon, epsilon, branching, depth, "trellis")
        except TreeError:
            continue
        found.append((certificate.queries, depth))
    return max(found)


def _given_a_leaf(law: Law, target: LeafLaw) -> float:
    """TV of a law to the target, given that it returns something."""
    assert isinstance(law, LeafLaw)
    return 0.5 * float(np.abs(law.prob.to_float() / (1 - law.failure) - target.prob.to_float()).sum())


def _exponent(curve: Curve, epsilon: float) -> float:
    """c of (1 + epsilon)^(c T), by least squares on the second half."""
    return slope([(x, math.log(y)) for x, y in curve[len(curve) // 2 :]]) / math.log1p(epsilon)


def _two_points(p: float, k: float) -> tuple[LeafLaw, LeafLaw]:
    """A proposal that gives its points p and 1 - p, and the target, k^2 times as likely on the first."""
    proposal = np.array([p, 1 - p])
    target = proposal * np.array([k, 1 / k])
    return LeafLaw(Scaled.from_float(proposal)), LeafLaw(Scaled.from_float(target / target.sum()))


@cache
def _particles_for(x: float, delta: float, worst: bool = False) -> int:
    """Least N of N guided paths, one drawn by its weight, on the two-point law of the worst tree, or on the worst."""
    shares = [1 / (1 + math.exp(x))] if not worst else [1 / (1 + math.exp(c * x)) for c in np.linspace(0.5, 2.5, 21)]
    return max(_resampled(x, delta, p) for p in shares)


def _resampled(x: float, delta: float, p: float) -> int:
    tree = Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([p, 1 - p]))
    instance = Instance(tree, Scaled.from_log(np.array([0.0, x, -x])))
    found = least(lambda n: Importance(n).law(instance).tv(instance.target).hi <= delta)
    assert found is not None
    return found


def _product_tv(horizon: int, particles: int) -> float:
    """TV of SMC on the product model, r = 3: the bits of its output are independent, each with the law of one step."""
    one_step = Importance(particles).law(family("product", horizon=1, ratio=3.0)).prob.to_float()
    return binomial_tv(horizon, 0.75, float(one_step[1]))


def _particles_on_the_product(horizon: int) -> int:
    found = least(lambda n: _product_tv(horizon, n) <= 0.05)
    assert found is not None
    return found
