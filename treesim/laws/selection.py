r"""One of N weighted paths kept, weights known to lie in [1/k, k]: the rule, and the law of what it keeps.

Paths come independently from q, weights w(y) are p(y) / q(y) up to an unknown factor m = E_q[w]. Round each weight at
random to 1/k or k, keeping its mean. If s of the N are high, keep one of those with probability h_s, else one of the
low ones, each as likely as the other. A rule is these h_0 = 0, h_1, ..., h_N = 1, all in [0, 1]. With u(y) the chance
that w(y) is rounded up, P = E_q[u], and H(P) = sum_s C(N, s) P^s (1 - P)^(N - s) h_s that of keeping a high one,

    law = q (u H(P) / P + (1 - u) (1 - H(P)) / (1 - P)) = p + d (q - p),  d = (f(P) - H(P)) m / ((k - 1/k) P (1 - P)),

f(P) = k P / m being what p gives to high paths. So the distance to p shrinks by |d|, whatever the law of the weights;
and since only their means count, unbiased estimates of the weights do as well, as long as they stay within [1/k, k].

TV(law, p) is at most max |H - f|: selecting is approximating f, which has a pole, by polynomials in Bernstein's form
with coefficients in [0, 1]. Chebyshev's d(m) = T_n(z(m)) / T_n(z(0)), z the map of [1/k, k] to [-1, 1], has
|d| <= 2 rho^n, rho = (k - 1) / (k + 1). It has such coefficients for n = N - 1 if k < 3 and N is not too small; beyond,
for an n somewhat below theta N (`treesim.theory.correction.best_rate`), and a linear program does better at small N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from treesim.arrays import Brief, FloatArray, read_only
from treesim.errors import SpecError
from treesim.laws.corrected import MixtureLaw
from treesim.laws.law import Law, LeafLaw, WalkLaw
from treesim.scaled import Scaled, exp_or_inf

MOST_PATHS = 1000
# How many paths a linear program is asked about, and the error below which its tolerance shows.
MOST_PROGRAMMED, LEAST_PROGRAMMED = 64, 1e-9
# By how much a weight may be beyond the bound, in log, and a coefficient off [0, 1], for rounding.
SLACK = 1e-9
ROUNDING = 1e-12
# e^-40 is below what floats show of a TV: no polynomial need be nearer.
_ENOUGH = 40.0
# Points a degree on which errors are looked for, by the linear program at first, and afterwards.
_COARSE, _FINE = 4, 50
_EXCHANGES, _NEAR = 8, 1.001
# Between 50 n Chebyshev points a polynomial of degree n is at most 1 / cos(pi / 100) of what it is on them.
MARGIN = 1.002


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Brief):
    """A rule that keeps one of N paths.

    Attributes
    ----------
    log_bound : float
        log k, in nats: weights lie within exp(+-log_bound).
    high_chance : ndarray, shape [N + 1]
        h: probability that a path of high weight is kept, by how many there are.
    degree : int or None
        n, of the Chebyshev polynomial; None if the rule is that of a linear program.
    worst : float
        At least max |H - f|: the largest TV to the target that any law of weights within the bound leaves.
    """

    log_bound: float
    high_chance: FloatArray
    degree: int | None
    worst: float

    @property
    def paths(self) -> int:
        """N."""
        return len(self.high_chance) - 1

    @property
    def remark(self) -> str | None:
        """Where N is too small for Chebyshev's rule: whose rule it is, and which N would do."""
        if self.degree == self.paths - 1 or self.worst < LEAST_PROGRAMMED:
            return None
        enough, k = least_paths(self.log_bound), exp_or_inf(self.log_bound)
        whose = "a linear program's" if self.degree is None else f"a Chebyshev polynomial's of degree {self.degree}"
        wanted = "no N is enough from k = 3 on" if enough is None else f"{enough} paths would be enough"
        return f"k = {k:.4g}: {self.paths} paths are too few for Chebyshev's own rule ({wanted}); the rule is {whose}"

    def shrinkage(self, log_mean: float) -> float:
        """d: what is left of the distance of the proposal to the target, with its sign.

        Parameters
        ----------
        log_mean : float
            log m, of the mean weight.
        """
        low = _low(self.log_bound)
        if low == 1.0:
            return 1.0
        up = min(1.0, max(0.0, (math.exp(log_mean - self.log_bound) - low) / (1.0 - low)))
        if self.degree is not None:
            return float(_chebyshev(self.degree, np.array(2.0 * up - 1.0))) * _at_zero(self.degree, low)
        high, other = self.kept(up)
        return (other - low * high) / (1.0 - low)

    def kept(self, up: float) -> tuple[float, float]:
        """H(P) / P and (1 - H(P)) / (1 - P): by how much a path is favoured if it is high, and if it is low."""
        n, s = self.paths, np.arange(self.paths)
        high = bernstein(n / (s + 1) * self.high_chance[1:], np.array([up]))
        other = bernstein(n / (n - s) * (1.0 - self.high_chance[:-1]), np.array([up]))
        return float(high[0]), float(other[0])


@cache
def selection(paths: int, log_bound: float) -> Selection:
    """The best rule that is known for N paths and weights within exp(+-log_bound).

    Parameters
    ----------
    paths : int
        N, at most 1000.
    log_bound : float
        log k, in nats.

    Raises
    ------
    SpecError
        If there are more paths, or the bound is not finite.

    Examples
    --------
    >>> rule = selection(8, math.log(2.0))
    >>> rule.degree, rule.high_chance.round(3)[:4], f"{rule.worst:.2e}"
    (7, array([0.   , 0.5  , 0.581, 0.789]), '3.05e-04')
    >>> selection(8, math.log(5.0)).degree is None
    True
    """
    if paths > MOST_PATHS:
        raise SpecError(f"there are {paths} paths to select from, expected at most {MOST_PATHS}")
    if not math.isfinite(log_bound) or log_bound < 0.0:
        raise SpecError(f"weights are within exp(+-{log_bound:g}), expected a finite bound of at least 1")
    low = _low(log_bound)
    degree = _highest_degree(paths, low)
    worst = chebyshev_error(degree, low)
    h = np.clip(_chebyshev_rule(paths, degree, low), 0.0, 1.0)
    if degree == min(paths - 1, _useful(low)) or worst < LEAST_PROGRAMMED:
        return Selection(log_bound, h, degree, worst)
    programmed = programmed_rule(min(paths, MOST_PROGRAMMED), low)
    least = MARGIN * worst_error(programmed, low)
    if worst <= least:
        return Selection(log_bound, h, degree, worst)
    # A rule for fewer paths is one for more, of which it leaves some aside.
    for n in range(len(programmed), paths + 1):
        j = np.arange(n + 1) / n
        programmed = j * np.append(0.0, programmed) + (1.0 - j) * np.append(programmed, 0.0)
    return Selection(log_bound, programmed, None, least)


def least_paths(log_bound: float) -> int | None:
    """The least N from which on Chebyshev's polynomial of degree N - 1 is a rule; None if there is none, for k >= 3.

    Examples
    --------
    >>> [least_paths(math.log(k)) for k in (1.5, 2.0, 2.5, math.e, 3.0)]
    [2, 4, 12, 24, None]
    """
    low = _low(log_bound)
    if low <= 1.0 / 9.0:
        return None
    most = min(MOST_PATHS, _useful(low) + 1)
    return next((n for n in range(2, most + 1) if is_rule(_chebyshev_rule(n, n - 1, low))), None)


def selected_law(proposal: Law, target: LeafLaw | WalkLaw, rule: Selection, log_mean: float) -> Law:
    """The law of the path kept: target + d (proposal - target).

    Parameters
    ----------
    proposal : LeafLaw or WalkLaw
    target : LeafLaw or WalkLaw
    rule : Selection
    log_mean : float
        log of the mean weight.

    Examples
    --------
    >>> proposal, target = (LeafLaw(Scaled.from_float(p)) for p in ([0.8, 0.2], [0.5, 0.5]))  # weights 1/2 and 2
    >>> rule = selection(4, math.log(2.0))
    >>> round(selected_law(proposal, target, rule, math.log(0.8)).tv(target).lo, 6)
    0.020772
    """
    share = rule.shrinkage(log_mean)
    if isinstance(proposal, WalkLaw):
        return MixtureLaw(proposal, target, share)
    assert isinstance(proposal, LeafLaw)
    p, q = target.prob.to_float(), proposal.prob.to_float()
    return LeafLaw(Scaled.from_float(np.maximum(p + share * (q - p), 0.0)))


def favoured(high: FloatArray, low: float) -> FloatArray:
    """f: what the target gives to high weights, of which a share `high` of the proposal is, the low ones being `low`
    in units of them."""
    return high / (high + (1.0 - high) * low)


def worst_error(high_chance: FloatArray, low: float) -> float:
    """max |H - f| over the share of high weights, for any h."""
    share = shares(len(high_chance), low, _FINE)
    return float(np.abs(bernstein(high_chance, share) - favoured(share, low)).max())


@cache
def programmed_rule(paths: int, low: float, returns_a_draw: bool = True) -> FloatArray:
    """The h that make max |H - f| least: a linear program on a grid.

    Parameters
    ----------
    paths : int
        N.
    low : float
        The low weight in units of the high one, k^-2.
    returns_a_draw : bool
        Whether h_0 = 0 and h_N = 1: what is not among the draws cannot be kept. Else any h in [0, 1] will do.
    """
    from scipy.optimize import linprog

    share, fine = shares(paths, low, _COARSE), shares(paths, low, _FINE)
    free = slice(1, paths) if returns_a_draw else slice(0, paths + 1)
    h = np.zeros(paths + 1)
    h[-1] = 1.0
    for _ in range(_EXCHANGES):
        basis = bernstein_basis(paths, share).T
        rest = favoured(share, low) - (basis[:, -1] if returns_a_draw else 0.0)
        matrix, ones = basis[:, free], np.ones((len(share), 1))
        found = linprog(
            np.append(np.zeros(matrix.shape[1]), 1.0),
            np.block([[matrix, -ones], [-matrix, -ones]]), np.concatenate([rest, -rest]),
            bounds=[(0.0, 1.0)] * matrix.shape[1] + [(0.0, None)], method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )  # fmt: skip
        if found.x is None:
            raise SpecError(
                f"the linear program of {paths} paths at k = {low**-0.5:g} has no solution: {found.message}"
            )
        h[free] = np.clip(found.x[:-1], 0.0, 1.0)
        # Where the polynomial waves beyond what the grid shows, the grid gains points.
        error = np.abs(bernstein(h, fine) - favoured(fine, low))
        if error.max() <= _NEAR * found.fun:
            break
        inner = error[1:-1]
        peaks = np.flatnonzero((inner >= error[:-2]) & (inner >= error[2:]) & (inner > found.fun)) + 1
        share = np.concatenate([share, fine[peaks]])
    return read_only(h)


def best_rate(log_bound: float) -> float:
    """The best exponent: no algorithm has sup TV = exp(-c N), in nats a path, with a larger c; see `growth`.

    Examples
    --------
    >>> [round(best_rate(math.log(k)), 6) for k in (2.0, 3.0, 5.0)]
    [1.098612, 0.693147, 0.294918]
    """
    low = _low(log_bound)
    return _exponent(low) * math.tanh(growth(low)) if low < 1.0 else math.inf


def growth(low: float) -> float:
    r"""s*: the place where the line through (s_0, 0) touches log cosh; infinite for k <= 3, where none does.

    A polynomial with Bernstein coefficients in [0, 1] is at most cosh(s)^N on the ellipse of foci 0 and 1 on which T_n
    grows like exp(n s); f has its pole on that of s_0 = log((k + 1) / (k - 1)). By the three-lines theorem
    log(error) / N >= -s_0 log cosh(s) / (s - s_0) at every s > s_0, least where the line touches.
    """
    pole = _exponent(low)
    if pole >= math.log(2.0):
        return math.inf
    near, far = pole, 60.0
    for _ in range(200):
        s = 0.5 * (near + far)
        # log cosh without overflow, and without loss where it is small.
        log_cosh = s - math.log(2.0) + math.log1p(math.exp(-2.0 * s)) if s > 1.0 else math.log(math.cosh(s))
        near, far = (s, far) if s - log_cosh / math.tanh(s) < pole else (near, s)
    return 0.5 * (near + far)


def is_rule(high_chance: FloatArray) -> bool:
    """Whether all are probabilities, rounding aside."""
    return bool((high_chance >= -ROUNDING).all() and (high_chance <= 1.0 + ROUNDING).all())


def shares(paths: int, low: float, density: int) -> FloatArray:
    """Shares of high weights at which an error is looked for: where polynomials wave, and where f rises."""
    n = density * paths
    waves = 0.5 * (1.0 - np.cos(np.pi * np.arange(n + 1) / n))
    goal = np.arange(1, n) / n
    return np.concatenate([waves, goal * low / (1.0 - goal + goal * low)])


def bernstein(coefficient: FloatArray, x: FloatArray) -> FloatArray:
    """The polynomials with these Bernstein coefficients on [0, 1], by de Casteljau; shape [..., len(x)]."""
    b = np.repeat(coefficient[..., None], len(x), axis=-1)
    rest, step = 1.0 - x, np.empty_like(b[..., 1:, :])
    for n in range(b.shape[-2] - 1, 0, -1):
        here, ahead = b[..., :n, :], np.multiply(b[..., 1 : n + 1, :], x, out=step[..., :n, :])
        here *= rest
        here += ahead
    return b[..., 0, :].copy()


def bernstein_basis(degree: int, x: FloatArray) -> FloatArray:
    """All Bernstein polynomials of a degree, from those of the degree below; shape [degree + 1, len(x)]."""
    b = np.zeros((degree + 1, len(x)))
    b[0] = 1.0
    for n in range(1, degree + 1):
        b[1 : n + 1] = b[1 : n + 1] * (1.0 - x) + b[:n] * x
        b[0] *= 1.0 - x
    return b


def chebyshev_error(degree: int, low: float) -> float:
    """2 rho^(n + 1) / (1 + rho^(2n)): max |d| times rho, the largest distance of a proposal with such weights."""
    rho = math.exp(-_exponent(low))
    return 2.0 * rho ** (degree + 1) / (1.0 + rho ** (2 * degree))


def _low(log_bound: float) -> float:
    """k^-2: the low weight in units of the high one, never zero."""
    return max(math.exp(-2.0 * log_bound), 1e-290)


def _exponent(low: float) -> float:
    """s with T_n(-z(0)) = cosh(n s): log 1 / rho."""
    return 2.0 * math.atanh(math.sqrt(low)) if low < 1.0 else math.inf


def _useful(low: float) -> int:
    """The degree beyond which more cannot be seen."""
    return math.ceil(_ENOUGH / _exponent(low)) if low < 1.0 else 0


def _at_zero(degree: int, low: float) -> float:
    """1 / T_n(z(0))."""
    x = math.exp(-degree * _exponent(low))
    return (-1) ** degree * 2.0 * x / (1.0 + x * x)


def _chebyshev(degree: int, z: FloatArray) -> FloatArray:
    """T_n on [-1, 1]."""
    return np.cos(degree * np.arccos(np.clip(z, -1.0, 1.0)))


def _highest_degree(paths: int, low: float) -> int:
    """The highest degree whose Chebyshev polynomial is a rule for N paths.

    There is none above theta N, theta = tanh(s*); far below it there may be none again.
    """
    top = min(paths - 1, _useful(low), math.ceil(math.tanh(growth(low)) * paths))
    step = max(1, top // 64)
    for degree in range(top, 0, -step):
        if is_rule(_chebyshev_rule(paths, degree, low)):
            nearer = range(min(top, degree + step - 1), degree, -1)
            return next((n for n in nearer if is_rule(_chebyshev_rule(paths, n, low))), degree)
    return 0


def _chebyshev_rule(paths: int, degree: int, low: float) -> FloatArray:
    """h of d = T_n(z(m)) / T_n(z(0)), not clipped, so that one sees whether it is a rule.

    H(P) (P + (1 - P) low) = P - d P (1 - P) (1 - low), by Bernstein coefficients of degree N + 1, solved from both
    ends towards the place where either direction loses digits.
    """
    if low == 1.0:
        return np.arange(paths + 1) / paths
    d = elevated(degree, paths - 1) * abs(_at_zero(degree, low))
    h = np.zeros(paths + 1)
    h[-1] = 1.0
    j = np.arange(1, paths + 1)
    gap = (1.0 - low) * d * j * (paths + 1 - j) / paths
    turn = min(paths - 1, int((paths + 1) * low / (1.0 + low)))
    for i in range(1, turn + 1):
        h[i] = (i * (1.0 - h[i - 1]) - gap[i - 1]) / ((paths + 1 - i) * low)
    for i in range(paths, turn + 1, -1):
        h[i - 1] = 1.0 - (gap[i - 1] + (paths + 1 - i) * low * h[i]) / i
    return h


@cache
def elevated(degree: int, to: int) -> FloatArray:
    """Bernstein coefficients of (-1)^n T_n on [-1, 1], written as a polynomial of a higher degree.

    In whole numbers: those of T_n itself grow like 2^n, and cancel. The coefficients are Hahn polynomials of their
    index, alpha = beta = -1/2: their difference equation (Koekoek, Lesky & Swarttouw 2010, (9.5.5)) gives one after
    the other, here times the binomials.
    """
    found = np.empty(to + 1)
    before, here, ways = 0, 1, 1
    for j in range(to + 1):
        found[j] = here / ways
        after = (4 * j * (to - j) + to - 2 * degree**2) * here - (2 * (to - j) + 1) * (to - j + 1) * before
        before, here = here, after // ((2 * j + 1) * (j + 1))
        ways = ways * (to - j) // (j + 1)
    return found
