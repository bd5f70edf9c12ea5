"""Goodness of fit of simulated leaves to an exact law, at the false-alarm rate of this suite."""

from __future__ import annotations

from treesim import Draws, LeafLaw, WalkLaw
from treesim.testing import goodness_of_fit

FALSE_ALARM = 1e-7


def fits(draws: Draws, law: LeafLaw | WalkLaw, alpha: float = FALSE_ALARM) -> bool:
    """Whether the draws agree with the law."""
    return goodness_of_fit(draws, law, alpha).passed
