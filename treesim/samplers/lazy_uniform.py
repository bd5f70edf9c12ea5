"""Uniform random numbers that nobody has looked at: known by an interval, which comparisons split.

Where U lies in [lo, hi), ``U < t`` is a choice with probabilities (t - lo) / (hi - lo) and the rest, and afterwards U
lies in one of the two parts. Numbers that are compared with each other get a common interval, in which they are in
order, as independent uniform numbers are that were sorted: all orders are alike, and where the interval is split the
number of those below is binomial.
"""

from __future__ import annotations

import math
from itertools import pairwise

from treesim.samplers.choices import Choices
from treesim.samplers.clocks import Clock

# Ends of intervals on two scales that differ by no more than rounding are the same.
_SAME = 2.0**-48
# What cumulated probabilities lack of one by rounding is no branch of its own.
_NEARLY_ONE = 1.0 - 2.0**-50


class Uniform:
    """A number that is uniform on [0, 1).

    Parameters
    ----------
    choices : Choices
        What splits its interval.

    Examples
    --------
    >>> def program(choices):
    ...     u = Uniform(choices)
    ...     return u.is_below(0.5), u.is_below(0.25)
    >>> sorted((run.outcome, run.mass) for run in Choices().runs(program, budget=100))
    [((False, False), 0.5), ((True, False), 0.25), ((True, True), 0.25)]
    """

    __slots__ = ("_cell", "_hi", "_lo", "_scale", "_shift", "choices", "clock")

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self._lo, self._hi = 0.0, 1.0
        # In a cell the number is shift + scale X, with X of the cell.
        self._cell: _Cell | None = None
        self._shift, self._scale = 0.0, 1.0
        self.clock: Clock | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what it is known to lie."""
        if self.clock is not None:
            return self.clock.bounds
        if self._cell is None:
            return self._lo, self._hi
        ends = self._shift + self._scale * self._cell.lo, self._shift + self._scale * self._cell.hi
        return ends if self._scale > 0 else ends[::-1]

    def is_below(self, t: float) -> bool:
        """Whether it is below `t`; that it is `t` has probability zero."""
        if self._cell is not None:
            x = (t - self._shift) / self._scale
            return self._cell.splits(self, x) == (self._scale > 0)
        if self.clock is not None:
            return not self.clock.is_before(self.clock.time(t))
        lo, hi = self._lo, self._hi
        if t <= lo or t >= min(hi, _NEARLY_ONE):
            return t > lo
        size = hi - lo
        if self.choices.choose(((t - lo) / size, (hi - t) / size)) == 0:
            self._hi = t
            return True
        self._lo = t
        return False

    def place(self, ts: list[float]) -> int:
        """How many of some numbers, in rising order, it is not below."""
        if self._cell is not None or self.clock is not None:
            first, last = 0, len(ts)
            while first < last:
                middle = (first + last) // 2
                first, last = (first, middle) if self.is_below(ts[middle]) else (middle + 1, last)
            return first
        lo, hi = self._lo, self._hi
        skipped = sum(t <= lo for t in ts)
        ends = [lo, *(t for t in ts if lo < t < min(hi, _NEARLY_ONE)), hi]
        if len(ends) == 2:
            return skipped
        size = hi - lo
        i = self.choices.choose(tuple([(b - a) / size for a, b in pairwise(ends)]))
        self._lo, self._hi = ends[i], ends[i + 1]
        return skipped + i

    def enter(self, cell: _Cell, shift: float, scale: float) -> None:
        """Be shift + scale X from now on, with X of a cell."""
        self._cell, self._shift, self._scale = cell, shift, scale

    def leave(self, lo: float, hi: float) -> None:
        """Be alone in an interval of the cell's."""
        ends = self._shift + self._scale * lo, self._shift + self._scale * hi
        self._lo, self._hi = min(ends), max(ends)
        self._cell, self._shift, self._scale = None, 0.0, 1.0

    def start(self, scale: float, shift: float) -> Clock | None:
        """The clock that rings at shift - scale log U; None if it cannot be one."""
        if self.clock is None and self._cell is None and self._lo == 0.0:
            self.clock = Clock(self.choices, scale, shift, shift - scale * math.log(self._hi))
        return self.clock if self.clock is not None and self.clock.shows(scale, shift) else None

    def seat(self) -> tuple[_Cell, float, float]:
        """Its cell, and how it lies there: shift and scale."""
        if self._cell is None:
            self._cell = _Cell(self.choices, self._lo, self._hi, [self])
        return self._cell, self._shift, self._scale


class _Cell:
    """Numbers that are independent and uniform on [lo, hi), given their order.

    Parameters
    ----------
    choices : Choices
    lo, hi : float
    members : list of Uniform
        In rising order of their X, the number that each has in the cell.
    """

    def __init__(self, choices: Choices, lo: float, hi: float, members: list[Uniform]) -> None:
        self.choices, self.lo, self.hi, self.members = choices, lo, hi, members

    def splits(self, member: Uniform, x: float) -> bool:
        """Whether the X of a member is below `x`; the cell is split there."""
        if x <= self.lo or x >= self.hi:
            return x > self.lo
        n, size = len(self.members), self.hi - self.lo
        p, q = (x - self.lo) / size, (self.hi - x) / size
        below = self.choices.choose(tuple([math.comb(n, k) * p**k * q ** (n - k) for k in range(n + 1)]))
        parts = (self.lo, x, self.members[:below]), (x, self.hi, self.members[below:])
        for lo, hi, members in parts:
            part = _Cell(self.choices, lo, hi, members)
            for each in members:
                if len(members) == 1:
                    each.leave(lo, hi)
                else:
                    each.enter(part, *each.seat()[1:])
        return self.members.index(member) < below


def is_less(u: Uniform, a: float, b: float, v: Uniform, c: float, d: float) -> bool | None:
    """Whether a u + b < c v + d, where a and c are not zero; None where that cannot be told by intervals.

    Examples
    --------
    >>> def race(choices):
    ...     u, v = Uniform(choices), Uniform(choices)
    ...     return is_less(u, 1.0, 0.0, v, 2.0, 0.0)
    >>> sorted((run.outcome, run.mass) for run in Choices().runs(race, budget=100))
    [(False, 0.25), (True, 0.25), (True, 0.5)]
    """
    if u is v:
        return b < d if a == c else u.is_below((d - b) / (a - c)) == (a > c)
    if u.clock is not None or v.clock is not None:
        return None
    while True:
        (p, q), (r, s) = _image(u, a, b), _image(v, c, d)
        margin = _SAME * max(abs(p), abs(q), abs(r), abs(s), abs(b), abs(d))
        if q <= r + margin or s <= p + margin:
            return q <= r + margin
        # The ends of one split the other, until both have the same.
        if p < r - margin:
            u.is_below((r - b) / a)
        elif r < p - margin:
            v.is_below((p - d) / c)
        elif s < q - margin:
            u.is_below((s - b) / a)
        elif q < s - margin:
            v.is_below((q - d) / c)
        else:
            return _in_order(u, a, b, v, c, d)


def _image(u: Uniform, a: float, b: float) -> tuple[float, float]:
    """Between what a u + b lies."""
    lo, hi = u.bounds
    return (a * lo + b, a * hi + b) if a > 0 else (a * hi + b, a * lo + b)


def _in_order(u: Uniform, a: float, b: float, v: Uniform, c: float, d: float) -> bool | None:
    """Whether a u + b < c v + d, where both have the same interval."""
    (own, shift, scale), (others, shift_v, scale_v) = u.seat(), v.seat()
    # Values are alpha X + beta and gamma Y + delta.
    alpha, beta, gamma, delta = a * scale, a * shift + b, c * scale_v, c * shift_v + d
    if own is not others:
        _merge(own, others, (delta - beta) / alpha, gamma / alpha)
        alpha = gamma
    elif alpha * gamma < 0:
        # One of the two is seen in a mirror: their order in the cell does not tell.
        return None
    members = v.seat()[0].members
    return (members.index(u) < members.index(v)) == (alpha > 0)


def _merge(own: _Cell, others: _Cell, shift: float, scale: float) -> None:
    """Put the members of one cell among those of another, X = shift + scale Y: all orders of the two are alike."""
    movers = own.members if scale > 0 else own.members[::-1]
    for each in movers:
        _, old_shift, old_scale = each.seat()
        each.enter(others, old_shift + old_scale * shift, old_scale * scale)
    merged: list[Uniform] = []
    left, right = movers, others.members
    while left and right:
        n = len(left) + len(right)
        if own.choices.choose((len(left) / n, len(right) / n)) == 0:
            merged.append(left[0])
            left = left[1:]
        else:
            merged.append(right[0])
            right = right[1:]
    others.members = [*merged, *left, *right]
