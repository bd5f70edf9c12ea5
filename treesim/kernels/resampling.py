"""Resampling: which particles of a population have offspring, and how many.

Schemes of Douc & Cappe (2005). Each gives a particle of mean weight one as many offspring in expectation as it weighs.
"""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2, NO_EXPONENT, canonical, shifted
from treesim.kernels.uniforms import uniform

MULTINOMIAL, RESIDUAL, STRATIFIED, SYSTEMATIC = 0, 1, 2, 3
# Where sums of squares keep their digits.
LEAST_SQUARES, MOST_SQUARES = 1e-280, 1e280


@kernel
def resample(child, below, least, scheme, log_z, ess, largest, here, pin, state, rng):
    """Resample the replicates whose ESS < `least`; the others keep their particles, their weights brought to mean one.

    ``log_z`` gains the log of the mean weight; where all weights are zero they become equal, and it is -inf.
    """
    is_tree = child.shape[0] == 0
    particles = below.place.shape[1]
    has_powers = below.power.shape[1] > 0
    copies = np.empty(particles, np.int64)
    points = np.empty(particles + 1)
    common = np.empty(particles if has_powers else 0)
    for r in range(below.size.shape[0]):
        place, members, weight, value = below.place[r], below.members[r], below.weight[r], below.value[r]
        to_place, to_members, to_origin = here.place[r], here.members[r], here.origin[r]
        to_weight, to_value = here.weight[r], here.value[r]
        size, unit = below.size[r], 0
        if has_powers:
            # In units of 2**unit no weight overflows, and those that vanish are negligible.
            unit = to_common_power(size, weight, below.power[r], common)
            weight = common
        total, squares, most = 0.0, 0.0, 0.0
        for i in range(size):
            mass = members[i] * weight[i]
            total += mass
            squares += mass * weight[i]
            most = max(most, weight[i])
        if total == 0.0:
            log_z[r] = -math.inf
            weight[:size] = 1.0
            below.weight[r, :size] = 1.0
            if has_powers:
                below.power[r, :size] = 0
            total, squares, most = float(particles), float(particles), 1.0
        mean = total / particles
        log_z[r] += math.log(mean) + unit * LN2
        ess[r] = (
            total * (total / squares)
            if LEAST_SQUARES < squares < MOST_SQUARES
            else sample_size(size, members, weight, most)
        )
        largest[r] = most / mean
        if not ess[r] < least:
            for i in range(size):
                to_place[i] = place[i] if is_tree else child[place[i]]
                to_members[i], to_origin[i], to_weight[i], to_value[i] = members[i], i, weight[i] / mean, value[i]
            if has_powers:
                over_mean(size, below.weight[r], below.power[r], mean, unit, to_weight, here.power[r])
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
            to_place[n], to_members[n], to_origin[n], to_weight[n], to_value[n] = node, k, i, 1.0, value[i]
            if has_powers:
                here.power[r, n] = 0
            n += 1
        here.size[r] = n
        pin[r] = next_pin


@kernel
def to_common_power(size, weight, power, common):
    """The weights in units of one power of two, the largest that occurs, into `common`; returns its exponent."""
    top = NO_EXPONENT
    for i in range(size):
        if weight[i] > 0.0:
            top = max(top, power[i])
    if top == NO_EXPONENT:
        common[:size] = 0.0
        return 0
    for i in range(size):
        common[i] = shifted(weight[i], power[i] - top)
    return top


@kernel
def over_mean(size, weight, power, mean, unit, to_weight, to_power):
    """Weights over their mean, which is in units of ``2**unit``, in the range that powers give."""
    mean, unit = canonical(mean, unit)
    for i in range(size):
        mantissa, exponent = canonical(weight[i], power[i])
        to_weight[i], to_power[i] = canonical(mantissa / mean, exponent - unit)


@kernel
def sample_size(size, members, weight, most):
    """ESS, of weights whose squares floats do not hold."""
    total, squares = 0.0, 0.0
    for i in range(size):
        share = weight[i] / most
        total += members[i] * share
        squares += members[i] * share * share
    return total * (total / squares)


@kernel
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


@kernel
def draw_systematic(free, size, weight, members, scale, marked, copies, state):
    """One offset for all points."""
    offset = uniform(state) if marked < 0.0 else marked - math.floor(marked)
    cumulated, placed, last = 0.0, 0, 0
    # `placed` points lie below the cumulated weight of the runs so far: offset, offset + 1, and so on.
    for i in range(size):
        cumulated += members[i] * weight[i] * scale
        upto = max(placed, min(free, math.ceil(cumulated - offset)))
        copies[i] = upto - placed
        placed = upto
        if weight[i] > 0.0:
            last = i
    copies[last] += free - placed


@kernel
def draw_stratified(free, size, weight, members, scale, marked, copies, state):
    """A point of its own in each stratum, drawn where two runs meet in it; whole strata need none."""
    cumulated, placed, last = 0.0, 0, 0
    point = -1.0
    # Strata below `placed` have given their points; `point` is that of stratum `placed`, once it is drawn.
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


@kernel
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
    # Points come in increasing order, so the run that holds one is never before the run of the last.
    for j in range(free):
        position += points[j] * rate
        while cumulated <= position and i < last:
            i += 1
            cumulated += mass[i]
        copies[i] += 1
