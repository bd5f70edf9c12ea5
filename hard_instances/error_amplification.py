"""Small errors that all lean the same way."""

from __future__ import annotations

import math

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.hard_instances.certificate import Certificate, certifies
from treesim.hard_instances.counting_ones import binomial_tv, check_bits, is_tree
from treesim.instances.instance import Instance
from treesim.scaled import Scaled


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
    check_bits(horizon, 3, ratio, form)
    log_value = np.where(np.arange(2) == 1, 1.0, -1.0) * math.log(ratio)

    def value(t: int, last: IntArray) -> FloatArray:
        return log_value[last] if 0 < t < horizon else np.zeros(len(last))

    if is_tree(horizon, form):
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
        target_mass=0.5**horizon if is_tree(horizon, form) else 0.5,
        hidden=1,
        defeats="sp-gsmc",
        tv=binomial_tv(horizon - 1, ratio**2 / (1 + ratio**2), 0.5),
    )
