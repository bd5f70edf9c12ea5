"""Experiments on corrections: which of them comes nearest to the target, for how many values asked?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from treesim.decoding.constrained import AutomatonValue, pose
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.instances.merging import unroll
from treesim.samplers import SMC, Backtracking, GuidedSMC
from treesim.samplers.guided import log_largest_weight
from treesim.studies.experiment import Experiment, Points, Surface
from treesim.studies.scaling import least
from treesim.theory.correction import draws_to_correct

# Distances below this are rounding.
_ROUNDING = 1e-16


@cache
def corrections(horizon: int = 12, seed: int = 0) -> Experiment:
    """How near do corrections of guidance come on constrained decoding, beside pools that are not corrected?

    Examples
    --------
    >>> result = corrections(horizon=8)
    >>> [label for label in result.curves][0]
    'guided by the automaton, H paths offered'
    """
    problem = pose(horizon, order=2, contains=("is",))
    instance = Instance(problem.product.trellis, AutomatonValue().value(problem))
    sizes = (1, 2, 4, 8, 16, 32)
    bound = math.exp(log_largest_weight(instance)) * (1.0 + 1e-9)

    def curve(make: Callable[[int], GuidedSMC], sizes: Sequence[int] = sizes) -> Points:
        return [(float(n), make(n).law(instance).tv(instance.target, width=1e-6).hi) for n in sizes]

    curves = {
        "guided by the automaton, H paths offered": curve(lambda h: GuidedSMC(mh=h)),
        "rejection, at most K paths": curve(lambda k: GuidedSMC(reject=k), sizes[1::2]),
        f"Chebyshev selection of N paths, k = {bound:.0f}": curve(
            lambda n: GuidedSMC(chebyshev=n, bound=bound), sizes[1::2]
        ),
        "a pool of M, not corrected": curve(lambda m: GuidedSMC(pool=m), sizes[1:5]),
    }
    first = next(iter(curves.values()))[0][1]
    last, refused, selected, _ = (points[-1][1] for points in curves.values())
    return Experiment(
        f"TV on texts of {horizon} letters that contain 'is', guided by a value that sees the constraint only",
        f"Offers bring it from {first:.3f} to {last:.2g} at H = {sizes[-1]}. Weights are within a factor of "
        f"{bound:.0f} of one: a rule that trusts nothing but that bound, Chebyshev selection, gains little "
        f"({selected:.3f}), as does rejection ({refused:.3f}). A larger pool only comes nearer to guidance, which is "
        f"itself {first:.3f} off.",
        "paths N, H or K, or draws of a pool M", "total variation (certified, at most)", curves,
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
    """How many guided paths do corrections need against log 1/delta, and what does every algorithm need?

    Examples
    --------
    >>> result = steps()
    >>> result.figures["share explained by a line"] > 0.999
    True
    """
    instance = family("sharpest-guidance", horizon=horizon, epsilon=epsilon)
    target, bound = instance.target, (1.0 + epsilon) ** (horizon - 1)
    rules: dict[str, Callable[[int], GuidedSMC]] = {
        "Metropolis-Hastings or race, H paths": lambda h: GuidedSMC(mh=h),
        "rejection, at most K paths": lambda k: GuidedSMC(reject=k),
        "Chebyshev selection, N paths": lambda n: GuidedSMC(chebyshev=n),
    }
    curves: dict[str, Points] = {label: [] for label in rules}
    below = "every algorithm, on its worst instance"
    curves[below] = []
    for power in range(1, 13):
        delta = 10.0**-power
        for label, make in rules.items():

            def meets(n: int, make: Callable[[int], GuidedSMC] = make, delta: float = delta) -> bool:
                return make(n).law(instance).tv(target).hi <= delta

            needed = least(meets)
            assert needed is not None
            curves[label].append((power * math.log(10), float(needed)))
        curves[below].append((power * math.log(10), float(draws_to_correct(delta, bound))))
    slopes, explained = {}, 0.0
    for label, points in curves.items():
        x, y = np.array(points).T
        slopes[label], intercept = np.polyfit(x, y, 1)
        if not explained:
            explained = 1.0 - float(((y - slopes[label] * x - intercept) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    chain, _, selected, all_of_them = (float(slope) for slope in slopes.values())
    return Experiment(
        f"Paths for TV <= delta on the worst tree for guidance, T = {horizon}, epsilon = {epsilon:g}, exact; k = "
        f"(1 + epsilon)^(T - 1) = {bound:.3g}",
        f"Metropolis-Hastings takes {chain:.3g} paths a nat of 1/delta, Chebyshev selection {selected:.3g}; nobody "
        f"gets along with fewer than {all_of_them:.3g} at all p. A line explains {explained:.4%} of H: log,"
        " not log log.",
        "log 1/delta (nats)", "least number of paths", curves, log_x=False, log_y=False,
        figures={"slope": chain, "slope of selection": selected, "slope of the bound": all_of_them,
                 "share explained by a line": explained},
    )  # fmt: skip


@cache
def nearest(paths: int = 8) -> Experiment:
    """Which sampler is nearest at equal values asked, over (epsilon, T): momentum, backtracking, selection, MH or SMC?

    Examples
    --------
    >>> result = nearest(paths=4)
    >>> min(map(min, result.surface.z)) < 0 < max(map(max, result.surface.z))
    True
    """
    ratios, horizons = (1.02, 1.05, 1.1, 1.2, 1.35, 1.5), (3, 4, 6, 8)
    names = (f"momentum, within the values of {paths} guided paths", "plain backtracking, as many", f"MH, H = {paths}",
             f"Chebyshev selection, N = {paths}", f"SMC, N = {2 * paths}")  # fmt: skip
    found = {(r, t): dict(zip(names, _contest(r, t, paths), strict=True)) for r in ratios for t in horizons}
    # Where plain backtracking has no leaf yet there is nothing to draw.
    curves: dict[str, Points] = {
        name: [(r - 1.0, found[r, horizons[-1]][name]) for r in ratios if found[r, horizons[-1]][name] < 1.0]
        for name in names
    }
    walks, whole = (names[0], names[1], names[4]), names[2:4]
    gain = [
        [math.log10(min(found[r, t][n] for n in whole) / min(found[r, t][n] for n in walks)) for r in ratios]
        for t in horizons
    ]
    won = {name: sum(min(row, key=row.__getitem__) == name for row in found.values()) for name in names}
    quicker = sum(row[names[0]] < row[names[1]] for row in found.values())
    ranking = ", ".join(f"{name.split(',')[0]} {count}" for name, count in sorted(won.items(), key=lambda x: -x[1]))
    return Experiment(
        f"TV at the values that {paths} guided paths ask for, on error amplification (values off by a factor r, up or "
        f"down with the last token), T = {horizons[-1]}",
        f"Nearest, of {len(found)} places (r, T): {ranking}. Momentum is nearer than plain backtracking at "
        f"{quicker} of them. Above the line the best of momentum, backtracking and SMC is nearer than whole paths, "
        "one of which is kept.",
        "r - 1", "total variation (exact)", {name: curve for name, curve in curves.items() if curve},
        log_x=True, log_y=True, figures={name: float(count) for name, count in won.items()},
        surface=Surface([r - 1.0 for r in ratios], list(map(float, horizons)), gain, "r - 1", "horizon T",
                "log10 (TV of whole paths / of walks and SMC)",
                "The line is where both are equal"),
    )  # fmt: skip


def _contest(ratio: float, horizon: int, paths: int) -> list[float]:
    """TV of momentum, plain backtracking, MH, selection and SMC; 1 where no output is to be had for the values."""
    tree, trellis = (
        family("error-amplification", horizon=horizon, ratio=ratio, form=form) for form in ("tree", "trellis")
    )
    budget = GuidedSMC(mh=paths).cost(tree).value_queries

    def within(momentum: bool) -> float:
        leaf = 0
        while Backtracking(0, "leaf", leaf + 1, momentum).cost(tree).value_queries <= budget:
            leaf += 1
        return Backtracking(0, "leaf", leaf, momentum).law(tree).tv(tree.target).hi if leaf else 1.0

    kinds = (GuidedSMC(mh=paths), GuidedSMC(chebyshev=paths))
    exact = [within(True), within(False), *(kind.law(tree).tv(tree.target).hi for kind in kinds)]
    return [max(tv, _ROUNDING) for tv in [*exact, SMC(2 * paths).law(trellis).tv(trellis.target).hi]]
