"""Types of arrays, and arrays that cannot be written to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


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
