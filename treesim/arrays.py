"""Types of arrays, and arrays that cannot be written to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def read_only(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """A read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view
