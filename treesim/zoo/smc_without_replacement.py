"""SMC without replacement: every prefix at most once, the heavy ones for sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least
from treesim.zoo.moves import pick


@dataclass
class SMCWithoutReplacement:
    """All children of all particles are candidates; of more than N, N are kept, none twice, their weights unbiased.

    A candidate weighs what its parent weighs, times p V^(child) / V^(parent). Where c is such that the sum of
    min(w / c, 1) is N, those of w >= c stay as they are; of the others some stay, in proportion to w, and weigh c.
    All weigh together what they did, so that with perfect values the output is from the target, for any N.

    References
    ----------
    Fearnhead & Clifford (2003), "On-line inference for hidden Markov models via particle filters", JRSS B 65(4).

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("dirichlet", horizon=3, perturbation="exact")
    >>> exact_law(SMCWithoutReplacement(2), instance).law.tv(instance.target).hi < 1e-12
    True
    """

    particles: int

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        # The log of what a particle weighs, less that of its value.
        cloud = [(oracle.root, 0.0)]
        while True:
            found = [
                (child, log_mass + math.log(prob))
                for prefix, log_mass in cloud
                for child, prob in oracle.children(prefix)
            ]
            values = [oracle.log_value(child) for child, _ in found]
            log_weights = [log_mass + value for (_, log_mass), value in zip(found, values, strict=True)]
            if max(log_weights) == -math.inf:
                # Where all values are zero pi_ref decides.
                log_weights = [log_mass for _, log_mass in found]
            if found[0][0].level == oracle.horizon:
                return pick([child for child, _ in found], log_weights, rng)
            top = max(log_weights)
            weights = [math.exp(each - top) for each in log_weights]
            kept = survivors(weights, self.particles, rng)
            cloud = [(found[i][0], found[i][1] + math.log(weight / weights[i])) for i, weight in kept.items()]


def survivors(weights: Sequence[float], n: int, rng: np.random.Generator) -> dict[int, float]:
    """At most n of some weights, by their places, with weights whose means are those that were given.

    Parameters
    ----------
    weights : sequence of float
        At least 0, not all 0.
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    dict of int to float
        Place and new weight of what is kept.

    Examples
    --------
    >>> survivors([8.0, 1.0, 1.0, 0.0], 2, np.random.default_rng(0))
    {0: 8.0, 2: 2.0}
    """
    positive = [i for i, weight in enumerate(weights) if weight > 0.0]
    if len(positive) <= n:
        return {i: weights[i] for i in positive}
    order = sorted(positive, key=lambda i: -weights[i])
    for sure in range(n):
        light = sorted(order[sure:])
        unit = math.fsum(weights[i] for i in light) / (n - sure)
        if weights[order[sure]] < unit:
            break
    kept = {i: weights[i] for i in order[:sure]}
    # A comb of spacing c over the light weights, laid end to end: it hits none twice, for each is shorter than c.
    teeth = np.arange(n - sure) + rng.random()
    hit = np.searchsorted(np.cumsum([weights[i] for i in light]) / unit, teeth).clip(max=len(light) - 1)
    return kept | {light[j]: unit for j in hit}
