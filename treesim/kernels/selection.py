"""Keeping one of several weighted paths by weights that are rounded at random."""

import math

from treesim.kernels import kernel


@kernel
def select_rounded(log_weight, log_bound, slack, high_chance, rng, out):
    """Pick a column of each row by weights of logs within +-log_bound; returns in how many rows one lies beyond.

    Each weight is rounded to one end of the interval at random, keeping its mean. Of the s that are high or of the
    others one is kept, all alike: of the high ones with probability ``high_chance[s]``. In a row where a weight lies
    beyond the interval by more than `slack`, in log, the first is kept.
    """
    n, paths = log_weight.shape
    low = math.exp(-2.0 * log_bound)
    outside = 0
    for i in range(n):
        seen_high, kept_high, kept_low = 0, 0, 0
        inside = True
        for j in range(paths):
            if not abs(log_weight[i, j]) <= log_bound + slack:
                inside = False
                break
            # The chance of the upper end; where the ends are one nothing is above the lower one.
            up = (math.exp(log_weight[i, j] - log_bound) - low) / (1.0 - low) if low < 1.0 else 0.0
            if rng.random() < up:
                seen_high += 1
                if rng.random() * seen_high < 1.0:
                    kept_high = j
            elif rng.random() * (j + 1 - seen_high) < 1.0:
                kept_low = j
        if not inside:
            outside += 1
            out[i] = 0
        else:
            out[i] = kept_high if rng.random() < high_chance[seen_high] else kept_low
    return outside
