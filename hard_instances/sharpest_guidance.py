"""The tree on which single-particle guidance is as wrong as its Bellman error allows."""

from __future__ import annotations

import numpy as np

from treesim.errors import TreeError
from treesim.families import register
from treesim.instance import Instance
from treesim.scaled import Scaled
from treesim.spec import require_positive
from treesim.tree import Tree


@register("sharpest-guidance")
def sharpest_guidance(horizon: int, epsilon: float = 0.1, seed: int = 0) -> Instance:
    """Two paths; V^ grows by 1 + epsilon a step on one, and falls by it on the other.

    The first step goes to the growing path with probability 1 / (1 + kappa), kappa = (1 + epsilon)^(T - 1); guidance
    keeps that probability, the target has kappa / (1 + kappa).
    So TV = (kappa - 1) / (kappa + 1) = tanh((T - 1) log(1 + epsilon) / 2): the sharp form of Theorem 4.3 is attained.

    Parameters
    ----------
    horizon : int
        T, at least 2.
    epsilon : float
        Bellman error.

    Examples
    --------
    >>> from treesim import GuidedSMC
    >>> instance = sharpest_guidance(horizon=8, epsilon=0.1)
    >>> round(GuidedSMC().law(instance).tv(instance.target).lo, 8)
    0.32173894
    """
    if horizon < 2:
        raise TreeError(f"horizon is {horizon}, expected at least 2: one step alone is never wrong")
    require_positive("epsilon", float(epsilon))
    steps = (horizon - 1) * np.log1p(float(epsilon))
    up = 1.0 / (1.0 + np.exp(steps))
    level_ptr = np.concatenate([[0], 1 + 2 * np.arange(horizon + 1)])
    edge_ptr = np.concatenate([[0], 2 + np.arange(2 * horizon - 1)])
    edge_prob = np.ones(2 * horizon)
    edge_prob[:2] = up, 1.0 - up
    growth = np.arange(horizon) * np.log1p(float(epsilon))
    log_value = np.concatenate([[0.0], np.stack([growth, -growth], axis=1).ravel()])
    return Instance(Tree(level_ptr, edge_ptr, edge_prob), Scaled.from_log(log_value))
