"""How adapters draw: from weights, and for libraries that draw from the global generators."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike


def pick(log_weights: ArrayLike, rng: np.random.Generator) -> int | None:
    """The place of one particle, drawn in proportion to the weights; None if all are zero."""
    logs = np.asarray(log_weights, np.float64)
    if not np.isfinite(logs.max()):
        return None
    weights = np.exp(logs - logs.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Let a library draw from the global generators: seeded here, restored afterwards, no other thread meanwhile."""
    with _ONE_AT_A_TIME:
        python, numpy = random.getstate(), np.random.get_state()
        seed = int(rng.integers(2**32))
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
