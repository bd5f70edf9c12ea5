"""What a law over leaves is worth to those who use its outputs: right answers, rewards, wins against another law.

All depend on the leaf alone, so on a trellis the law of the last node is enough.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from treesim.arrays import FloatArray
from treesim.graphs.layered import LayeredGraph
from treesim.laws.by_reward import RewardedLeaves
from treesim.laws.law import Law, LeafLaw, PathListLaw, WalkLaw


class LeafMass(NamedTuple):
    """The law of the leaf.

    Attributes
    ----------
    mass : ndarray, shape [n_leaves]
        Linear.
    failure : float
        Probability of no output.
    """

    mass: FloatArray
    failure: float


def leaf_mass(law: Law, graph: LayeredGraph) -> LeafMass | None:
    """The law of the leaf, as plain numbers; None where it is not known.

    Examples
    --------
    >>> from treesim import GuidedSMC, family
    >>> chain = family("markov", horizon=50, states=2, perturbation="log-normal:sigma=0.5")
    >>> leaf_mass(GuidedSMC().law(chain), chain.graph).mass.round(6)
    array([0.985179, 0.014821])
    """
    if isinstance(law, LeafLaw):
        return LeafMass(law.prob.to_float(), law.failure)
    if isinstance(law, WalkLaw):
        return LeafMass(law.prob.to_float(), 0.0)
    if isinstance(law, PathListLaw):
        end = graph.layer(graph.horizon - 1).ends(law.edges[:, -1].astype(np.int64))
        return LeafMass(np.bincount(end, law.prob.to_float(), graph.n_leaves).astype(np.float64), law.failure)
    return None


def pass_at(accuracy: float, draws: int) -> float:
    """pass@k, the probability that one of k outputs or more is correct: 1 - (1 - accuracy)^k.

    Examples
    --------
    >>> pass_at(0.5, 3)
    0.875
    """
    return -math.expm1(draws * math.log1p(-accuracy)) if accuracy < 1 else 1.0


def wins(leaves: RewardedLeaves) -> FloatArray:
    """Probability that a leaf beats a draw from pi_ref, by reward, ties counting half, shape [n_leaves].

    Examples
    --------
    >>> from treesim import Scaled
    >>> wins(RewardedLeaves(*(Scaled.from_float(x) for x in ([0.5, 0.25, 0.25], [2.0, 1.0, 2.0]))))
    array([0.625, 0.125, 0.625])
    """
    mass = leaves.levels.mass.to_float()
    return (np.cumsum(mass) - 0.5 * mass)[leaves.levels.of_leaf]
