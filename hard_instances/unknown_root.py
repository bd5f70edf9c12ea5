"""Two paths whose weights are known and whose shares are not: what every correction has to learn by drawing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from treesim.errors import TreeError
from treesim.hard_instances.certificate import Certificate, certifies, constant_epsilon
from treesim.hard_instances.two_paths import require_steps, two_paths
from treesim.instances.instance import Instance
from treesim.spec import require_positive


def unknown_root(horizon: int, epsilon: float | str = 0.1, share: float = 0.5, seed: int = 0) -> Instance:
    """Two paths; V^ grows by 1 + epsilon a step on one, and falls by it on the other; the first has pi_ref `share`.

    V^ = 1 at the root and at both children: guidance takes the first path with probability p = `share`, its weight is
    k = (1 + epsilon)^(T - 1), that of the other 1/k. The target has p k^2 / (p k^2 + 1 - p) on it. Epsilon and L are
    the same at every p: who does not know p must draw, see `treesim.theory.correction`.

    Parameters
    ----------
    horizon : int
        T, at least 2.
    epsilon : float or str
        Bellman error; ``c/T`` and the like are numbers too.
    share : float
        p, strictly between 0 and 1.

    Examples
    --------
    >>> from treesim import GuidedSMC
    >>> instance = unknown_root(horizon=8, epsilon=0.1, share=0.25)
    >>> [round(GuidedSMC(chebyshev=n).law(instance).tv(instance.target).lo, 6) for n in (1, 4, 8)]
    [0.308661, 0.020537, 0.00011]
    """
    require_steps(horizon)
    size = constant_epsilon(epsilon, horizon)
    require_positive("epsilon", size)
    if not 0.0 < share < 1.0:
        raise TreeError(f"share is {share:g}, expected strictly between 0 and 1")
    parameters: dict[str, Any] = {"horizon": horizon, "epsilon": epsilon, "share": share}
    return two_paths(np.arange(horizon) * np.log1p(size), "unknown-root", parameters, share)


@certifies("unknown-root")
def unknown_root_certificate(
    horizon: int, epsilon: float | str = 0.1, share: float = 0.5, seed: int = 0
) -> Certificate:
    """Its Bellman error is met at every node below the root, and V^ moves by it at every step."""
    size = constant_epsilon(epsilon, horizon)
    log_bound = (horizon - 1) * math.log1p(size)
    log_good, log_bad = math.log(share) + log_bound, math.log1p(-share) - log_bound
    mass = 1.0 / (1.0 + math.exp(log_bad - log_good))
    return Certificate(
        horizon=horizon,
        ratio_bound=1 + size,
        bellman_error=size,
        log_partition=float(np.logaddexp(log_good, log_bad)),
        region=(0, 1),
        target_mass=mass,
        hidden=1,
        defeats="sp-gsmc",
        tv=abs(mass - share),
    )
