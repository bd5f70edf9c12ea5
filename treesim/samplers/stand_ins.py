"""What stands in for the global generators, and for functions of `math`, while the choices of a sampler are enumerated.

Samplers and libraries draw from ``random`` and ``numpy.random`` as well as from what they are given, and take
``math.log`` of it. What they look up in these modules when they run is replaced for the thread that enumerates; a name
that was imported out of a module before is not.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from treesim.samplers.choices import Choices
from treesim.samplers.lazy_generator import LazyGenerator
from treesim.samplers.lazy_number import LazyNumber

_ONE_AT_A_TIME = threading.RLock()

Method = Callable[..., Any]

_MATH = ("log", "log2", "log10", "log1p", "exp", "expm1", "sqrt")
# What stays as it is: classes, and functions that draw nothing.
_LEFT_ALONE = {"getstate", "setstate", "get_state", "set_state", "get_bit_generator", "set_bit_generator", "test"}


class StandIns:
    """Lets the global generators be a `LazyGenerator`, inside a ``with`` block and for one thread.

    Attributes
    ----------
    rng : LazyGenerator
        To be set before the first run.

    Examples
    --------
    >>> with StandIns() as stand_ins:
    ...     def program(choices):
    ...         stand_ins.rng = LazyGenerator(choices)
    ...         return random.choices("ab", weights=[1, 3])[0], math.log(np.random.rand()) < -1.0
    ...     found = list(Choices().runs(program, budget=9))
    >>> sorted((run.outcome, round(run.mass, 4)) for run in found)
    [(('a', False), 0.158), (('a', True), 0.092), (('b', False), 0.4741), (('b', True), 0.2759)]
    """

    def __init__(self) -> None:
        self.rng = LazyGenerator(Choices())
        self._before: list[tuple[ModuleType, str, Any]] = []

    def __enter__(self) -> StandIns:
        _ONE_AT_A_TIME.acquire()
        thread = threading.get_ident()
        for module, names in ((random, _of_python()), (np.random, _of_numpy())):
            for name, method in names.items():
                self._put(module, name, self._drawing(getattr(module, name), method, thread))
        for name in _MATH:
            self._put(math, name, _mapping(getattr(math, name), name))
        return self

    def __exit__(self, *_: object) -> None:
        for module, name, before in reversed(self._before):
            setattr(module, name, before)
        self._before.clear()
        _ONE_AT_A_TIME.release()

    def _put(self, module: ModuleType, name: str, function: Any) -> None:
        self._before.append((module, name, getattr(module, name)))
        setattr(module, name, function)

    def _drawing(self, original: Method, method: Method, thread: int) -> Method:
        def draw(*args: Any, **settings: Any) -> Any:
            if threading.get_ident() != thread:
                return original(*args, **settings)
            return method(self.rng, *args, **settings)

        return draw


def _mapping(original: Method, name: str) -> Method:
    def apply(x: Any, *base: Any) -> Any:
        if not isinstance(x, LazyNumber):
            return original(x, *base)
        return getattr(x, name)() / original(*base) if base else getattr(x, name)()

    return apply


def _refusal(name: str) -> Method:
    def refuse(rng: LazyGenerator, *_: Any, **__: Any) -> Any:
        rng.choices.refuse(f"{name} cannot be enumerated")

    return refuse


def _of_numpy() -> dict[str, Method]:
    """The functions of `numpy.random`."""
    number: Method = LazyGenerator.random
    own = dict.fromkeys(("random", "random_sample", "ranf", "sample"), number)
    same = (
        "uniform", "exponential", "standard_exponential", "gumbel", "geometric", "binomial", "multinomial", "choice",
        "permutation", "shuffle",
    )  # fmt: skip
    make = np.random.default_rng
    own |= {name: getattr(LazyGenerator, name) for name in same}
    own |= {
        "rand": lambda rng, *shape: rng.random(shape or None),
        "randint": lambda rng, low, high=None, size=None, dtype=np.int64: rng.integers(low, high, size, dtype),
        "default_rng": lambda rng, seed=None: rng if seed is None else make(seed),
    }
    return _refusals(np.random, "np.random") | own


def _of_python() -> dict[str, Method]:
    """The functions of `random`."""
    return _refusals(random, "random") | {
        "random": lambda rng: rng.random(),
        "uniform": lambda rng, a, b: rng.random() * (b - a) + a,
        "expovariate": lambda rng, rate=1.0: rng.exponential(1.0 / rate),
        "choice": lambda rng, seq: seq[rng.integers(len(seq))],
        "choices": _choices,
        "sample": _sample,
        "shuffle": lambda rng, x: rng.shuffle(x),
        "randrange": lambda rng, *bounds: range(*bounds)[rng.integers(len(range(*bounds)))],
        "randint": lambda rng, a, b: int(rng.integers(a, b, endpoint=True)),
    }


def _refusals(module: ModuleType, where: str) -> dict[str, Method]:
    """What to put in the place of all that draws."""
    return {
        name: _refusal(f"{where}.{name}")
        for name in dir(module)
        if not name.startswith("_") and name[0].islower() and name not in _LEFT_ALONE
        and callable(getattr(module, name))
    }  # fmt: skip


def _choices(rng: LazyGenerator, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> Any:
    if weights is not None:
        cum_weights = list(itertools.accumulate(weights))
    if cum_weights is None:
        return [population[rng.integers(len(population))] for _ in range(k)]
    if len(cum_weights) != len(population):
        raise ValueError("The number of weights does not match the population")
    ends = [float(end) for end in cum_weights]
    if not 0.0 < ends[-1] < math.inf:
        raise ValueError("Total of weights must be greater than zero and finite")
    prob = tuple([(end - start) / ends[-1] for start, end in zip([0.0, *ends[:-1]], ends, strict=True)])
    return [population[rng.choices.choose(prob)] for _ in range(k)]


def _sample(rng: LazyGenerator, population: Any, k: int, *, counts: Any = None) -> Any:
    if counts is not None:
        population = [each for each, count in zip(population, counts, strict=True) for _ in range(count)]
    return [population[i] for i in rng.choice(len(population), k, replace=False)]
