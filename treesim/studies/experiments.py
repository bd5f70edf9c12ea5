"""Experiments: the questions of the paper's programme and its open ones, each answered by one call.

Each returns curves; every point is exact or certified unless its label says estimated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cache

import numpy as np

from treesim.arrays import Brief
from treesim.decoding.constrained import AutomatonValue, pose
from treesim.empirical.diagnosis import diagnose
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.instances.merging import unroll
from treesim.samplers import SMC, GuidedSMC
from treesim.studies.scaling import fit, least, scale

Points = list[tuple[float, float]]

# Distances below this are rounding.
_ROUNDING = 1e-16


@dataclass(frozen=True, repr=False)
class Surface(Brief):
    """A quantity over two axes.

    Attributes
    ----------
    x, y : list of float
    z : list of list of float, shape [len(y), len(x)]
    x_label, y_label, z_label : str
    title : str
    line : list of (x, y) or None
        Drawn over it; without one the line where z is zero, if it has both signs.
    """

    x: list[float]
    y: list[float]
    z: list[list[float]]
    x_label: str
    y_label: str
    z_label: str
    title: str
    line: Points | None = None


@dataclass(frozen=True, repr=False)
class Experiment(Brief):
    """What an experiment found.

    Attributes
    ----------
    question, answer : str
    x, y : str
        What the axes are.
    curves : dict of str to list of (x, y)
    log_x, log_y : bool
        How to draw the axes.
    figures : dict of str to float
        Numbers of the answer.
    surface : Surface or None
        A map, drawn beside the curves.
    """

    question: str
    answer: str
    x: str
    y: str
    curves: dict[str, Points]
    _: KW_ONLY
    log_x: bool = False
    log_y: bool = False
    figures: dict[str, float] = field(default_factory=dict)
    surface: Surface | None = None


@cache
def bellman(seed: int = 0) -> Experiment:
    """How large is the Bellman error of a noisy value, step by step and against T, if its noise is of order 1/T?

    Examples
    --------
    >>> -1.7 < bellman().figures["exponent"] < -0.7
    True
    """
    horizons = (4, 6, 8, 10, 12)
    worst: Points = []
    by_step: dict[str, Points] = {}
    for horizon in horizons:
        noise = f"log-normal:sigma={0.3 / horizon}"
        audit = family("dirichlet", horizon=horizon, perturbation=noise, seed=seed).audit
        worst.append((horizon, float(audit.mean_target.mean())))
        if horizon in (horizons[0], horizons[-1]):
            by_step[f"by step, T = {horizon}"] = [(t + 1.0, float(error)) for t, error in enumerate(audit.mean_target)]
    fits = fit({int(t): error for t, error in worst})
    assert fits is not None
    power = fits.power
    return Experiment(
        "Bellman error (mean under the target) of V* times log-normal noise of sigma = 0.3 / T",
        f"It falls like T^{power.exponent:.2f} (95%: {power.low:.2f} to {power.high:.2f}); O(1/T) is T^-1.",
        "T, or step", "Bellman error", {"mean over steps, against T": worst, **by_step}, log_x=True, log_y=True,
        figures={"exponent": power.exponent},
    )  # fmt: skip


@cache
def particles(delta: float = 0.05) -> Experiment:
    """How many particles are needed against T, with and without a value for prefixes?

    Examples
    --------
    >>> result = particles()
    >>> 0.3 < result.figures["power with"] < 0.7, result.figures["rate without"] > 0.05
    (True, True)
    """
    with_value = {row.horizon: row.least for row in scale("product", "smc", (8, 16, 32, 64, 128), delta, ratio=2.0)}
    without = {
        row.horizon: row.least
        for row in scale("product", "importance", (8, 16, 24, 32, 48, 64), delta, ratio=2.0, form="trellis")
    }
    power, rate = (fit({t: n for t, n in counts.items() if n is not None}) for counts in (with_value, without))
    assert power is not None and rate is not None
    curves = {
        "SMC, V^ of each prefix": [(float(t), float(n)) for t, n in with_value.items() if n],
        "importance resampling, the reward only": [(float(t), float(n)) for t, n in without.items() if n],
    }
    answer = (
        f"With a value N grows like T^{power.power.exponent:.2f} ({power.verdict}); without one like "
        f"exp({rate.exponential.exponent:.3f} T) ({rate.verdict})."
    )
    return Experiment(
        f"Least N for TV <= {delta:g} on the product model, ratio 2", answer,
        "horizon T", "least N", curves, log_x=True, log_y=True,
        figures={"power with": power.power.exponent, "rate without": rate.exponential.exponent},
    )  # fmt: skip


@cache
def corrections(horizon: int = 12, seed: int = 0) -> Experiment:
    """How many Metropolis-Hastings steps reach delta on constrained decoding, beside pools that are not corrected?

    Examples
    --------
    >>> result = corrections(horizon=8)
    >>> [label for label in result.curves][0]
    'guided by the automaton, H paths offered'
    """
    problem = pose(horizon, order=2, contains=("is",))
    instance = Instance(problem.product.trellis, AutomatonValue().value(problem))
    sizes = (1, 2, 4, 8, 16, 32)

    def tv(kind: GuidedSMC) -> float:
        return kind.law(instance).tv(instance.target, width=1e-6).hi

    chain = [(float(h), tv(GuidedSMC(mh=h))) for h in sizes]
    pools = [(float(m), tv(GuidedSMC(pool=m))) for m in sizes[1:5]]
    first, last = chain[0][1], chain[-1][1]
    return Experiment(
        f"TV on texts of {horizon} letters that contain 'is', guided by a value that sees the constraint only",
        f"Offers bring it from {first:.3f} to {last:.2g} at H = {sizes[-1]}; a larger pool only comes nearer to "
        f"guidance, which is itself {first:.3f} off.",
        "paths offered H, or draws of a pool M", "total variation (certified, at most)",
        {"guided by the automaton, H paths offered": chain, "a pool of M, not corrected": pools},
        log_x=True, log_y=True,
    )  # fmt: skip


@cache
def pools(horizon: int = 5) -> Experiment:
    """Is it better to enlarge the pool, or to correct a small one, on constrained decoding?

    Examples
    --------
    >>> result = pools(horizon=3)
    >>> result.figures["TV of the largest pool"] > result.figures["TV of the pool of 4, corrected"]
    True
    """
    problem = pose(horizon, order=2, tokens=4, contains=("te",))
    instance = unroll(Instance(problem.product.trellis, AutomatonValue().value(problem)))

    def curve(kinds: dict[int, GuidedSMC]) -> Points:
        return [(float(draws), kind.law(instance).tv(instance.target).hi) for draws, kind in kinds.items()]

    sizes, walks = (2, 4, 8, 16, 32, 64, 128), (1, 2, 4, 8, 16, 32)
    curves = {
        "a pool of M": curve({m: GuidedSMC(pool=m) for m in sizes}),
        "pools of 2, H walks": curve({2 * h: GuidedSMC(pool=2, mh=h) for h in walks}),
        "pools of 4, H walks": curve({4 * h: GuidedSMC(pool=4, mh=h) for h in walks}),
    }
    bare, two, four = (points[-1][1] for points in curves.values())
    return Experiment(
        f"TV on texts of {horizon} letters out of four that contain 'te', guided by a value that sees only that",
        f"A pool alone stops at the error of its value: {bare:.3f} at M = {sizes[-1]}. Corrected with as many draws, a "
        f"pool of 4 reaches {four:.2g}; one of 2, with half as many, {two:.2g}.",
        "draws from pi_ref a step, M H", "total variation (exact)", curves, log_x=True, log_y=True,
        figures={"TV of the largest pool": bare, "TV of the pool of 2, corrected": two,
                 "TV of the pool of 4, corrected": four},
    )  # fmt: skip


@cache
def acceptance(horizon: int = 5, epsilon: float = 0.2, seed: int = 0) -> Experiment:
    """How often are offers taken as the vocabulary grows?

    Examples
    --------
    >>> all(0 < rate <= 1 for _, rate in acceptance(horizon=3).curves["guided paths (estimated)"])
    True
    """
    points = []
    for branching in (2, 3, 4, 6, 8, 12):
        instance = family(
            "dirichlet", horizon=horizon, branching=branching, perturbation="random-sign", epsilon=epsilon, seed=seed
        )
        rate = diagnose(GuidedSMC(mh=20), instance, n=2_000, seed=seed).acceptance
        points.append((float(branching), float(rate or 0.0)))
    return Experiment(
        f"Share of offers that Metropolis-Hastings takes, T = {horizon}, epsilon = {epsilon:g}",
        f"From {points[0][1]:.3f} with 2 tokens to {points[-1][1]:.3f} with {points[-1][0]:.0f}.",
        "tokens B", "acceptance rate (estimated)", {"guided paths (estimated)": points},
    )  # fmt: skip


@cache
def tokens(horizon: int = 4, branching: int = 12, seed: int = 0) -> Experiment:
    """Is it better to ask for all B tokens of a step, or to draw a pool?

    Examples
    --------
    >>> result = tokens(horizon=3, branching=4)
    >>> result.curves["a pool of M"][0][1] > result.curves["all tokens of each step"][0][1]
    True
    """
    instance = family(
        "dirichlet", horizon=horizon, branching=branching, perturbation="random-sign", epsilon=0.05, seed=seed
    )
    target = instance.target
    whole = GuidedSMC()
    pools = []
    for size in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        kind = GuidedSMC(pool=size)
        pools.append((kind.cost(instance).value_queries, kind.law(instance).tv(target).hi))
    exact = (whole.cost(instance).value_queries, whole.law(instance).tv(target).hi)
    equal = min(pools, key=lambda point: abs(point[0] - exact[0]))
    return Experiment(
        f"Token-level regime: B = {branching} tokens, T = {horizon}, epsilon = 0.05",
        f"All tokens cost {exact[0]:.0f} values and are {exact[1]:.4f} off; the pool nearest in cost, {equal[0]:.0f}, "
        f"is {equal[1]:.4f} off.",
        "values asked", "total variation (exact)",
        {"a pool of M": pools, "all tokens of each step": [exact]}, log_x=True, log_y=True,
    )  # fmt: skip


@cache
def phases(horizon: int = 12) -> Experiment:
    """One guided particle or N particles: which is nearer at equal query cost, over (epsilon T, budget)?

    Examples
    --------
    >>> result = phases(horizon=6)
    >>> result.figures["gain of N = 2"] > 1, result.surface.z[-1][0] < 0 < result.surface.z[0][0]
    (True, True)
    """
    shares = [0.05 * 2 ** (k / 2) for k in range(16)]
    budgets = (2, 4, 8, 16, 32, 64)  # values asked, in units of T
    one: dict[int, Points] = {budget: [] for budget in budgets}
    many: dict[int, Points] = {budget: [] for budget in budgets}
    for share in shares:
        instance = family("sharpest-guidance", horizon=horizon, epsilon=share / horizon)
        for budget in budgets:
            for side, kind in ((one, GuidedSMC(mh=budget // 2)), (many, SMC(budget))):
                side[budget].append((share, max(kind.law(instance).tv(instance.target).hi, _ROUNDING)))
    gain = [[math.log10(a / b) for (_, a), (_, b) in zip(one[n], many[n], strict=True)] for n in budgets]
    share_won = sum(value > 0 for row in gain for value in row) / (len(shares) * len(budgets))
    turn = next((share for share, value in zip(shares, gain[2], strict=True) if value > 0), math.inf)
    curves: dict[str, Points] = {}
    for n in budgets[::2]:
        paths = "one path" if n == 2 else f"{n // 2} guided paths in turn, MH"
        curves |= {f"{paths} ({n} T values)": one[n], f"SMC, N = {n} ({n} T values)": many[n]}
    return Experiment(
        "Guided paths one after the other with Metropolis-Hastings, or N particles of SMC, at equal cost in values: "
        f"the worst tree for guidance, T = {horizon}",
        f"With 2 T values two particles are nearer by a factor of {10 ** min(gain[0]):.3f} or more. With more, one "
        f"corrected particle is nearer until epsilon T is large: with {budgets[2]} T values, until {turn:.2g}. "
        f"Particles win {share_won:.0%} of the map.",
        "epsilon T", "total variation (exact)", curves, log_x=True, log_y=True,
        figures={"gain of N = 2": 10 ** min(gain[0]), "turn": turn, "share won by particles": share_won},
        surface=Surface(shares, list(map(float, budgets)), gain, "epsilon T", "values asked / T",
                "log10 (TV of one corrected particle / TV of N)", "The line is where both are equal"),
    )  # fmt: skip


@cache
def steps(horizon: int = 8, epsilon: float = 0.1) -> Experiment:
    """Does the number of Metropolis-Hastings steps grow like log 1/delta or like log log 1/delta?

    Examples
    --------
    >>> result = steps()
    >>> result.figures["share explained by a line"] > 0.999
    True
    """
    instance = family("sharpest-guidance", horizon=horizon, epsilon=epsilon)
    target = instance.target
    points = []
    for power in range(1, 13):
        delta = 10.0**-power

        def meets(h: int, delta: float = delta) -> bool:
            return GuidedSMC(mh=h).law(instance).tv(target).hi <= delta

        needed = least(meets)
        assert needed is not None
        points.append((power * math.log(10), float(needed)))
    x, y = np.array(points).T
    slope, intercept = np.polyfit(x, y, 1)
    explained = 1.0 - float(((y - slope * x - intercept) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    return Experiment(
        f"Offers H for TV <= delta on the worst tree for guidance, T = {horizon}, epsilon = {epsilon:g}, exact",
        f"H grows by {slope:.3g} a nat of 1/delta, and a line explains {explained:.4%} of it: log, not log log.",
        "log 1/delta (nats)", "least H", {"least H (exact)": points}, log_x=False, log_y=False,
        figures={"slope": float(slope), "share explained by a line": explained},
    )  # fmt: skip


EXPERIMENTS: dict[str, Callable[[], Experiment]] = {
    "bellman": bellman,
    "particles": particles,
    "corrections": corrections,
    "pools": pools,
    "acceptance": acceptance,
    "tokens": tokens,
    "phases": phases,
    "steps": steps,
}
