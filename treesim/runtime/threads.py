"""Threads: kernels release the GIL, so plain threads share the arrays and use every core."""

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

from treesim.errors import TreesimError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Asked once: the system takes as long to tell as a small kernel to run.
_CORES = str(os.cpu_count() or 1)
# Below this many steps of work a thread costs more than it saves.
SMALLEST_CHUNK = 1 << 17
CHUNKS_A_THREAD = 4
SMALLEST_PART = 1 << 17
MOST_PARTS = 8
# Seconds.
TURN = 0.1


def n_threads() -> int:
    """Threads in use: ``TREESIM_THREADS`` from the environment, or one a core."""
    text = os.environ.get("TREESIM_THREADS", _CORES)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise TreesimError(f"TREESIM_THREADS is {text!r}, expected a whole number of at least 1")
    return int(text)


@cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="treesim")


def thread_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, interruptible: bool = False, work: int | None = None
) -> list[Result]:
    """``[function(item) for item in items]`` in order, on all threads; the results do not depend on how many.

    Work, where it is known, is counted in steps of about a nanosecond: where it is little the caller does it all.

    The caller works too, and whoever is free takes the next item: helpers that wake up late, or are busy elsewhere,
    hold nothing up, and a call from inside an item cannot wait for itself.

    Signals land in the main thread, and an exception that one raises inside a compiled kernel which holds a generator
    ends the process. Where that may happen a call is `interruptible`: from the main thread all is left to helpers, and
    after Ctrl-C nobody starts another item.
    """
    items = list(items)
    is_apart = interruptible and threading.current_thread() is threading.main_thread()
    helpers = min(n_threads(), len(items)) - (0 if is_apart else 1)
    is_little = work is not None and work < SMALLEST_CHUNK and not is_apart
    if helpers < 1 or is_little:
        return [function(item) for item in items]
    results: dict[int, Result] = {}
    left = iter(range(len(items)))

    def take() -> None:
        try:
            for i in left:
                results[i] = function(items[i])
        except BaseException:
            deque(left, maxlen=0)  # nobody starts another
            raise

    futures = []
    try:
        futures += [_helpers(helpers).submit(take) for _ in range(helpers)]
        # In turns: a signal that another thread received wakes nobody up.
        while is_apart and wait(futures, timeout=TURN).not_done:
            pass
    except BaseException:
        deque(left, maxlen=0)
        raise
    try:
        take()
    finally:
        started = [future for future in futures if not future.cancel()]
        wait(started)
    for future in started:
        future.result()
    return [results[i] for i in range(len(items))]


def parts_of(size: int, work: int, most: int = MOST_PARTS) -> list[int]:
    """Bounds of the parts of ``range(size)`` that threads share: by its size alone, so that sums keep their order.

    Work is counted in steps of about a nanosecond.
    """
    parts = max(1, min(most, work // SMALLEST_PART, size))
    return [size * i // parts for i in range(parts + 1)]


def chunked(kernel: Callable[[int, int], object], size: int, work: int | None = None) -> None:
    """Call ``kernel(start, stop)`` over a partition of ``range(size)``, on all threads if the work is worth it.

    Work is counted in steps of about a nanosecond; left out, it is one an item.
    """
    worth = (size if work is None else work) // SMALLEST_CHUNK
    # Most are too small to ask how many threads there are.
    threads = n_threads() if worth > 1 else 1
    chunks = min(CHUNKS_A_THREAD * threads, size, worth)
    if chunks <= 1 or threads == 1:
        kernel(0, size)
        return
    bounds = [size * i // chunks for i in range(chunks + 1)]
    thread_map(lambda pair: kernel(*pair), itertools.pairwise(bounds))
