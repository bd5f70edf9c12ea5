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


def read_only(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """A read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view
