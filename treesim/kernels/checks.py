"""The invariant of a reference policy, checked in one pass."""

from treesim.kernels import kernel


@kernel
def first_bad_parent(ptr, prob, smallest, tolerance):
    """First parent whose edges are not a distribution, its first bad edge or -1, and the sum; -1 if all are."""
    base = ptr[0]
    for v in range(ptr.shape[0] - 1):
        start, stop = ptr[v] - base, ptr[v + 1] - base
        if stop <= start or stop > prob.shape[0]:
            return v, -1, 0.0
        total = 0.0
        for k in range(start, stop):
            if not (prob[k] == 0.0 or smallest <= prob[k] <= 1.0 + tolerance):
                return v, k - start, 0.0
            total += prob[k]
        if not abs(total - 1.0) <= tolerance:
            return v, -1, total
    return -1, -1, 1.0
