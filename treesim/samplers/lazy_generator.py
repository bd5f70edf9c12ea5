"""A generator whose every draw is a choice to be enumerated: the `rng` of a sampler whose law is worked out."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from treesim.samplers.choices import Choices
from treesim.samplers.lazy_number import LazyNumber
from treesim.samplers.lazy_uniform import Uniform

# What numpy lets probabilities lack of one.
_TOLERANCE = math.sqrt(np.finfo(np.float64).eps)
_MOST_TRIALS = 500
# Named once: unions of types take as long to make as to ask.
_WHOLE = (int, np.integer)


class LazyGenerator(np.random.Generator):
    """A `numpy.random.Generator` to all who ask; its numbers are choices.

    What it draws has the law that numpy documents. `random` and what is made of it are numbers that are known by what
    they are compared with (`treesim.samplers.lazy_number`). Methods that are not here, such as `normal`, say so.

    Parameters
    ----------
    choices : Choices

    Examples
    --------
    >>> def program(choices):
    ...     rng = LazyGenerator(choices)
    ...     return rng.integers(2) + 2 * (rng.random() < 0.25)
    >>> sorted((int(run.outcome), run.mass) for run in Choices().runs(program, budget=100))
    [(0, 0.375), (1, 0.375), (2, 0.125), (3, 0.125)]
    """

    def __init__(self, choices: Choices) -> None:
        super().__init__(_BITS)
        self.choices = choices

    def __repr__(self) -> str:
        return "LazyGenerator()"

    @property
    def bit_generator(self) -> Any:
        """Not there: compiled code would draw from it, unseen."""
        self.choices.refuse("rng is handed to compiled code, or asked for its bits: that cannot be enumerated")

    # Numbers between 0 and 1, and their images.

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        is_plain = out is None and (dtype is np.float64 or np.dtype(dtype) == np.float64)
        self._require("random", is_plain, "a dtype of its own, or out")
        if size is None:
            return LazyNumber(Uniform(self.choices))
        return self._filled(size, lambda: LazyNumber(Uniform(self.choices)), object)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self.random(_shape(size, low, high)) * (_plain(high) - _plain(low)) + _plain(low)

    def standard_exponential(
        self, size: Any = None, dtype: Any = np.float64, method: str = "zig", out: Any = None
    ) -> Any:
        return -np.log(self.random(size, dtype, out))

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        return -np.log(self.random(_shape(size, scale))) * _plain(scale)

    def gumbel(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return -np.log(-np.log(self.random(_shape(size, loc, scale)))) * _plain(scale) + _plain(loc)

    # Whole numbers.

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False
    ) -> Any:
        self._require("integers", _is_one(low) and _is_one(high), "arrays of bounds")
        first, last = (0, operator.index(low)) if high is None else (operator.index(low), operator.index(high))
        n = last - first + endpoint
        if n < 1:
            raise ValueError("low >= high")
        kind = np.int64 if dtype is np.int64 else np.dtype(dtype).type
        if size is None:
            return kind(first + self.choices.uniform(n))
        return self._filled(size, lambda: first + self.choices.uniform(n), kind)

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        self._require("binomial", np.ndim(n) == 0 and np.ndim(p) == 0, "arrays of parameters")
        if not 0.0 <= p <= 1.0 or n < 0:
            raise ValueError("n < 0, p < 0, p > 1 or p is NaN")
        return self._drawn(size, lambda: self._successes(int(n), float(p)), np.int64)

    def geometric(self, p: Any, size: Any = None) -> Any:
        self._require("geometric", np.ndim(p) == 0, "arrays of parameters")
        if not 0.0 < p <= 1.0:
            raise ValueError("p <= 0, p > 1 or p contains NaNs")

        def draw() -> int:
            count = 1
            while self.choices.choose((float(p), 1.0 - float(p))):
                count += 1
            return count

        return self._drawn(size, draw, np.int64)

    def multinomial(self, n: Any, pvals: Any, size: Any = None) -> Any:
        prob = np.asarray(pvals, np.float64)
        self._require("multinomial", np.ndim(n) == 0 and prob.ndim == 1, "arrays of parameters")
        if (prob < 0).any() or prob[:-1].sum() > 1.0 + 1e-12 or n < 0:
            raise ValueError("pvals < 0, pvals > 1, sum(pvals[:-1]) > 1.0, or n < 0")

        def draw() -> list[int]:
            left, rest, counts = int(n), 1.0, []
            for p in prob[:-1].tolist():
                counts.append(self._successes(left, min(1.0, p / rest) if rest > 0.0 else 1.0))
                left, rest = left - counts[-1], rest - p
            return [*counts, left]

        if size is None:
            return np.array(draw(), np.int64)
        shape = _tuple(size)
        return np.array([draw() for _ in range(math.prod(shape))], np.int64).reshape(*shape, len(prob))

    # Members of a collection.

    def choice(
        self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True
    ) -> Any:
        self._require("choice", shuffle, "shuffle=False")
        pool = None if isinstance(a, _WHOLE) else np.asarray(a)
        n = int(a) if pool is None else pool.shape[axis]
        count = 1 if size is None else math.prod(_tuple(size))
        if n < 1 and count:
            raise ValueError("a must be a positive integer unless no samples are taken")
        prob = None if p is None else self._probabilities(p, n)
        if size is None:
            index: Any = self._index(n, prob)
            return np.int64(index) if pool is None else pool.take(index, axis) if pool.ndim > 1 else pool[index]
        if replace:
            index = [self._index(n, prob) for _ in range(count)]
        else:
            if count > (n if prob is None else np.count_nonzero(prob)):
                raise ValueError("Cannot take a larger sample than population when replace is False")
            index = self._distinct(n, count, prob)
        places = np.array(index, np.int64).reshape(_tuple(size))
        return places if pool is None else pool.take(places, axis)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        if isinstance(x, _WHOLE):
            return np.array(self._distinct(int(x), int(x), None), np.int64)
        pool = np.asarray(x)
        return pool.take(self._distinct(pool.shape[axis], pool.shape[axis], None), axis)

    def shuffle(self, x: Any, axis: int = 0) -> None:
        self._require("shuffle", axis == 0, "an axis")
        order = self._distinct(len(x), len(x), None)
        x[:] = x[order] if isinstance(x, np.ndarray) else [x[i] for i in order]

    def _index(self, n: int, prob: tuple[float, ...] | None) -> int:
        return self.choices.uniform(n) if prob is None else self.choices.choose(prob)

    def _distinct(self, n: int, count: int, prob: tuple[float, ...] | None) -> list[int]:
        """Distinct numbers below n, one after the other, each by the probabilities of those that are left."""
        left, weights = list(range(n)), None if prob is None else list(prob)
        drawn = []
        for _ in range(count):
            if weights is None:
                i = self.choices.uniform(len(left))
            else:
                total = math.fsum(weights)
                i = self.choices.choose(tuple([weight / total for weight in weights]))
                del weights[i]
            drawn.append(left.pop(i))
        return drawn

    def _successes(self, n: int, p: float) -> int:
        if n > _MOST_TRIALS:
            self.choices.refuse(f"{n} trials are more than can be enumerated, expected at most {_MOST_TRIALS}")
        return self.choices.choose(tuple([math.comb(n, k) * p**k * (1.0 - p) ** (n - k) for k in range(n + 1)]))

    def _probabilities(self, p: Any, n: int) -> tuple[float, ...]:
        """Probabilities as numpy takes them, which sum to one."""
        given = np.asarray(p, np.float64)
        if given.shape != (n,):
            raise ValueError("a and p must have same size")
        prob = given.tolist()
        total = math.fsum(prob)
        if not abs(total - 1.0) <= _TOLERANCE:
            raise ValueError("probabilities contain NaN" if math.isnan(total) else "probabilities do not sum to 1")
        if min(prob) < 0.0:
            raise ValueError("probabilities are not non-negative")
        return tuple(prob) if total == 1.0 else tuple([each / total for each in prob])

    def _drawn(self, size: Any, draw: Callable[[], int], kind: Any) -> Any:
        return draw() if size is None else self._filled(size, draw, kind)

    def _filled(self, size: Any, draw: Callable[[], Any], kind: Any) -> Any:
        array = np.empty(_tuple(size), kind)
        for place in np.ndindex(array.shape):
            array[place] = draw()
        return array

    def _require(self, method: str, is_given: bool, what: str) -> None:
        if not is_given:
            self.choices.refuse(f"rng.{method} with {what} cannot be enumerated")


def _refusal(name: str) -> Callable[..., NoReturn]:
    def method(self: LazyGenerator, *_: Any, **__: Any) -> NoReturn:
        self.choices.refuse(f"rng.{name} cannot be enumerated")

    method.__name__ = name
    return method


for _name in set(dir(np.random.Generator)) - set(vars(LazyGenerator)):
    if not _name.startswith("_"):
        setattr(LazyGenerator, _name, _refusal(_name))


def _tuple(size: Any) -> tuple[int, ...]:
    return (int(size),) if isinstance(size, _WHOLE) else tuple(size)


def _is_one(parameter: Any) -> bool:
    """A number, or nothing."""
    return parameter is None or isinstance(parameter, _WHOLE) or np.ndim(parameter) == 0


def _plain(parameter: Any) -> Any:
    """A number, or an array of them."""
    return float(parameter) if np.ndim(parameter) == 0 else np.asarray(parameter, np.float64)


def _shape(size: Any, *parameters: Any) -> Any:
    """The size that is given, or that of the parameters; None for one number."""
    shape = np.broadcast_shapes(*map(np.shape, parameters))
    return size if size is not None else shape or None


# Bits that nobody sees.
_BITS = np.random.PCG64(0)
