"""Two paths, one good and one bad, and a first step that cannot be taken back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import TreeError
from treesim.graphs.tree import Tree
from treesim.hard_instances.certificate import Certificate
from treesim.instances.instance import Instance
from treesim.scaled import Scaled


def require_steps(horizon: int) -> None:
    """Raise `TreeError` unless there are two steps."""
    if horizon < 2:
        raise TreeError(f"horizon is {horizon}, expected at least 2: one step alone is never wrong")


def two_paths(log_value: FloatArray, name: str, parameters: dict[str, Any], share: float | None = None) -> Instance:
    """Two paths with V^ = exp(+-log_value[t - 1]) at level t.

    The good one has pi_ref `share`, if it is left out 1 / (1 + its reward).
    """
    horizon = len(log_value)
    good = 1.0 / (1.0 + np.exp(log_value[-1])) if share is None else share
    edge_prob = np.ones(2 * horizon)
    edge_prob[:2] = good, 1.0 - good
    tree = Tree(
        np.concatenate([[0], 1 + 2 * np.arange(horizon + 1)]),
        np.concatenate([[0], 2 + np.arange(2 * horizon - 1)]),
        edge_prob,
    )
    value = np.concatenate([[0.0], np.stack([log_value, -log_value], axis=1).ravel()])
    return Instance(tree, Scaled.from_log(value), name, parameters, 0)


def two_paths_certificate(horizon: int, log_reward: float, ratio: float, epsilon: float) -> Certificate:
    """With kappa = exp(log_reward): Z = 1/(1 + kappa) kappa + kappa/(1 + kappa) / kappa = 1."""
    tv = math.tanh(log_reward / 2)
    return Certificate(
        horizon=horizon,
        ratio_bound=ratio,
        bellman_error=epsilon,
        log_partition=0.0,
        region=(0, 1),
        target_mass=1.0 / (1.0 + math.exp(-log_reward)),
        hidden=1,
        defeats="sp-gsmc",
        tv=tv,
    )
