"""Threads: kernels release the GIL, so plain threads share the arrays and use every core."""

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from treesim.errors import TreesimError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Below this many steps of work a thread costs more than it saves.
SMALLEST_CHUNK = 1 << 18


def n_threads() -> int:
    """Threads in use: ``TREESIM_THREADS`` from the environment, or one a core."""
    text = os.environ.get("TREESIM_THREADS", str(os.cpu_count() or 1))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise TreesimError(f"TREESIM_THREADS is {text!r}, expected a whole number of at least 1")
    return int(text)


_worker = threading.local()


def _mark_worker() -> None:
    _worker.is_one = True


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="treesim", initializer=_mark_worker)


def thread_map(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``[function(item) for item in items]`` in order, on all threads; the results do not depend on how many.

    Called from a thread of the pool it works alone: waiting for others there could leave nobody to do the work.
    """
    items = list(items)
    threads = n_threads()
    if threads == 1 or len(items) <= 1 or getattr(_worker, "is_one", False):
        return [function(item) for item in items]
    return list(_pool(threads).map(function, items))


def chunked(kernel: Callable[[int, int], object], size: int, work: int | None = None) -> None:
    """Call ``kernel(start, stop)`` over a partition of ``range(size)``, one chunk a thread, if the work is worth it.

    Work is counted in steps of about a nanosecond; left out, it is one an item.
    """
    chunks = min(n_threads(), size, (size if work is None else work) // SMALLEST_CHUNK)
    if chunks <= 1:
        kernel(0, size)
        return
    bounds = [size * i // chunks for i in range(chunks + 1)]
    thread_map(lambda pair: kernel(*pair), itertools.pairwise(bounds))
