"""Guidance as wrong as its Bellman error allows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from treesim.hard_instances.certificate import Certificate, certifies, constant_epsilon
from treesim.hard_instances.two_paths import require_steps, two_paths, two_paths_certificate
from treesim.instances.instance import Instance
from treesim.spec import require_positive


def sharpest_guidance(horizon: int, epsilon: float | str = 0.1, seed: int = 0) -> Instance:
    """Two paths; V^ grows by 1 + epsilon a step on one, and falls by it on the other: guidance is as wrong as can be.

    The first step goes to the growing path with probability 1 / (1 + kappa), kappa = (1 + epsilon)^(T - 1); guidance
    keeps that probability, the target has kappa / (1 + kappa).
    So TV = (kappa - 1) / (kappa + 1) = tanh((T - 1) log(1 + epsilon) / 2): the sharp form of Theorem 4.3 is attained.

    Parameters
    ----------
    horizon : int
        T, at least 2.
    epsilon : float or str
        Bellman error; ``c/T`` and the like are numbers too.

    Examples
    --------
    >>> from treesim import GuidedSMC
    >>> instance = sharpest_guidance(horizon=8, epsilon=0.1)
    >>> round(GuidedSMC().law(instance).tv(instance.target).lo, 8)
    0.32173894
    """
    require_steps(horizon)
    size = constant_epsilon(epsilon, horizon)
    require_positive("epsilon", size)
    parameters: dict[str, Any] = {"horizon": horizon, "epsilon": epsilon}
    return two_paths(np.arange(horizon) * np.log1p(size), "sharpest-guidance", parameters)


@certifies("sharpest-guidance")
def sharpest_guidance_certificate(horizon: int, epsilon: float | str = 0.1, seed: int = 0) -> Certificate:
    """Its Bellman error is met at every node below the root, and V^ moves by it at every step."""
    size = constant_epsilon(epsilon, horizon)
    return two_paths_certificate(horizon, (horizon - 1) * math.log1p(size), 1 + size, size)
