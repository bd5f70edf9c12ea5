"""Sweeps: a grid of instances and samplers, one committed row a cell, in one SQLite file.

A cell is known by what defines it, so a sweep that was killed goes on where it was: rows that are there stay, others
are computed, and the store ends the same to the bit. Nothing that differs from run to run, such as time, is in it.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import Any

from treesim._version import __version__
from treesim.errors import TreesimError
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.samplers import sampler
from treesim.studies.describe import describe_sampler
from treesim.studies.grid import Cell, SweepError
from treesim.studies.store import commit


def run(cells: list[Cell], store: sqlite3.Connection, jobs: int = 1) -> Iterator[Cell]:
    """Compute cells and commit a row for each; yields each cell once its row is safe.

    Parameters
    ----------
    cells : list of Cell
    store : sqlite3.Connection
    jobs : int
        Processes.
    """
    if jobs == 1:
        for cell in cells:
            commit(store, compute(cell))
            yield cell
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {pool.submit(compute, cell): cell for cell in cells}
        try:
            for future in as_completed(waiting):
                commit(store, future.result())
                yield waiting[future]
        except BrokenProcessPool:
            raise SweepError("a process died, out of memory perhaps; the rows so far are safe, run it again") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_on_dask(cells: list[Cell], store: sqlite3.Connection, address: str) -> Iterator[Cell]:
    """The same on a running Dask cluster; cells of a worker that dies go to another.

    Raises
    ------
    SweepError
        If the package ``distributed`` is missing, there is no cluster at the address, or workers die again and again.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed import as_completed as dask_completed
    except ImportError:
        raise SweepError("--dask needs the package distributed: pip install 'treesim[dask]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise SweepError(f"there is no Dask cluster at {address!r}: {error}") from None
    by_key = {cell.key: cell for cell in cells}
    with client:
        try:
            for _, row in dask_completed(client.map(compute, cells, pure=False), with_results=True):
                commit(store, row)
                yield by_key[row[0]]
        except KilledWorker as error:
            raise SweepError(f"Dask gave a cell up: {error}; the rows so far are safe, run it again") from None


def compute(cell: Cell) -> tuple[Any, ...]:
    """The row of a cell, a value for each of `COLUMNS`."""
    text = error = None
    try:
        instance = _instance(cell.family, cell.parameters, cell.seed)
        result = describe_sampler(sampler(cell.sampler), instance, runs=cell.runs, seed=cell.seed)
        audit = instance.audit
        result |= {
            "bellman_error": audit.bellman_error, "ratio_bound": audit.ratio_bound,
            "log_partition": audit.log_partition, "horizon": instance.graph.horizon,
        }  # fmt: skip
        text = json.dumps(result)
    except TreesimError as problem:
        error = str(problem)
    return (
        cell.key, cell.family, cell.parameters, str(cell.seed), cell.sampler, str(cell.runs), __version__, text, error
    )  # fmt: skip


@lru_cache(maxsize=4)
def _instance(name: str, parameters: str, seed: int) -> Instance:

    return family(name, seed=seed, **json.loads(parameters))
