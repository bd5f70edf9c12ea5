"""Binary strings whose values depend on few of their bits: small errors that add up, and particles that are too few."""

from __future__ import annotations

import math

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import TreeError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.hard_instances.certificate import Certificate, certifies
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_one_of

LARGEST_TREE = 12
PARTICLES = 16


def error_amplification(horizon: int, ratio: float = 1.2, form: str = "auto", seed: int = 0) -> Instance:
    """All strings are equally good, but V^ is off by `ratio` after a one and by 1 / `ratio` after a zero.

    V^ / V* never leaves [1 / ratio, ratio], yet guidance leans the same way at every step: its TV grows like
    (ratio - 1) sqrt(T) up to 1. A walk that may step back, `vgb:stop=first-leaf`, does not feel it.

    Parameters
    ----------
    horizon : int
        T, at least 3.
    ratio : float
        Above 1.
    form : str
        ``tree``, ``trellis`` (two nodes a level), or ``auto``: a tree up to horizon 12.

    References
    ----------
    After Rohatgi, Foster et al. (2025), arXiv 2510.03149, on errors that compound in step-by-step guidance.

    Examples
    --------
    >>> from treesim import sampler
    >>> instance = error_amplification(horizon=10, ratio=1.1)
    >>> [round(sampler(s).law(instance).tv(instance.target).lo, 4) for s in ("sp-gsmc", "vgb:steps=0,stop=first-leaf")]
    [0.1155, 0.029]
    """
    _check(horizon, 3, ratio, form)
    log_value = np.where(np.arange(2) == 1, 1.0, -1.0) * math.log(ratio)

    def value(t: int, last: IntArray) -> FloatArray:
        return log_value[last] if 0 < t < horizon else np.zeros(len(last))

    if _is_tree(horizon, form):
        graph: LayeredGraph = Tree.complete(2, horizon)
    else:
        graph = Trellis.markov(np.full((2, 2), 0.5), horizon)
    levels = [value(t, np.arange(graph.n_level(t)) % 2) for t in range(horizon + 1)]
    parameters = {"horizon": horizon, "ratio": ratio, "form": form}
    return Instance(graph, Scaled.from_log(np.concatenate(levels)), "error-amplification", parameters, seed)


@certifies("error-amplification")
def error_amplification_certificate(horizon: int, ratio: float = 1.2, form: str = "auto", seed: int = 0) -> Certificate:
    """Guidance takes ones with probability r^2 / (1 + r^2) at every step but the last: the TV of two binomials."""
    mean = (ratio + 1 / ratio) / 2
    return Certificate(
        horizon=horizon,
        ratio_bound=ratio**2,
        bellman_error=mean * ratio - 1,
        log_partition=0.0,
        region=(0, 1),
        target_mass=0.5**horizon if _is_tree(horizon, form) else 0.5,
        hidden=1,
        defeats="sp-gsmc",
        tv=binomial_tv(horizon - 1, ratio**2 / (1 + ratio**2), 0.5),
    )


def perfect_value(horizon: int, ratio: float = 3.0, form: str = "auto", seed: int = 0) -> Instance:
    """V^ = V*, and still particles are not enough: the product model, normalised so that its Bellman error is zero.

    One guided particle samples exactly. SMC that moves by pi_ref must weigh what it drew blindly, and each resampling
    costs a little: TV of order sqrt(T) / N, so N must grow like sqrt(T).

    Parameters
    ----------
    horizon : int
        T.
    ratio : float
        Reward of a one against a zero, above 1.
    form : str
        ``tree``, ``trellis``, or ``auto``: a tree up to horizon 12.

    Examples
    --------
    >>> from treesim import sampler
    >>> instance = perfect_value(horizon=100)
    >>> [round(sampler(s).law(instance).tv(instance.target).hi, 4) for s in ("sp-gsmc", "smc:particles=16")]
    [0.0, 0.1122]
    """
    _check(horizon, 1, ratio, form)
    if _is_tree(horizon, form):
        graph: LayeredGraph = Tree.complete(2, horizon)
        ones = [np.array([int(x).bit_count() for x in range(2**t)]) for t in range(horizon + 1)]
    else:
        graph = family("product", horizon=horizon, ratio=ratio, form="trellis").graph
        ones = [np.arange(t + 1) for t in range(horizon + 1)]
    one, zero = math.log(2 * ratio / (1 + ratio)), math.log(2 / (1 + ratio))
    value = np.concatenate([k * one + (t - k) * zero for t, k in enumerate(ones)])
    parameters = {"horizon": horizon, "ratio": ratio, "form": form}
    return Instance(graph, Scaled.from_log(value), "perfect-value", parameters, seed)


@certifies("perfect-value")
def perfect_value_certificate(horizon: int, ratio: float = 3.0, form: str = "auto", seed: int = 0) -> Certificate:
    """SMC's bits are independent: the TV of two binomials."""
    draws = range(PARTICLES + 1)
    chance = math.fsum(math.comb(PARTICLES, k) / 2**PARTICLES * k * ratio / (k * ratio + PARTICLES - k) for k in draws)
    target = ratio / (1 + ratio)
    return Certificate(
        horizon=horizon,
        ratio_bound=max(2 * ratio / (1 + ratio), (1 + ratio) / 2),
        bellman_error=0.0,
        log_partition=0.0,
        region=(0, 1),
        target_mass=(1 - target) ** horizon,
        hidden=1,
        defeats=f"smc:particles={PARTICLES}",
        tv=binomial_tv(horizon, chance, target),
    )


def _is_tree(horizon: int, form: str) -> bool:
    return form == "tree" or (form == "auto" and horizon <= LARGEST_TREE)


def _check(horizon: int, least: int, ratio: float, form: str) -> None:
    require_at_least("horizon", horizon, least)
    require_one_of("form", form, ("auto", "tree", "trellis"))
    if not 1 < ratio < math.inf:
        raise TreeError(f"ratio is {ratio}, expected a number above 1")


def binomial_tv(n: int, p: float, q: float) -> float:
    """TV of Bin(n, p) and Bin(n, q), that is of n independent bits."""

    def log_pmf(k: int, chance: float) -> float:
        ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        return ways + k * math.log(chance) + (n - k) * math.log1p(-chance)

    return 0.5 * math.fsum(abs(math.exp(log_pmf(k, p)) - math.exp(log_pmf(k, q))) for k in range(n + 1))
