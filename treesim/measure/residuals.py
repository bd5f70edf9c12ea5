r"""Bellman errors from pools: rho = P V / V of the prefixes that were visited, of which each pool sees M draws.

With r_j = V(c_j) / V(v), E r_j = rho. The *plug-in* (mean r - 1)^2 is too large by Var r / M: with small pools it
sees noise, not error. The U-statistic, the mean over i != j of (r_i - 1)(r_j - 1), has the mean (rho - 1)^2 exactly.
Averages are over the prefixes that the log visited: another sampler visits others.

A supremum over prefixes has lower bounds only: of those that nobody visited a log says nothing. A root mean square is
one, and so is the mean of rho, or one over it, less 1: max(rho, 1 / rho) - 1 is at least |rho - 1|. Which of them to
take, and at which step, is learnt on one half of the runs; its confidence bound is from the other.
"""

from __future__ import annotations

import math

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.measure.intervals import Bootstrap, Interval
from treesim.measure.weights import Steps

# Steps that fewer runs of a half have reached are not asked for a bound.
FEWEST = 10
_NEWTON = 100


def squares(steps: Steps) -> tuple[FloatArray, FloatArray]:
    """The U-statistic and the plug-in of each line, shape [n_lines]; the first is NaN for pools of one.

    Examples
    --------
    >>> zeros, one = np.zeros(1, int), np.array([0, 2])
    >>> u, plug_in = squares(Steps(zeros, zeros, np.zeros(1), np.array([0.5, 1.5]), one))
    >>> u.tolist(), plug_in.tolist()
    ([-0.25], [0.0])
    """
    size = steps.sizes
    off = np.where(np.isfinite(steps.ratio), steps.ratio - 1.0, 0.0)
    beyond = steps.sums(np.isinf(steps.ratio).astype(np.float64)) > 0
    total, total_square = steps.sums(off), steps.sums(off * off)
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = (total * total - total_square) / (size * (size - 1))
    pairs = np.where(size > 1, pairs, np.nan)
    return np.where(beyond & (size > 1), np.inf, pairs), np.where(beyond, np.inf, (total / size) ** 2)


def by_step(steps: Steps, of_line: FloatArray, boot: Bootstrap, level: float) -> list[Interval]:
    """The mean of a number of each line, step by step, over the runs that have it; NaN where none has."""
    horizon = int(steps.position.max()) + 1
    known = np.flatnonzero(np.isfinite(of_line))
    column = np.append(steps.position[known], horizon - 1)
    # The entry that is added weighs nothing; it makes a column of the last step.
    run, value, one = (np.append(part, 0) for part in (steps.run[known], of_line[known], np.ones(len(known))))
    found = boot.means(column, run, value, one).intervals(level)
    for t in np.unique(steps.position[np.isinf(of_line)]).tolist():
        found[t] = Interval(math.inf, math.inf, math.inf)
    return found


def pool_means(steps: Steps) -> FloatArray:
    """The mean of r over the pool of each line, shape [n_lines]."""
    return steps.sums(steps.ratio) / steps.sizes


def ratio_seen(ratio: FloatArray) -> float:
    """The largest ratio of neighbouring values, either way: at most L."""
    with np.errstate(divide="ignore"):
        return float(max(ratio.max(), (1.0 / ratio).max()))


def bellman_error_lower(steps: Steps, boot: Bootstrap, level: float) -> float:
    """Lower confidence bound on the Bellman error, the supremum of max(rho, 1 / rho) - 1.

    Infinite where a prefix without value was seen to have a child that has some; 0 where the runs do not tell.
    """
    if np.isinf(steps.ratio).any():
        return math.inf
    horizon, pairs, mean = int(steps.position.max()) + 1, squares(steps)[0], pool_means(steps)
    learns = boot.half()
    lines = np.arange(len(mean))
    known = np.flatnonzero(~np.isnan(pairs))
    # Three kinds of column: mean squares, and how far the mean of rho is above 1 and below.
    line = np.concatenate([known, lines, lines])
    column = np.concatenate([steps.position[part] + kind * horizon for kind, part in enumerate((known, lines, lines))])
    value = np.concatenate([pairs[known], mean - 1.0, 1.0 - mean])
    run = steps.run[line]
    halves = [np.flatnonzero(half[run]) for half in (learns, ~learns)]
    fewest = np.minimum(*(np.bincount(column[half], minlength=3 * horizon) for half in halves))

    def limits(of: IntArray) -> FloatArray:
        """The errors that these entries bound from below, by column; -1 where all runs say the same."""
        means = boot.means(column[of], run[of], value[of], np.ones(len(of)))
        found = np.where(means.error > 0.0, means.at(1.0 - level), -1.0)
        return np.array([_as_error(limit, k // horizon) for k, limit in enumerate(found)])

    hopes = limits(halves[0])
    chosen = int(np.argmax(np.where(fewest[: len(hopes)] >= FEWEST, hopes, -1.0)))
    if fewest[chosen] < FEWEST:
        return 0.0
    return max(0.0, float(limits(halves[1][column[halves[1]] == chosen])[chosen]))


def _as_error(limit: float, kind: int) -> float:
    """The least max(rho, 1 / rho) - 1 of a prefix with (rho - 1)^2, rho - 1 or 1 - rho at least `limit`."""
    if limit <= 0.0:
        return -1.0
    return (math.sqrt(limit), limit, limit / (1.0 - limit) if limit < 1.0 else math.inf)[kind]


def choice_score(steps: Steps, kept: IntArray) -> float:
    """How far what was kept is from a choice in proportion to value, in standard deviations; 0 without a choice.

    About standard normal if it is one: the sum over steps of the probability of the child kept, less its mean. Above
    where children of high value were favoured, below where others were.
    """
    total = steps.sums(steps.ratio)
    live = np.repeat(np.isfinite(total) & (total > 0.0), steps.sizes)
    prob = np.where(live, steps.ratio / np.where(live, np.repeat(total, steps.sizes), 1.0), 0.0)
    second, third = steps.sums(prob**2), steps.sums(prob**3)
    variance = float((third - second**2).sum())
    off = float((prob[steps.pool_start[:-1] + kept] - second).sum())
    return off / math.sqrt(variance) if variance > 1e-12 else 0.0


def exponent(x: FloatArray, y: FloatArray, run: IntArray, boot: Bootstrap, level: float) -> Interval | None:
    """b of E y = a x^b by quasi-likelihood, y of any sign: the sum of (y - a x^b)(1, log x) is zero.

    None if no b does that.

    Parameters
    ----------
    x, y : ndarray, shape [n]
    run : ndarray of int, shape [n]
        Whose they are: errors of a run may depend on each other.
    """
    design = np.stack([np.ones(len(x)), np.log(x)], axis=1)
    if y.mean() <= 0.0 or np.ptp(design[:, 1]) == 0.0:
        return None
    beta = np.array([math.log(y.mean()), 0.0])
    for _ in range(_NEWTON):
        fitted = np.exp(np.clip(design @ beta, -700.0, 700.0))
        slope = design.T @ (fitted[:, None] * design)
        if not np.isfinite(slope).all() or np.linalg.cond(slope) > 1e12:
            return None
        move = np.linalg.solve(slope, design.T @ (y - fitted))
        beta = beta + move * min(1.0, 1.0 / float(np.abs(move).max() + 1e-300))
        if np.abs(move).max() < 1e-10:
            break
    else:
        return None
    scores = np.stack([np.bincount(run, part, boot.runs) for part in (design * (y - fitted)[:, None]).T])
    influence = boot.runs * np.linalg.solve(slope, scores)[1]
    return boot.of_runs(float(beta[1]) + influence).intervals(level)[0]
