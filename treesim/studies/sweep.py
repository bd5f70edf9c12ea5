"""Sweeps: a grid of instances and samplers, one committed row a cell, in one SQLite file.

A cell is known by what defines it and by the code that computes it, so a sweep that was killed goes on where it was:
rows that are there stay, others are computed, and the store ends the same to the bit. Nothing that differs from run to
run, such as time, is in it.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

from treesim._version import __version__
from treesim.errors import TreesimError
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.runtime.processes import Death, process_map
from treesim.runtime.user_code import UserFile, load, loaded
from treesim.samplers import sampler
from treesim.studies.describe import describe_sampler
from treesim.studies.grid import Cell, SweepError, read_grid
from treesim.studies.store import Store, commit, failures, missing, open_store, rows

__all__ = [
    "Cell", "SweepError", "compute", "failures", "missing", "open_store", "read_grid", "rows", "run", "run_on_dask",
]  # fmt: skip

# Seconds to wait for a cluster to answer, and for it to have workers again.
DASK_PATIENCE, DASK_DESERTED = 10.0, 120.0

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Task:
    """A cell for another process, and the user's files that it needs there."""

    cell: Cell
    files: tuple[UserFile, ...]


def run(cells: Sequence[Cell], store: Store, jobs: int = 1) -> Generator[Cell, None, None]:
    """Compute cells and commit a row for each; yields each cell once its row is safe.

    A cell that fails, or kills its process, has a row that says why; `missing` names it again.

    Parameters
    ----------
    cells : sequence of Cell
    store : Store
    jobs : int
        Processes; they run the files that `treesim --import` ran here.
    """
    if jobs == 1:
        for cell in cells:
            commit(store, compute(cell))
            yield cell
        return
    files = loaded()
    for task, row in process_map(compute_there, [Task(cell, files) for cell in cells], jobs):
        commit(store, _row(task.cell, error=str(row)) if isinstance(row, Death) else row)
        yield task.cell


def run_on_dask(cells: Sequence[Cell], store: Store, address: str) -> Generator[Cell, None, None]:
    """The same on a running Dask cluster; cells of a worker that dies go to another.

    Raises
    ------
    SweepError
        If the package ``distributed`` is missing, there is no cluster at the address, or it goes away.
    """
    client = _dask_client(address)
    files = loaded()
    with client:
        try:
            futures = client.map(compute_there, [Task(cell, files) for cell in cells], pure=False)
            cell_of = dict(zip((future.key for future in futures), cells, strict=True))
            for future in _as_they_end(client, futures):
                cell = cell_of[future.key]
                if future.status == "finished":
                    commit(store, future.result())
                elif future.status == "error":
                    commit(store, _row(cell, error=f"Dask gave it up: {_said(future.exception())}"))
                else:
                    raise SweepError(f"the Dask cluster {future.status} a cell; the rows so far are safe, run it again")
                yield cell
        except (TreesimError, GeneratorExit, KeyboardInterrupt):
            raise
        except Exception as error:
            raise SweepError(f"Dask failed: {_said(error)}; the rows so far are safe, run it again") from None


def _dask_client(address: str) -> Any:
    """A client of the cluster at an address; `SweepError` if there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise SweepError("--dask needs the package distributed: pip install 'treesim[dask]'") from None
    # What it logs about connections is said by the error.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    outcome: list[Any] = []

    def connect() -> None:
        try:
            outcome.append(Client(address, timeout=DASK_PATIENCE))
        except Exception as error:
            # A server of another kind is read as lengths and types that make no sense: any error may come.
            outcome.append(error)

    # Its own patience does not end where a server accepts and says nothing.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * DASK_PATIENCE)
    if not outcome:
        raise SweepError(f"there is no Dask cluster at {address!r}: what is there does not answer")
    if isinstance(outcome[0], OSError | TimeoutError) and str(outcome[0]):
        raise SweepError(f"there is no Dask cluster at {address!r}: {str(outcome[0]).splitlines()[0]}")
    if isinstance(outcome[0], Exception):
        raise SweepError(f"there is no Dask cluster at {address!r}: no address, or a server of another kind")
    return outcome[0]


def _as_they_end(client: Any, futures: list[Any]) -> Iterator[Any]:
    """Futures as they are finished or given up; Dask's own way to wait has no end where all workers are gone."""
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    deserted = 0.0
    left = len(futures)
    while left:
        try:
            future = ended.get(timeout=DASK_PATIENCE)
        except queue.Empty:
            deserted = 0.0 if client.nthreads() else deserted + DASK_PATIENCE
            if deserted >= DASK_DESERTED:
                raise SweepError("the Dask cluster has no workers; the rows so far are safe, run it again") from None
        else:
            left -= 1
            yield future


def compute_there(task: Task) -> Row:
    """`compute` in another process or on another machine."""
    try:
        load(task.files)
    except TreesimError as error:
        return _row(task.cell, error=str(error))
    return compute(task.cell)


def compute(cell: Cell) -> Row:
    """The row of a cell, a value for each of `COLUMNS`; whatever goes wrong is in it."""
    if cell.version != __version__:
        return _row(cell, error=f"it was computed by treesim {__version__}, expected {cell.version}")
    try:
        instance = _instance(cell.family, cell.parameters, cell.seed, cell.code)
        effort = Effort(cell.width, cell.budget)
        result = describe_sampler(sampler(cell.sampler), instance, effort, runs=cell.runs, seed=cell.seed)
        audit = instance.audit
        result |= {
            "bellman_error": audit.bellman_error, "ratio_bound": audit.ratio_bound,
            "log_partition": audit.log_partition, "horizon": instance.graph.horizon,
        }  # fmt: skip
        return _row(cell, json.dumps(result))
    except TreesimError as error:
        return _row(cell, error=str(error))
    except MemoryError:
        return _row(cell, error="out of memory")
    except (Exception, SystemExit) as error:
        return _row(cell, error=_said(error))


def _row(cell: Cell, result: str | None = None, error: str | None = None) -> Row:
    *asked, code, _ = astuple(cell)
    return (cell.identity, cell.key, *map(str, asked), __version__, code, result, error)


def _said(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


@lru_cache(maxsize=4)
def _instance(name: str, parameters: str, seed: int, code: str) -> Instance:
    """The code is that of the user's family: another one gives another instance."""
    return family(name, seed=seed, **json.loads(parameters))
