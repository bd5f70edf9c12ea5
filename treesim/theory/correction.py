r"""How near any correction of guided paths can come to the target: lower bounds, and what rules reach.

A guided path comes from q, and its weight is known to lie in [1/k, k], k = (1 + epsilon)^(T - 1). On the instances of
`treesim.hard_instances.unknown_root` the root has two children with pi_ref = p, 1 - p; all else is known. Whatever an
algorithm does with at most N draws at the root, adaptive or not, the probability of an output below the first child is
H(p) = sum_s C(N, s) p^s (1 - p)^(N - s) h_s, h_s in [0, 1] being what it does when s of N draws went there. The target
has f(p) = p k^2 / (p k^2 + 1 - p) there: a function with a pole at p = -1 / (k^2 - 1), which polynomials approximate
at a rate and not faster. In z = 2 p - 1 it is c_0 - A / (z + c), c = (k^2 + 1) / (k^2 - 1), A = 2 k^2 / (k^2 - 1)^2.
"""

from __future__ import annotations

import math

import numpy as np

from treesim.laws.selection import best_rate, chebyshev_error
from treesim.runtime.search import first
from treesim.scaled import expm1_or_inf


def contraction(bound: float) -> float:
    """rho = (k - 1) / (k + 1), what a draw can gain at the most.

    Examples
    --------
    >>> contraction(2.0) == 1 / 3
    True
    """
    return (bound - 1.0) / (bound + 1.0)


def correction_lower_bound(draws: int, bound: float) -> float:
    """The TV that every algorithm with `draws` draws at the root has on some instance: rho^N / 2, or more.

    Parameters
    ----------
    draws : int
        N.
    bound : float
        k, above 1.

    Notes
    -----
    Chebyshev: no polynomial of degree N is nearer to 1 / (z + c) on [-1, 1] than
    (c - sqrt(c^2 - 1))^N / (c^2 - 1) = rho^N (k^2 - 1)^2 / (4 k^2), attained. For k > 3 more is true, as h is in
    [0, 1]: |H - 1/2| is at most cosh(s)^N / 2 on the ellipse |z - 1| + |z + 1| = 2 cosh s. So g = (f - H)(z + c) is
    at most e (1 + c) on [-1, 1] if |f - H| <= e there, at most
    M(s) = A + (cosh s + c)(|c_0 - 1/2| + cosh(s)^N / 2) on that ellipse, and -A at the pole, which lies on the one of
    s_0 = log 1/rho. By the three-lines theorem A <= (e (1 + c))^(1 - s_0/s) M(s)^(s_0/s) for every s > s_0.

    Examples
    --------
    >>> round(correction_lower_bound(4, 2.0), 6), correction_lower_bound(100, 10.0) > 100 * contraction(10.0) ** 100 / 2
    (0.006173, True)
    """
    if bound <= 1.0:
        return 0.0
    log_rho = math.log(contraction(bound))
    square = bound * bound
    residue, pole = 2.0 * square / (square - 1.0) ** 2, (square + 1.0) / (square - 1.0)
    far = square / (square - 1.0)  # c_0, the limit of f
    s = -log_rho + np.geomspace(1e-3, 30.0, 2000)
    log_cosh = np.logaddexp(s, -s) - math.log(2.0)
    log_reach = np.logaddexp(log_cosh, math.log(pole))
    log_most = np.logaddexp(
        np.logaddexp(math.log(residue), log_reach + math.log(abs(far - 0.5))),
        log_reach + draws * log_cosh - math.log(2.0),
    )
    share = -log_rho / s
    by_lines = float(((math.log(residue) - share * log_most) / (1.0 - share)).max()) - math.log1p(pole)
    return math.exp(max(draws * log_rho - math.log(2.0), by_lines))


def draws_to_correct(delta: float, bound: float) -> int:
    """Draws at the root without which no algorithm is within `delta` on all instances.

    Examples
    --------
    >>> [draws_to_correct(delta, 2.0) for delta in (1e-2, 1e-4, 1e-8)]
    [4, 8, 17]
    """
    if bound <= 1.0:
        return 0
    return first(lambda n: correction_lower_bound(n, bound) <= delta) or 0


def correction_rate(bound: float) -> float:
    """The largest c, in nats a draw, with sup TV = exp(-c N (1 + o(1))) for some algorithm.

    log 1/rho for k <= 3. Beyond, the three-lines bound at its best: s_0 tanh(s*), where the line through (s_0, 0)
    touches log cosh at s*, which Chebyshev selection of a lower degree reaches but for powers of N (observed).

    Examples
    --------
    >>> [round(correction_rate(k), 4) for k in (2.0, 3.0, 4.0, 10.0)]
    [1.0986, 0.6931, 0.4392, 0.0784]
    """
    return best_rate(math.log(bound))


def selection_bound(draws: int, bound: float) -> float:
    """TV of Chebyshev selection at the most, where its closed form is a rule: 2 rho^N / (1 + rho^(2N - 2)), k < 3.

    Examples
    --------
    >>> round(selection_bound(4, 2.0) / correction_lower_bound(4, 2.0), 4)
    3.9945
    """
    return chebyshev_error(draws - 1, bound**-2)


def race_bound(draws: int, log_largest_ratio: float) -> float:
    """TV of a race of N draws, or of Metropolis-Hastings after N offers, at the most: (1 - 1/C)^N.

    C = exp(log_largest_ratio) bounds target / proposal. With q the proposal, lambda(v) = E_q[(1 - r/v)_+] is at least
    1 - 1/v and at most 1 - 1/C below v = C, so that what the chain has given of the target is at least 1 - (1 - 1/C)^N.

    Examples
    --------
    >>> round(race_bound(10, math.log(2.0)), 9)
    0.000976562
    """
    return math.exp(draws * math.log1p(-math.exp(-log_largest_ratio))) if log_largest_ratio > 0.0 else 0.0


def race_draws(delta: float, log_largest_ratio: float) -> float:
    """The least N with `race_bound` <= `delta`; infinite where floats see no chance of being taken.

    Examples
    --------
    >>> race_draws(0.001, math.log(2.0))
    10.0
    """
    refusal = math.log1p(-math.exp(-log_largest_ratio)) if log_largest_ratio > 0.0 else -math.inf
    if refusal == 0.0:
        return math.inf
    needed = math.log(delta) / refusal
    return float(max(1, math.ceil(needed))) if needed < math.inf else math.inf


def resampling_draws(delta: float, log_largest_ratio: float) -> float:
    """The least N with `resampling_bound` <= `delta`; infinite where floats end.

    Examples
    --------
    >>> resampling_draws(0.1, math.log(2.0))
    9.0
    """
    needed = expm1_or_inf(max(0.0, log_largest_ratio)) * (1.0 / delta - 1.0)
    return float(max(1, math.ceil(needed))) if needed < math.inf else math.inf


def resampling_bound(draws: int, log_largest_ratio: float) -> float:
    """TV of importance resampling, one of N draws kept in proportion to its weight, at the most: (C - 1) / (C + N - 1).

    C = exp(log_largest_ratio) bounds target / proposal = w. Given one of the draws the others weigh N - 1 in the mean,
    so by Jensen its chance to be kept gives law / target >= N / (w + N - 1), and the TV is at most
    E[w (w - 1)_+ / (w + N - 1)]. That is convex in w: it is largest where w is 0 or C.

    Examples
    --------
    >>> round(resampling_bound(10, math.log(2.0)), 9)
    0.090909091
    """
    excess = math.expm1(max(0.0, log_largest_ratio))
    return excess / (excess + draws)


def exact_tail(draws: int, epsilon: float, horizon: int, ratio_bound: float) -> float:
    """P(draws at the root > N) of the exact guided sampler on the instance of an unknown root with p = 0.

    An attempt takes a draw with probability 1/L, and passes T - 1 coins of chance (1 + epsilon)^-2 / (1 + 1/T): the
    number is geometric. An exact sampler that is stopped after N draws is an algorithm with N draws; so the largest of
    its tails over p is at least `correction_lower_bound`.

    Examples
    --------
    >>> exact_tail(100, epsilon=0.1, horizon=8, ratio_bound=1.1) > correction_lower_bound(100, 1.1**7)
    True
    """
    log_success = -(horizon - 1) * (2.0 * math.log1p(epsilon) + math.log1p(1.0 / horizon)) - math.log(ratio_bound)
    return math.exp(draws * math.log1p(-math.exp(log_success)))
