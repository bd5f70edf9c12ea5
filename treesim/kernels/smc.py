"""N-particle SMC: a block of replicates, `treesim.kernels.runs`, takes one step down a layer and weighs its particles.

A replicate may have a *pinned* particle, which takes a given path and survives every resampling (conditional SMC,
Andrieu, Doucet & Holenstein 2010); ``pin`` is its run, or -1.
"""

import math
from typing import NamedTuple

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import NO_EXPONENT, shifted
from treesim.kernels.uniforms import uniform
from treesim.kernels.walk import edge_at

# Above so many particles of a run a binomial draw is cheaper than one number each.
LARGE_RUN = 48
# Sums of shares below this have lost digits.
SMALL_SUM = 2.0**-512


class Where(NamedTuple):
    """The layer that particles go down, with V on both sides.

    Attributes
    ----------
    ptr, prob, child : ndarray
        A `treesim.graphs.layered.Layer`.
    widest : int
        The largest number of edges of a parent.
    is_pairs : bool
        Whether all parents have two edges, all exponents are zero, and no probability is very small.
    exponent, next_exponent : ndarray of int32
        Of V at parents and children; empty if all are zero.
    next_value : ndarray of float64
        The mantissa of V at the children.
    """

    ptr: np.ndarray
    prob: np.ndarray
    child: np.ndarray
    widest: int
    is_pairs: bool
    exponent: np.ndarray
    next_exponent: np.ndarray
    next_value: np.ndarray


@kernel
def propose_reference(where, here, below, pin, path, state, rng):
    """Move every particle by pi_ref and multiply its weight by G = V(child) / V(parent).

    A parent without value counts as if it were one. Returns how many children were drawn.
    """
    ptr, prob, child, next_value = where.ptr, where.prob, where.child, where.next_value
    exponent, next_exponent = where.exponent, where.next_exponent
    base = ptr[0]
    is_tree, is_plain = child.shape[0] == 0, exponent.shape[0] == 0
    has_powers = here.power.shape[1] > 0
    tally = np.zeros(where.widest, np.int64)
    for r in range(here.size.shape[0]):
        n, own = 0, pin[r]
        pin[r] = -1
        # Runs before i have gone down: the n runs below hold their particles, in the order of edges.
        for i in range(here.size[r]):
            v = here.place[r, i]
            start, stop = ptr[v] - base, ptr[v + 1] - base
            total = 0.0
            for k in range(start, stop):
                total += prob[k]
            tally[: stop - start] = 0
            share_out(here.members[r, i] - (i == own), prob[start:stop], total, tally, state, rng)
            if i == own:
                tally[path[r] - start] += 1
            weight = lift(here.weight[r, i], here.value[r, i])
            for k in range(start, stop):
                if tally[k - start] > 0:
                    if i == own and k == path[r]:
                        pin[r] = n
                    below.place[r, n], below.members[r, n] = k, tally[k - start]
                    below.origin[r, n], below.weight[r, n] = here.origin[r, i], weight
                    if has_powers:
                        below.power[r, n] = here.power[r, i] - (0 if is_plain else exponent[v])
                    n += 1
        for m in range(n):
            k = below.place[r, m]
            below.value[r, m] = next_value[k if is_tree else child[k]]
            below.weight[r, m] *= below.value[r, m]
        if not is_plain:
            for m in range(n):
                k = below.place[r, m]
                below.power[r, m] += next_exponent[k if is_tree else child[k]]
        below.size[r] = n
    return here.place.size


@kernel
def propose_optimal(where, here, below, pin, path, state, rng):
    """Move every particle in proportion to pi_ref V and multiply its weight by (P V)(parent) / V(parent).

    Where no child has value it moves by pi_ref, and its weight is zero. A parent without value counts as if it were
    one. Returns how many children were read.
    """
    ptr, prob, exponent = where.ptr, where.prob, where.exponent
    base = ptr[0]
    is_plain, has_powers = exponent.shape[0] == 0, here.power.shape[1] > 0
    tally, share = np.zeros(where.widest, np.int64), np.zeros(where.widest)
    reads = 0
    for r in range(here.size.shape[0]):
        n, own = 0, pin[r]
        pin[r] = -1
        for i in range(here.size[r]):
            v = here.place[r, i]
            start, stop = ptr[v] - base, ptr[v + 1] - base
            for k in range(start, stop):
                reads += here.members[r, i] * (prob[k] > 0.0)
            total, top = shares(where, start, stop, share)
            weight = lift(here.weight[r, i], here.value[r, i]) * total
            power = 0
            if total == 0.0:
                for k in range(start, stop):
                    share[k - start] = prob[k]
                total = 1.0
            elif has_powers:
                power = here.power[r, i] + top - (0 if is_plain else exponent[v])
            tally[: stop - start] = 0
            share_out(here.members[r, i] - (i == own), share[: stop - start], total, tally, state, rng)
            if i == own:
                tally[path[r] - start] += 1
            for k in range(start, stop):
                if tally[k - start] > 0:
                    if i == own and k == path[r]:
                        pin[r] = n
                    below.place[r, n], below.members[r, n] = k, tally[k - start]
                    below.origin[r, n], below.weight[r, n] = here.origin[r, i], weight
                    if has_powers:
                        below.power[r, n] = power
                    n += 1
        below.size[r] = n
    arrive(where, below)
    return reads


@kernel
def shares(where, start, stop, share):
    """What the children ``start..stop`` hold of P V, in units of ``2**top``, into `share`; returns the sum, and top.

    A sum far below one has lost digits to the smallest probabilities: then products are aligned by their own powers.
    """
    prob, child, value, exponent = where.prob, where.child, where.next_value, where.next_exponent
    is_tree, is_plain = child.shape[0] == 0, exponent.shape[0] == 0
    top, total = NO_EXPONENT, 0.0
    for k in range(start, stop):
        c = k if is_tree else child[k]
        if prob[k] > 0.0 and value[c] > 0.0:
            top = max(top, 0 if is_plain else exponent[c])
    if top == NO_EXPONENT:
        share[: stop - start] = 0.0
        return 0.0, 0
    for k in range(start, stop):
        c = k if is_tree else child[k]
        # A forbidden child may have a value beyond all that count.
        share[k - start] = 0.0
        if prob[k] > 0.0:
            share[k - start] = prob[k] * shifted(value[c], (0 if is_plain else exponent[c]) - top)
        total += share[k - start]
    if total > SMALL_SUM:
        return total, top
    top, total = NO_EXPONENT, 0.0
    for k in range(start, stop):
        c = k if is_tree else child[k]
        if prob[k] > 0.0 and value[c] > 0.0:
            power = math.frexp(prob[k])[1] + math.frexp(value[c])[1]
            top = max(top, power + (0 if is_plain else exponent[c]))
    for k in range(start, stop):
        c = k if is_tree else child[k]
        fraction_p, power_p = math.frexp(prob[k])
        fraction_v, power_v = math.frexp(value[c])
        power = power_p + power_v + (0 if is_plain else exponent[c])
        share[k - start] = shifted(fraction_p * fraction_v, power - top)
        total += share[k - start]
    return total, top


@kernel
def propose_reference_pairs(where, here, below, pin, path, state, rng):
    """`propose_reference` where every parent has two edges and all exponents are zero; `here` is used up."""
    prob, chance = where.prob, here.value
    for r in range(here.size.shape[0]):
        for i in range(here.size[r]):
            k = 2 * here.place[r, i]
            here.weight[r, i] = lift(here.weight[r, i], here.value[r, i])
            chance[r, i] = prob[k] if prob[k + 1] > 0.0 else 1.0
    branch_pairs(chance, here, below, pin, path, state, rng)
    arrive(where, below)
    for r in range(below.size.shape[0]):
        for m in range(below.size[r]):
            below.weight[r, m] *= below.value[r, m]
    return here.place.size


@kernel
def propose_optimal_pairs(where, here, below, pin, path, state, rng):
    """`propose_optimal` where every parent has two edges and all exponents are zero; `here` is used up."""
    prob, child, next_value, chance = where.prob, where.child, where.next_value, here.value
    is_tree = child.shape[0] == 0
    reads = 0
    for r in range(here.size.shape[0]):
        for i in range(here.size[r]):
            k = 2 * here.place[r, i]
            first, second = prob[k], prob[k + 1]
            reads += here.members[r, i] * ((first > 0.0) + (second > 0.0))
            alone = first if second > 0.0 else 1.0
            first *= next_value[k if is_tree else child[k]]
            second *= next_value[k + 1 if is_tree else child[k + 1]]
            norm = first + second
            here.weight[r, i] = lift(here.weight[r, i], here.value[r, i]) * norm
            if norm > 0.0:
                chance[r, i] = first / norm if second > 0.0 else 1.0
            else:
                chance[r, i] = alone
    branch_pairs(chance, here, below, pin, path, state, rng)
    arrive(where, below)
    return reads


@kernel
def propose_pool(where, draws, here, below, pin, path, state):
    """Draw `draws` children by pi_ref, keep one in proportion to V, multiply by the pool's mean of V / V(parent).

    Each particle has a pool of its own; that of the pinned one holds the child that it must take. Returns how many
    children were drawn.
    """
    ptr, prob, child, next_value = where.ptr, where.prob, where.child, where.next_value
    exponent, next_exponent = where.exponent, where.next_exponent
    base = ptr[0]
    is_tree, is_plain = child.shape[0] == 0, next_exponent.shape[0] == 0
    has_powers = here.power.shape[1] > 0
    for r in range(here.size.shape[0]):
        n, next_pin = 0, -1
        for i in range(here.size[r]):
            v, value = here.place[r, i], here.value[r, i]
            start, stop = ptr[v] - base, ptr[v + 1] - base
            for member in range(here.members[r, i]):
                is_pinned = i == pin[r] and member == 0
                norm, top, kept = 0.0, 0 if is_plain else NO_EXPONENT, start
                # As in `treesim.kernels.walk.step_pool`; a pinned particle keeps what it draws first.
                for j in range(draws):
                    k = path[r] if is_pinned and j == 0 else edge_at(start, stop, prob, uniform(state))
                    c = k if is_tree else child[k]
                    if j == 0:
                        kept = k
                    if next_value[c] > 0.0:
                        share = next_value[c]
                        if not is_plain:
                            if next_exponent[c] > top:
                                norm = shifted(norm, top - next_exponent[c])
                                top = next_exponent[c]
                            share = shifted(share, next_exponent[c] - top)
                        norm += share
                        if not is_pinned and uniform(state) * norm < share:
                            kept = k
                factor = norm / draws / value if value > 0.0 else norm / draws
                if is_pinned:
                    next_pin = n
                below.place[r, n], below.members[r, n], below.origin[r, n] = kept, 1, here.origin[r, i]
                below.weight[r, n] = here.weight[r, i] * factor
                if has_powers:
                    gained = 0 if is_plain or norm == 0.0 else top - exponent[v]
                    below.power[r, n] = here.power[r, i] + gained
                below.value[r, n] = next_value[kept if is_tree else child[kept]]
                n += 1
        below.size[r] = n
        pin[r] = next_pin
    return draws * here.place.size


@kernel
def lift(weight, value):
    """The weight over V of the parent, or as it is where the parent has no value."""
    return weight / value if value > 0.0 else weight


@kernel
def branch_pairs(chance, here, below, pin, path, state, rng):
    """All runs go down two edges each, the first by its chance; they keep their weights."""
    has_powers = here.power.shape[1] > 0
    for r in range(here.size.shape[0]):
        n, own = 0, pin[r]
        pin[r] = -1
        for i in range(here.size[r]):
            first_edge, members = 2 * here.place[r, i], here.members[r, i]
            if members == 1 and i != own:
                below.place[r, n], below.members[r, n] = first_edge + (uniform(state) >= chance[r, i]), 1
                below.origin[r, n], below.weight[r, n] = here.origin[r, i], here.weight[r, i]
                if has_powers:
                    below.power[r, n] = here.power[r, i]
                n += 1
                continue
            free = members - (i == own)
            second = 0
            if free > LARGE_RUN:
                second = rng.binomial(free, 1.0 - chance[r, i])
            else:
                for _ in range(free):
                    second += uniform(state) >= chance[r, i]
            first = free - second
            if i == own:
                goes_second = path[r] - first_edge
                first, second = first + 1 - goes_second, second + goes_second
                pin[r] = n + goes_second * (first > 0)
            for k, copies in ((first_edge, first), (first_edge + 1, second)):
                if copies > 0:
                    below.place[r, n], below.members[r, n] = k, copies
                    below.origin[r, n], below.weight[r, n] = here.origin[r, i], here.weight[r, i]
                    if has_powers:
                        below.power[r, n] = here.power[r, i]
                    n += 1
        below.size[r] = n


@kernel
def arrive(where, below):
    """Look up the values of the children that the runs go to.

    Nodes lie far apart in memory: a loop that does nothing else is short enough for the processor to wait for many.
    """
    is_tree = where.child.shape[0] == 0
    for r in range(below.size.shape[0]):
        for m in range(below.size[r]):
            k = below.place[r, m]
            below.value[r, m] = where.next_value[k if is_tree else where.child[k]]


@kernel
def share_out(n, share, total, tally, state, rng):
    """Multinomial counts of `n` draws in proportion to shares, added to `tally`."""
    last = share.shape[0] - 1
    while last > 0 and share[last] == 0.0:
        last -= 1
    if n > LARGE_RUN:
        for d in range(last + 1):
            if n > 0 and share[d] > 0.0:
                k = n if d == last or share[d] >= total else rng.binomial(n, share[d] / total)
                tally[d] += k
                n -= k
                total -= share[d]
        return
    # left: how far the point lies beyond the edges passed; the last edge with a share takes what rounding leaves.
    for _ in range(n):
        left = total * uniform(state)
        kept = last
        for d in range(last + 1):
            if share[d] > 0.0:
                kept = d
                left -= share[d]
                if left < 0.0:
                    break
        tally[kept] += 1
