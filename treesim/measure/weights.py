r"""What a log of guided generation says of the target: the weight R of a run, from its pools alone.

A run draws at each step t = 1..T a pool c_1..c_M from pi_ref(. | s_{1:t-1}) and keeps s_t = c_k with probability
V(c_k) / sum_i V(c_i); M may change from step to step. With Zbar_t the mean of V over the pool, the run's weight is

    R = W_T,   W_t = prod_{u <= t} Zbar_u / V(s_{1:u-1}).

**Theorem.** If V > 0 on s_{1:1}..s_{1:t}, then E[W_t; the prefix is s] = pi_ref(s) V(s) / V(root), s of length t.
*Proof.* The probability of pools and choices k_1..k_t, times W_t, is

    prod_u [prod_i pi_ref(c_i)] V(s_u) / (M Zbar_u) Zbar_u / V(s_{u-1})
        = V(s) / V(root) prod_u [prod_i pi_ref(c_i)] / M:

values cancel but for the first and the last. Summed over what was not kept each factor is pi_ref(s_u) / M, and k_u
has M values. QED

So with V = phi at the leaves, E[R | path] = Z / V(root) pi~(path) / q(path), q the law of what was sampled. V(root) is
the same for all runs and only sets the unit. The pool of the root is *not* the same for all: it counts, as does the
last. (With the exact normaliser in place of pools P V(root) / V(root) is common to all paths, and is left out.) Where
V = 0 a run comes only by a pool of zeros, whose R is zero: the target is then that of paths on which V is above zero.

Three consequences, m = E R:

- TV(q, pi~) <= E|R / m - 1| / 2 = E (1 - R / m)_+, by Jensen; it includes the noise of pools.
- mu_t, proportional to pi_ref V, is what W_t makes of the prefixes of length t; the next pool's mean over V(s_{1:t})
  has the mean rho = P V / V. So E|W_{t+1} / E W_{t+1} - W_t / E W_t| / 2 is at least TV(mu_t, nu_t), of which the
  average-case bound B is the sum over 0 < t < T, and more by the noise of pools; and if s_j is the side of its mean on
  which the children but j see rho, E W_t s_j (r_j / mean - 1) / 2 is at most that. B lies between.
- (path, pools) are proposals with weight R: a correction by Metropolis-Hastings, selection or resampling that sees R
  only has pi~ as its limit.

No log bounds m from above: a path that was never drawn may have any weight. `tv_upper` says what it assumes instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray, log_sums
from treesim.laws.selection import MOST_PATHS, selection
from treesim.measure.intervals import chernoff_upper
from treesim.measure.log import Log
from treesim.runtime.search import first
from treesim.theory.correction import correction_lower_bound, race_draws, resampling_draws

# log k beyond which no number of paths that selection takes does anything.
_WIDEST = 50.0


@dataclass(frozen=True, eq=False, repr=False)
class Steps(Brief):
    """The steps of a guided log as ratios.

    Attributes
    ----------
    position, run : ndarray of int, shape [n_lines]
        Which step of which run a line is, from 0.
    log_gain : ndarray, shape [n_lines]
        log of the pool's mean over the value of the prefix; -inf for a pool of zeros, and below a prefix of value 0.
    ratio : ndarray, shape [n_children]
        r_j, values of children over that of the prefix; infinite where only the prefix has none, 1 where neither has.
    pool_start : ndarray of int, shape [n_lines + 1]
    """

    position: IntArray
    run: IntArray
    log_gain: FloatArray
    ratio: FloatArray
    pool_start: IntArray

    @property
    def sizes(self) -> IntArray:
        """M of each line, shape [n_lines]."""
        return np.diff(self.pool_start)

    def sums(self, of_children: FloatArray) -> FloatArray:
        """Sums over the pool of each line, shape [n_lines]."""
        return np.add.reduceat(of_children, self.pool_start[:-1])


def steps_of(log: Log) -> Steps:
    """The steps of a guided log as ratios; a prefix has the value by which it was kept, as a child."""
    log_parent = log.log_value.copy()
    inner = np.flatnonzero(log.position > 0)
    log_parent[inner] = log.log_pool[log.pool_start[inner - 1] + log.kept[inner - 1]]
    sizes = np.diff(log.pool_start)
    log_mean = log_sums(log.log_pool, log.pool_start) - np.log(sizes)
    # The value of the root is a unit: if it is zero, any other is as good. Below any other zero there is no weight.
    is_empty = np.isneginf(log_parent)
    unit = np.where(is_empty, 0.0, log_parent)
    log_mean = np.where(is_empty & (log.position > 0), -np.inf, log_mean)
    with np.errstate(invalid="ignore", over="ignore"):
        log_ratio = log.log_pool - np.repeat(log_parent, sizes)
        ratio = np.where(np.isnan(log_ratio), 1.0, np.exp(log_ratio))
    return Steps(log.position, log.run_of_line, log_mean - unit, ratio, log.pool_start)


def log_weights(log: Log, steps: Steps) -> Iterator[FloatArray]:
    """log W_t of every run, for t = 1 to the length of the longest; what has ended keeps its weight."""
    weight = np.zeros(len(log.runs))
    for t in range(int(log.lengths.max())):
        goes_on = np.flatnonzero(log.lengths > t)
        weight[goes_on] += steps.log_gain[log.start[goes_on] + t]
        yield weight.copy()


def normalised(log_weight: FloatArray) -> FloatArray:
    """Weights over their mean; zeros if all are."""
    top = float(log_weight.max())
    if top == -math.inf:
        return np.zeros(len(log_weight))
    weight = np.exp(log_weight - top)
    return weight / weight.mean()


@dataclass(frozen=True)
class UpperTV:
    """A confidence bound on the TV between the law of what was sampled and its target.

    Attributes
    ----------
    estimate : float
        Of E (1 - R / m)_+, at least the TV.
    hi : float
        Exceeds it with confidence `level`, under the assumption of `tv_upper`.
    level : float
    """

    estimate: float
    hi: float
    level: float

    def document(self) -> dict[str, float]:
        """What JSON documents say of it."""
        return {"estimate": self.estimate, "hi": self.hi, "level": self.level}


def tv_upper(log_weight: FloatArray, level: float, chi_square: float | None = None) -> UpperTV:
    """Bound the TV between what was sampled and its target by the weights R of independent runs.

    Parameters
    ----------
    log_weight : ndarray, shape [n]
        log R.
    level : float
    chi_square : float, optional
        A number that Var R / m^2 does not exceed. With it the level holds at any n. Left out, that of the runs takes
        its place, and the level is approximate: no log shows a tail that it has not met.

    Notes
    -----
    Half of the risk each: Bernstein's inequality for R / m >= 0 from below gives m <= mean R / (1 - t) with
    t^2 = 2 log(1/risk) / n (chi^2 + t / 3); and (1 - R / m)_+ lies in [0, 1] and grows with m, as Chernoff's bound does
    with the mean.

    Examples
    --------
    >>> weights = np.log(np.random.default_rng(0).gamma(8.0, size=1000))
    >>> found = tv_upper(weights, level=0.95)
    >>> round(found.estimate, 3), round(found.hi, 3)
    (0.14, 0.185)
    """
    n, weight = len(log_weight), normalised(log_weight)
    if chi_square is None:
        chi_square = float(weight.var(ddof=1)) if n > 1 else math.inf
    log_tail = math.log(2.0 / (1.0 - level)) / n
    short = log_tail / 3.0 + math.sqrt((log_tail / 3.0) ** 2 + 2.0 * chi_square * log_tail)
    far = float(np.maximum(0.0, 1.0 - weight * (1.0 - short)).mean()) if short < 1.0 else 1.0
    return UpperTV(float(np.maximum(0.0, 1.0 - weight).mean()), chernoff_upper(far, log_tail), level)


def average_case(log: Log, steps: Steps) -> tuple[FloatArray, FloatArray]:
    """B from above and from below: for each, a number a run whose mean is the estimate and which varies as it does.

    Returns
    -------
    upper, lower : ndarray, shape [n_runs]
        Of the plug-in, which is too high by the noise of pools, and of the estimate by leaving one child out, which is
        too low where pools are small. They are the influence of each run on the estimate, plus the estimate.
    """
    weights = [normalised(w) for w in log_weights(log, steps)]
    means = _mean_gains(log, steps)
    leaning = _leaning(steps, means)
    upper, lower = np.zeros(len(log.runs)), np.zeros(len(log.runs))
    for t in range(1, len(weights)):
        now, ahead = weights[t - 1], weights[t]
        if not ahead.any():
            upper += 1.0  # no prefix has weight, and nothing can be said
            continue
        side = np.sign(ahead - now)
        upper += 0.5 * (np.abs(ahead - now) - (side * ahead).mean() * (ahead - 1.0) + (side * now).mean() * (now - 1.0))
        goes_on = np.flatnonzero(log.lengths > t)
        line = log.start[goes_on] + t
        # What has ended is its own child: rho is 1.
        ended = 1.0 / means[t] - 1.0
        gain, slope = np.full(len(now), abs(ended) / 2.0), np.full(len(now), np.sign(ended))
        gain[goes_on], slope[goes_on] = leaning[0][line], leaning[1][line]
        shift = 0.5 * float((now * slope).mean()) / means[t]
        lower += now * gain - float((now * gain).mean()) * (now - 1.0) - shift * (ahead - now)
    return upper, lower


def _mean_gains(log: Log, steps: Steps) -> FloatArray:
    """E W_{t+1} / E W_t, the mean of rho under mu_t, shape [horizon]; 1 where there is no weight."""
    totals = [0.0, *(float(np.logaddexp.reduce(w)) - math.log(len(w)) for w in log_weights(log, steps))]
    with np.errstate(invalid="ignore"):
        gain = np.exp(np.diff(totals))
    return np.where(np.isfinite(gain) & (gain > 0.0), gain, 1.0)


def _leaning(steps: Steps, means: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of each line the mean over children of s_j (r_j / mean - 1) / 2, and of s_j r_j, s_j the side of the others."""
    size, mean = steps.sizes, means[steps.position]
    # Prefixes without value have no weight either.
    ratio = np.where(np.isfinite(steps.ratio), steps.ratio, 0.0)
    others = (np.repeat(steps.sums(ratio), size) - ratio) / np.maximum(1, np.repeat(size, size) - 1)
    side = np.where(np.repeat(size, size) > 1, np.sign(others - np.repeat(mean, size)), 0.0)
    leaning = steps.sums(side * (ratio / np.repeat(mean, size) - 1.0)) / size
    return 0.5 * leaning, steps.sums(side * ratio) / size


def mean_square_weight(weight: FloatArray) -> FloatArray:
    """E R^2 / m^2 = n / ESS, by the influence of each run, plus the estimate; shape [n]."""
    square = float((weight**2).mean())
    return weight**2 - 2.0 * square * (weight - 1.0)


def acceptance(weight: FloatArray) -> tuple[FloatArray, float]:
    """E min(R, R') / m: how often Metropolis-Hastings takes an independent run, in equilibrium.

    Returns
    -------
    ndarray, shape [n]
        The influence of each run, plus the estimate.
    float
        Standard deviation of what pairs add to that; where weights have two values it may be all there is.
    """
    n = len(weight)
    order = np.argsort(weight, kind="stable")
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)

    def met(values: FloatArray) -> FloatArray:
        """Mean over the other runs of the lesser of two."""
        below = np.cumsum(values[order])[rank] - values
        return (below + values * (n - 1 - rank)) / (n - 1)

    least = met(weight)
    estimate = float(least.mean())
    influence = 2.0 * (least - estimate) - estimate * (weight - 1.0)
    # Of min(R, R') - estimate (R + R') / 2, the variance that no single run explains.
    square = float((weight**2).mean())
    of_pairs = float(met(weight**2).mean() - 2.0 * estimate * (least * weight).mean())
    rest = of_pairs + estimate**2 * (square + 1.0) / 2.0 - float(influence.var()) / 2.0
    return estimate + influence, math.sqrt(2.0 * max(0.0, rest)) / n


@dataclass(frozen=True)
class Paths:
    """Runs N of which a correction makes one output within a TV of delta, if weights stay within the range seen.

    Attributes
    ----------
    chebyshev : int or None
        Chebyshev selection by `treesim.laws.selection`; None where a weight is zero, or 1000 are not enough.
    metropolis : int or None
        Metropolis-Hastings, or a race.
    importance : int or None
        Importance resampling: one of N in proportion to R.
    """

    chebyshev: int | None
    metropolis: int | None
    importance: int | None


def paths_needed(log_weight: FloatArray, delta: float) -> Paths:
    """The runs that corrections need for TV <= `delta`, by what is true of every law of weights in the range seen.

    Examples
    --------
    >>> paths_needed(np.log([0.8, 1.0, 1.2]), delta=0.01)
    Paths(chebyshev=3, metropolis=3, importance=20)
    """
    top = float(log_weight.max())
    if top == -math.inf:
        return Paths(None, None, None)
    log_largest = max(0.0, math.log(float(normalised(log_weight).max())))
    log_bound = (top - float(log_weight.min())) / 2.0
    is_hopeless = log_bound > _WIDEST or correction_lower_bound(MOST_PATHS, math.exp(log_bound)) > delta
    return Paths(
        None if is_hopeless else first(lambda n: selection(n, log_bound).worst <= delta, most=MOST_PATHS),
        *(
            int(n) if n < math.inf else None
            for n in (race_draws(delta, log_largest), resampling_draws(delta, log_largest))
        ),
    )
