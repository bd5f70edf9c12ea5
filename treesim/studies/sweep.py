"""Sweeps: a grid of instances and samplers, one committed row a cell, in one SQLite file.

A cell is known by what defines it, so a sweep that was killed goes on where it was: rows that are there stay, others
are computed, and the store ends the same to the bit. Nothing that differs from run to run, such as time, is in it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from treesim._version import __version__
from treesim.errors import TreesimError
from treesim.instances.families import FAMILIES, family
from treesim.instances.instance import Instance
from treesim.samplers import sampler
from treesim.spec import spell
from treesim.studies.describe import describe_sampler

# "tree" in ASCII: marks a SQLite file as a store of ours.
APPLICATION = 0x74726565
FORMAT = 1
COLUMNS = ("key", "family", "parameters", "seed", "sampler", "runs", "version", "result", "error")
_KEYS = {"family", "samplers", "seeds", "parameters", "runs"}


class SweepError(TreesimError):
    """A grid or a store is not what it should be."""


@dataclass(frozen=True)
class Cell:
    """One instance and one sampler.

    Attributes
    ----------
    family : str
    parameters : str
        As canonical JSON.
    seed : int
    sampler : str
        Its spec.
    runs : int
        That estimate the TV where there is no exact law.
    """

    family: str
    parameters: str
    seed: int
    sampler: str
    runs: int

    @property
    def key(self) -> str:
        """A digest of what defines the cell."""
        text = json.dumps([self.family, self.parameters, self.seed, self.sampler, self.runs])
        return hashlib.sha256(text.encode()).hexdigest()


def read_grid(path: Path) -> list[Cell]:
    """The cells of a grid, each once, in an order that keeps an instance's samplers together.

    A grid is TOML: one table ``[[grid]]`` or more, each with ``family``, ``samplers`` (specs), ``seeds`` (default
    ``[0]``), ``runs`` (default 20000) and ``parameters``, where a list stands for each of its values.

    Raises
    ------
    SweepError
        If it is no such file; the message names what is wrong.
    TreesimError
        If a sampler is none.
    """
    if not path.is_file():
        raise SweepError(f"{path} does not exist")
    try:
        grids = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SweepError(f"{path} cannot be read as TOML: {error}") from None
    tables = grids.get("grid")
    if set(grids) != {"grid"} or not isinstance(tables, list) or not tables:
        raise SweepError(f"{path} has {', '.join(grids) or 'nothing'}, expected one table [[grid]] or more")
    cells: dict[str, Cell] = {}
    for table in tables:
        for cell in _cells_of(path, table):
            cells.setdefault(cell.key, cell)
    return list(cells.values())


def _cells_of(path: Path, table: Mapping[str, Any]) -> Iterator[Cell]:
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise SweepError(f"{path}: unknown key {unknown[0]!r}, expected: {', '.join(sorted(_KEYS))}")
    name, specs = table.get("family"), table.get("samplers")
    if not isinstance(name, str) or name not in FAMILIES:
        raise SweepError(f"{path}: family is {name!r}, expected one of: {', '.join(FAMILIES)}")
    if not isinstance(specs, list) or not specs:
        raise SweepError(f"{path}: samplers is {specs!r}, expected a list of specs")
    seeds, runs = table.get("seeds", [0]), table.get("runs", 20_000)
    if not isinstance(seeds, list) or any(type(seed) is not int or seed < 0 for seed in seeds):
        raise SweepError(f"{path}: seeds is {seeds!r}, expected a list of whole numbers of at least 0")
    if type(runs) is not int or runs < 20:
        raise SweepError(f"{path}: runs is {runs!r}, expected a whole number of at least 20")
    spelled = [spell(sampler(spec)) for spec in specs]
    parameters = table.get("parameters", {})
    choices = [value if isinstance(value, list) else [value] for value in parameters.values()]
    for values in itertools.product(*choices):
        text = json.dumps(dict(zip(parameters, values, strict=True)), sort_keys=True)
        for seed, spec in itertools.product(seeds, spelled):
            yield Cell(name, text, seed, spec, runs)


@contextmanager
def open_store(path: Path, create: bool = False) -> Iterator[sqlite3.Connection]:
    """A store, checked: SQLite in WAL mode, one row a cell.

    Raises
    ------
    SweepError
        If the file is no store of ours, of another format, or damaged. It is never overwritten.
    """
    is_new = not path.exists() or path.stat().st_size == 0
    if is_new and not create:
        raise SweepError(f"{path} does not exist")
    try:
        connection = sqlite3.connect(path, timeout=30)
    except sqlite3.Error as error:
        raise SweepError(f"{path} cannot be opened: {error}") from None
    with closing(connection):
        try:
            if is_new:
                columns = ", ".join(f"{name} TEXT" for name in COLUMNS[1:])
                connection.execute("PRAGMA journal_mode = WAL")
                with connection:
                    connection.execute(f"PRAGMA application_id = {APPLICATION}")
                    connection.execute(f"PRAGMA user_version = {FORMAT}")
                    connection.execute(f"CREATE TABLE cells (key TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
            (application,), (version,) = (
                connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
            )
            if application != APPLICATION:
                raise SweepError(f"{path} is a SQLite file, but no store of treesim; it was left as it is")
            if version != FORMAT:
                raise SweepError(f"{path} is a store of format {version}, expected {FORMAT}; it was left as it is")
            (state,) = connection.execute("PRAGMA quick_check").fetchone()
            if state != "ok":
                raise SweepError(f"{path} is damaged: {state}")
        except sqlite3.DatabaseError as error:
            raise SweepError(f"{path} is no store of treesim, or damaged ({error}); it was left as it is") from None
        yield connection


def missing(cells: list[Cell], store: sqlite3.Connection) -> list[Cell]:
    """The cells that have no row yet."""
    known = {key for (key,) in store.execute("SELECT key FROM cells")}
    return [cell for cell in cells if cell.key not in known]


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
            _commit(store, compute(cell))
            yield cell
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {pool.submit(compute, cell): cell for cell in cells}
        try:
            for future in as_completed(waiting):
                _commit(store, future.result())
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
                _commit(store, row)
                yield by_key[row[0]]
        except KilledWorker as error:
            raise SweepError(f"Dask gave a cell up: {error}; the rows so far are safe, run it again") from None


def compute(cell: Cell) -> tuple[Any, ...]:
    """The row of a cell, a value for each of `COLUMNS`."""
    result = error = None
    try:
        instance = _instance(cell.family, cell.parameters, cell.seed)
        found = describe_sampler(sampler(cell.sampler), instance, runs=cell.runs, seed=cell.seed)
        audit = instance.audit
        found |= {
            "bellman_error": audit.bellman_error, "ratio_bound": audit.ratio_bound,
            "log_partition": audit.log_partition, "horizon": instance.graph.horizon,
        }  # fmt: skip
        result = json.dumps(found)
    except TreesimError as problem:
        error = str(problem)
    return (
        cell.key, cell.family, cell.parameters, str(cell.seed), cell.sampler, str(cell.runs), __version__, result, error
    )  # fmt: skip


def rows(store: sqlite3.Connection) -> list[dict[str, Any]]:
    """All rows as flat records, in the order of what defines them: parameters as ``parameters.NAME``."""
    order = "family, parameters, CAST(seed AS INTEGER), sampler, runs"
    records = []
    for row in store.execute(f"SELECT {', '.join(COLUMNS)} FROM cells ORDER BY {order}"):
        named = dict(zip(COLUMNS, row, strict=True))
        record: dict[str, Any] = {"family": named["family"], "seed": int(named["seed"]), "sampler": named["sampler"]}
        record |= {f"parameters.{key}": value for key, value in json.loads(named["parameters"]).items()}
        found = json.loads(named["result"]) if named["result"] else {}
        tv, cost = found.get("tv") or {}, found.get("cost") or {}
        record |= {f"tv.{key}": tv.get(key) for key in ("lo", "hi", "kind")}
        record |= {key: found.get(key) for key in ("kl", "chi2", "expected_reward")}
        record |= {key: cost.get(key) for key in ("reference_draws", "value_queries")}
        record |= {key: found.get(key) for key in ("horizon", "bellman_error", "ratio_bound", "log_partition")}
        record |= {"runs": int(named["runs"]), "version": named["version"], "error": named["error"]}
        records.append(record)
    return records


def _commit(store: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    with store:
        store.execute(f"INSERT OR REPLACE INTO cells VALUES ({', '.join('?' * len(COLUMNS))})", row)


@lru_cache(maxsize=4)
def _instance(name: str, parameters: str, seed: int) -> Instance:

    return family(name, seed=seed, **json.loads(parameters))
