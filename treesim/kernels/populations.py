"""Populations of particles on a tree, one by one, where there are few particles and many kinds.

After resampling only those kinds are left that were there: of N particles at most C(2N - 1, N) populations, not all
multisets; and on a tree a population comes from one population of parents. So no step looks at pairs of populations.

Populations are multisets of N kinds out of K, in the lexicographic order of their counts (`treesim.laws.multisets`).
With y = K - 1 - kind, ascending, y_1 <= ... <= y_N, a population has place sum_i C(y_i + i - 1, i), the combinatorial
number system; ``place[i, y]`` is the sum of the first i of these terms for y_1 = ... = y_i = y.
"""

import math

import numpy as np

from treesim.kernels import kernel


@kernel
def places(size, kinds):
    """What `size` particles or fewer of one of `kinds` kinds add to a population's place, shape [size + 1, kinds]."""
    place, ways = np.zeros((size + 1, kinds), np.int64), np.arange(kinds)
    for i in range(1, size + 1):
        total = 0
        for y in range(kinds):
            place[i, y] = place[i - 1, y] + ways[y]
            # From C(y + i - 1, i) to C(y + i, i + 1), a sum over smaller y.
            total += ways[y]
            ways[y] = total
    return place


@kernel
def following(y, fixed):
    """Make a population the next in order of those that differ behind the first `fixed` of its particles."""
    i, n = fixed, y.shape[0]
    while i + 1 < n and y[i] == y[i + 1]:
        i += 1
    y[i] += 1
    y[:i] = 0


@kernel
def shares_of(y, log_weight, share):
    """What each particle of a population holds of its weight; all the same where it weighs nothing."""
    n, top = y.shape[0], log_weight.shape[0] - 1
    heaviest = -math.inf
    for i in range(n):
        heaviest = max(heaviest, log_weight[top - y[i]])
    total = 0.0
    for i in range(n):
        share[i] = 1.0 if heaviest == -math.inf else math.exp(log_weight[top - y[i]] - heaviest)
        total += share[i]
    for i in range(n):
        share[i] /= total


@kernel
def resample_populations(mass, size, log_weight, place, out):
    """Add the mass of every population of `size` particles to those that resampling makes of it."""
    n = size
    y, share = np.zeros(n, np.int64), np.empty(n)
    kind, power = np.empty(n, np.int64), np.empty((n, n + 1))
    # The counts of the first kinds, and of what they come to: how many are left, their chance, their place.
    count, left = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    chance, at = np.empty(n + 1), np.empty(n + 1, np.int64)
    for s in range(mass.shape[0]):
        if s > 0:
            following(y, 0)
        if mass[s] == 0.0:
            continue
        shares_of(y, log_weight, share)
        kinds, chance[0] = 0, mass[s]
        i = 0
        while i < n:
            held, first = 0.0, i
            while i < n and y[i] == y[first]:
                held += share[i]
                i += 1
            if held > 0.0:
                kind[kinds] = y[first]
                power[kinds, 0] = 1.0
                for k in range(1, n + 1):
                    power[kinds, k] = power[kinds, k - 1] * held / k
                kinds += 1
        for k in range(2, n + 1):
            chance[0] *= k
        g, left[0], at[0], count[0] = 0, n, 0, -1
        while g >= 0:
            used = n - left[g]
            if g == kinds - 1:
                last = at[g] + place[n, kind[g]] - place[used, kind[g]]
                out[last] += chance[g] * power[g, left[g]]
                g -= 1
                continue
            count[g] += 1
            if count[g] > left[g]:
                g -= 1
                continue
            at[g + 1] = at[g] + place[used + count[g], kind[g]] - place[used, kind[g]]
            chance[g + 1] = chance[g] * power[g, count[g]]
            left[g + 1] = left[g] - count[g]
            g += 1
            count[g] = -1


@kernel
def all_but_first(y, parents, parent, prob, place):
    """Of all particles of `y` but the first: what their parents add to their population's place, the chance that its
    particles go to these, and how many of the last ones are of one parent, and of one kind."""
    n, top, top_parent = y.shape[0], prob.shape[0] - 1, parents - 1
    at, chance, together, alike = 0, 1.0, 0, 0
    for i in range(n - 1, 0, -1):
        kind = top - y[i]
        above = parent[kind]
        is_last = i + 1 == n
        together = 1 if is_last or above != parent[top - y[i + 1]] else together + 1
        alike = 1 if is_last or y[i] != y[i + 1] else alike + 1
        at += place[i + 1, top_parent - above] - place[i, top_parent - above]
        # Of the particles of one parent: how many orders they could come in.
        chance *= prob[kind] * together / alike
    return at, chance, together, alike


@kernel
def orders_of_first(has_parent, has_kind, together, alike):
    """By how many orders the first particle multiplies those of the others, of which `together` have the parent of the
    next, and `alike` its kind: whether it has them, too."""
    orders = together + 1.0 if has_parent else 1.0
    return orders / (alike + 1.0) if has_kind else orders


@kernel
def move_populations(mass, size, parents, parent, prob, place, out):
    """The mass of every population below, of two particles at least, from that of the populations of their parents,
    `parents` nodes in all."""
    n, top = size, prob.shape[0] - 1
    y, s = np.zeros(n, np.int64), 0
    while s < out.shape[0]:
        if s > 0:
            following(y, 1)
        at, chance, together, alike = all_but_first(y, parents, parent, prob, place)
        # The first particle runs through all kinds up to that of the second.
        for first in range(y[1] + 1):
            kind = top - first
            above = parent[kind]
            orders = orders_of_first(above == parent[top - y[1]], first == y[1], together, alike)
            out[s] = mass[at + place[1, parents - 1 - above]] * chance * (prob[kind] * orders)
            s += 1


@kernel
def keep_of_populations(mass, size, parents, parent, prob, place, weight, total, out):
    """The law of the kind of a particle that is kept in proportion to its weight after the last step, uniformly where
    all are zero; there are `total` populations of `size` particles, two at least."""
    n, top = size, prob.shape[0] - 1
    y, s = np.zeros(n, np.int64), 0
    while s < total:
        if s > 0:
            following(y, 1)
        at, chance, together, alike = all_but_first(y, parents, parent, prob, place)
        held = 0.0
        for i in range(1, n):
            held += weight[top - y[i]]
        a_unit, each = 0.0, 0.0
        for first in range(y[1] + 1):
            kind = top - first
            above = parent[kind]
            orders = orders_of_first(above == parent[top - y[1]], first == y[1], together, alike)
            here = mass[at + place[1, parents - 1 - above]] * chance * (prob[kind] * orders)
            if held + weight[kind] > 0.0:
                a_share = here / (held + weight[kind])
                a_unit += a_share
                out[kind] += a_share * weight[kind]
            else:
                each += here / n
                out[kind] += here / n
        for i in range(1, n):
            out[top - y[i]] += a_unit * weight[top - y[i]] + each
        s += y[1] + 1
