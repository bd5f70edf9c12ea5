"""N-particle SMC: a block of replicates takes one step down a layer, weighs its particles and resamples them.

Particles that share their past are exchangeable, so they are carried as *runs*: how many, and what each of them weighs.
Runs lie in the order of their ancestors, the children of a run in the order of the edges; on a tree that is the order
of the nodes. Where ancestry is looked at particle by particle (`apart`), each run is one particle, in the same order.

A replicate may have a *pinned* particle, which takes a given path and survives every resampling (conditional SMC,
Andrieu, Doucet & Holenstein 2010); ``pin`` is its run, or -1.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from treesim.kernels.arithmetic import NO_EXPONENT, shifted
from treesim.kernels.uniforms import uniform
from treesim.kernels.walk import edge_at

MULTINOMIAL, RESIDUAL, STRATIFIED, SYSTEMATIC = 0, 1, 2, 3

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
def resample(child, below, least, scheme, apart, log_z, ess, largest, here, pin, state, rng):
    """Resample the replicates whose ESS < `least`; the others keep their particles, their weights brought to mean one.

    ``log_z`` gains the log of the mean weight; where all weights are zero they become equal, and it is -inf.
    """
    is_tree = child.shape[0] == 0
    particles = below.place.shape[1]
    copies = np.zeros(particles, np.int64)
    points = np.zeros(particles + 1)
    for r in range(below.size.shape[0]):
        place, members, weight, value = below.place[r], below.members[r], below.weight[r], below.value[r]
        to_place, to_members, to_origin = here.place[r], here.members[r], here.origin[r]
        to_weight, to_value = here.weight[r], here.value[r]
        size = below.size[r]
        total, squares, most = 0.0, 0.0, 0.0
        for i in range(size):
            mass = members[i] * weight[i]
            total += mass
            squares += mass * weight[i]
            most = max(most, weight[i])
        if total == 0.0:
            log_z[r] = -math.inf
            weight[:size] = 1.0
            total, squares, most = float(particles), float(particles), 1.0
        mean = total / particles
        log_z[r] += math.log(mean)
        ess[r] = total * (total / squares)
        largest[r] = most / mean
        if not ess[r] < least:
            for i in range(size):
                to_place[i] = place[i] if is_tree else child[place[i]]
                to_members[i], to_origin[i], to_weight[i], to_value[i] = members[i], i, weight[i] / mean, value[i]
            here.size[r] = size
            continue
        offspring(scheme, size, particles, weight, members, 1.0 / mean, pin[r], copies, points, state, rng)
        n, next_pin = 0, -1
        for i in range(size):
            k = copies[i]
            if k == 0:
                continue
            if i == pin[r]:
                next_pin = n
            node = place[i] if is_tree else child[place[i]]
            for _ in range(k if apart else 1):
                to_place[n], to_members[n], to_origin[n] = node, 1 if apart else k, i
                to_weight[n], to_value[n] = 1.0, value[i]
                n += 1
        here.size[r] = n
        pin[r] = next_pin


@njit(nogil=True, cache=True)
def offspring(scheme, size, particles, weight, members, scale, pin, copies, points, state, rng):
    """How often each run is an ancestor, `particles` times in all, each particle ``scale * weight`` times in
    expectation; the run `pin`, if there is one, given that one of the new particles comes from it.

    A new particle comes from the run in whose stretch of the cumulated weights its point lies. That of the pinned one
    lies anywhere on its stretch with the same density; given it, the others come as they always do.
    """
    free = particles
    if scheme == RESIDUAL:
        # Whole copies first; what is left of the weights is drawn multinomially.
        rest = 0.0
        for i in range(size):
            whole = int(weight[i] * scale)
            copies[i] = members[i] * whole
            free -= copies[i]
            points[i] = members[i] * (weight[i] * scale - whole)
            rest += points[i]
        if pin >= 0:
            expected = members[pin] * weight[pin] * scale
            if free > 0 and not uniform(state) * expected < copies[pin]:
                copies[pin] += 1
                free -= 1
        draw_multinomial(free, size, points[:size].copy(), rest, copies, points, state, rng)
    elif scheme == MULTINOMIAL:
        copies[:size] = 0
        if pin >= 0:
            copies[pin] = 1
            free -= 1
        mass = points[:size].copy()
        total = 0.0
        for i in range(size):
            mass[i] = members[i] * weight[i] * scale
            total += mass[i]
        draw_multinomial(free, size, mass, total, copies, points, state, rng)
    else:
        marked = -1.0
        if pin >= 0:
            marked = 0.0
            for i in range(pin):
                marked += members[i] * weight[i] * scale
            marked = min(marked + members[pin] * weight[pin] * scale * uniform(state), particles * (1.0 - 2.0**-53))
        if scheme == SYSTEMATIC:
            draw_systematic(free, size, weight, members, scale, marked, copies, state)
        else:
            draw_stratified(free, size, weight, members, scale, marked, copies, state)
        if pin >= 0 and copies[pin] == 0:
            # Its stretch is below the rounding of the sums: a neighbour was given the marked point.
            i = pin
            while i < size and copies[i] == 0:
                i += 1
            if i == size:
                i = pin
                while copies[i] == 0:
                    i -= 1
            copies[i] -= 1
            copies[pin] = 1


@njit(nogil=True, cache=True)
def draw_systematic(free, size, weight, members, scale, marked, copies, state):
    """One offset for all points."""
    offset = uniform(state) if marked < 0.0 else marked - math.floor(marked)
    cumulated, placed, last = 0.0, 0, 0
    for i in range(size):
        cumulated += members[i] * weight[i] * scale
        upto = max(placed, min(free, math.ceil(cumulated - offset)))
        copies[i] = upto - placed
        placed = upto
        if weight[i] > 0.0:
            last = i
    copies[last] += free - placed


@njit(nogil=True, cache=True)
def draw_stratified(free, size, weight, members, scale, marked, copies, state):
    """A point of its own in each stratum, drawn where two runs meet in it; whole strata need none."""
    cumulated, placed, last = 0.0, 0, 0
    point = -1.0
    for i in range(size):
        cumulated += members[i] * weight[i] * scale
        before = placed
        if point >= 0.0 and point < cumulated and placed < free:
            placed += 1
            point = -1.0
        if point < 0.0:
            placed = max(placed, min(free, math.floor(cumulated)))
            if placed < free and placed < cumulated:
                point = marked if placed == math.floor(marked) else placed + uniform(state)
                if point < cumulated:
                    placed += 1
                    point = -1.0
        copies[i] = placed - before
        if weight[i] > 0.0:
            last = i
    copies[last] += free - placed


@njit(nogil=True, cache=True)
def draw_multinomial(free, size, mass, total, copies, points, state, rng):
    """Add multinomial counts of `free` draws: by binomials where runs are few, else by points in order.

    The gaps between ordered points are exponentials over their sum.
    """
    if free == 0:
        return
    last = size - 1
    while last > 0 and mass[last] == 0.0:
        last -= 1
    if 16 * size < free:
        left = total
        for i in range(last):
            if free > 0 and mass[i] > 0.0:
                k = rng.binomial(free, min(1.0, mass[i] / left))
                copies[i] += k
                free -= k
                left -= mass[i]
        copies[last] += free
        return
    whole = 0.0
    for j in range(free + 1):
        points[j] = -math.log(1.0 - uniform(state))
        whole += points[j]
    rate = total / whole
    i, cumulated, position = 0, mass[0], 0.0
    for j in range(free):
        position += points[j] * rate
        while cumulated <= position and i < last:
            i += 1
            cumulated += mass[i]
        copies[i] += 1


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
