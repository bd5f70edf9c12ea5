"""How adapters draw: from weights, and for libraries that draw from the global generators."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from treesim.samplers.lazy_generator import LazyGenerator


def pick(log_weights: ArrayLike, rng: np.random.Generator) -> int | None:
    """The place of one particle, drawn in proportion to the weights; None if all are zero.

    Parameters
    ----------
    log_weights : array_like, shape [n]
        Of any size: only their differences count.
    rng : numpy.random.Generator

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> [pick([-2000.0, -2000.0 + np.log(9.0)], rng) for _ in range(8)]
    [1, 1, 0, 0, 1, 1, 1, 1]
    >>> pick([-np.inf, -np.inf], rng) is None
    True
    """
    logs = np.asarray(log_weights, np.float64)
    if not np.isfinite(logs.max()):
        return None
    weights = np.exp(logs - logs.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Let a library draw from the global generators of ``random`` and ``numpy.random``.

    They are seeded from `rng`, so that the run is the same for any number of threads, and restored afterwards. No other
    thread is in such a block meanwhile. Where choices are enumerated they stand for `rng` already.

    Parameters
    ----------
    rng : numpy.random.Generator
        What ``simulate(oracle, rng)`` was given.

    Examples
    --------
    >>> def one():
    ...     with seeded(np.random.default_rng(7)):
    ...         return random.random(), float(np.random.rand())
    >>> one() == one()
    True
    """
    if isinstance(rng, LazyGenerator):
        yield
        return
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
