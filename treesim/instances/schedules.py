"""Schedules of Bellman errors: one for each level."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import FloatArray
from treesim.errors import PerturbationError


def epsilon_schedule(epsilon: str | ArrayLike, horizon: int) -> FloatArray:
    """The Bellman error of each level.

    Parameters
    ----------
    epsilon : str or array_like
        A number, one number a level, or text: ``0.1``, ``0.5/T``, ``0.5/sqrt(T)``, or ``0.5/t`` (level t - 1
        has error 0.5/t, so the root's is the largest).
    horizon : int
        T.

    Returns
    -------
    ndarray, shape [horizon]

    Raises
    ------
    PerturbationError
        If it is not of these forms, or negative.

    Examples
    --------
    >>> epsilon_schedule("0.5/T", 2), epsilon_schedule("1/t", 3).round(3)
    (array([0.25, 0.25]), array([1.   , 0.5  , 0.333]))
    """
    if isinstance(epsilon, str):
        match = re.fullmatch(r"\s*([^/\s]+)\s*(?:/\s*(T|t|sqrt\(T\)))?\s*", epsilon)
        try:
            number = float(match[1]) if match else np.nan
        except ValueError:
            number = np.nan
        if match is None or np.isnan(number):
            raise PerturbationError(f"epsilon is {epsilon!r}, expected a number, c/T, c/sqrt(T) or c/t")
        steps = np.arange(1, horizon + 1)
        divisors = {None: 1.0, "T": float(horizon), "sqrt(T)": np.sqrt(horizon), "t": steps}
        schedule = np.broadcast_to(number / divisors[match[2]], horizon)
    else:
        array = np.asarray(epsilon, np.float64)
        if array.shape not in ((), (horizon,)):
            raise PerturbationError(
                f"epsilon has shape {array.shape}, expected one number or one for each of {horizon} levels"
            )
        schedule = np.broadcast_to(array, horizon)
    bad = schedule[~((schedule >= 0) & np.isfinite(schedule))]
    if len(bad):
        raise PerturbationError(f"epsilon is {bad[0]}, expected a finite number of at least 0")
    return np.array(schedule)
