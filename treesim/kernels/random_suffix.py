"""Random-suffix Metropolis on the leaves of a tree: one step of its law."""

import math

from treesim.kernels import kernel


@kernel
def suffix_step(starts, order, prob, log_reward, law, out):
    """Add one step of random-suffix Metropolis at one level: the suffix after each prefix is drawn anew.

    ``order`` lists the leaves prefix by prefix, each in increasing order of reward; prefix ``j`` has the places
    ``starts[j] .. starts[j + 1]``. A leaf y is reached from all x of its prefix, with min(1, phi(y)/phi(x)); 0/0 is 1.
    Sums of ratios are carried from one reward to the next, so that rewards may differ by more than floats do.
    """
    for j in range(starts.shape[0] - 1):
        begin, end = starts[j], starts[j + 1]
        total, below = 0.0, 0.0
        for i in range(begin, end):
            total += prob[order[i]]
            if log_reward[order[i]] == -math.inf:
                below += law[order[i]]
        if total == 0.0:
            for i in range(begin, end):
                out[order[i]] += law[order[i]]
            continue
        # From the highest reward down: the sum of law(x) phi(y) / phi(x) over the x above y.
        above = 0.0
        for i in range(end - 2, begin - 1, -1):
            y, x = order[i], order[i + 1]
            above = (above + law[x]) * math.exp(log_reward[y] - log_reward[x]) if log_reward[x] > -math.inf else 0.0
            out[y] += prob[y] / total * above
        # From the lowest up: law(x) of those below y, what may be drawn there, and that times phi over phi(y).
        chance, worth = 0.0, 0.0
        for i in range(begin, end):
            y = order[i]
            if log_reward[y] > -math.inf:
                below += law[y]
                if i > begin:
                    x = order[i - 1]
                    worth = (worth + prob[x]) * math.exp(log_reward[x] - log_reward[y])
                # Of what is drawn at y all at or above its reward is accepted, and the ratio of what is below.
                out[y] += law[y] * max(0.0, (chance - worth) / total)
            out[y] += prob[y] / total * below
            chance += prob[y]
