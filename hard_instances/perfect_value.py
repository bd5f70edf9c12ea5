"""A perfect value, and particles that are too few all the same."""

from __future__ import annotations

import math

import numpy as np

from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.hard_instances.certificate import Certificate, certifies
from treesim.hard_instances.counting_ones import binomial_tv, check_bits, is_tree
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.scaled import Scaled

PARTICLES = 16


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
    check_bits(horizon, 1, ratio, form)
    if is_tree(horizon, form):
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
