"""Work shared among processes that outlive nothing: not their work, not their parent, and no cell that kills one."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from treesim.errors import TreesimError
from treesim.runtime.threads import n_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 5.0
# By which the number of threads is told: ours, and those of libraries that numpy is built with.
THREADS = ("TREESIM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Death:
    """That a process ended in the middle of an item.

    Attributes
    ----------
    exit_code : int or None
        Negative for a signal.
    """

    exit_code: int | None

    def __str__(self) -> str:
        if self.exit_code is not None and self.exit_code < 0:
            number = -self.exit_code
            return f"the process that computed it was killed by signal {number}, out of memory perhaps"
        return f"the process that computed it ended with exit code {self.exit_code}"


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    item: int | None = None


def process_map(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[tuple[Item, Result | Death]]:
    """``(item, function(item))`` as they are finished, from processes of their own.

    A process that dies gives a `Death` for its item, and another takes its place. None is left when the iterator is
    closed, or when this process is killed; there are no locks among them, only pipes.

    Parameters
    ----------
    function : callable
        Importable, as are its arguments and results.
    items : sequence
    jobs : int
        Processes.

    Raises
    ------
    TreesimError
        If a process ends before it can start to work.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(range(len(items)))
    workers: list[_Worker] = []

    def hire() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, function))
        with _interrupts_held(), _cores_shared(min(jobs, len(items))):
            process.start()
        theirs.close()
        workers.append(_Worker(process, ours))

    def feed(worker: _Worker) -> None:
        if not waiting:
            workers.remove(worker)
            _end(worker)
            return
        worker.item = waiting.popleft()
        # One that has died meanwhile is noticed where answers are read.
        with contextlib.suppress(OSError):
            worker.pipe.send(items[worker.item])

    try:
        for _ in range(min(jobs, len(items))):
            hire()
        while workers:
            ready = set(wait([each for worker in workers for each in (worker.pipe, worker.process.sentinel)]))
            for worker in [each for each in workers if each.pipe in ready or each.process.sentinel in ready]:
                item = worker.item
                try:
                    # A process may end after it has answered.
                    if not worker.pipe.poll():
                        raise EOFError
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    _end(worker)
                    if item is None:
                        raise TreesimError(
                            "a process could not start; in a script of your own, call this under "
                            'if __name__ == "__main__"'
                        ) from None
                    if waiting:
                        hire()
                    yield items[item], Death(worker.process.exitcode)
                    continue
                feed(worker)
                if item is not None:
                    yield items[item], answer
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            _end(worker)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """A terminal sends Ctrl-C to all of its processes; those that start here never see it, the parent decides."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _cores_shared(processes: int) -> Iterator[None]:
    """Processes that start here use their share of the cores, where nobody said how many threads they may have.

    Of OpenBLAS two processes with a thread a core each take ten times as long as one after the other.
    """
    share = str(max(1, n_threads() // processes))
    added = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, share))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.join(PATIENCE)
    if worker.process.exitcode is None:
        worker.process.kill()
        worker.process.join()


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Answer until the pipe is closed."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        pipe.send("ready")
        while True:
            pipe.send(function(pipe.recv()))
    # At its end Python looks for cycles among all objects: a quarter of a second after imports.
    gc.freeze()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
