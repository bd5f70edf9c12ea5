"""What the theorems say about a sampler on an instance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from treesim.errors import SpecError
from treesim.instances.instance import Instance
from treesim.samplers import GuidedSMC, Sampler
from treesim.samplers.bernoulli_factory import expected_flips
from treesim.scaled import exp_or_inf, expm1_or_inf
from treesim.spec import require_whole


@dataclass(frozen=True)
class Bound:
    """An upper bound on a TV.

    Attributes
    ----------
    theorem : str
        Number of the theorem in Zhu & Lu (2026), or ``selection``: see `treesim.laws.selection`.
    value : float
        As the paper states it.
    sharp : float
        The best bound that holds under the same hypothesis.

    Examples
    --------
    >>> guidance_bound(horizon=8, epsilon=0.01)
    Bound(theorem='4.3', value=0.16, sharp=0.0348120850472729)
    """

    theorem: str
    value: float
    sharp: float


def guidance_bound(horizon: int, epsilon: float) -> Bound:
    """Bound on the TV of exact single-particle guidance.

    Parameters
    ----------
    horizon : int
        T.
    epsilon : float
        Bellman error.

    Returns
    -------
    Bound
        Theorem 4.3 of Zhu & Lu (2026), 2 T epsilon, and its sharp form tanh((T - 1) log(1 + epsilon) / 2): the density
        ratio pi~/pi^ is a product of T - 1 factors in [1/(1 + epsilon), 1 + epsilon], since the root's is common to
        all paths, and among such ratios a two-point law has the largest TV.

    Examples
    --------
    >>> guidance_bound(4, 0.2)
    Bound(theorem='4.3', value=1.6, sharp=0.2668621700879765)
    """
    return Bound("4.3", 2 * horizon * epsilon, math.tanh((horizon - 1) * math.log1p(epsilon) / 2))


def best_of_n_kl(n: int) -> float:
    """Upper bound on KL(best-of-N || pi_ref), in nats: log N - (N - 1)/N.

    It is the KL where no two draws have the same reward; where leaves have mass, or tie, the KL is less.

    References
    ----------
    Beirami et al. (2024), "Theoretical guarantees on the best-of-n alignment policy", arXiv 2401.01879.

    Examples
    --------
    >>> round(best_of_n_kl(16), 4)
    1.8351
    """
    require_whole("n", n, 1)
    return math.log(n) - (n - 1) / n


def average_case_bound(epsilons: Iterable[float]) -> float:
    """Bound on the TV of exact single-particle guidance by the Bellman errors of its levels.

    Parameters
    ----------
    epsilons : iterable of float
        Of the levels 1 to T - 1, each after multiplying V^ there by any constant: the centred errors do.

    Returns
    -------
    float
        sum_t eps_t / (2 + eps_t), at least B of `treesim.graphs.guidance`: a density ratio in [c, c (1 + eps)^2] is a
        TV of tanh(log(1 + eps) / 2) at the most.

    Examples
    --------
    >>> round(average_case_bound([0.1, 0.1]), 4), round(guidance_bound(3, 0.1).sharp, 4)
    (0.0952, 0.095)
    """
    return float(sum(1.0 if math.isinf(epsilon) else epsilon / (2.0 + epsilon) for epsilon in epsilons))


def particle_bound(horizon: int, epsilon: float, ratio_bound: float, particles: int) -> float:
    """Bound on the TV of SMC with the reference proposal and multinomial resampling at every step: Theorem 5.1.

    Parameters
    ----------
    horizon : int
        T, at least 2.
    epsilon, ratio_bound : float
        Bellman error and L.
    particles : int
        N.

    Returns
    -------
    float
        L^6 T (1 + epsilon)^(6 (T - 1)) / (2 N); says something below 1 only.

    Examples
    --------
    >>> round(particle_bound(horizon=8, epsilon=0.01, ratio_bound=1.02, particles=1000), 5)
    0.00684
    """
    log_bound = 6 * math.log(ratio_bound) + 6 * (horizon - 1) * math.log1p(epsilon) + math.log(horizon / 2 / particles)
    return exp_or_inf(log_bound)


def particles_needed(horizon: int, epsilon: float, ratio_bound: float, delta: float) -> float:
    """Particles that are enough for TV <= `delta` by Theorem 5.1; with epsilon = c / T and L fixed, O(T): Theorem 5.2.

    Examples
    --------
    >>> particles_needed(horizon=8, epsilon=0.01, ratio_bound=1.02, delta=0.1)
    69.0
    """
    needed = particle_bound(horizon, epsilon, ratio_bound, 1) / delta
    return float(math.ceil(needed)) if needed < 2**53 else needed


@dataclass(frozen=True)
class Algorithm2Plan:
    """Sizes of Algorithm 2 that Theorem 6.1 asks for.

    Attributes
    ----------
    pool : int
        M, draws of a pool.
    steps : int
        H, paths offered.
    error : float
        xi = 1 / (4 T): how far, relatively, a pool mean may be from P V^ on the good event.
    contraction : float
        By which each step brings the chain nearer, at the least.

    Examples
    --------
    >>> found = algorithm_2_plan(horizon=4, epsilon=1 / 16, ratio_bound=2.0, delta=0.1, delta_tv=0.1)
    >>> found.pool, found.steps
    (4059, 11)
    """

    pool: int
    steps: int
    error: float
    contraction: float


def algorithm_2_plan(horizon: int, epsilon: float, ratio_bound: float, delta: float, delta_tv: float) -> Algorithm2Plan:
    """Pool and steps for TV <= `delta_tv` on an event of probability 1 - `delta`: Theorem 6.1.

    The steps are those of its proof. The pool is from Bernstein's inequality for values over their mean, which are at
    most L (1 + epsilon): of the order L T^2 log(H T / delta), as the theorem has it. The constant 8 in
    8 L (1 + epsilon) T^2 log(2 H T / delta) would not do: there are trees on which such pools fail more often.

    Parameters
    ----------
    horizon : int
        T.
    epsilon, ratio_bound : float
        Bellman error, at most 1 / (4 T), and L.
    delta, delta_tv : float

    Raises
    ------
    SpecError
        If epsilon is larger.

    Examples
    --------
    >>> algorithm_2_plan(horizon=3, epsilon=1 / 12, ratio_bound=1.4, delta=0.1, delta_tv=0.1).steps
    9
    """
    error = 1.0 / (4 * horizon)
    if epsilon > error * (1 + 1e-9):
        raise SpecError(f"epsilon is {epsilon:g}, expected at most 1 / (4 T) = {error:g} for Theorem 6.1")
    spread = ((1 + epsilon) * (1 + error) / (1 - error)) ** (horizon - 1)
    contraction = 1.0 - spread**-2
    steps = 1 + (math.ceil(math.log(delta_tv / 4) / math.log(contraction)) if contraction > 0 else 0)
    largest = ratio_bound * (1 + epsilon)  # of V^ over its mean: its variance is largest - 1 at the most
    spread_out = 2 * (largest - 1 + largest * error / 3) / error**2
    pool = math.ceil(spread_out * math.log(2 * steps * horizon / delta))
    return Algorithm2Plan(pool, steps, error, contraction)


def sweep_overlap(particles: int, log_largest_ratio: float) -> float:
    """How much of the target is in the law after one sweep of particle Gibbs over one step, whatever came before.

    Parameters
    ----------
    particles : int
        N, at least 2.
    log_largest_ratio : float
        log W, the largest of phi / Z.

    Returns
    -------
    float
        (N - 1) / (2 W + N - 2), a lower bound on the least P(x, y) / pi~(y): by Jensen's inequality for the weights of
        the N - 2 draws that are neither x nor y. So every sweep contracts TV by one less that.

    References
    ----------
    Andrieu, Lee & Vihola (2018), "Uniform ergodicity of the iterated conditional SMC and geometric ergodicity of
    particle Gibbs samplers", Bernoulli 24, 842-872 (arXiv 1312.6432), of which this is the case of one step.

    Examples
    --------
    >>> round(sweep_overlap(particles=3, log_largest_ratio=math.log(2.0)), 6)
    0.4
    """
    return (particles - 1) / (2.0 * exp_or_inf(log_largest_ratio) + particles - 2)


def leaf_walk_bound(leaves: int, horizon: int, epsilon: float) -> float:
    """TV of the J-th leaf that value-guided backtracking visits, at the most.

    Parameters
    ----------
    leaves : int
        J, from 1.
    horizon : int
        T.
    epsilon : float
        Bellman error.

    Returns
    -------
    float
        sqrt(S - 1) (1 - 1/(2 S))^(J - 1) / 2, S = sum_{s<T} (1 + epsilon)^s.

    Notes
    -----
    The leaves visited are a reversible chain K of stationary law pi~: the trace of the network of conductances
    c(v) = pi_ref(v) V^(v), in which leaves below v weigh at most (1 + epsilon)^(T - t) c(v), t the level of v. Of the
    canonical paths between leaves let an edge into level t have the length (1 + epsilon)^(T - t): by Cauchy-Schwarz
    Var f <= 2 S E(f, f), and as K is positive (the trace of a walk on leaves that are no neighbours) its powers shrink
    by 1 - 1/(2 S). The first leaf's law is at most R C pi~, C the weight of all leaves and R the resistance from the
    root to them, at most S / C by the energy of the flow pi~.

    Examples
    --------
    >>> [round(leaf_walk_bound(J, horizon=4, epsilon=0.1), 4) for J in (1, 20, 100)]
    [0.9541, 0.1094, 0.0]
    """
    paths = leaf_walk_size(horizon, epsilon)
    return 0.5 * math.sqrt(paths - 1.0) * exp_or_inf((leaves - 1) * math.log1p(-0.5 / paths))


def leaf_walk_size(horizon: int, epsilon: float) -> float:
    """S of `leaf_walk_bound`: a leaf takes 2 S steps in equilibrium, and at most S times that from the root.

    Examples
    --------
    >>> round(leaf_walk_size(horizon=10, epsilon=0.0), 9), round(leaf_walk_size(horizon=10, epsilon=0.05), 2)
    (10.0, 12.58)
    """
    log_growth = horizon * math.log1p(epsilon)
    return expm1_or_inf(log_growth) / epsilon if epsilon > 0.0 else float(horizon)


def factory_cost(horizon: int, epsilon: float, ratio_bound: float) -> float:
    """Values that the exact guided sampler asks for one output, in expectation, at the most.

    Attempts are geometric (Wald): each passes with probability (1 + epsilon)^(2 - 2T) (1 + 1/T)^(1 - T), or more. A
    step takes L (1 + epsilon) draws, and a coin what its factory takes at the worst b.

    Examples
    --------
    >>> round(factory_cost(8, 0.01, 1.5))
    311
    """
    scale = ratio_bound / ((1.0 + epsilon) * (1.0 + 1.0 / horizon))
    gap = 1.0 / (horizon + 1.0) * (1.0 - 1e-9)
    b = np.geomspace(1.0 / (1.0 + epsilon), 1.0 + epsilon, 65)
    with np.errstate(over="ignore", invalid="ignore"):
        flips = float(expected_flips(b / ratio_bound, scale, gap).max())
    attempts = exp_or_inf((horizon - 1) * (2.0 * math.log1p(epsilon) + math.log1p(1.0 / horizon)))
    cost = attempts * (horizon * ratio_bound * (1.0 + epsilon) + (horizon - 1) * flips) + 1.0
    return cost if cost < math.inf else math.inf  # not NaN


def lower_bound(horizon: int, rate: float) -> float:
    """Queries that a sampler within TV 1/3 needs in the worst case: rate^(2 T / 3) / 6.

    `rate` is L for Theorem 4.1 and 1 + epsilon for Theorem 4.2; 1 / 6 is what the construction of the proof gives where
    3 divides T (`treesim.hard_instances.hidden_prefix` has the number for any T).

    Examples
    --------
    >>> round(lower_bound(horizon=9, rate=2.0), 2)
    10.67
    """
    return exp_or_inf(2 * horizon / 3 * math.log(rate) - math.log(6))


def bound_for(sampler: Sampler, instance: Instance) -> Bound | None:
    """The theorem that covers a sampler, or None; for Chebyshev selection what its rule promises.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.1)
    >>> bound_for(sampler("sp-gsmc"), instance).theorem, bound_for(sampler("best-of-n:n=4"), instance)
    ('4.3', None)
    """
    if isinstance(sampler, GuidedSMC) and sampler.pool == 0 and sampler.chebyshev > 1:
        worst = sampler.rule(instance).worst
        return Bound("selection", worst, worst)
    if isinstance(sampler, GuidedSMC) and sampler.pool == 0 and sampler.select == "weight":
        return guidance_bound(instance.graph.horizon, instance.audit.bellman_error)
    return None
