"""Two paths, one good and one bad, and a first step that cannot be taken back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import TreeError
from treesim.graphs.tree import Tree
from treesim.hard_instances.certificate import Certificate, certifies, constant_epsilon
from treesim.instances.instance import Instance
from treesim.scaled import Scaled
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
    _require_steps(horizon)
    size = constant_epsilon(epsilon, horizon)
    require_positive("epsilon", size)
    parameters: dict[str, Any] = {"horizon": horizon, "epsilon": epsilon}
    return _two_paths(np.arange(horizon) * np.log1p(size), "sharpest-guidance", parameters)


@certifies("sharpest-guidance")
def sharpest_guidance_certificate(horizon: int, epsilon: float | str = 0.1, seed: int = 0) -> Certificate:
    """Its Bellman error is met at every node below the root, and V^ moves by it at every step."""
    size = constant_epsilon(epsilon, horizon)
    return _certificate(horizon, (horizon - 1) * math.log1p(size), 1 + size, size)


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
    _require_steps(horizon)
    if not ratio > 1:
        raise TreeError(f"ratio is {ratio}, expected above 1: it tells the paths apart")
    log_value = np.zeros(horizon)
    log_value[-1] = math.log(ratio)
    return _two_paths(log_value, "delayed-reward", {"horizon": horizon, "ratio": ratio})


@certifies("delayed-reward")
def delayed_reward_certificate(horizon: int, ratio: float = 4.0, seed: int = 0) -> Certificate:
    """The last step has all the error there is, and all the ratio."""
    return _certificate(horizon, math.log(ratio), ratio, ratio - 1)


def _require_steps(horizon: int) -> None:
    if horizon < 2:
        raise TreeError(f"horizon is {horizon}, expected at least 2: one step alone is never wrong")


def _two_paths(log_value: FloatArray, name: str, parameters: dict[str, Any]) -> Instance:
    """Two paths with V^ = exp(+-log_value[t - 1]) at level t, the good one of pi_ref 1 / (1 + its reward)."""
    horizon = len(log_value)
    good = 1.0 / (1.0 + np.exp(log_value[-1]))
    edge_prob = np.ones(2 * horizon)
    edge_prob[:2] = good, 1.0 - good
    tree = Tree(
        np.concatenate([[0], 1 + 2 * np.arange(horizon + 1)]),
        np.concatenate([[0], 2 + np.arange(2 * horizon - 1)]),
        edge_prob,
    )
    value = np.concatenate([[0.0], np.stack([log_value, -log_value], axis=1).ravel()])
    return Instance(tree, Scaled.from_log(value), name, parameters, 0)


def _certificate(horizon: int, log_reward: float, ratio: float, epsilon: float) -> Certificate:
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
