"""A total variation distance: a number, or what is known of one."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from treesim.errors import Undecided
from treesim.notebook import card, span
from treesim.tables import distance

_REMEDIES = {"certified": "a smaller width, or a larger budget", "estimated": "more runs"}


@dataclass(frozen=True)
class TV:
    """A total variation distance between `lo` and `hi`, and how it was obtained.

    It is a number wherever one is wanted: ``float(tv)`` and ``f"{tv:.3f}"`` are of the middle of the interval, which is
    the distance itself where the kind is ``exact``. Compared with a number or another TV it answers for the whole
    interval; where one part would say yes and another no, that is an error, not a guess. Two are equal when all that is
    known of them is.

    Attributes
    ----------
    lo, hi : float
        Bounds in [0, 1]; equal where the kind is ``exact``.
    kind : str
        ``exact``: from enumeration or a closed form, in float64, off by less than 1e-12 (of pools with a chain of
        corrections, and of corrected laws, while values stay within exp(+-10^4): beyond, in proportion to their logs);
        ``certified``: the interval provably contains the value;
        ``estimated``: a confidence interval, of the given `level`.
    level : float or None
        Confidence level of an estimate.
    wanted : float or None
        Where the interval stayed wider than asked: the budget, in cell moves, that would have been enough, about;
        infinite where rounding alone makes it that wide.

    Examples
    --------
    >>> near, far = TV(0.0625, 0.0625, "exact"), TV(0.25, 0.375, "certified")
    >>> float(near), f"{far:.2f}", far.width
    (0.0625, '0.31', 0.125)
    >>> near <= 0.1, far > 0.1, near < far
    (True, True, True)
    >>> far < 0.3
    Traceback (most recent call last):
    treesim.errors.Undecided: the TV is between 0.25 and 0.375 (certified), which leaves open whether it is < 0.3; ask
    for a smaller width, or a larger budget
    """

    lo: float
    hi: float
    kind: Literal["exact", "certified", "estimated"]
    level: float | None = None
    wanted: float | None = None

    @property
    def mid(self) -> float:
        """The middle of the interval."""
        return 0.5 * (self.lo + self.hi)

    @property
    def width(self) -> float:
        """How far apart the bounds are."""
        return self.hi - self.lo

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it.

        Examples
        --------
        >>> TV(0.25, 0.25, "exact").document()
        {'lo': 0.25, 'hi': 0.25, 'kind': 'exact', 'level': None, 'wanted_budget': None}
        """
        return {
            "lo": self.lo, "hi": self.hi, "kind": self.kind, "level": self.level, "wanted_budget": self.wanted
        }  # fmt: skip

    def _repr_html_(self) -> str:
        facts: list[tuple[str, Any]] = [("TV", distance(self.lo, self.hi)), ("kind", self.kind)]
        if self.level is not None:
            facts.append(("level", self.level))
        return card("Total variation distance", facts, span(self.lo, self.hi, self.words))

    def __float__(self) -> float:
        return self.mid

    def __format__(self, form: str) -> str:
        return format(self.mid, form) if form else str(self)

    def __lt__(self, other: TV | float) -> bool:
        return self._compared(operator.lt, "<", other)

    def __le__(self, other: TV | float) -> bool:
        return self._compared(operator.le, "<=", other)

    def __gt__(self, other: TV | float) -> bool:
        return self._compared(operator.gt, ">", other)

    def __ge__(self, other: TV | float) -> bool:
        return self._compared(operator.ge, ">=", other)

    def _compared(self, compare: Callable[[float, float], bool], sign: str, other: TV | float) -> bool:
        """What all parts of the interval say, if they agree."""
        if isinstance(other, TV):
            lo, hi, than = other.lo, other.hi, f"one {other.words}"
        elif isinstance(other, Real):
            lo, hi, than = float(other), float(other), f"{float(other):g}"
        else:
            return NotImplemented
        answers = {bool(compare(own, its)) for own in (self.lo, self.hi) for its in (lo, hi)}
        if len(answers) > 1:
            kind = other.kind if self.kind == "exact" and isinstance(other, TV) else self.kind
            raise Undecided(
                f"the TV is {self.words}, which leaves open whether it is {sign} {than}; ask for {_REMEDIES[kind]}"
            )
        return answers.pop()

    @property
    def words(self) -> str:
        """Where it is, in words."""
        if self.lo == self.hi:
            return f"{self.lo:.6g} ({self.kind})"
        return f"between {self.lo:.6g} and {self.hi:.6g} ({self.kind})"
