"""Inference-time pessimism: rejection sampling that trusts a reward only as far as its draws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.scaled import exp_or_inf
from treesim.spec import require_at_least, require_positive
from treesim.zoo.moves import drawn

# Beta in units of the largest reward: beyond this all weights are equal.
_MOST = 1e300


@dataclass
class InferenceTimePessimism:
    r"""Aim at pi_ref relu((r - lambda) / beta), the best policy under a penalty by chi^2; r is the reward phi itself.

    lambda is such that the n weights of a pool have mean one; the paths of the pool are then offered to rejection, the
    largest reward of the pool its envelope. With beta = Z, and n large, lambda is 0 and the aim is the target; a small
    beta makes best-of-N of it, a large one pi_ref.

    References
    ----------
    Huang et al. (2025), "Is Best-of-N the Best of Them?", arXiv 2503.21878.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("uniform", horizon=2, seed=1)
    >>> laws = [exact_law(InferenceTimePessimism(3, beta), instance).law for beta in (0.1, 1.0, 10.0)]
    >>> [round(law.tv(instance.target).mid, 4) for law in laws]
    [0.133, 0.1318, 0.2852]
    """

    n: int
    beta: float = 1.0

    def __post_init__(self) -> None:
        require_at_least("n", self.n, 1)
        require_positive("beta", self.beta)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        pool = [drawn(oracle, oracle.root, oracle.horizon) for _ in range(self.n)]
        log_rewards = [oracle.log_value(path) for path in pool]
        top = max(log_rewards)
        if top == -math.inf:
            return pool[0]
        # In units of the largest reward, whatever its size.
        rewards = [math.exp(each - top) for each in log_rewards]
        threshold = _threshold(rewards, min(self.n * self.beta * exp_or_inf(-top), _MOST))
        return next(
            path for path, reward in zip(pool, rewards, strict=True)
            if reward == 1.0 or rng.random() * (1.0 - threshold) < reward - threshold
        )  # fmt: skip


def _threshold(rewards: list[float], total: float) -> float:
    """The number above which rewards have `total` in all."""
    best = sorted(rewards, reverse=True)
    for k in range(1, len(best)):
        threshold = (math.fsum(best[:k]) - total) / k
        if threshold >= best[k]:
            return threshold
    return (math.fsum(best) - total) / len(best)
