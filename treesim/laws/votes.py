r"""Votes: k outputs are drawn, each votes for its answer; the answer of most votes, or of the heaviest, is given.

The counts of k votes are multinomial, which is what independent Poisson counts of means k p_c are once they add up to
k. So answers can be taken one after another, and the chance that a right one wins is a sum over the total it wins with,

    sum_s P(a right and b wrong answers have total s, none has more, k votes in all) a / (a + b) / Poisson(k; k):

ties are broken uniformly. No term is negative, so none is lost to rounding. A total is the number of votes, or the sum
of their weights: of an answer whose outputs have several weights all sums are listed.
"""

from __future__ import annotations

import numpy as np

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import NoExactLaw
from treesim.kernels.votes import correct_wins
from treesim.spec import require_whole

# Votes up to which Poisson masses stay far within floats.
LARGEST_VOTES = 512
# Sums that an answer's weights may have, and multiplications that a vote may take: some seconds.
MOST_TOTALS, MOST_WORK = 50_000, 4e9
# Where all weights are zero they are left as they are.
LIGHTEST = float(np.finfo(np.float64).tiny)
# Totals that differ by less, relative to the largest, are tied: sums of floats are off by as much.
TIED = 1e-12


def majority_vote(mass: FloatArray, is_correct: BoolArray, votes: int) -> float:
    """Probability that the answer with the most of k votes is correct, ties broken uniformly.

    Parameters
    ----------
    mass : ndarray, shape [n_answers]
        Probability of each answer; what it lacks of 1 are outputs without an answer, which do not vote.
    is_correct : ndarray of bool, shape [n_answers]
    votes : int
        k. Where nobody votes, nothing is right.

    Raises
    ------
    NoExactLaw
        If there are too many votes and answers.

    Examples
    --------
    >>> mass, right = np.array([0.6, 0.4]), np.array([True, False])
    >>> [round(majority_vote(mass, right, k), 12) for k in (1, 2, 3)]
    [0.6, 0.6, 0.648]
    """
    return weighted_vote(mass, np.ones(len(mass)), np.arange(len(mass)), is_correct, votes)


def weighted_vote(mass: FloatArray, weight: FloatArray, answer: IntArray, is_correct: BoolArray, votes: int) -> float:
    """Probability that the answer whose votes weigh most is correct, ties among those that were given broken uniformly.

    Parameters
    ----------
    mass, weight : ndarray, shape [n]
        Probability of each kind of output, and what its vote weighs, at least 0 and finite.
    answer : ndarray of int64, shape [n]
        Its answer, a place in `is_correct`.
    is_correct : ndarray of bool, shape [n_answers]
    votes : int
        k.

    Raises
    ------
    NoExactLaw
        If there are too many votes, answers, or sums of weights.

    Examples
    --------
    >>> mass, weight = np.array([0.25, 0.75]), np.array([3.0, 1.0])
    >>> round(weighted_vote(mass, weight, np.arange(2), np.array([True, False]), votes=2), 12)
    0.4375
    """
    require_whole("votes", votes, 1)
    if votes > LARGEST_VOTES:
        raise NoExactLaw(f"{votes} votes are too many to count exactly, expected at most {LARGEST_VOTES}")
    drawn = mass > 0
    mass = mass[drawn] / max(1.0, float(mass[drawn].sum()))
    weight = weight[drawn] / max(LIGHTEST, float(weight[drawn].max(initial=0.0)))
    given, answer = np.unique(answer[drawn], return_inverse=True)
    right = is_correct[given]
    if not right.any():
        return 0.0
    if 2.0 * len(given) * votes**2 > MOST_WORK:
        raise NoExactLaw(f"{votes} votes for {len(given)} answers are too many to count exactly")
    order = np.argsort(answer, kind="stable")
    cuts = np.cumsum(np.bincount(answer))[:-1]
    by_answer = zip(np.split(weight[order], cuts), np.split(mass[order], cuts), strict=True)
    totals = [_totals(*each, votes) for each in by_answer]
    count = np.concatenate([each[0] for each in totals])
    total = np.concatenate([each[1] for each in totals])
    chance = np.concatenate([each[2] for each in totals])
    who = np.repeat(np.arange(len(given)), [len(each[0]) for each in totals])
    nobody = chance[count == 0]
    order = np.argsort(total, kind="stable")
    order = order[count[order] > 0]
    ptr = np.append(np.flatnonzero(_is_new(total[order], total.max())), len(order))
    event = np.stack([who[order], count[order]], axis=1)
    if _work(ptr, event, right, votes) > MOST_WORK:
        raise NoExactLaw(f"{votes} votes for {len(given)} answers of {len(ptr) - 1} totals are too many to count")
    blank = _poisson(votes * max(0.0, 1.0 - float(mass.sum())), votes)
    won = correct_wins(ptr, event, chance[order], nobody, blank, right, votes)
    return min(1.0, float(won / _poisson(float(votes), votes)[votes]))


def _totals(weight: FloatArray, mass: FloatArray, votes: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """How many votes an answer has, of which total, and how likely that is, no votes the first."""
    count, total, chance = np.zeros(1, np.int64), np.zeros(1), np.ones(1)
    kinds, place = np.unique(weight, return_inverse=True)
    for each, share in zip(kinds.tolist(), np.bincount(place, mass).tolist(), strict=True):
        more = np.arange(votes + 1)
        counts = count[:, None] + more
        kept = counts <= votes
        totals, chances = total[:, None] + each * more, chance[:, None] * _poisson(votes * share, votes)
        order = np.lexsort((totals[kept], counts[kept]))
        count, total, chance = counts[kept][order], totals[kept][order], chances[kept][order]
        start = np.flatnonzero(_is_new(total, votes) | (np.diff(count, prepend=-1) != 0))
        count, total, chance = count[start], total[start], np.add.reduceat(chance, start)
        if len(count) > MOST_TOTALS:
            raise NoExactLaw(f"{votes} votes of {len(kinds)} weights have too many sums to list")
    return count, total, chance


def _is_new(total: FloatArray, largest: float) -> BoolArray:
    """Which totals are not the one before, to the rounding of sums."""
    return np.abs(np.diff(total, prepend=-np.inf)) > TIED * largest


def _poisson(mean: float, largest: int) -> FloatArray:
    """Poisson probabilities of 0 to `largest`."""
    factors = mean / np.maximum(np.arange(largest + 1), 1)
    factors[0] = np.exp(-mean)
    return np.asarray(np.cumprod(factors), np.float64)


def _work(ptr: IntArray, event: IntArray, right: BoolArray, votes: int) -> float:
    """Multiplications of the kernel, about."""
    work = 0.0
    for start, stop in zip(ptr[:-1].tolist(), ptr[1:].tolist(), strict=True):
        who = np.unique(event[start:stop, 0])
        winners = int(right[who].sum())
        if winners:
            tied = votes // int(event[start:stop, 1].min())
            work += (min(winners, tied) + 1.0) * (min(len(who) - winners, tied) + 1.0)
    return work * len(right) * votes**2
