"""What the theorems say about a sampler on an instance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from treesim.instance import Instance
from treesim.samplers import GuidedSMC, Sampler


@dataclass(frozen=True)
class Bound:
    """An upper bound on a TV.

    Attributes
    ----------
    theorem : str
        Number of the theorem in Zhu & Lu (2026).
    value : float
        As the paper states it.
    sharp : float
        The best bound that holds under the same hypothesis.
    """

    theorem: str
    value: float
    sharp: float


def guidance_bound(horizon: int, epsilon: float) -> Bound:
    """Bound on the TV of exact single-particle guidance.

    Parameters
    ----------
    horizon : int
        T.
    epsilon : float
        Bellman error.

    Returns
    -------
    Bound
        Theorem 4.3 of Zhu & Lu (2026), 2 T epsilon, and its sharp form tanh((T - 1) log(1 + epsilon) / 2): the density
        ratio pi~/pi^ is a product of T - 1 factors in [1/(1 + epsilon), 1 + epsilon], since the root's is common to
        all paths, and among such ratios a two-point law has the largest TV.

    Examples
    --------
    >>> guidance_bound(4, 0.2)
    Bound(theorem='4.3', value=1.6, sharp=0.2668621700879765)
    """
    return Bound("4.3", 2 * horizon * epsilon, math.tanh((horizon - 1) * math.log1p(epsilon) / 2))


def bound_for(sampler: Sampler, instance: Instance) -> Bound | None:
    """The theorem that covers a sampler, or None."""
    if isinstance(sampler, GuidedSMC) and sampler.pool == 0:
        return guidance_bound(instance.graph.horizon, instance.audit.bellman_error)
    return None
