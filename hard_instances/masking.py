"""Masking: a constraint that every prefix keeps, and that topics break at different rates later on."""

from __future__ import annotations

import math

import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import SpecError
from treesim.graphs.tree import Tree
from treesim.hard_instances.certificate import Certificate, certifies
from treesim.instances.instance import Instance
from treesim.scaled import Scaled
from treesim.spec import require_whole


def masking(horizon: int, topics: int = 8, safest: float = 0.01, riskiest: float = 0.2, seed: int = 0) -> Instance:
    """The first step chooses a topic; each later one breaks the constraint with the topic's probability q, for good.

    The reward is 1 for texts that keep it, else 0. V^ knows what is broken, as a mask of tokens does, and not what will
    be: 1 for every prefix that keeps it. So guidance always returns a text that does, of a topic by pi_ref, whereas the
    target has topics by their chances (1 - q)^(T - 1). Topics are equally likely, their q in geometric steps.

    Parameters
    ----------
    horizon : int
        T, at least 2.
    topics : int
        At least 2.
    safest, riskiest : float
        The least and the largest q, strictly between 0 and 1.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    Examples
    --------
    >>> from treesim import GuidedSMC
    >>> instance = masking(horizon=24)
    >>> round(GuidedSMC().law(instance).tv(instance.target).lo, 6)
    0.348849
    """
    risk = _risks(horizon, topics, safest, riskiest)
    # A topic has t prefixes of t steps: the one that keeps the constraint first, those that broke it last step next.
    degrees = [np.array([topics])]
    probs = [np.full(topics, 1.0 / topics)]
    for t in range(1, horizon):
        degrees.append(np.tile([2, *[1] * (t - 1)], topics))
        probs.append(np.column_stack([1.0 - risk, risk, np.ones((topics, t - 1))]).ravel())
    sizes = [1, *(topics * t for t in range(1, horizon + 1))]
    level_ptr = np.cumsum([0, *sizes])
    tree = Tree(level_ptr, np.concatenate([[0], np.cumsum(np.concatenate(degrees))]), np.concatenate(probs))
    keeps = np.concatenate([[1.0], *(np.tile([1.0, *[0.0] * (t - 1)], topics) for t in range(1, horizon + 1))])
    parameters = {"horizon": horizon, "topics": topics, "safest": safest, "riskiest": riskiest}
    return Instance(tree, Scaled.from_float(keeps), "masking", parameters, seed)


@certifies("masking")
def masking_certificate(
    horizon: int, topics: int = 8, safest: float = 0.01, riskiest: float = 0.2, seed: int = 0
) -> Certificate:
    """The riskiest topic has the Bellman error at every step; masking leaves the topics as pi_ref has them."""
    risk = _risks(horizon, topics, safest, riskiest)
    chance = (1.0 - risk) ** (horizon - 1)
    target = chance / chance.sum()
    return Certificate(
        horizon=horizon,
        ratio_bound=math.inf,
        bellman_error=float(risk[-1] / (1.0 - risk[-1])),
        log_partition=float(np.log(chance.mean())),
        region=(0, 1),
        target_mass=float(target[0]),
        hidden=1,
        defeats="sp-gsmc",
        tv=0.5 * float(np.abs(target - 1.0 / topics).sum()),
    )


def _risks(horizon: int, topics: int, safest: float, riskiest: float) -> FloatArray:
    """The probability of each topic to break the constraint in a step, shape [topics]."""
    require_whole("horizon", horizon, 2)
    require_whole("topics", topics, 2)
    if not 0.0 < safest <= riskiest < 1.0:
        raise SpecError(
            f"safest is {safest} and riskiest {riskiest}, expected both strictly between 0 and 1, safest the smaller"
        )
    return np.geomspace(safest, riskiest, topics)
