"""Extinction: the value is perfect, and every step may still end all particles at once."""

from __future__ import annotations

import math

import numpy as np

from treesim.errors import SpecError
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.spec import require_whole


def extinction(horizon: int, bad: float = 0.5, floor: float = 0.0, seed: int = 0) -> Instance:
    """A bad step, of probability `bad` under pi_ref, spoils a path: it ends with reward `floor`, others with 1.

    V^ = V*, so guidance is right; particles proposed by pi_ref are not. Without a floor a run of SMC with N particles
    ends alive with probability (1 - bad^N)^T, so that N must grow like log(T / delta) / log(1 / bad): like
    log T / log log T for bad = 1 / log T. A floor of 0 breaks assumption 3.1, one above it does not.

    Parameters
    ----------
    horizon : int
        T.
    bad : float
        Between 0 and 1.
    floor : float
        From 0, below 1.

    Raises
    ------
    SpecError
        If a parameter is out of range.

    Examples
    --------
    >>> from treesim import SMC
    >>> instance = extinction(horizon=10, bad=0.5)
    >>> round(SMC(4).law(instance).tv(instance.target).hi, 9) == round(1 - (1 - 0.5**4) ** 10, 9)
    True
    """
    require_whole("horizon", horizon, 1)
    if not (0 < bad < 1 and 0 <= floor < 1):
        raise SpecError(f"bad is {bad} and floor {floor}, expected both below 1, bad above 0 and floor at least 0")
    first, later = np.array([[1 - bad, bad]]), np.array([[1 - bad, bad], [0.0, 1.0]])
    trellis = Trellis.from_layers([first, *[later] * (horizon - 1)])
    log_reward = np.array([0.0, math.log(floor) if floor else -math.inf])
    parameters = {"horizon": horizon, "bad": bad, "floor": floor}
    return Instance(trellis, optimal_twist(trellis, log_reward), "extinction", parameters, seed)


def survival(horizon: int, bad: float, particles: int) -> float:
    """(1 - bad^N)^T: probability that a run of SMC ends alive.

    Examples
    --------
    >>> round(survival(horizon=10, bad=0.5, particles=4), 6)
    0.52446
    """
    return math.exp(horizon * math.log1p(-(bad**particles)))


def particles_to_survive(horizon: int, bad: float, delta: float) -> int:
    """The least N with (1 - bad^N)^T >= 1 - delta.

    Examples
    --------
    >>> particles_to_survive(horizon=10**6, bad=1 / math.log(10**6), delta=0.05)
    7
    """
    share = -math.expm1(math.log1p(-delta) / horizon)
    return max(1, math.ceil(math.log(share) / math.log(bad) - 1e-12))
