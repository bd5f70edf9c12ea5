"""AWRS: particles that draw valid tokens by rejection, and know from the tries how much was valid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least
from treesim.zoo.moves import log_or_never, multinomial, pick, shares


@dataclass
class AWRS:
    """SMC whose particles draw tokens by pi_ref given V^ > 0, trying tokens one by one and none twice.

    A particle's weight is multiplied by an unbiased estimate of what its move was likely to be valid, from the tries
    alone, and by V^(child) / V^(parent). Particles are resampled where ESS falls below `threshold` N.

    References
    ----------
    Lipkin et al. (2025), "Fast Controlled Generation from Language Models with Adaptive Weighted Rejection Sampling",
    COLM, arXiv 2504.05410; code in github.com/genlm/genlm-control, the recursive estimator, and V^ as critic.

    Examples
    --------
    >>> from treesim import exact_law, tree_of_model
    >>> from treesim.decoding.masking import constrained_texts
    >>> tree = tree_of_model(lambda prefixes: [[0.9, 0.1]] * len(prefixes), "ab".__getitem__, horizon=2)
    >>> instance = constrained_texts(tree, ".*b.*")
    >>> [round(exact_law(AWRS(n), instance).law.tv(instance.target).mid, 4) for n in (1, 2)]
    [0.4263, 0.3527]
    """

    particles: int
    threshold: float = 0.5

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One output, or None where no particle found a valid token."""
        cloud, values, log_weights = [oracle.root] * self.particles, [0.0] * self.particles, [0.0] * self.particles
        for t in range(1, oracle.horizon + 1):
            for i, prefix in enumerate(cloud):
                if log_weights[i] > -math.inf:
                    cloud[i], value, mass = self._moved(oracle, prefix, rng)
                    log_weights[i] += log_or_never(mass) + value - values[i]
                    values[i] = value
            if max(log_weights) == -math.inf:
                return None
            share = shares(log_weights)
            if t < oracle.horizon and 1.0 / math.fsum(each**2 for each in share) < self.threshold * self.particles:
                parents = multinomial(share, rng)
                cloud, values = [cloud[i] for i in parents], [values[i] for i in parents]
                log_weights = [0.0] * self.particles
        return pick(cloud, log_weights, rng)

    def _moved(self, oracle: Oracle, prefix: Prefix, rng: np.random.Generator) -> tuple[Prefix, float, float]:
        """A valid child, log V^ of it, and an estimate of the mass that is valid."""
        children = oracle.children(prefix)
        values: dict[int, float] = {}

        def is_valid(i: int) -> bool:
            values[i] = oracle.log_value(children[i][0])
            return values[i] > -math.inf

        i, mass = valid_draw([prob for _, prob in children], is_valid, rng)
        return children[i][0], values[i], mass


def valid_draw(prob: Sequence[float], is_valid: Callable[[int], bool], rng: np.random.Generator) -> tuple[int, float]:
    """One of some things by their probabilities given that it is valid, and an unbiased estimate of that probability.

    Things are tried without replacement until one is valid; whether the next try would be, too, is what the estimate
    needs to know of the rest. Where none is valid the last is returned, with estimate 0.

    Examples
    --------
    >>> valid_draw([0.5, 0.5], lambda i: True, np.random.default_rng(0))
    (1, 1.0)
    """
    left, weights, estimate = list(range(len(prob))), list(prob), 1.0

    def tried() -> tuple[int, float]:
        total = math.fsum(weights)
        k = int(rng.choice(len(left), p=[weight / total for weight in weights]))
        return left.pop(k), weights.pop(k) / total

    while left:
        i, chance = tried()
        if is_valid(i):
            return i, estimate if not left or is_valid(tried()[0]) else estimate * chance
        estimate *= 1.0 - chance
    return i, 0.0
