"""Runs of SMC with the exact V* as a control variate: see `treesim.empirical.controlled`."""

import math

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.arithmetic import LN2
from treesim.kernels.resampling import to_common_power


@kernel
def control_step(below, log_z, over, log_unit, chances, log_mass, ratio, chance, gain, size, place, eta, at_level):
    """Take populations one step on: those in `below` have made it and are not resampled yet.

    ``over * exp(log_unit)`` is V* / V^ of the nodes below, `chances` their chance to end in the set that is asked for.
    Of every run there are kept log M, rho, eta of the set, D so far, and eta by particle. What eta of the level above
    is multiplied by in D, rho - rho before, goes to its nodes in `at_level`.
    """
    has_powers = below.power.shape[1] > 0
    mass, common = np.empty(place.shape[1]), np.empty(place.shape[1] if has_powers else 0)
    for r in range(place.shape[0]):
        n, unit, weight = below.size[r], 0, below.weight[r]
        if has_powers:
            unit = to_common_power(n, weight, below.power[r], common)
            weight = common
        total, particles = 0.0, 0
        for i in range(n):
            mass[i] = below.members[r, i] * weight[i] * over[below.place[r, i]]
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
