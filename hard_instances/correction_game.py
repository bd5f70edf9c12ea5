"""A game: N draws at a root whose shares are unknown, then an output; how far from the target in the worst case?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.laws.corrected import log_corrected
from treesim.laws.one_of_n import weighted_pick
from treesim.laws.selection import bernstein, favoured, programmed_rule, selection, shares
from treesim.scaled import Scaled

PLAYERS = ("any algorithm", "any that returns a draw", "Chebyshev selection", "race = MH", "importance (SIR)")
SHARES = 400


@dataclass(frozen=True, eq=False, repr=False)
class CorrectionGame(Brief):
    """What each player loses.

    Attributes
    ----------
    share : ndarray, shape [n]
        p of the path of high weight.
    distance : dict of str to ndarray, shape [n]
        TV of each player to the target, at each p.
    """

    share: FloatArray
    distance: dict[str, FloatArray]

    @property
    def worst(self) -> dict[str, float]:
        """The largest TV of each player over p."""
        return {player: float(distance.max()) for player, distance in self.distance.items()}


@cache
def correction_game(draws: int, bound: float) -> CorrectionGame:
    """Play it: all that players know is k and how many of their N draws had the high weight.

    "Any algorithm" and "any that returns a draw" are the best there are, by linear programs; so up to N = 64.

    Parameters
    ----------
    draws : int
        N, at most 64.
    bound : float
        k, above 1: weights are k and 1/k.

    Examples
    --------
    >>> {player: f"{worst:.1e}" for player, worst in correction_game(8, 2.0).worst.items()}
    {'any algorithm': '7.6e-05', 'any that returns a draw': '9.0e-05', 'Chebyshev selection': '3.0e-04',
     'race = MH': '1.3e-02', 'importance (SIR)': '6.2e-02'}
    """
    low = bound**-2
    share = np.unique(shares(1, low, SHARES))[1:-1]
    goal = favoured(share, low)
    kept = {
        PLAYERS[0]: bernstein(programmed_rule(draws, low, returns_a_draw=False), share),
        PLAYERS[1]: bernstein(programmed_rule(draws, low), share),
        PLAYERS[2]: bernstein(selection(draws, math.log(bound)).high_chance, share),
        PLAYERS[3]: np.array([_race(p, low, draws) for p in share.tolist()]),
        PLAYERS[4]: np.array([_resampling(p, low, draws) for p in share.tolist()]),
    }
    return CorrectionGame(share, {player: np.abs(high - goal) for player, high in kept.items()})


def _race(share: float, low: float, draws: int) -> float:
    log_mass = np.log([1.0 - share, share])
    log_ratio = np.log([low, 1.0]) - math.log(share + (1.0 - share) * low)
    return float(np.exp(log_corrected(log_mass, log_ratio, draws)[1]))


def _resampling(share: float, low: float, draws: int) -> float:
    return share * float(np.exp(weighted_pick(Scaled.from_float([low, 1.0]), np.array([1.0 - share, share]), draws)[1]))
