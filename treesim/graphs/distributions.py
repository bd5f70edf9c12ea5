"""Probabilities that should sum to one: checked, and normalised where they nearly do.

Probabilities in float32, or written with six digits, sum to one within 1e-4. They are scaled, and the user is told in
one line; what is farther off is refused. Sums that are off by rounding alone stay as they are, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import TreeError, TreesimError
from treesim.runtime.notes import note

SUM_TOLERANCE = 1e-4
ROUNDING = 1e-12


class Normaliser:
    """The distributions of one graph, group after group; `say` tells once what was scaled.

    Parameters
    ----------
    error : type
        Raised where probabilities are no distribution.

    Examples
    --------
    >>> normaliser = Normaliser()
    >>> normaliser.groups(np.array([0, 2, 3]), np.array([0.5, 0.5, 0.99999]), lambda v: f"probabilities of node {v}")
    array([0.5, 0.5, 1. ])
    >>> normaliser.scaled, normaliser.worst
    (1, 'probabilities of node 1 sum to 0.99999')
    """

    def __init__(self, error: type[TreesimError] = TreeError) -> None:
        self.scaled = 0
        self.worst = ""
        self._error = error
        self._farthest = 0.0

    def groups(self, ptr: IntArray, prob: FloatArray, subject: Callable[[int], str]) -> FloatArray:
        """Probabilities that sum to one in every group.

        Parameters
        ----------
        ptr : ndarray of int64, shape [n_groups + 1]
            Group ``v`` is ``ptr[v] - ptr[0] .. ptr[v + 1] - ptr[0]``; none is empty.
        prob : ndarray, shape [n]
        subject : callable
            How messages call the probabilities of a group: ``edge probabilities of node 3``.

        Returns
        -------
        ndarray, shape [n]
            `prob` itself where nothing is scaled.

        Raises
        ------
        TreesimError
            Of the type that was asked for, if a number is negative, above 1 or NaN, or a sum is off by more than 1e-4.
        """
        starts = ptr[:-1] - ptr[0]
        bad = np.flatnonzero(~((prob >= 0) & (prob <= 1 + SUM_TOLERANCE)))
        if len(bad):
            group = int(np.searchsorted(starts, bad[0], side="right")) - 1
            raise self._error(f"{subject(group)} contain {prob[bad[0]]:.12g}, expected numbers from 0 to 1")
        total = np.add.reduceat(prob, starts)
        off = np.abs(total - 1.0)
        farthest = int(np.argmax(off))
        if off[farthest] > SUM_TOLERANCE:
            raise self._error(f"{subject(farthest)} sum to {total[farthest]:.12g}, expected 1")
        if off[farthest] <= ROUNDING:
            return prob
        self.scaled += int(np.count_nonzero(off > ROUNDING))
        if off[farthest] > self._farthest:
            self._farthest = float(off[farthest])
            self.worst = f"{subject(farthest)} sum to {total[farthest]:.12g}"
        scale = np.where(off > ROUNDING, total, 1.0)
        return prob / np.repeat(scale, np.diff(ptr))

    def say(self) -> None:
        """Tell what was scaled, if anything was."""
        if self.scaled:
            others = f", and so were {self.scaled - 1} more" if self.scaled > 1 else ""
            note(f"{self.worst}: they were normalised{others}")


def of_logits(logits: FloatArray, refusal: str) -> FloatArray:
    """Probabilities of natural logs up to a constant, shape [n]; raises `TreeError`, saying `refusal`, where one is NaN
    or none is finite.

    Examples
    --------
    >>> of_logits(np.log([1.0, 3.0]) + 700.0, "no law").round(12)
    array([0.25, 0.75])
    """
    if np.isnan(logits).any() or not np.isfinite(logits.max()):
        raise TreeError(refusal)
    prob = np.exp(logits - logits.max())
    return np.asarray(prob / prob.sum(), np.float64)


def normalised(prob: FloatArray, subject: str, error: type[TreesimError] = TreeError) -> FloatArray:
    """One distribution, shape [n], checked, and normalised with a note where it nearly is one.

    Examples
    --------
    >>> normalised(np.array([0.5, 0.4]), "probabilities of the coin")
    Traceback (most recent call last):
    treesim.errors.TreeError: probabilities of the coin sum to 0.9, expected 1
    """
    normaliser = Normaliser(error)
    prob = normaliser.groups(np.array([0, len(prob)]), prob, lambda _: subject)
    normaliser.say()
    return prob
