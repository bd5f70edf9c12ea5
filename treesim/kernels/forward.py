"""From the root to the leaves: conditional probabilities of edges, and the mass they carry down."""

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import product, shifted, total

SMALLEST_REACH = 2.3e-308


@kernel
def guided_edges(lo, hi, layer, mean, ahead, out):
    """p(c|v) V(c) / (PV)(v) on every edge; p(c|v) itself where (PV)(v) is zero."""
    ptr, prob, child = layer
    norm, norm_exponent = mean
    mantissa, exponent = ahead
    out_mantissa, out_exponent = out
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(lo, hi):
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            if norm[v] == 0.0:
                out_mantissa[k], out_exponent[k] = product(1.0, 0, prob[k], 0)
            else:
                relative = mantissa[c] / norm[v]
                out_mantissa[k], out_exponent[k] = product(relative, exponent[c] - norm_exponent[v], prob[k], 0)


@kernel
def push_mass(layer, here, edges, below):
    """Add mass(v) * q(c|v) to every child; returns the expected number of children pi_ref can draw."""
    ptr, prob, child = layer
    mass, mass_exponent = here
    edge, edge_exponent = edges
    out, out_exponent = below
    base = ptr[0]
    is_tree = child.shape[0] == 0
    children = 0.0
    # The children hold what parents before v have sent them; the rest is still with the parents.
    for v in range(ptr.shape[0] - 1):
        here = shifted(mass[v], mass_exponent[v])
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            c = k if is_tree else child[k]
            piece, piece_exponent = product(mass[v], mass_exponent[v], edge[k], edge_exponent[k])
            out[c], out_exponent[c] = total(out[c], out_exponent[c], piece, piece_exponent)
            if prob[k] > 0.0:
                children += here
    return children


@kernel
def push_reach(lo, hi, layer, reach, out):
    """Add reach(v) * p(c|v) to every child of the parents ``lo..hi``.

    Positive reach never underflows to zero, so that "unreachable" stays exact.
    """
    ptr, prob, child = layer
    base = ptr[0]
    is_tree = child.shape[0] == 0
    for v in range(lo, hi):
        mass = reach[v]
        if mass == 0.0:
            continue
        for k in range(ptr[v] - base, ptr[v + 1] - base):
            if prob[k] > 0.0:
                out[k if is_tree else np.uint32(child[k])] += mass * prob[k] + SMALLEST_REACH
