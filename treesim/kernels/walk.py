"""Simulation: a block of replicates takes one step down a layer, or picks one of its draws."""

import math

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2, NO_EXPONENT, shifted


@kernel
def edge_at(start, stop, prob, left):
    """The edge of ``start..stop`` in whose stretch of the cumulated probabilities a point in [0, 1) lies.

    Of two edges without a branch that could be mispredicted.
    """
    if stop - start == 2 and prob[start + 1] > 0.0:
        return start + (left >= prob[start])
    last = start
    for k in range(start, stop):
        if prob[k] > 0.0:
            last = k
            left -= prob[k]
            if left < 0.0:
                break
    return last


@kernel
def draw_edge(start, stop, prob, rng):
    """One edge of ``start..stop`` by its probability."""
    return edge_at(start, stop, prob, rng.random())


@kernel
def step_reference(ptr, prob, node, rng):
    """Replace the node of every replicate by an edge drawn from pi_ref."""
    base = ptr[0]
    for i in range(node.shape[0]):
        node[i] = draw_edge(ptr[node[i]] - base, ptr[node[i] + 1] - base, prob, rng)


@kernel
def step_guided(layer, ahead, node, log_weight, rng):
    """Replace the node of every replicate by an edge drawn in proportion to pi_ref * V; returns how many were read.

    Where there is room for them, the log weights gain log(pi_ref / drawn law) of the step.
    """
    ptr, prob, child = layer
    mantissa, exponent = ahead
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
            # A forbidden child may have a value beyond all that count.
            if prob[k] > 0.0:
                norm += prob[k] * shifted(mantissa[c], exponent[c] - top)
        if norm == 0.0:
            chosen = draw_edge(start, stop, prob, rng)
        else:
            left = norm * rng.random()
            chosen, kept = start, 0.0
            for k in range(start, stop):
                c = k if is_tree else child[k]
                relative = shifted(mantissa[c], exponent[c] - top)
                weight = prob[k] * relative if prob[k] > 0.0 else 0.0
                if weight > 0.0:
                    chosen, kept = k, relative
                    left -= weight
                    if left < 0.0:
                        break
            if log_weight.shape[0]:
                log_weight[i] += math.log(norm / kept)
        node[i] = chosen
    return reads


@kernel
def step_pool(layer, ahead, draws, node, log_weight, rng):
    """Draw `draws` edges from pi_ref and keep one in proportion to V, the first if all values are zero.

    Where there is room for them, the log weights gain log(mean V of the pool / V of the child kept).
    """
    ptr, prob, child = layer
    mantissa, exponent = ahead
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for i in range(node.shape[0]):
        start, stop = ptr[node[i]] - base, ptr[node[i] + 1] - base
        norm, top = 0.0, NO_EXPONENT
        chosen = 0
        # `norm` is the sum of V over the pool so far, in units of 2**top, and `chosen` one of it in proportion to V.
        for j in range(draws):
            k = draw_edge(start, stop, prob, rng)
            c = k if is_tree else child[k]
            if mantissa[c] > 0.0:
                if exponent[c] > top:
                    norm = shifted(norm, top - exponent[c])
                    top = exponent[c]
                weight = shifted(mantissa[c], exponent[c] - top)
                norm += weight
                if rng.random() * norm < weight:
                    chosen = k
            elif j == 0:
                chosen = k
        if log_weight.shape[0]:
            if norm == 0.0:
                log_weight[i] = -math.inf
            else:
                c = chosen if is_tree else child[chosen]
                log_weight[i] += math.log(norm / draws / mantissa[c]) + (top - exponent[c]) * LN2
        node[i] = chosen


@kernel
def pick_best(leaf, reward, out):
    """The column of each row's leaf of the highest reward, the earliest of equals: draws are exchangeable."""
    mantissa, exponent = reward
    for i in range(leaf.shape[0]):
        column, best = 0, leaf[i, 0]
        for j in range(1, leaf.shape[1]):
            x = leaf[i, j]
            if mantissa[x] > 0.0 and (
                mantissa[best] == 0.0
                or exponent[x] > exponent[best]
                or (exponent[x] == exponent[best] and mantissa[x] > mantissa[best])
            ):
                column, best = j, x
        out[i] = column


@kernel
def pick_weighted(leaf, reward, power, rng, out):
    """A column of each row in proportion to reward ** power, the first if all are zero."""
    mantissa, exponent = reward
    for i in range(leaf.shape[0]):
        top = -math.inf
        for j in range(leaf.shape[1]):
            x = leaf[i, j]
            if mantissa[x] > 0.0:
                top = max(top, power * (math.log(mantissa[x]) + exponent[x] * LN2))
        norm = 0.0
        chosen = 0
        for j in range(leaf.shape[1]):
            x = leaf[i, j]
            if mantissa[x] > 0.0:
                weight = math.exp(power * (math.log(mantissa[x]) + exponent[x] * LN2) - top)
                norm += weight
                if rng.random() * norm < weight:
                    chosen = j
        out[i] = chosen


@kernel
def accept(leaf, reward, log_envelope, rng, accepted):
    """Accept each leaf with probability reward / envelope."""
    mantissa, exponent = reward
    for i in range(leaf.shape[0]):
        x = leaf[i]
        accepted[i] = mantissa[x] > 0.0 and rng.random() < math.exp(
            math.log(mantissa[x]) + exponent[x] * LN2 - log_envelope
        )
