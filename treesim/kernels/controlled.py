"""Runs of SMC with the exact V* as a control variate: see `treesim.empirical.controlled`."""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2, NO_EXPONENT, shifted


@kernel
def control_step(below, log_z, over, log_unit, chances, log_mass, ratio, chance, gain, size, place, eta, at_level):
    """Take populations one step on: those in `below` have made it and are not resampled yet.

    ``over * exp(log_unit)`` is V* / V^ of the nodes below, `chances` their chance to end in the set that is asked for.
    Of every run there are kept log M, rho, eta of the set, D so far, and eta by particle. What eta of the level above
    is multiplied by in D, rho - rho before, goes to its nodes in `at_level`.
    """
    has_powers = below.power.shape[1] > 0
    mass = np.empty(place.shape[1])
    for r in range(place.shape[0]):
        n, unit = below.size[r], 0
        if has_powers:
            unit = NO_EXPONENT
            for i in range(n):
                if below.weight[r, i] > 0.0:
                    unit = max(unit, below.power[r, i])
        total, particles = 0.0, 0
        for i in range(n):
            weight = below.weight[r, i]
            if has_powers and weight > 0.0:
                weight = shifted(weight, below.power[r, i] - unit)
            mass[i] = below.members[r, i] * weight * over[below.place[r, i]]
            total += mass[i]
            particles += below.members[r, i]
        rho, log_new = 0.0, -math.inf
        is_alive = total > 0.0 and log_mass[r] > -math.inf
        if is_alive:
            log_new = log_z[r] + math.log(total / particles) + unit * LN2 + log_unit
            rho = math.exp(log_new - log_mass[r])
        for i in range(size[r]):
            at_level[place[r, i]] += eta[r, i] * (rho - ratio[r])
        inside = 0.0
        for i in range(n):
            node = below.place[r, i]
            share = mass[i] / total if is_alive else below.members[r, i] / particles
            place[r, i], eta[r, i] = node, share
            inside += share * chances[node]
        gain[r] += (inside - chance[r]) * (1.0 - rho)
        size[r], log_mass[r], ratio[r], chance[r] = n, log_new, rho, inside
