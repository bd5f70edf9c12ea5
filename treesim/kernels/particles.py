"""N-particle SMC: a block of replicates takes one step down a layer, weighs its particles and resamples them.

Arrays are [replicates, particles]; the weights of a replicate have mean one, and what they lost goes to ``log_z``.
"""

import math

from numba import njit

from treesim.kernels.arithmetic import NO_EXPONENT, shifted
from treesim.kernels.walk import draw_edge

MULTINOMIAL, RESIDUAL, STRATIFIED, SYSTEMATIC = 0, 1, 2, 3


@njit(nogil=True, cache=True)
def propose_reference(ptr, prob, child, value, value_exp, next_value, next_value_exp, node, weight, edge, rng):
    """Move every particle by pi_ref and multiply its weight by G = V(child) / V(parent)."""
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for r in range(node.shape[0]):
        for i in range(node.shape[1]):
            v = node[r, i]
            k = draw_edge(ptr[v] - base, ptr[v + 1] - base, prob, rng)
            c = k if is_tree else child[k]
            edge[r, i] = k
            if value[v] > 0.0:
                weight[r, i] *= shifted(next_value[c] / value[v], next_value_exp[c] - value_exp[v])
            else:
                weight[r, i] *= shifted(next_value[c], next_value_exp[c])


@njit(nogil=True, cache=True)
def propose_optimal(ptr, prob, child, value, value_exp, next_value, next_value_exp, node, weight, edge, rng):
    """Move every particle in proportion to pi_ref V and multiply its weight by (P V)(parent) / V(parent).

    Where no child has value the step is pi_ref's and the weight zero. Returns how many children were read.
    """
    base = ptr[0]
    is_tree = child.shape[0] == 0
    reads = 0
    for r in range(node.shape[0]):
        for i in range(node.shape[1]):
            v = node[r, i]
            start, stop = ptr[v] - base, ptr[v + 1] - base
            top = NO_EXPONENT
            for k in range(start, stop):
                c = k if is_tree else child[k]
                if prob[k] > 0.0:
                    reads += 1
                    if next_value[c] > 0.0:
                        top = max(top, next_value_exp[c])
            norm = 0.0
            for k in range(start, stop):
                c = k if is_tree else child[k]
                norm += prob[k] * shifted(next_value[c], next_value_exp[c] - top)
            if norm == 0.0:
                edge[r, i] = draw_edge(start, stop, prob, rng)
                weight[r, i] = 0.0
                continue
            left = norm * rng.random()
            for k in range(start, stop):
                c = k if is_tree else child[k]
                share = prob[k] * shifted(next_value[c], next_value_exp[c] - top)
                if share > 0.0:
                    edge[r, i] = k
                    left -= share
                    if left < 0.0:
                        break
            if value[v] > 0.0:
                weight[r, i] *= shifted(norm / value[v], top - value_exp[v])
            else:
                weight[r, i] *= shifted(norm, top)
    return reads


@njit(nogil=True, cache=True)
def propose_pool(ptr, prob, child, value, value_exp, next_value, next_value_exp, draws, node, weight, edge, rng):
    """Draw `draws` children by pi_ref, keep one in proportion to V, multiply by the pool's mean of V / V(parent)."""
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for r in range(node.shape[0]):
        for i in range(node.shape[1]):
            v = node[r, i]
            start, stop = ptr[v] - base, ptr[v + 1] - base
            norm, top = 0.0, NO_EXPONENT
            for j in range(draws):
                k = draw_edge(start, stop, prob, rng)
                c = k if is_tree else child[k]
                if next_value[c] > 0.0:
                    if next_value_exp[c] > top:
                        norm = shifted(norm, top - next_value_exp[c])
                        top = next_value_exp[c]
                    share = shifted(next_value[c], next_value_exp[c] - top)
                    norm += share
                    if rng.random() * norm < share:
                        edge[r, i] = k
                elif j == 0:
                    edge[r, i] = k
            if norm == 0.0:
                weight[r, i] = 0.0
            elif value[v] > 0.0:
                weight[r, i] *= shifted(norm / draws / value[v], top - value_exp[v])
            else:
                weight[r, i] *= shifted(norm / draws, top)


@njit(nogil=True, cache=True)
def normalise(weight, log_z, ess):
    """Bring the weights of every replicate to mean one; where all are zero they become equal, and log_z -inf."""
    n = weight.shape[1]
    for r in range(weight.shape[0]):
        total, squares = 0.0, 0.0
        for i in range(n):
            total += weight[r, i]
        if total == 0.0:
            log_z[r] = -math.inf
            weight[r, :] = 1.0
            ess[r] = n
            continue
        mean = total / n
        log_z[r] += math.log(mean)
        for i in range(n):
            weight[r, i] /= mean
            squares += weight[r, i] * weight[r, i]
        ess[r] = n * n / squares


@njit(nogil=True, cache=True)
def resample(weight, ess, least, scheme, rng, ancestor):
    """Ancestors of the particles where ESS < `least`, weights set to one; else each is its own.

    Every scheme draws each particle as an ancestor weight times, in expectation; they differ in how the points lie at
    which the cumulated weights are read.
    """
    n = weight.shape[1]
    for r in range(weight.shape[0]):
        if not ess[r] < least:
            for i in range(n):
                ancestor[r, i] = i
            continue
        w = weight[r]
        placed = 0
        rest = float(n)
        if scheme == RESIDUAL:
            # Whole copies first; what is left of the weights is drawn multinomially.
            rest = 0.0
            for i in range(n):
                copies = int(w[i])
                for _ in range(copies):
                    ancestor[r, placed] = i
                    placed += 1
                w[i] -= copies
                rest += w[i]
        free = n - placed
        if free > 0:
            last = n - 1
            while last > 0 and w[last] == 0.0:
                last -= 1
            offset = rng.random()
            i, cumulated = 0, w[0]
            position = 0.0
            for j in range(free):
                if scheme == STRATIFIED:
                    point = j + rng.random()
                elif scheme == SYSTEMATIC:
                    point = j + offset
                else:
                    # The j-th smallest of what is left: 1 - U^(1 / number left) of the way to the end.
                    position += (rest - position) * (1.0 - rng.random() ** (1.0 / (free - j)))
                    point = position
                while cumulated <= point and i < last:
                    i += 1
                    cumulated += w[i]
                ancestor[r, placed + j] = i
        weight[r, :] = 1.0


@njit(nogil=True, cache=True)
def inherit(ancestor, edge, out):
    """The edges of the ancestors."""
    for r in range(ancestor.shape[0]):
        for i in range(ancestor.shape[1]):
            out[r, i] = edge[r, ancestor[r, i]]


@njit(nogil=True, cache=True)
def pick_particle(weight, rng, out):
    """One particle of every replicate, in proportion to the weights."""
    n = weight.shape[1]
    for r in range(weight.shape[0]):
        left = rng.random() * weight[r].sum()
        chosen = 0
        for i in range(n):
            if weight[r, i] > 0.0:
                chosen = i
                left -= weight[r, i]
                if left < 0.0:
                    break
        out[r] = chosen
