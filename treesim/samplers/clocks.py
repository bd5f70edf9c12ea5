"""Clocks that ring after exponential times, for races and Gumbel numbers: who is first is a choice.

Of two clocks of rates v and w that have not rung yet the first is the one with probability v / (v + w); whichever it
is, it rings at rate v + w, and the other waits from then on as if it were new. So clocks form trees: one that lost
waits for the one that it lost to.
"""

from __future__ import annotations

import math

from treesim.samplers.choices import Choices


class Clock:
    """A clock that rings at shift - scale log U, U uniform: at the rate 1 / scale.

    Parameters
    ----------
    choices : Choices
    scale, shift : float
    start : float
        Before this time it has not rung.

    Examples
    --------
    >>> def program(choices):
    ...     first, second = Clock(choices, 1.0, 0.0, 0.0), Clock(choices, 0.5, 0.0, 0.0)
    ...     return rings_first(first, second)
    >>> sorted((run.outcome, round(run.mass, 9)) for run in Choices().runs(program, budget=100))
    [(False, 0.666666667), (True, 0.333333333)]
    """

    __slots__ = ("_choices", "_rate", "_scale", "_shift", "_start", "_stop", "waits_for")

    def __init__(self, choices: Choices, scale: float, shift: float, start: float) -> None:
        self._choices, self._scale, self._shift = choices, scale, shift
        self._rate = 1.0 / scale
        self._start, self._stop = start, math.inf
        self.waits_for: Clock | None = None

    def shows(self, scale: float, shift: float) -> bool:
        """Whether it is the clock of this scale and shift."""
        return (scale, shift) == (self._scale, self._shift)

    def time(self, t: float) -> float:
        """When it rings if U is `t`."""
        if t <= 0.0:
            return math.inf
        return self._shift - self._scale * math.log(t)

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what its U lies."""
        start = _way(self)[0]._start
        return math.exp((self._shift - self._stop) / self._scale), math.exp((self._shift - start) / self._scale)

    def is_before(self, time: float) -> bool:
        """Whether it has rung by some time."""
        if self.waits_for is not None:
            self._choices.refuse(
                "a random number that lost a race is compared with a number: that cannot be enumerated, only the order "
                "in which such numbers come"
            )
        if time <= self._start or time >= self._stop:
            return time > self._start
        whole = -math.expm1(-self._rate * (self._stop - self._start))
        before = -math.expm1(-self._rate * (time - self._start)) / whole
        after = math.exp(-self._rate * (time - self._start)) * -math.expm1(-self._rate * (self._stop - time)) / whole
        if self._choices.choose((before, after)) == 0:
            self._stop = time
            return True
        self._start = time
        return False

    def is_first_by_time(self, other: Clock) -> bool | None:
        """Whether it rings before another could, or the other before it could; None where both start together."""
        if self._stop <= other._start or (self._start < other._start and self.is_before(other._start)):
            return True
        if other._stop <= self._start or (other._start < self._start and other.is_before(self._start)):
            return False
        return None

    def race(self, other: Clock) -> bool:
        """Tell two clocks apart that wait for the same; false where one of them is known to ring by some time."""
        if not self._stop == other._stop == math.inf:
            return False
        total = self._rate + other._rate
        is_first = self._choices.choose((self._rate / total, other._rate / total)) == 0
        first, second = (self, other) if is_first else (other, self)
        first._rate, second.waits_for = total, first
        return True


def rings_first(one: Clock, other: Clock) -> bool | None:
    """Whether a clock rings before another; None where that is not known: it would have to be by some time."""
    if one is other:
        return False
    while True:
        ways = _way(one), _way(other)
        common = sum(a is b for a, b in zip(*ways, strict=False))
        if common == min(map(len, ways)):
            # One of the two waits for the other.
            return len(ways[0]) < len(ways[1])
        a, b = ways[0][common], ways[1][common]
        is_first = a.is_first_by_time(b) if common == 0 else None
        if is_first is not None:
            # Whoever waits for the first may be late.
            return is_first if (a is one if is_first else b is other) else None
        if not a.race(b):
            return None


def _way(clock: Clock) -> list[Clock]:
    """The clocks that one waits for, from the first, and itself."""
    way = [clock]
    while way[-1].waits_for is not None:
        way.append(way[-1].waits_for)
    return way[::-1]
