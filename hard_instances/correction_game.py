"""A game: N draws at a root whose shares are unknown, then an output; how far from the target in the worst case?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from treesim.arrays import Brief, FloatArray
from treesim.laws.selection import bernstein, favoured, programmed_rule, selection, shares

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
        PLAYERS[3]: bernstein(_race(draws, low), share),
        PLAYERS[4]: bernstein(_resampling(draws, low), share),
    }
    return CorrectionGame(share, {player: np.abs(high - goal) for player, high in kept.items()})


def _race(draws: int, low: float) -> FloatArray:
    """The chance that Metropolis-Hastings over all draws ends high, by how many of them are high, shape [N + 1].

    A low draw takes the place of a high one with probability `low`, a high one that of any: so all that counts is how
    many draws follow the last high one.
    """
    chance = np.zeros(draws + 1)
    for high in range(1, draws + 1):
        orders = math.comb(draws, high)
        chance[high] = math.fsum(
            math.comb(draws - after - 1, high - 1) / orders * (1.0 - low) ** after for after in range(draws - high + 1)
        )
    return chance


def _resampling(draws: int, low: float) -> FloatArray:
    """The chance that one of the draws, picked by its weight, is high, by how many are, shape [N + 1]."""
    high = np.arange(draws + 1)
    return np.asarray(high / (high + (draws - high) * low), np.float64)
