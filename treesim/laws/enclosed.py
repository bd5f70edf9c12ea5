"""Laws that are known but for some mass: distances to them are enclosed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.laws.density_ratio import Effort
from treesim.laws.law import Law, LeafLaw, PathListLaw
from treesim.laws.tv import TV
from treesim.scaled import Scaled

# What sums of probabilities may be off by rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class EnclosedLaw(Law):
    """A law of which a part is known, less than one in all; the rest may be anywhere.

    Parameters
    ----------
    known : LeafLaw or PathListLaw
        Probabilities that the law has at least.
    missing : float
        What they lack of one.

    Examples
    --------
    >>> known, target = LeafLaw(Scaled.from_float([0.5, 0.25])), LeafLaw(Scaled.from_float([0.25, 0.75]))
    >>> tv = EnclosedLaw(known, missing=0.25).tv(target)
    >>> round(tv.lo, 9), round(tv.hi, 9), tv.kind
    (0.25, 0.5, 'certified')
    """

    known: LeafLaw | PathListLaw
    missing: float

    def _tv(self, target: Law, effort: Effort) -> TV:
        """Certified: what the law has beyond the target at least, and what the target has beyond it at most."""
        own, others = self.known.beside(target)
        beyond, short = np.maximum(own - others, 0.0).sum(), np.maximum(others - own, 0.0).sum()
        return TV(max(0.0, float(beyond) - ROUNDING), min(1.0, float(short) + ROUNDING), "certified")

    def kl(self, target: Law) -> float | None:
        """Infinite where the known part has mass that the target lacks, else not known."""
        return math.inf if self.known.kl(target) == math.inf else None

    def chi2(self, target: Law) -> float | None:
        """Infinite where the known part has mass that the target lacks, else not known."""
        return math.inf if self.known.chi2(target) == math.inf else None

    def expected(self, reward: Scaled) -> float | None:
        """Not known."""
        return None
