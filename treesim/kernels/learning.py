"""One step ahead and back again: log P V of parents by log V of their children, and slopes the other way."""

import math

from treesim.kernels import kernel


@kernel
def log_expect(layer, log_below, out):
    """log sum_c p(c|v) V(c) of every parent."""
    ptr, prob, child = layer
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(ptr.shape[0] - 1):
        top = -math.inf
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if prob[k] > 0.0:
                top = max(top, log_below[k if is_tree else child[k]])
        if top == -math.inf:
            out[v] = -math.inf
            continue
        mean = 0.0
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if prob[k] > 0.0:
                mean += prob[k] * math.exp(log_below[k if is_tree else child[k]] - top)
        out[v] = top + math.log(mean)


@kernel
def spread_slope(layer, log_below, log_mean, slope, out):
    """Add to every child what the slope of a parent's log P V is worth to it: slope(v) p V(c) / P V(v)."""
    ptr, prob, child = layer
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(ptr.shape[0] - 1):
        if slope[v] == 0.0 or log_mean[v] == -math.inf:
            continue
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if prob[k] > 0.0:
                c = k if is_tree else child[k]
                out[c] += slope[v] * prob[k] * math.exp(log_below[c] - log_mean[v])
