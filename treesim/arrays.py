"""Types of arrays, arrays that cannot be written to, and objects that hold arrays without printing them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


_FEW, _LONGEST = 6, 80


class Brief:
    """A dataclass, made with ``repr=False``, whose repr is a line: of long arrays and lists it says how long they are.

    Examples
    --------
    >>> @dataclasses.dataclass(repr=False)
    ... class Row(Brief):
    ...     name: str
    ...     numbers: FloatArray
    >>> Row("short", np.array([1.0, 1 / 3])), Row("long", np.zeros((3, 8)))
    (Row(name='short', numbers=[1, 0.333333]), Row(name='long', numbers=float64[3, 8]))
    """

    def __repr__(self) -> str:
        fields = [field.name for field in dataclasses.fields(self) if field.repr]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}={brief(getattr(self, name))}' for name in fields)})"


def brief(value: Any) -> str:
    """A value in a few words.

    Examples
    --------
    >>> brief(np.arange(3)), brief(np.arange(99)), brief(["a"] * 99), brief(1 / 3), brief("x" * 99)[:4]
    ('[0, 1, 2]', 'int64[99]', '99 of str', '0.333333', "'xxx")
    """
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and len(value) <= _FEW:
            return f"[{', '.join(map(brief, value.tolist()))}]"
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple | dict | set | frozenset) and value:
        text = repr(value) if len(value) <= _FEW else ""
        return text if 0 < len(text) <= _LONGEST else f"{len(value)} of {type(next(iter(value))).__name__}"
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]!r}..."
    return repr(value)


def own(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """A new array of ours, locked without a copy; a view is given back as it is."""
    if array.base is None:
        array.flags.writeable = False
    return array


def frozen(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """An array that nobody can write to any more: itself where that is so already, else a copy."""
    if not array.flags.writeable and array.flags.c_contiguous and (array.base is None or not _writeable(array.base)):
        return array
    copy = array.copy(order="C")
    copy.flags.writeable = False
    return copy


def _writeable(base: object) -> bool:
    return not isinstance(base, np.ndarray) or base.flags.writeable or (base.base is not None and _writeable(base.base))


def log_sums(log_terms: FloatArray, ptr: IntArray) -> FloatArray:
    """log of the sum of each group of neighbours, shape [n_groups]; group ``v`` is ``ptr[v] .. ptr[v + 1]``, not empty.

    Examples
    --------
    >>> log_sums(np.array([-1000.0, -1000.0, 0.0]), np.array([0, 2, 3])).round(4)
    array([-999.3069,    0.    ])
    """
    starts = ptr[:-1] - ptr[0]
    top = np.maximum.reduceat(log_terms, starts)
    safe = np.where(np.isinf(top), 0.0, top)
    with np.errstate(divide="ignore", over="ignore"):
        return safe + np.log(np.add.reduceat(np.exp(log_terms - np.repeat(safe, np.diff(ptr))), starts))


def never(log_number: FloatArray) -> FloatArray:
    """Logs of products: zero times something infinite, which is NaN, is zero, whose log is -inf."""
    return np.where(np.isnan(log_number), -np.inf, log_number)


def read_only(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """A read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view


def spread(log_number: FloatArray) -> float:
    """How far logs are apart, in nats, those of zeros left out; zero where none is left.

    Examples
    --------
    >>> spread(np.array([1.0, -np.inf, 3.5])), spread(np.array([-np.inf]))
    (2.5, 0.0)
    """
    finite = log_number[log_number > -np.inf]
    return float(np.ptp(finite)) if len(finite) else 0.0
