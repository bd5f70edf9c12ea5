"""Simulation: a block of replicates takes one step down a layer, or picks one of its draws."""

import math

from numba import njit

from treesim.kernels.arithmetic import LN2, NO_EXPONENT, shifted


@njit(nogil=True, cache=True)
def draw_edge(start, stop, prob, rng):
    """One edge of ``start..stop`` by its probability."""
    left = rng.random()
    last = start
    for k in range(start, stop):
        if prob[k] > 0.0:
            last = k
            left -= prob[k]
            if left < 0.0:
                break
    return last


@njit(nogil=True, cache=True)
def step_reference(ptr, prob, child, node, rng):
    """Move every replicate to a child drawn from pi_ref."""
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for i in range(node.shape[0]):
        k = draw_edge(ptr[node[i]] - base, ptr[node[i] + 1] - base, prob, rng)
        node[i] = k if is_tree else child[k]


@njit(nogil=True, cache=True)
def step_guided(ptr, prob, child, mantissa, exponent, node, rng):
    """Move every replicate to a child drawn in proportion to pi_ref * V; returns how many children were read."""
    base = ptr[0]
    is_tree = child.shape[0] == 0
    reads = 0
    for i in range(node.shape[0]):
        start, stop = ptr[node[i]] - base, ptr[node[i] + 1] - base
        top = NO_EXPONENT
        for k in range(start, stop):
            c = k if is_tree else child[k]
            if prob[k] > 0.0:
                reads += 1
                if mantissa[c] > 0.0:
                    top = max(top, exponent[c])
        norm = 0.0
        for k in range(start, stop):
            c = k if is_tree else child[k]
            norm += prob[k] * shifted(mantissa[c], exponent[c] - top)
        if norm == 0.0:
            chosen = draw_edge(start, stop, prob, rng)
        else:
            left = norm * rng.random()
            chosen = start
            for k in range(start, stop):
                c = k if is_tree else child[k]
                weight = prob[k] * shifted(mantissa[c], exponent[c] - top)
                if weight > 0.0:
                    chosen = k
                    left -= weight
                    if left < 0.0:
                        break
        node[i] = chosen if is_tree else child[chosen]
    return reads


@njit(nogil=True, cache=True)
def step_pool(ptr, prob, child, mantissa, exponent, draws, node, rng):
    """Draw `draws` children from pi_ref and move to one of them in proportion to V, the first if all are zero."""
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for i in range(node.shape[0]):
        start, stop = ptr[node[i]] - base, ptr[node[i] + 1] - base
        norm, top = 0.0, NO_EXPONENT
        chosen = 0
        for j in range(draws):
            c = draw_edge(start, stop, prob, rng)
            if not is_tree:
                c = child[c]
            if mantissa[c] > 0.0:
                if exponent[c] > top:
                    norm = shifted(norm, top - exponent[c])
                    top = exponent[c]
                weight = shifted(mantissa[c], exponent[c] - top)
                norm += weight
                if rng.random() * norm < weight:
                    chosen = c
            elif j == 0:
                chosen = c
        node[i] = chosen


@njit(nogil=True, cache=True)
def pick_best(leaf, mantissa, exponent, out):
    """Of each row's leaves the one of the highest reward, the earliest of equals: draws are exchangeable."""
    for i in range(leaf.shape[0]):
        best = leaf[i, 0]
        for j in range(1, leaf.shape[1]):
            x = leaf[i, j]
            if mantissa[x] > 0.0 and (
                mantissa[best] == 0.0
                or exponent[x] > exponent[best]
                or (exponent[x] == exponent[best] and mantissa[x] > mantissa[best])
            ):
                best = x
        out[i] = best


@njit(nogil=True, cache=True)
def pick_weighted(leaf, mantissa, exponent, power, rng, out):
    """Of each row's leaves one in proportion to reward ** power, the first if all are zero."""
    for i in range(leaf.shape[0]):
        top = -math.inf
        for j in range(leaf.shape[1]):
            x = leaf[i, j]
            if mantissa[x] > 0.0:
                top = max(top, power * (math.log(mantissa[x]) + exponent[x] * LN2))
        norm = 0.0
        chosen = leaf[i, 0]
        for j in range(leaf.shape[1]):
            x = leaf[i, j]
            if mantissa[x] > 0.0:
                weight = math.exp(power * (math.log(mantissa[x]) + exponent[x] * LN2) - top)
                norm += weight
                if rng.random() * norm < weight:
                    chosen = x
        out[i] = chosen


@njit(nogil=True, cache=True)
def accept(leaf, mantissa, exponent, log_envelope, rng, accepted):
    """Accept each leaf with probability reward / envelope."""
    for i in range(leaf.shape[0]):
        x = leaf[i]
        accepted[i] = mantissa[x] > 0.0 and rng.random() < math.exp(
            math.log(mantissa[x]) + exponent[x] * LN2 - log_envelope
        )
