"""What `rng.random()` gives while choices are enumerated: a number that is known by what it is compared with.

It can be added to and multiplied, taken the logarithm of, rounded, and searched for in an array; whatever asks for its
digits is told that they are not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from treesim.samplers.choices import WIDEST
from treesim.samplers.lazy_uniform import Uniform
from treesim.samplers.monotone import Step, comes_first

_OTHER_SIDE = {
    "less": "__gt__", "less_equal": "__ge__", "greater": "__lt__", "greater_equal": "__le__", "equal": "__eq__",
    "not_equal": "__ne__", "add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__",
    "divide": "__rtruediv__", "true_divide": "__rtruediv__", "power": "__rpow__", "minimum": "least", "maximum": "most",
    "fmin": "least", "fmax": "most",
}  # fmt: skip
_OWN_SIDE = {
    "less": "__lt__", "less_equal": "__le__", "greater": "__gt__", "greater_equal": "__ge__", "equal": "__eq__",
    "not_equal": "__ne__", "add": "__add__", "subtract": "__sub__", "multiply": "__mul__", "divide": "__truediv__",
    "true_divide": "__truediv__", "power": "__pow__", "float_power": "__pow__", "floor_divide": "__floordiv__",
    "remainder": "__mod__", "minimum": "least", "maximum": "most", "fmin": "least", "fmax": "most",
    "negative": "__neg__", "positive": "__pos__", "absolute": "__abs__", "fabs": "__abs__", "floor": "rounded_down",
    "ceil": "rounded_up", "log": "log", "exp": "exp", "sqrt": "sqrt", "square": "square", "log2": "log2",
    "log10": "log10", "log1p": "log1p", "expm1": "expm1", "reciprocal": "reciprocal",
}  # fmt: skip


class LazyNumber:
    """A monotone image of a uniform number that is known by an interval only.

    Parameters
    ----------
    source : Uniform
    steps : tuple of Step
        Taken one after the other.

    Examples
    --------
    >>> from treesim.samplers.choices import Choices
    >>> def program(choices):
    ...     u = LazyNumber(Uniform(choices))
    ...     return np.searchsorted([0.2, 0.7, 1.0], u), -np.log(u) < 2.0
    >>> [((int(run.outcome[0]), run.outcome[1]), round(run.mass, 4)) for run in Choices().runs(program, budget=9)]
    [((1, True), 0.5), ((2, True), 0.3), ((0, False), 0.1353), ((0, True), 0.0647)]
    """

    __slots__ = ("source", "steps")
    __hash__ = object.__hash__

    def __init__(self, source: Uniform, steps: tuple[Step, ...] = ()) -> None:
        self.source, self.steps = source, steps

    def __repr__(self) -> str:
        return "<a random number between {:.4g} and {:.4g}>".format(*self.bounds)

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what it is known to lie."""
        lo, hi = self.source.bounds
        for step in self.steps:
            lo, hi = (step.image(hi), step.image(lo)) if step.falls else (step.image(lo), step.image(hi))
        return lo, hi

    # What compares: U is split where the bound comes from.

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, is_below=True)

    def __le__(self, other: Any) -> Any:
        return self._compared(other, is_below=True)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, is_below=False)

    def __ge__(self, other: Any) -> Any:
        return self._compared(other, is_below=False)

    def __eq__(self, other: object) -> Any:
        # Of probability zero, but for the number itself.
        if isinstance(other, np.ndarray):
            return np.zeros(other.shape, bool)
        return isinstance(other, LazyNumber) and (other.source, other.steps) == (self.source, self.steps)

    def __ne__(self, other: object) -> Any:
        equal = self == other
        return ~equal if isinstance(equal, np.ndarray) else not equal

    def __bool__(self) -> bool:
        return True

    def is_below(self, x: float) -> bool:
        """Whether it is less than a number."""
        if not self.steps:
            return self.source.is_below(x)
        lo, hi = self.bounds
        if x <= lo or x >= hi:
            return x > lo
        falls = False
        for step in reversed(self.steps):
            x, falls = step.back(x), falls != step.falls
        return self.source.is_below(x) != falls

    def place(self, xs: list[float]) -> int:
        """How many of some numbers, in rising order, it is not below."""
        lo, hi = self.bounds
        skipped = sum(x <= lo for x in xs)
        ts, falls = [x for x in xs if lo < x < hi], False
        for step in reversed(self.steps):
            ts, falls = [step.back(t) for t in ts], falls != step.falls
        return skipped + (len(ts) - self.source.place(ts[::-1]) if falls else self.source.place(ts))

    def least(self, other: Any) -> Any:
        """The smaller of two."""
        return self if self < other else other

    def most(self, other: Any) -> Any:
        """The larger of two."""
        return self if self > other else other

    def _compared(self, other: Any, is_below: bool) -> Any:
        if isinstance(other, LazyNumber):
            return self._is_less(other) if is_below else other._is_less(self)
        if isinstance(other, float | Real):
            x = float(other)
            return not math.isnan(x) and self.is_below(x) == is_below
        if isinstance(other, np.ndarray):
            return self._compared_each(other, is_below)
        return NotImplemented

    def _compared_each(self, others: np.ndarray[Any, Any], is_below: bool) -> Any:
        if others.dtype == object:
            return _each(others, lambda each: self._compared(each, is_below)).astype(bool)
        xs = others.astype(np.float64)
        ends = np.unique(xs[~np.isnan(xs)])
        rank = self.place(ends.tolist())
        # Numbers beyond the last that it is not below.
        above = xs > (ends[rank - 1] if rank else -math.inf)
        if not rank:
            above = ~np.isnan(xs)
        return above if is_below else ~above & ~np.isnan(xs)

    def _is_less(self, other: LazyNumber) -> bool:
        answer = comes_first(self.source, self.steps, other.source, other.steps)
        if answer is None:
            self.refuse(
                "two random numbers are compared that are no race, or do not lie on one scale: their order cannot be "
                "enumerated"
            )
        return answer

    # What maps.

    def __add__(self, other: Any) -> Any:
        return self._mapped(other, lambda x: Step("affine", 1.0, x), "sum of two random numbers")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._mapped(other, lambda x: Step("affine", 1.0, -x), "difference of two random numbers")

    def __rsub__(self, other: Any) -> Any:
        return self._mapped(other, lambda x: Step("affine", -1.0, x), "difference of two random numbers")

    def __mul__(self, other: Any) -> Any:
        if other is self:
            return self.square()
        return self._mapped(other, lambda x: Step("affine", x), "product of two random numbers")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        # By zero as numpy divides: weights of zero lose races.
        return self._mapped(
            other,
            lambda x: Step("affine", 1.0 / x if x else math.copysign(math.inf, x)),
            "quotient of two random numbers",
        )

    def __rtruediv__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return _each(other, self.__rtruediv__)
        return self.reciprocal() * other

    def __neg__(self) -> LazyNumber:
        return self._then(Step("affine", -1.0))

    def __pos__(self) -> LazyNumber:
        return self

    def __abs__(self) -> LazyNumber:
        return -self if self < 0.0 else self

    def __pow__(self, power: Any) -> Any:
        if isinstance(power, np.ndarray):
            return _each(power, self.__pow__)
        if not isinstance(power, Real):
            self.refuse("a power of a random number with a random exponent cannot be enumerated")
        p = float(power)
        if p == 0.0:
            return 1.0
        if self < 0.0:
            if p != int(p):
                self.refuse("a power of a random number that may be negative cannot be enumerated")
            return (-self) ** p * (-1.0) ** p
        return self._then(Step("power", p))

    def __rpow__(self, base: Any) -> Any:
        if isinstance(base, np.ndarray):
            return _each(base, self.__rpow__)
        return (self * math.log(base)).exp() if base != 1.0 else 1.0

    def log(self) -> LazyNumber:
        """Natural logarithm."""
        if self < 0.0:
            self.refuse("the logarithm of a random number that may be negative cannot be enumerated")
        return self._then(Step("log"))

    def exp(self) -> LazyNumber:
        """Exponential."""
        return self._then(Step("exp"))

    def sqrt(self) -> Any:
        """Square root."""
        return self**0.5

    def square(self) -> Any:
        """Square."""
        return self**2

    def reciprocal(self) -> Any:
        """One over the number."""
        return self**-1

    def log2(self) -> Any:
        """Binary logarithm."""
        return self.log() / math.log(2.0)

    def log10(self) -> Any:
        """Decimal logarithm."""
        return self.log() / math.log(10.0)

    def log1p(self) -> Any:
        """Logarithm of one more."""
        return (self + 1.0).log()

    def expm1(self) -> Any:
        """Exponential less one."""
        return self.exp() - 1.0

    def _then(self, step: Step) -> LazyNumber:
        before = self.steps
        if step.kind == "affine" and before and before[-1].kind == "affine":
            before, step = before[:-1], before[-1].then(step)
        return LazyNumber(self.source, (*before, step))

    def _mapped(self, other: Any, step: Callable[[float], Step], what: str) -> Any:
        if isinstance(other, float | Real):
            return self._scaled(step(float(other)))
        if isinstance(other, np.ndarray):
            return _each(other, lambda each: self._mapped(each, step, what))
        if isinstance(other, LazyNumber):
            self.refuse(f"the {what} cannot be enumerated, only how one compares with numbers, and with others")
        return NotImplemented

    def _scaled(self, step: Step) -> Any:
        if math.isinf(step.a):
            lo, hi = self.bounds
            if lo < 0.0 < hi:
                self.refuse("a random number that may have either sign is multiplied by something infinite")
            return step.a if lo >= 0.0 else -step.a
        return step.b if step.a == 0.0 or math.isinf(step.b) else self._then(step)

    # What becomes whole.

    def __floor__(self) -> int:
        lo, hi = self.bounds
        if math.isinf(lo):
            return -math.ceil(-self) if math.isfinite(hi) else self.refuse("a whole number without bounds is drawn")
        first = math.floor(lo)
        if hi - lo < WIDEST:
            return first + self.place([float(k) for k in range(first + 1, math.ceil(hi))])
        while not self < first + 1:
            first += 1
        return first

    def __ceil__(self) -> int:
        # That it is whole has probability zero.
        return math.floor(self) + 1

    def __trunc__(self) -> int:
        return math.ceil(self) if self < 0.0 else math.floor(self)

    __int__ = __trunc__

    def __round__(self, digits: int | None = None) -> float:
        if digits is None:
            return math.floor(self + 0.5)
        return math.floor(self * 10**digits + 0.5) / 10**digits

    def __floordiv__(self, other: Any) -> float:
        return float(math.floor(self / other))

    def __mod__(self, other: Any) -> LazyNumber:
        return self - math.floor(self / other) * other

    def rounded_down(self) -> float:
        """The largest whole number that is not above it, as numpy has it."""
        return float(math.floor(self))

    def rounded_up(self) -> float:
        """The smallest whole number that is not below it."""
        return float(math.ceil(self))

    def __float__(self) -> float:
        self.refuse(
            "a random number is asked for its digits, by float() or the like: while choices are enumerated it can be "
            "compared, scaled, searched for, and mapped by functions such as np.log"
        )

    def refuse(self, why: str) -> NoReturn:
        """End the enumeration."""
        self.source.choices.refuse(why)

    def __array_function__(self, function: Any, types: Any, args: Any, settings: Any) -> Any:
        if function is np.searchsorted and len(args) == 2 and args[1] is self and "sorter" not in settings:
            # One choice of where it lies, in place of one for each comparison.
            return np.int64(self.place(np.asarray(args[0], np.float64).tolist()))
        return np.ndarray.__array_function__(np.empty(0), function, (), args, settings)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        name = ufunc.__name__
        if method == "__call__" and not settings:
            if inputs[0] is self and name in _OWN_SIDE:
                return getattr(self, _OWN_SIDE[name])(*inputs[1:])
            if len(inputs) == 2 and inputs[1] is self and name in _OTHER_SIDE:
                other = inputs[0]
                if isinstance(other, np.generic):
                    other = other.item()
                return getattr(self, _OTHER_SIDE[name])(other)
        self.refuse(f"np.{name} of a random number cannot be enumerated")


def _each(others: np.ndarray[Any, Any], function: Callable[[Any], Any]) -> np.ndarray[Any, Any]:
    """What a function makes of each entry of an array."""
    found = np.empty(others.shape, object)
    for place in np.ndindex(others.shape):
        found[place] = function(others[place])
    return found
