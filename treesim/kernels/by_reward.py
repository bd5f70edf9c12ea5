"""Sums over the leaves of each reward."""

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import NO_EXPONENT, canonical, shifted


@kernel
def level_masses(of_leaf, prob, out):
    """Sum the numbers of each level, with what rounding loses carried along (Neumaier's sum)."""
    mantissa, exponent = prob
    out_mantissa, out_exponent = out
    n = out_mantissa.shape[0]
    top, total, lost = np.empty(n, np.int64), np.empty(n), np.empty(n)
    for level in range(n):
        top[level], total[level], lost[level] = NO_EXPONENT, 0.0, 0.0
    for leaf in range(of_leaf.shape[0]):
        if mantissa[leaf] > 0.0:
            top[of_leaf[leaf]] = max(top[of_leaf[leaf]], exponent[leaf])
    for leaf in range(of_leaf.shape[0]):
        if mantissa[leaf] > 0.0:
            level = of_leaf[leaf]
            term = shifted(mantissa[leaf], exponent[leaf] - top[level])
            after = total[level] + term
            larger, smaller = (total[level], term) if total[level] >= term else (term, total[level])
            lost[level] += (larger - after) + smaller
            total[level] = after
    for level in range(n):
        if total[level] > 0.0:
            out_mantissa[level], out_exponent[level] = canonical(total[level] + lost[level], top[level])
