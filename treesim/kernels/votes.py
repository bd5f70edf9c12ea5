"""Votes: the chance that what most votes, or the heaviest, are for is right."""

import numpy as np

from treesim.kernels import kernel


@kernel
def correct_wins(level_ptr, event, mass, nobody, blank, is_correct, votes):
    """Probability of `votes` votes in all, of which the answer with the largest total is right; ties count in part.

    Answers collect their votes independently. Events say with which `mass` an answer has how many votes of which
    total: those of total number s are ``level_ptr[s] .. level_ptr[s + 1]``, smallest total first, and ``event`` has
    answer and votes of each. An answer has no votes with mass ``nobody``, and `blank` has the law of votes for none.
    """
    answers = nobody.shape[0]
    below, at = np.zeros((answers, votes + 1)), np.zeros((answers, votes + 1))
    most, here = np.zeros(answers, np.int64), np.zeros(answers, np.bool_)
    for answer in range(answers):
        below[answer, 0] = nobody[answer]
    n_right = min(votes, is_correct.sum())
    n_wrong = min(votes, answers - is_correct.sum())
    state = np.zeros((n_right + 1, n_wrong + 1, votes + 1))
    won = 0.0
    for level in range(level_ptr.shape[0] - 1):
        can_win, fewest = False, votes
        for e in range(level_ptr[level], level_ptr[level + 1]):
            answer, count = event[e, 0], event[e, 1]
            at[answer, count] += mass[e]
            here[answer] = True
            can_win = can_win or is_correct[answer]
            fewest = min(fewest, count)
        if can_win:
            # Invariant: state[a, b, n] is the mass of n votes so far, all for answers of at most this total, which
            # `right` and `wrong` answers can have: a of them, and b, do.
            state[:] = 0.0
            for n in range(votes + 1):
                state[0, 0, n] = blank[n]
            right, wrong, tied = 0, 0, votes // fewest
            for answer in range(answers):
                to_right, to_wrong = 0, 0
                if here[answer] and is_correct[answer]:
                    to_right, right = 1, min(right + 1, n_right, tied)
                elif here[answer]:
                    to_wrong, wrong = 1, min(wrong + 1, n_wrong, tied)
                # From the top down, so that what is read is not yet written.
                for a in range(right, -1, -1):
                    for b in range(wrong, -1, -1):
                        for n in range(votes, -1, -1):
                            total = 0.0
                            for count in range(min(most[answer], n) + 1):
                                total += state[a, b, n - count] * below[answer, count]
                            if here[answer] and a >= to_right and b >= to_wrong:
                                for count in range(n + 1):
                                    total += state[a - to_right, b - to_wrong, n - count] * at[answer, count]
                            state[a, b, n] = total
            for a in range(1, right + 1):
                for b in range(wrong + 1):
                    won += state[a, b, votes] * a / (a + b)
        for e in range(level_ptr[level], level_ptr[level + 1]):
            answer, count = event[e, 0], event[e, 1]
            below[answer, count] += mass[e]
            at[answer, count] = 0.0
            here[answer] = False
            most[answer] = max(most[answer], count)
    return won
