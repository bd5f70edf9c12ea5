"""N-particle SMC: a block of replicates takes one step down a layer and weighs its particles.

Particles that share their past are exchangeable, so they are carried as *runs*: how many, and what each of them weighs.
Runs lie in the order of their ancestors, the children of a run in the order of the edges; on a tree that is the order
of the nodes. Where ancestry is looked at particle by particle (`apart`), each run is one particle, in the same order.

A replicate may have a *pinned* particle, which takes a given path and survives every resampling (conditional SMC,
Andrieu, Doucet & Holenstein 2010); ``pin`` is its run, or -1.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from treesim.kernels.arithmetic import NO_EXPONENT, shifted
from treesim.kernels.uniforms import uniform
from treesim.kernels.walk import edge_at

# Above so many particles of a run a binomial draw is cheaper than one number each.
LARGE_RUN = 48


class Runs(NamedTuple):
    """The populations of a block of replicates.

    Attributes
    ----------
    size : ndarray of int64, shape [replicates]
        Runs in use.
    place, members, origin : ndarray of int32, shape [replicates, particles]
        Where a run stands (a node, or the edge that it just took), its particles, and the run of the last step, before
        resampling, that it comes from.
    weight, value : ndarray of float64, shape [replicates, particles]
        The weight of one of its particles, and the mantissa of V where it stands.
    """

    size: np.ndarray
    place: np.ndarray
    members: np.ndarray
    origin: np.ndarray
    weight: np.ndarray
    value: np.ndarray

    @classmethod
    def room(cls, replicates: int, particles: int) -> "Runs":
        """Room for populations."""
        shape = (replicates, particles)
        place, members, origin = (np.zeros(shape, np.int32) for _ in range(3))
        return cls(np.zeros(replicates, np.int64), place, members, origin, np.zeros(shape), np.zeros(shape))


class Where(NamedTuple):
    """The layer that particles go down, with V on both sides.

    Attributes
    ----------
    ptr, prob, child : ndarray
        A `treesim.graphs.layered.Layer`.
    widest : int
        The largest number of edges of a parent.
    is_binary : bool
        Whether all parents have two edges.
    exponent, next_exponent : ndarray of int32
        Of V at parents and children; empty if all are zero.
    next_value : ndarray of float64
        The mantissa of V at the children.
    """

    ptr: np.ndarray
    prob: np.ndarray
    child: np.ndarray
    widest: int
    is_binary: bool
    exponent: np.ndarray
    next_exponent: np.ndarray
    next_value: np.ndarray


@njit(nogil=True, cache=True)
def propose(where, is_optimal, apart, here, below, pin, path, state, rng):
    """Move every particle and multiply its weight: by pi_ref and by G = V(child) / V(parent); or, if optimal, in
    proportion to pi_ref V and by (P V)(parent) / V(parent), where no child has value by pi_ref and by zero.

    A parent without value counts as if it were one. Returns how many children an optimal proposal reads.

    Nodes lie far apart in memory, so what is looked up there comes in loops of its own, short enough for the processor
    to wait for many at once: chances first, then the draws, then the values of the children.
    """
    ptr, prob, child, widest, is_binary, exponent, next_exponent, next_value = where
    base = ptr[0]
    is_tree, is_plain = child.shape[0] == 0, next_exponent.shape[0] == 0
    particles = here.place.shape[1]
    chance, norm, lift_exponent = np.empty(particles), np.ones(particles), np.zeros(particles, np.int64)
    tally, share = np.zeros(widest, np.int64), np.zeros(widest)
    reads = 0
    for r in range(here.size.shape[0]):
        place, members, origin = here.place[r], here.members[r], here.origin[r]
        weight, value = here.weight[r], here.value[r]
        to_place, to_members, to_origin = below.place[r], below.members[r], below.origin[r]
        to_weight, to_value = below.weight[r], below.value[r]
        size, own, next_pin = here.size[r], pin[r], -1
        if is_binary and is_plain:
            for i in range(size):
                k = 2 * place[i]
                chance[i] = prob[k] if prob[k + 1] > 0.0 else 1.0
        if is_binary and is_plain and is_optimal:
            for i in range(size):
                k = 2 * place[i]
                first, second = prob[k], prob[k + 1]
                reads += members[i] * ((first > 0.0) + (second > 0.0))
                first *= next_value[k if is_tree else child[k]]
                second *= next_value[k + 1 if is_tree else child[k + 1]]
                norm[i] = first + second
                if norm[i] > 0.0:
                    chance[i] = first / norm[i] if second > 0.0 else 1.0
        n, i = 0, 0
        while i < size:
            v = place[i]
            lift = weight[i] / value[i] if value[i] > 0.0 else weight[i]
            lift_exp = 0
            if is_binary and is_plain and members[i] == 1 and not apart and i != own:
                to_place[n], to_members[n] = 2 * v + (uniform(state) >= chance[i]), 1
                to_origin[n], to_weight[n] = origin[i], lift * norm[i]
                n += 1
                i += 1
                continue
            together, j = members[i], i + 1
            if apart:
                while j < size and place[j] == v and weight[j] == weight[i]:
                    together += members[j]
                    j += 1
            is_pinned = i <= own < j
            free = together - is_pinned
            start, stop = ptr[v] - base, ptr[v + 1] - base
            if is_binary and is_plain:
                lift *= norm[i]
                second = 0
                if free > LARGE_RUN:
                    second = rng.binomial(free, 1.0 - chance[i])
                else:
                    for _ in range(free):
                        second += uniform(state) >= chance[i]
                tally[0], tally[1] = free - second, second
            else:
                top, total = NO_EXPONENT, 0.0
                for k in range(start, stop):
                    c = k if is_tree else child[k]
                    if prob[k] > 0.0 and is_optimal:
                        reads += together
                        if next_value[c] > 0.0:
                            top = max(top, 0 if is_plain else next_exponent[c])
                for k in range(start, stop):
                    c = k if is_tree else child[k]
                    share[k - start] = prob[k]
                    if is_optimal:
                        share[k - start] *= shifted(next_value[c], (0 if is_plain else next_exponent[c]) - top)
                    total += share[k - start]
                if not is_plain:
                    lift_exp = -exponent[v]
                if is_optimal:
                    lift *= total
                    lift_exp = lift_exp + top if total > 0.0 else 0
                    if total == 0.0:
                        share[: stop - start] = prob[start:stop]
                        total = 1.0
                tally[: stop - start] = 0
                share_out(free, share[: stop - start], total, tally, state, rng)
            if is_pinned:
                tally[path[r] - start] += 1
            member = i
            for k in range(start, stop):
                copies = tally[k - start]
                if copies == 0:
                    continue
                if is_pinned and k == path[r]:
                    next_pin = n
                for _ in range(copies if apart else 1):
                    to_place[n], to_members[n] = k, 1 if apart else copies
                    to_origin[n], to_weight[n], lift_exponent[n] = origin[member], lift, lift_exp
                    n += 1
                    member += apart
            i = j
        for m in range(n):
            to_value[m] = next_value[to_place[m] if is_tree else child[to_place[m]]]
        if not is_optimal:
            for m in range(n):
                to_weight[m] *= to_value[m]
        if not is_plain:
            for m in range(n):
                c = to_place[m] if is_tree else child[to_place[m]]
                to_weight[m] = shifted(to_weight[m], lift_exponent[m] + (0 if is_optimal else next_exponent[c]))
        below.size[r] = n
        pin[r] = next_pin
    return reads


@njit(nogil=True, cache=True)
def propose_pool(where, draws, here, below, pin, path, state):
    """Draw `draws` children by pi_ref, keep one in proportion to V, multiply by the pool's mean of V / V(parent).

    Each particle has a pool of its own; that of the pinned one holds the child that it must take.
    """
    ptr, prob, child, _, _, exponent, next_exponent, next_value = where
    base = ptr[0]
    is_tree, is_plain = child.shape[0] == 0, next_exponent.shape[0] == 0
    for r in range(here.size.shape[0]):
        n, next_pin = 0, -1
        for i in range(here.size[r]):
            v, value = here.place[r, i], here.value[r, i]
            start, stop = ptr[v] - base, ptr[v + 1] - base
            for member in range(here.members[r, i]):
                is_pinned = i == pin[r] and member == 0
                norm, top, kept = 0.0, 0 if is_plain else NO_EXPONENT, start
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
                if not is_plain and norm > 0.0:
                    factor = shifted(factor, top - exponent[v])
                if is_pinned:
                    next_pin = n
                below.place[r, n], below.members[r, n], below.origin[r, n] = kept, 1, here.origin[r, i]
                below.weight[r, n] = here.weight[r, i] * factor
                below.value[r, n] = next_value[kept if is_tree else child[kept]]
                n += 1
        below.size[r] = n
        pin[r] = next_pin


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def pick_run(runs, state, out):
    """One particle of every replicate in proportion to its weight: its run."""
    for r in range(out.shape[0]):
        total = 0.0
        for i in range(runs.size[r]):
            total += runs.members[r, i] * runs.weight[r, i]
        left = uniform(state) * total
        chosen = 0
        for i in range(runs.size[r]):
            mass = runs.members[r, i] * runs.weight[r, i]
            if mass > 0.0:
                chosen = i
                left -= mass
                if left < 0.0:
                    break
        out[r] = chosen
