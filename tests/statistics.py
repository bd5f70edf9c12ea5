"""Goodness of fit of simulated leaves to an exact law, with a stated false-alarm rate."""

from __future__ import annotations

import numpy as np
from scipy import stats

from treesim import Draws, Law

FALSE_ALARM = 1e-7
LEAST_EXPECTED = 25.0


def fit_p_value(draws: Draws, law: Law) -> float:
    """p-value of Pearson's chi^2, leaves of small expectation pooled; 0 if an impossible leaf was drawn."""
    prob = np.append(law.prob.to_float(), law.failure)
    counts = np.bincount(np.where(draws.leaf < 0, len(prob) - 1, draws.leaf), minlength=len(prob))
    if counts[prob == 0].any():
        return 0.0
    expected = prob * len(draws.leaf)
    small = expected < LEAST_EXPECTED
    counts = np.append(counts[~small], counts[small].sum())
    expected = np.append(expected[~small], expected[small].sum())
    if expected[-1] < LEAST_EXPECTED:
        # Too rare to judge by itself: join it to the smallest cell that is not.
        i = int(np.argmin(expected[:-1]))
        counts[i] += counts[-1]
        expected[i] += expected[-1]
        counts, expected = counts[:-1], expected[:-1]
    if len(counts) == 1:
        return 1.0
    return float(stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))
