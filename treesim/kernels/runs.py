"""Populations of particles, as runs of those that are exchangeable.

Particles that share their past are exchangeable, so they are carried as *runs*: how many, and what each of them weighs.
Runs lie in the order of their ancestors, the children of a run in the order of the edges; on a tree that is the order
of the nodes. Where ancestry is looked at particle by particle, `gather` makes those that are exchangeable one run
before a step, and `spread` each of them a run of its own after it, in the same order.
"""

from typing import NamedTuple

import numpy as np

from treesim.kernels import kernel
from treesim.kernels.uniforms import uniform


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
    power : ndarray of int32, shape [replicates, particles] or [replicates, 0]
        Weights are ``weight * 2**power``; without room for powers they are zero.
    """

    size: np.ndarray
    place: np.ndarray
    members: np.ndarray
    origin: np.ndarray
    weight: np.ndarray
    value: np.ndarray
    power: np.ndarray

    @classmethod
    def room(cls, replicates: int, particles: int, has_powers: bool) -> "Runs":
        """Room for populations, with or without powers of their weights."""
        shape = (replicates, particles)
        place, members, origin = (np.zeros(shape, np.int32) for _ in range(3))
        power = np.zeros((replicates, particles if has_powers else 0), np.int32)
        return cls(np.zeros(replicates, np.int64), place, members, origin, np.zeros(shape), np.zeros(shape), power)


@kernel
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


@kernel
def spread(moved, here, below, pin):
    """Make every particle that moved a run, the first of the pinned run being pinned.

    Each run keeps its particles, so that those of `moved` have in turn the origins of those of `here`.
    """
    has_powers = moved.power.shape[1] > 0
    for r in range(moved.size.shape[0]):
        n, own = 0, pin[r]
        source, left = -1, 0
        for i in range(moved.size[r]):
            if i == own:
                pin[r] = n
            for _ in range(moved.members[r, i]):
                if left == 0:
                    source += 1
                    left = here.members[r, source]
                left -= 1
                below.place[r, n], below.members[r, n] = moved.place[r, i], 1
                below.origin[r, n] = here.origin[r, source]
                below.weight[r, n], below.value[r, n] = moved.weight[r, i], moved.value[r, i]
                if has_powers:
                    below.power[r, n] = moved.power[r, i]
                n += 1
        below.size[r] = n
