"""A rare string that the reward overrates: best-of-N finds it, and returns nothing else."""

from __future__ import annotations

import math

import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import TreeError
from treesim.graphs.trellis import Trellis
from treesim.hard_instances.certificate import Certificate, certifies
from treesim.instances.instance import Instance
from treesim.scaled import Scaled
from treesim.spec import require_whole

# Draws at which best-of-N returns the overrated string nearly always.
MANY = 4


def reward_hacking(horizon: int, ratio: float = 2.0, branching: int = 2, seed: int = 0) -> Instance:
    """One of B^T strings has reward `ratio`, all others 1; V^ is the optimal twist.

    To the target, pi_ref times the reward, the string hardly matters. Best-of-N returns the largest reward drawn: past
    N = B^T nothing but that string, and its true reward, see `true_reward`, falls where its reward rises.
    Importance resampling with the same draws comes ever nearer to the target.

    Parameters
    ----------
    horizon : int
        T.
    ratio : float
        Above 1.
    branching : int
        B.

    Examples
    --------
    >>> from treesim import sampler
    >>> instance = reward_hacking(horizon=8)
    >>> [round(sampler(f"best-of-n:n={n}").law(instance).tv(instance.target).lo, 3) for n in (1, 16, 256, 4096)]
    [0.004, 0.053, 0.625, 0.992]
    """
    require_whole("horizon", horizon, 1)
    require_whole("branching", branching, 2)
    if not 1 < ratio < math.inf:
        raise TreeError(f"ratio is {ratio}, expected a number above 1")
    stay = 1.0 / branching
    inner = np.array([[stay, 1.0 - stay], [0.0, 1.0]])
    trellis = Trellis.from_layers([inner[:1]] + [inner] * (horizon - 1))
    left = np.exp(-math.log(branching) * (horizon - np.arange(horizon + 1)))
    on = np.log1p((ratio - 1) * left)
    value = np.concatenate([on[:1], np.stack([on[1:], np.zeros(horizon)], axis=1).ravel()])
    parameters = {"horizon": horizon, "ratio": ratio, "branching": branching}
    return Instance(trellis, Scaled.from_log(value), "reward-hacking", parameters, seed)


def true_reward(instance: Instance) -> FloatArray:
    """What users of the string get: 1, and nothing from the overrated one, shape [n_leaves].

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("reward-hacking", horizon=4)
    >>> truth = true_reward(instance)
    >>> [round(float(sampler(f"best-of-n:n={n}").law(instance).prob.to_float() @ truth), 3) for n in (1, 16, 256)]
    [0.938, 0.356, 0.0]
    """
    return np.where(np.arange(instance.graph.n_leaves) == 0, 0.0, 1.0)


@certifies("reward-hacking")
def reward_hacking_certificate(horizon: int, ratio: float = 2.0, branching: int = 2, seed: int = 0) -> Certificate:
    """best-of-N returns the string with probability 1 - (1 - B^-T)^N; among the others it follows pi_ref."""
    log_share = -horizon * math.log(branching)
    share = math.exp(log_share)
    draws = MANY * branching**horizon
    hit = -math.expm1(draws * math.log1p(-share))
    mass = ratio * share / (1 + (ratio - 1) * share)
    steps = 1 + (ratio - 1) * np.exp(-math.log(branching) * np.arange(horizon + 1))
    return Certificate(
        horizon=horizon,
        # The largest step is the last one, to the string itself or away from it.
        ratio_bound=float(max(steps[0] / steps[1], steps[1])),
        bellman_error=0.0,
        log_partition=math.log1p((ratio - 1) * share),
        region=(0, 1),
        target_mass=mass,
        hidden=1,
        defeats=f"best-of-n:n={draws}",
        tv=hit - mass,
    )
