"""Over-optimisation: the more a proxy is optimised, the better the outputs, until they are its errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from treesim.arrays import FloatArray
from treesim.demos.page import REFERENCE, Track
from treesim.figures.formulas import above, fenced, formula, join, over
from treesim.figures.style import BLUE, GREEN, GREY, NAVY, ORANGE, PURPLE, dress, legend
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, states
from treesim.graphs.values import optimal_twist
from treesim.hard_instances.proxy import best_n, best_of_n_true_reward, proxy
from treesim.instances.instance import Instance
from treesim.instances.perturbations import LogNormal, perturb
from treesim.laws.by_reward import RewardLaw
from treesim.laws.law import Law
from treesim.runtime.seeds import Stream, generator
from treesim.samplers import BestOfN, GuidedSMC, Importance, SoftBestOfN
from treesim.scaled import Scaled
from treesim.tables import number, table

SIZES = tuple(2**k for k in range(13))
POOLS = tuple(2**k for k in range(9))
# Strengths of the proxy in the targets, in parts of the instance's own.
STRENGTHS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
# Proxy that is given at most.
CAP = 0.9
# Draws of InferenceTimePessimism, and pools that estimate it.
DRAWN, N_POOLS = (1, 4, 16, 64, 256, 1024), 4_000
OFFERS = (1, 2, 4, 16, 64)
NOISE = 0.5
COLOURS = {
    "best-of-N": ORANGE, "soft best-of-N": BLUE, "importance": NAVY, "guided pool": GREEN, "capped best-of-N": PURPLE,
    "targets": GREY, "pessimism": "currentColor",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A sampler, or a law that one aims at.

    Attributes
    ----------
    name : str
        Of its curve.
    size : float
        N, the pool, the strength, or the temperature: what the curve runs over.
    kl : float
        KL(law || pi_ref), in nats.
    true, proxy : float
        Expected, linear, neither to the power of anything.
    """

    name: str
    size: float
    kl: float
    true: float
    proxy: float


@dataclass(frozen=True)
class Drawn:
    """InferenceTimePessimism with n draws: true reward of its output, from pools, and the standard error.

    Attributes
    ----------
    n : int
    true, error : float
        Estimated: the mean over pools of what is expected given the pool.
    """

    n: int
    true: float
    error: float


@dataclass(frozen=True)
class Corrected:
    """Guidance by a noisy value after H offers of Metropolis-Hastings: TV to the proxy's target, and true reward."""

    offers: int
    tv: float
    true: float


@dataclass(frozen=True)
class Story:
    """What the demo found.

    Attributes
    ----------
    instance : Instance
    points : tuple of Point
    pessimism : tuple of Drawn
        With the beta that is best for many draws.
    corrections : tuple of Corrected
    target_true : float
        True reward of the proxy's own target.
    """

    instance: Instance
    points: tuple[Point, ...]
    pessimism: tuple[Drawn, ...]
    corrections: tuple[Corrected, ...]
    target_true: float

    @property
    def share(self) -> float:
        """pi_ref of the strings that are overrated."""
        return float((_proxy(self.instance) > _true(self.instance) + 1e-9).mean())

    def curve(self, name: str) -> list[Point]:
        """The points of a curve."""
        return [point for point in self.points if point.name == name]

    def best(self, name: str) -> Point:
        """The point of a curve with the largest true reward."""
        return max(self.curve(name), key=lambda point: point.true)


def run(horizon: int = 10, share: float = 1 / 64, seed: int = 0) -> Story:
    """True reward against KL, exactly: best-of-N and its softer kin, guidance, targets of any strength, a cap.

    Examples
    --------
    >>> story = run(horizon=7)
    >>> story.best("best-of-N").size, story.curve("best-of-N")[-1].true < 0.02
    (8, True)
    """
    instance = proxy(horizon, share=share, seed=seed)
    points = tuple(points_of(instance))
    beta = max((point for point in points if point.name == "pessimism"), key=lambda point: point.true).size
    return Story(
        instance, points, tuple(pessimistic_draws(instance, n, beta, N_POOLS, seed) for n in DRAWN),
        tuple(_corrections(instance, seed)), _mean(instance.target, _true(instance)),
    )  # fmt: skip


def points_of(instance: Instance) -> Iterator[Point]:
    """The points of all curves on an instance of the family `proxy`."""
    capped = _capped(instance, CAP)
    for n in SIZES:
        yield _point("best-of-N", n, BestOfN(n).law(instance), instance)
        yield _point("soft best-of-N", n, SoftBestOfN(n, temperature=0.25).law(instance), instance)
        yield _point("importance", n, Importance(n).law(instance), instance)
        yield _point("capped best-of-N", n, BestOfN(n).law(capped), instance)
    for pool in POOLS:
        yield _point("guided pool", pool, GuidedSMC(pool=pool).law(instance), instance)
    log_reward, own = instance.rewarded_leaves.levels.reward.log(), instance.parameters["strength"]
    for strength in STRENGTHS:
        tilt = strength * (log_reward - log_reward.max())
        yield _point("targets", strength * own, _of_density(instance, np.exp(tilt)), instance)
    for beta in np.geomspace(8.0, 1.0 / 64, 19).tolist():
        yield _point("pessimism", beta, _of_density(instance, _pessimism(instance, log_reward / own, beta)), instance)


def pessimistic_draws(instance: Instance, n: int, beta: float, pools: int, seed: int = 0) -> Drawn:
    """The true reward of InferenceTimePessimism with `n` draws, its reward the proxy, from many pools.

    Given the pool, in the order in which its paths are offered, the law of the output is known: nothing is drawn but
    pools.
    """
    rng = generator(seed, Stream.ESTIMATION, n)
    leaf = rng.choice(instance.graph.n_leaves, (pools, n), p=instance.reference.prob.to_float())
    reward, true = _proxy(instance)[leaf], _true(instance)[leaf]
    best = -np.sort(-reward, axis=1)
    threshold = _threshold(best, np.ones_like(best), n * beta)
    taken = np.clip((reward - threshold) / (best[:, :1] - threshold), 0.0, 1.0)
    offered = np.cumprod(np.append(np.ones((pools, 1)), 1.0 - taken[:, :-1], axis=1), axis=1)
    found = (offered * taken * true).sum(axis=1)
    return Drawn(n, float(found.mean()), float(found.std(ddof=1) / math.sqrt(pools)))


def _point(name: str, size: float, law: Law, instance: Instance) -> Point:
    kl = law.kl(instance.reference)
    assert kl is not None
    return Point(name, size, kl, _mean(law, _true(instance)), _mean(law, _proxy(instance)))


def _mean(law: Law, reward: FloatArray) -> float:
    found = law.expected(Scaled.from_float(reward))
    assert found is not None
    return found


def _true(instance: Instance) -> FloatArray:
    """The true reward of each string, shape [n_leaves]."""
    assert instance.outcomes is not None and instance.outcomes.true_reward is not None
    return instance.outcomes.true_reward.to_float()


def _proxy(instance: Instance) -> FloatArray:
    """The proxy, as it was before samplers saw exp(strength * proxy), shape [n_leaves]."""
    return np.maximum(instance.log_reward / instance.parameters["strength"], 0.0)


def _of_density(instance: Instance, density: FloatArray) -> RewardLaw:
    """The law of a density to pi_ref that depends on the reward, shape [n_levels], and is not yet normalised."""
    levels = instance.rewarded_leaves.levels
    mean = float(levels.mass.to_float() @ density)
    return RewardLaw(instance.rewarded_leaves, Scaled.from_float(density / mean))


def _pessimism(instance: Instance, reward: FloatArray, beta: float) -> FloatArray:
    """(r - lambda)_+ / beta with mean one under pi_ref, by levels: what InferenceTimePessimism aims at."""
    mass = instance.rewarded_leaves.levels.mass.to_float()
    return np.maximum(reward - _threshold(reward[::-1], mass[::-1], beta), 0.0) / beta


def _threshold(reward: FloatArray, mass: FloatArray, total: float) -> FloatArray:
    """The lambda at which sums of mass (r - lambda)_+ are `total`, of rows whose rewards descend; one entry a row."""
    # With the k largest rewards above lambda the sum is linear in it.
    offset = (np.cumsum(mass * reward, axis=-1) - total) / np.cumsum(mass, axis=-1)
    fits = np.ones(offset.shape, bool)
    fits[..., :-1] = offset[..., :-1] >= reward[..., 1:]
    return np.take_along_axis(offset, fits.argmax(axis=-1)[..., None], axis=-1)


def _capped(instance: Instance, cap: float) -> Instance:
    """The instance whose proxy is `cap` wherever it is more."""
    log_reward = np.minimum(instance.log_reward, cap * instance.parameters["strength"])
    return replace(instance, value=optimal_twist(instance.graph, log_reward), family="given")


def _corrections(instance: Instance, seed: int) -> Iterator[Corrected]:
    """What correction makes of guidance by a noisy value."""
    noisy = replace(instance, value=perturb(instance.graph, instance.twist, LogNormal(NOISE), seed=seed))
    for offers in OFFERS:
        law = GuidedSMC(mh=offers).law(noisy)
        yield Corrected(offers, law.tv(noisy.target).mid, _mean(law, _true(noisy)))


def figure(story: Story) -> Figure:
    """True and proxy reward against N, and true reward against KL."""
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    by_size, by_kl = figure.subplots(1, 2)
    best, limit = story.curve("best-of-N"), [best_of_n_true_reward(n, story.share) for n in SIZES]
    by_size.plot(SIZES, [point.proxy for point in best], "--", color=ORANGE, label="best-of-N: proxy")
    for name in ("best-of-N", "soft best-of-N", "importance", "capped best-of-N", "guided pool"):
        points = story.curve(name)
        x, y = [point.size for point in points], [point.true for point in points]
        by_size.plot(x, y, "o-", ms=3, color=COLOURS[name], label=f"{name}: true")
    by_size.errorbar(
        [each.n for each in story.pessimism], [each.true for each in story.pessimism],
        [4 * each.error for each in story.pessimism], fmt="s-", ms=3, lw=1, color="k",
        label="pessimism of N draws: true (estimated)",
    )  # fmt: skip
    by_size.plot(SIZES, limit, "k:", lw=2, zorder=5, label="N/(N + 1) − (1 − s) + (1 − s)ᴺ")
    by_size.axvline(best_n(story.share), ymin=0.45, color=GREY, lw=0.8)
    dress(by_size, f"{story.share:.2%} of strings overrated, the best N {best_n(story.share)}", "N, or the pool",
          "expected reward")  # fmt: skip
    by_size.set_xscale("log")
    by_size.set_xticks(SIZES[::2], [str(n) for n in SIZES[::2]])
    by_size.minorticks_off()
    legend(by_size, fontsize=8, loc="lower left")
    by_size.set_ylim(-0.05, 1.1)
    for name, colour in COLOURS.items():
        points = sorted(story.curve(name), key=lambda point: point.kl)
        shade = "k" if colour == "currentColor" else colour
        by_kl.plot([p.kl for p in points], [p.true for p in points], "o-", ms=3, color=shade, label=name)
    dress(by_kl, "What a nat from pi_ref buys", "KL(law || pi_ref), nats", "expected true reward")
    by_kl.set_ylim(-0.05, 1.1)
    legend(by_kl, fontsize=8, loc="upper right")
    return figure


def page(seed: int = 0, track: Track = iter) -> Page:
    """True reward against N and against KL: sliders over the share, the error, and the level where errors are made."""
    shares, sizes, levels = (1 / 256, 1 / 64, 1 / 16), (0.0, 0.3, 1.0, 2.0), (5, 8)

    @cache
    def points(share: float, size: float, level: int) -> list[Point]:
        return list(points_of(proxy(8, share=share, error=f"constant:size={size}", depth=level, seed=seed)))

    def state(share: float, size: float, level: int) -> State:
        found = points(share, size, level)
        by_size, by_kl = [], []
        for name, colour in COLOURS.items():
            mine = sorted((point for point in found if point.name == name), key=lambda point: point.kl)
            # Points that come to the same KL, to what a table shows, are one.
            apart = {float(f"{p.kl:.6g}"): (p.kl, p.true) for p in mine}
            by_kl.append(Curve(f"{name} (exact)", list(apart.values()), colour))
            if name not in ("targets", "pessimism"):
                by_size.append(Curve(f"{name} (exact)", [(p.size, p.true) for p in found if p.name == name], colour))
        best = max((point for point in found if point.name == "best-of-N"), key=lambda point: point.true)
        mild = max((point for point in found if point.name == "pessimism"), key=lambda point: point.true)
        return State([by_size, by_kl], [
            f"Of these N best-of-N is best at {best.size:.0f}, with true reward {best.true:.3f} at {best.kl:.2f} nats.",
            f"The best of the pessimistic laws has {mild.true:.3f} at {mild.kl:.2f} nats.",
        ])  # fmt: skip

    sliders = (
        Slider("share of strings overrated", shares, 1),
        Slider("error", sizes, 2),
        Slider("level at which errors are made (T = 8)", levels, 1),
    )
    return Page(
        "Over-optimisation: more search, and the proxy's errors are found",
        (
            "256 strings are alike under π_ref, and worth 0 to 1. The proxy that samplers see overrates the worst of "
            "them, a small share s. Best-of-N gets better with N until the overrated ones are among its draws. Where "
            "errors are larger than all true rewards, its true reward is",
            formula(over("N", "N + 1"), " − (1 − s) + ", above("(1 − s)", "N")),
            "and the best N is about 1/√s. Errors on prefixes of a level above T are those of all strings below. The "
            "pessimistic laws, at which InferenceTimePessimism aims, are, where that is positive,",
            formula(join("P(x) = ", REFERENCE, "(x) "), fenced(over("r̂(x) − λ", "β"))),
        ),
        sliders,
        (
            Panel("Against N", Axis("N, or the pool", log=True), Axis("true reward", low=0.0, high=1.0)),
            Panel("Against KL", Axis("KL(law ‖ π_ref), nats"), Axis("true reward", low=0.0, high=1.0)),
        ),
        states(sliders, state, track),
    )


def document(story: Story, seed: int) -> dict[str, Any]:
    """The demo as a document."""
    return {
        "parameters": dict(story.instance.parameters),
        "seed": seed,
        "share": story.share,
        "best_n": best_n(story.share),
        "target_true_reward": story.target_true,
        "points": [vars(point) for point in story.points],
        "pessimism_estimated": [vars(each) for each in story.pessimism],
        "corrections": [vars(each) for each in story.corrections],
    }


def words(story: Story) -> str:
    """The demo in words."""
    best = {point.size: point for point in story.curve("best-of-N")}
    shown = [[str(int(n)), number(p.proxy), number(p.true), number(p.kl),
              number(best_of_n_true_reward(int(n), story.share))] for n, p in best.items()]  # fmt: skip
    tops = [
        [name, number(top.size), number(top.true), number(top.kl), number(story.curve(name)[-1].true)]
        for name in COLOURS
        for top in [story.best(name)]
    ]
    drawn = [[str(each.n), f"{each.true:.3f} ± {4 * each.error:.3f}"] for each in story.pessimism]
    mended = [[str(each.offers), number(each.tv), number(each.true)] for each in story.corrections]
    strings, s = story.instance.graph.n_leaves, story.share
    return (
        f"{strings} strings are alike under pi_ref, and worth 0 to 1; a proxy overrates the worst {s:.2%} of them by 1."
        "\nBest-of-N returns what the proxy likes best:\n\n"
        + table(["N", "E proxy", "E true", "KL", "N/(N+1) - (1-s) + (1-s)^N"], shown)
        + f"\n\nThe best N is {best_n(s)}, about 1/sqrt(s) = {s**-0.5:.1f}. The best of each curve, and where it ends:"
        "\n\n" + table(["", "at", "E true", "KL", "E true at the end"], tops)
        + "\n\nPessimism is a law that a sampler aims at. With N draws, by the beta that is best for many, estimated:"
        "\n\n"
        + table(["N", "E true, 4 standard errors"], drawn)
        + f"\n\nA correction brings a sampler to the target of the proxy, true reward {story.target_true:.4g}, and no "
        "further.\nGuided by a value with noise, H paths offered:\n\n"
        + table(["H", "TV to the target", "E true"], mended)
    )  # fmt: skip
