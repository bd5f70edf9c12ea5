"""A reward model that wakes up at the last step."""

from __future__ import annotations

import math

import numpy as np

from treesim.errors import TreeError
from treesim.hard_instances.certificate import Certificate, certifies
from treesim.hard_instances.two_paths import require_steps, two_paths, two_paths_certificate
from treesim.instances.instance import Instance


def delayed_reward(horizon: int, ratio: float = 4.0, seed: int = 0) -> Instance:
    """Two paths that V^ cannot tell apart until the last step, which pays `ratio` on one and 1 / `ratio` on the other.

    One step alone is wrong, by epsilon = ratio - 1; but it comes too late: the first step was the one that mattered.
    Guidance keeps the reference policy, TV = (ratio - 1) / (ratio + 1).

    Parameters
    ----------
    horizon : int
        T, at least 2.
    ratio : float
        Above 1.

    Examples
    --------
    >>> from treesim import GuidedSMC
    >>> instance = delayed_reward(horizon=5, ratio=3.0)
    >>> round(GuidedSMC().law(instance).tv(instance.target).lo, 12), instance.audit.sup.round(9).tolist()
    (0.5, [0.0, 0.0, 0.0, 0.0, 2.0])
    """
    require_steps(horizon)
    if not ratio > 1:
        raise TreeError(f"ratio is {ratio}, expected above 1: it tells the paths apart")
    log_value = np.zeros(horizon)
    log_value[-1] = math.log(ratio)
    return two_paths(log_value, "delayed-reward", {"horizon": horizon, "ratio": ratio})


@certifies("delayed-reward")
def delayed_reward_certificate(horizon: int, ratio: float = 4.0, seed: int = 0) -> Certificate:
    """The last step has all the error there is, and all the ratio."""
    return two_paths_certificate(horizon, math.log(ratio), ratio, ratio - 1)
