r"""The losses by which values are learned, each a function of what is seen of a prefix, with its slope.

A learned value is V^ = Z exp(x) with x linear in the features (of `cross-entropy` and `nado` V^ = 1 / (1 + exp(-x))) at
levels 1 to T - 1; at the leaves V^ is the reward, at the root P V^. With r and m as in `treesim.learning.visits`, sigma
the logistic function, and y(v) = log (P V^)(v) / Z:

=================  ====================================================================================================
ctl                sum_t [log sum_v r e^x - sum_v m x], contrastive twist learning: KL(pi~_t || r e^x / norm); convex
poisson            sum r e^x - m x, Poisson regression of returns, ctl with its scale; convex
sixo               -sum m log sigma(x) + r log sigma(-x), density ratio by classification; convex
soft-rl            sum w (x - y)^2 / 2, squared log Bellman error; ``gradient=stop`` holds y still (a fixed point, no
                   minimum), ``gradient=full`` does not: path consistency of one step
path-consistency   Var(sum_t y - x) / 2 over paths, path consistency of whole paths; the log-variance divergence
returns            sum r e^(2 x) / 2 - m e^x, mean squared error of returns
log-returns        sum w (x - E[log phi / Z])^2 / 2: learns exp E log phi, which is not V*
cross-entropy      of the reward in [0, 1] as a label; FUDGE; convex
nado               the same, and ``penalty`` times KL(Bernoulli(P V^) || Bernoulli(V^)) summed under r
step               sum_t E_pi~[y(v) - x(c)] = KL(pi~ || guided), ctl normalised step by step, DPG; convex
=================  ====================================================================================================

``ctl`` leaves the scale of every level free, ``step`` and ``path-consistency`` that of the children of every node: V^
is scaled so that its mean under r is Z at every level.

Sources: Zhao, Brekelmans, Makhzani & Grosse (2024, arXiv 2404.17546) for ctl, soft-rl, path consistency, step and their
forms of the others; SIXO: Lawson et al. (2022); FUDGE: Yang & Klein (2021); NADO: Meng et al. (2022); DPG: Parshakova,
Andreoli & Dymetman (2019); log-variance: Richter et al. (2020).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.special import expit, log_expit, xlogy

from treesim.arrays import Brief, FloatArray
from treesim.errors import LearningError
from treesim.instances.instance import Instance
from treesim.kernels.learning import log_expect, spread_slope
from treesim.learning.visits import Visits, inner_level, mean_log_returns
from treesim.spec import Parameters, require_at_least, require_one_of

# Beyond it exponentials of a line search that went too far would overflow.
_LARGEST = 300.0


@dataclass(frozen=True, eq=False, repr=False)
class Lesson(Brief):
    """An instance and the visits to learn from.

    Parameters
    ----------
    instance : Instance
    visits : Visits
    """

    instance: Instance
    visits: Visits

    @cached_property
    def log_reward(self) -> FloatArray:
        """log phi / Z of the leaves."""
        return self.instance.log_reward - self.visits.log_partition

    @cached_property
    def log_returns(self) -> FloatArray:
        """E[log phi / Z; v] of every prefix."""
        return mean_log_returns(self.instance, self.visits) - self.visits.weight * self.visits.log_partition

    def level(self, t: int) -> slice:
        """The rows of a level from 1 to T - 1."""
        return inner_level(self.instance.graph, t)

    def ahead(self, x: FloatArray, root: bool = False) -> FloatArray:
        """y = log P e^x of every prefix, given x; with the root's in front if `root`."""
        graph, rows = self.instance.graph, []
        for t in range(0 if root else 1, graph.horizon):
            out = np.empty(graph.n_level(t))
            log_expect(tuple(graph.layer(t)), self._below(x, t), out)
            rows.append(out)
        return np.concatenate(rows)

    def pull(self, x: FloatArray, y: FloatArray, slope: FloatArray, root: bool = False) -> FloatArray:
        """The slope in x of what has the slope `slope` in y; of the leaves' it is forgotten."""
        graph, out, start = self.instance.graph, np.zeros(len(x)), 0
        for t in range(0 if root else 1, graph.horizon - 1):
            here = slice(start, start + graph.n_level(t))
            start = here.stop
            spread_slope(tuple(graph.layer(t)), self._below(x, t), y[here], slope[here], out[self.level(t + 1)])
        return out

    def _below(self, x: FloatArray, t: int) -> FloatArray:
        return self.log_reward if t == self.instance.horizon - 1 else x[self.level(t + 1)]

    def require_rewards_ahead(self, loss: str) -> None:
        """Raise `LearningError` where training comes to a prefix after which no reward is above zero."""
        graph, t = self.instance.graph, self.instance.horizon - 1
        twist = self.instance.twist[graph.level(t)].mantissa
        dead = np.flatnonzero((twist == 0.0) & (self.visits.weight[self.level(t)] > 0))
        if len(dead):
            raise LearningError(
                f"loss {loss!r} takes logs of what is ahead, and after "
                f"{graph.place(graph.level(t).start + int(dead[0]))} every reward is zero; give such leaves a small "
                "reward, learn from paths of the target, or take poisson"
            )


class Loss(Parameters, ABC):
    """A loss of x at the prefixes of levels 1 to T - 1.

    Examples
    --------
    >>> from treesim import family, learn
    >>> sorted(LOSSES)[:5]
    ['cross-entropy', 'ctl', 'log-returns', 'nado', 'path-consistency']
    >>> found = learn(family("uniform", horizon=3, seed=1), "ctl", "level")
    >>> found.is_converged, found.loss
    (True, 'ctl')
    """

    name: ClassVar[str]
    scales_levels: ClassVar[bool] = False

    @abstractmethod
    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        """The loss and its derivative by x, shape [n_inner]."""

    def check(self, lesson: Lesson) -> None:
        """Raise `LearningError` where the loss means nothing for these rewards."""

    def log_value(self, lesson: Lesson, x: FloatArray) -> FloatArray:
        """log V^ of every prefix of levels 1 to T - 1, in nats."""
        if self.scales_levels:
            x = x.copy()
            for t in range(1, lesson.instance.horizon):
                here = lesson.level(t)
                x[here] -= _log_mean(lesson.visits.reference[here], x[here])
        return x + lesson.visits.log_partition


@dataclass(frozen=True)
class ContrastiveTwist(Loss):
    """Contrastive twist learning."""

    name: ClassVar[str] = "ctl"
    scales_levels: ClassVar[bool] = True

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        r, m = lesson.visits.reference, lesson.visits.target
        loss, out = -float(m @ x), -m
        for t in range(1, lesson.instance.horizon):
            here = lesson.level(t)
            log_norm = _log_mean(r[here], x[here])
            loss += log_norm
            out[here] += r[here] * np.exp(x[here] - log_norm)
        return loss, out


@dataclass(frozen=True)
class PoissonRegression(Loss):
    """Poisson regression of returns."""

    name: ClassVar[str] = "poisson"

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        r, m = lesson.visits.reference, lesson.visits.target
        grown = r * np.exp(np.minimum(x, _LARGEST))
        return float(grown.sum() - m @ x), grown - m


@dataclass(frozen=True)
class Sixo(Loss):
    """Classification of prefixes of the target against prefixes of pi_ref."""

    name: ClassVar[str] = "sixo"

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        r, m = lesson.visits.reference, lesson.visits.target
        return -float(m @ log_expit(x) + r @ log_expit(-x)), r * expit(x) - m * expit(-x)


@dataclass(frozen=True)
class SoftRL(Loss):
    """Squared log Bellman error."""

    gradient: str = "stop"
    name: ClassVar[str] = "soft-rl"

    def __post_init__(self) -> None:
        require_one_of("gradient", self.gradient, ("stop", "full"))

    def check(self, lesson: Lesson) -> None:
        lesson.require_rewards_ahead(self.name)

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        w, y = lesson.visits.weight, lesson.ahead(x)
        gap = np.where(w > 0, x - y, 0.0)
        own = w * gap
        loss = 0.5 * float(own @ gap)
        return loss, own if self.gradient == "stop" else own + lesson.pull(x, y, -own)


@dataclass(frozen=True)
class PathConsistency(Loss):
    """Variance over whole paths of what their log Bellman errors sum to."""

    name: ClassVar[str] = "path-consistency"
    scales_levels: ClassVar[bool] = True

    def check(self, lesson: Lesson) -> None:
        lesson.require_rewards_ahead(self.name)

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        visits, y = lesson.visits, lesson.ahead(x)
        gap = np.where(visits.weight > 0, y - x, 0.0)
        own = _deviations(lesson, gap) if visits.seen is None else _seen_deviations(visits, gap)
        return 0.5 * float(own @ gap), lesson.pull(x, y, own) - own


@dataclass(frozen=True)
class Returns(Loss):
    """Mean squared error of returns."""

    name: ClassVar[str] = "returns"

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        r, m = lesson.visits.reference, lesson.visits.target
        value = np.exp(np.minimum(x, _LARGEST))
        return float(0.5 * (r * value) @ value - m @ value), (r * value - m) * value


@dataclass(frozen=True)
class LogReturns(Loss):
    """Mean squared error of the logs of returns."""

    name: ClassVar[str] = "log-returns"

    def check(self, lesson: Lesson) -> None:
        if not np.isfinite(lesson.log_returns).all():
            raise LearningError(
                "loss 'log-returns' takes logs of rewards, and some that training comes to are zero; give them a small "
                "reward, or take poisson"
            )

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        own = lesson.visits.weight * x - lesson.log_returns
        return float(0.5 * lesson.visits.weight @ x**2 - lesson.log_returns @ x), own


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of rewards in [0, 1] as labels."""

    name: ClassVar[str] = "cross-entropy"

    def check(self, lesson: Lesson) -> None:
        largest = math.exp(min(_LARGEST, float(lesson.instance.log_reward.max())))
        if largest > 1.0 + 1e-12:
            raise LearningError(
                f"loss {self.name!r} reads rewards as probabilities, and the largest is {largest:.6g}, "
                "expected at most 1"
            )

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        r, labels = lesson.visits.reference, math.exp(lesson.visits.log_partition) * lesson.visits.target
        return float(-(r @ log_expit(-x)) - labels @ x), r * expit(x) - labels

    def log_value(self, lesson: Lesson, x: FloatArray) -> FloatArray:
        return np.asarray(log_expit(x), np.float64)


@dataclass(frozen=True)
class Nado(CrossEntropy):
    """Cross-entropy, and a penalty on the Bellman error as one of Bernoulli laws."""

    penalty: float = 1.0
    name: ClassVar[str] = "nado"

    def __post_init__(self) -> None:
        require_at_least("penalty", self.penalty, 0.0)

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        loss, out = super().slope(lesson, x)
        r, log_z = lesson.visits.reference, lesson.visits.log_partition
        scaled = log_expit(x) - log_z  # log V^ / Z, as `ahead` has it
        y = lesson.ahead(scaled)
        mean, value = np.minimum(np.exp(y + log_z), 1.0), expit(x)
        rest = 1.0 - mean
        loss += self.penalty * float(
            r @ (xlogy(mean, mean) + xlogy(rest, rest) - mean * log_expit(x) - rest * log_expit(-x))
        )
        inner = (mean > 0) & (rest > 0)
        logit = np.where(inner, np.log(np.where(inner, mean, 0.5)) - np.log(np.where(inner, rest, 0.5)), 0.0)
        by_y = np.where(inner, r * mean * (logit - x), 0.0)
        return loss, out + self.penalty * (r * (value - mean) + lesson.pull(scaled, y, by_y) * expit(-x))


@dataclass(frozen=True)
class StepwiseTwist(Loss):
    """KL(target || guided): the loss of what a single guided particle does."""

    name: ClassVar[str] = "step"
    scales_levels: ClassVar[bool] = True

    def slope(self, lesson: Lesson, x: FloatArray) -> tuple[float, FloatArray]:
        graph, m = lesson.instance.graph, lesson.visits.target
        parents = np.concatenate([[1.0], m[: len(m) - graph.n_level(graph.horizon - 1)]])
        y = lesson.ahead(x, root=True)
        used = np.zeros(len(y))
        used[: len(parents)] = parents
        return float(parents @ y[: len(parents)] - m @ x), lesson.pull(x, y, used, root=True) - m


LOSSES: dict[str, type[Loss]] = {
    kind.name: kind
    for kind in (
        ContrastiveTwist, PoissonRegression, Sixo, SoftRL, PathConsistency, Returns, LogReturns, CrossEntropy, Nado,
        StepwiseTwist,
    )
}  # fmt: skip


def _log_mean(weight: FloatArray, x: FloatArray) -> float:
    """log sum weight e^x."""
    top = float(x.max())
    return top + math.log(float(weight @ np.exp(x - top)))


def _deviations(lesson: Lesson, gap: FloatArray) -> FloatArray:
    """w(v) (E[S | v] - E[S]) with S the sum of gaps along a path of the training law."""
    graph, law, w = lesson.instance.graph, lesson.visits.law, lesson.visits.weight
    horizon = graph.horizon
    edges = [law.edges(t).to_float() for t in range(1, horizon - 1)]
    before, after = np.zeros(len(gap)), np.zeros(len(gap))
    for t, edge in enumerate(edges, 1):
        layer, here, below = graph.layer(t), lesson.level(t), lesson.level(t + 1)
        flow = w[here][layer.sources()] * edge
        ends = layer.ends(np.arange(len(edge)))
        sums = np.bincount(ends, flow * (before + gap)[here][layer.sources()], graph.n_level(t + 1))
        mass = np.bincount(ends, flow, graph.n_level(t + 1))
        before[below] = sums / np.where(mass > 0, mass, 1.0)
    for t, edge in reversed(list(enumerate(edges, 1))):
        layer, here, below = graph.layer(t), lesson.level(t), lesson.level(t + 1)
        worth = edge * (after + gap)[below][layer.ends(np.arange(len(edge)))]
        after[here] = np.add.reduceat(worth, layer.ptr[:-1] - layer.ptr[0])
    return w * (before + gap + after - float(w @ gap))


def _seen_deviations(visits: Visits, gap: FloatArray) -> FloatArray:
    """The same over simulated paths."""
    assert visits.seen is not None
    sums = gap[visits.seen].sum(axis=1)
    share = np.repeat((sums - sums.mean()) / len(sums), visits.seen.shape[1])
    return np.bincount(visits.seen.ravel(), share, minlength=len(gap)).astype(np.float64)
