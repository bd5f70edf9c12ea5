"""SMC with resampling schemes that built-in `smc` does not have: SSP and killing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.spec import require_at_least, require_one_of
from treesim.zoo.moves import filtered


@dataclass
class ResampledSMC:
    """SMC by pi_ref and ratios of V^, resampled at every step by the scheme ``ssp`` or ``killing``.

    SSP: of N w_i offspring each particle has the whole part, and one more or not; two parts that are left over are
    settled against each other until one of them is whole. Killing: a particle lives with probability w_i / max w, else
    one drawn by the weights takes its place.

    References
    ----------
    Gerber, Chopin & Whiteley (2019), "Negative association, ordering and convergence of resampling methods", Ann.
    Statist. 47(4). Both schemes are in github.com/nchopin/particles, `particles.resampling`.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("uniform", horizon=2, seed=1)
    >>> [round(exact_law(ResampledSMC(3, s), instance).law.tv(instance.target).mid, 4) for s in ("ssp", "killing")]
    [0.158, 0.1582]
    """

    particles: int
    scheme: str = "ssp"

    def __post_init__(self) -> None:
        require_at_least("particles", self.particles, 1)
        require_one_of("scheme", self.scheme, ("ssp", "killing"))

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        return filtered(oracle, rng, self.particles, oracle.log_value, ssp if self.scheme == "ssp" else killing)


def ssp(shares: list[float], rng: np.random.Generator) -> Sequence[int]:
    """Ancestors by the Srinivasan sampling process, as many as there are shares.

    Examples
    --------
    >>> ssp([0.5, 0.0, 0.25, 0.25], np.random.default_rng(0))
    [0, 0, 2, 3]
    """
    n = len(shares)
    counts = [math.floor(n * share) for share in shares]
    part = [n * share - count for share, count in zip(shares, counts, strict=True)]
    i = 0
    for j in range(1, n):
        # What i may gain from j, and j from i, until one of the two parts is 0 or 1: each as likely as keeps the means.
        up, down = min(part[j], 1.0 - part[i]), min(part[i], 1.0 - part[j])
        if up + down > 0.0 and rng.random() * (up + down) >= down:
            i, j, up = j, i, down
        if part[j] < 1.0 - part[i]:
            part[i] += up
        else:
            part[j] -= up
            counts[i] += 1
            i = j
    counts[i] += round(part[i])
    return [k for k, count in enumerate(counts) for _ in range(count)]


def killing(shares: list[float], rng: np.random.Generator) -> Sequence[int]:
    """Ancestors, most of which stay what they are.

    Examples
    --------
    >>> killing([0.25, 0.25, 0.25, 0.25], np.random.default_rng(0))
    [0, 1, 2, 3]
    """
    top, n = max(shares), len(shares)
    return [i if rng.random() * top < shares[i] else int(rng.choice(n, p=shares)) for i in range(n)]
