"""Stores: one SQLite file, one committed row a cell."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from treesim.studies.grid import Cell, SweepError
from treesim.tables import Records

# "tree" in ASCII: marks a SQLite file as a store of ours.
APPLICATION = 0x74726565

FORMAT = 3

_MAGIC = b"SQLite format 3\0"

COLUMNS = (
    "cell", "key", "family", "parameters", "seed", "sampler", "runs", "width", "budget", "outcomes", "version", "code",
    "result", "error",
)  # fmt: skip
# What rows of older formats do not say.
_LACK = {1: ("cell", "width", "budget", "outcomes", "code"), 2: ("outcomes",), FORMAT: ()}

# Seconds: of one attempt at a locked store, between two, until a person is told, until it is given up.
ATTEMPT, PAUSE, QUIET, PATIENCE = 1.0, 0.05, 2.0, 600.0

# Names in a damaged file may be no texts.
_DAMAGE = (sqlite3.Error, UnicodeDecodeError)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNWRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)

Answer = TypeVar("Answer")
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes
    ----------
    path : Path
    connection : sqlite3.Connection
    columns : tuple of str
        Those that its format has.
    tell : callable
        Is told when others have locked it.
    """

    path: Path
    connection: sqlite3.Connection
    columns: tuple[str, ...] = COLUMNS
    tell: Tell = lambda _: None

    def execute(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement; waits while others have locked the store.

        Raises
        ------
        SweepError
            If they have for ten minutes.
        """
        given = tuple(values)
        return self._patiently(lambda: self.connection.execute(statement, given).fetchall())

    def _patiently(self, act: Callable[[], Answer]) -> Answer:
        start, told = time.monotonic(), False
        while True:
            try:
                return act()
            except sqlite3.OperationalError as error:
                if _code(error) not in _LOCKED:
                    raise
            # Where SQLite fears a deadlock it does not wait itself.
            time.sleep(PAUSE)
            waited = time.monotonic() - start
            if waited > PATIENCE:
                raise SweepError(f"{self.path} has been locked by another process for {waited:.0f} s; try again later")
            if waited > QUIET and not told:
                self.tell(f"waiting: another process has locked {self.path}")
                told = True


@contextmanager
def open_store(path: Path, create: bool = False, tell: Tell = lambda _: None) -> Iterator[Store]:
    """A store, checked: SQLite in WAL mode, one row a cell.

    Parameters
    ----------
    path : Path
    create : bool
        To add rows: made if there is none, or only the beginning of one. Stores of an older format can only be read.
    tell : callable
        Is told when others have locked it.

    Raises
    ------
    SweepError
        If the file is no store of ours, of another format, or damaged. It is never overwritten.
    """
    _check_path(path, create)
    try:
        connection = _connected(path, create)
    except sqlite3.Error as error:
        raise _refusal(path, error) from None
    with closing(connection):
        store = Store(path, connection, tell=tell)
        try:
            if _is_unfinished(store):
                if not create:
                    raise SweepError(f"{path} is empty: no sweep has written to it")
                _make(store)
            store = _checked(store, create)
        except _DAMAGE as error:
            raise _refusal(path, error) from None
        try:
            yield store
        except _DAMAGE as error:
            raise _refusal(path, error) from None


def is_store(path: Path) -> bool:
    """Whether a file looks like a store: it is SQLite's."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def missing(cells: list[Cell], store: Store) -> list[Cell]:
    """The cells that have no result yet, by the same code and version; those whose row is an error among them."""
    known = {key for (key,) in store.execute("SELECT key FROM cells WHERE error IS NULL")}
    return [cell for cell in cells if cell.key not in known]


def failures(cells: list[Cell], store: Store) -> list[str]:
    """Why cells have no result, one text a row."""
    keys = {cell.key for cell in cells}
    return [
        error for key, error in store.execute("SELECT key, error FROM cells WHERE error IS NOT NULL") if key in keys
    ]


def rows(store: Store) -> Records:
    """All rows as flat records, in the order of what defines them: parameters as ``parameters.NAME``.

    Raises
    ------
    SweepError
        If a row is damaged.
    """
    order = "family, parameters, CAST(seed AS INTEGER), sampler, CAST(runs AS INTEGER)"
    records = Records()
    for number, row in enumerate(store.execute(f"SELECT {', '.join(store.columns)} FROM cells ORDER BY {order}")):
        try:
            records.append(_record(dict(zip(store.columns, row, strict=True))))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise SweepError(
                f"{store.path} is damaged: row {number + 1} holds no result of a sweep ({error})"
            ) from None
    return records


def results(path: Path | str) -> Records:
    r"""What a sweep has found so far: the rows of its store, as flat records.

    Raises
    ------
    SweepError
        If the file is no store of ours, or damaged.

    Examples
    --------
    >>> from treesim.studies.sweep import read_grid, run
    >>> grid = Path("grid.toml")
    >>> _ = grid.write_text("[[grid]]\nfamily = 'product'\nsamplers = ['sp-gsmc']\nparameters = {horizon = [2, 3]}\n")
    >>> with open_store(Path("s.sqlite"), create=True) as store:
    ...     finished = list(run(read_grid(grid), store))
    >>> [record["parameters.horizon"] for record in results("s.sqlite")]
    [2, 3]
    """
    with open_store(Path(path)) as store:
        return rows(store)


def commit(store: Store, row: tuple[Any, ...]) -> None:
    """Make a row safe; it replaces the one that other code or another version gave for the same cell."""
    try:
        store.execute(f"INSERT OR REPLACE INTO cells VALUES ({', '.join('?' * len(COLUMNS))})", row)
    except sqlite3.Error as error:
        raise SweepError(
            f"cannot write to {store.path}: {error}; the rows so far are safe, the same command goes on from there"
        ) from None


def settle(path: Path, cells: list[Cell]) -> int:
    """How many cells have a result, asked by a connection of its own that also moves all rows into the one file."""
    with closing(sqlite3.connect(path, timeout=ATTEMPT, isolation_level=None)) as connection:
        waiting = missing(cells, Store(path, connection))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return len(cells) - len(waiting)


def _check_path(path: Path, create: bool) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        if not create:
            raise SweepError(f"{path} does not exist") from None
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise SweepError(f"cannot write {path}: there is no folder {folder}") from None
        return
    except OSError as error:
        raise SweepError(f"{path} cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise SweepError(f"{path} is {what}, expected a SQLite file; it was left as it is")


def _connected(path: Path, create: bool) -> sqlite3.Connection:
    """A connection whose every statement is a transaction of its own."""
    connection = sqlite3.connect(path, timeout=ATTEMPT, isolation_level=None)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        # To read, SQLite writes a file beside it; where it cannot, and nobody else has written, it need not.
        journal = Path(f"{os.path.realpath(path)}-wal")
        if create or _code(error) not in _UNWRITABLE or (journal.exists() and journal.stat().st_size):
            if _code(error) in _LOCKED:
                return connection
            connection.close()
            raise
        connection.close()
        return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _state(store: Store) -> tuple[int, int, int]:
    """Whose it is, of which format, and how many things it holds."""
    numbers = [
        store.execute(query)[0][0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    ]
    return numbers[0], numbers[1], numbers[2]


def _is_unfinished(store: Store) -> bool:
    """Whether it is empty, or a store that was ended at its birth."""
    application, version, things = _state(store)
    return application in (0, APPLICATION) and version in range(FORMAT + 1) and not things


def _make(store: Store) -> None:
    """Make an empty file a store, in one transaction; of several that try at once one does."""
    columns = ", ".join(f"{name} TEXT" for name in COLUMNS[1:])
    store.execute("BEGIN IMMEDIATE")
    try:
        if _is_unfinished(store):
            store.execute(f"PRAGMA application_id = {APPLICATION}")
            store.execute(f"PRAGMA user_version = {FORMAT}")
            store.execute(f"CREATE TABLE cells (cell TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
        store.execute("COMMIT")
    except BaseException:
        if store.connection.in_transaction:
            store.connection.execute("ROLLBACK")
        raise


def _checked(store: Store, create: bool) -> Store:
    path = store.path
    application, version, _ = _state(store)
    if application != APPLICATION:
        raise SweepError(f"{path} is a SQLite file, but no store of treesim; it was left as it is")
    if version not in _LACK:
        raise SweepError(f"{path} is a store of format {version}, expected {FORMAT}; it was left as it is")
    if version != FORMAT and create:
        raise SweepError(
            f"{path} is a store of format {version}, whose rows do not say all that gave them: choose a new name "
            "(treesim results still reads it); it was left as it is"
        )
    columns = tuple(name for name in COLUMNS if name not in _LACK[version])
    ((state,),) = store.execute("PRAGMA quick_check(1)")
    if state != "ok":
        raise SweepError(f"{path} is damaged: {state.splitlines()[-1]}; it was left as it is")
    if tuple(row[1] for row in store.execute("PRAGMA table_info(cells)")) != columns:
        raise SweepError(f"{path} is damaged: its table is not that of a store; it was left as it is")
    if create:
        store.execute("PRAGMA journal_mode = WAL")
    return Store(path, store.connection, columns, store.tell)


def _refusal(path: Path, error: Exception) -> SweepError:
    if _code(error) in _UNWRITABLE:
        return SweepError(f"cannot use {path}: {error}")
    return SweepError(f"{path} is no store of treesim, or damaged ({error}); it was left as it is")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    result = json.loads(row["result"]) if row["result"] else {}
    tv, cost = result.get("tv") or {}, result.get("cost") or {}
    record: dict[str, Any] = {"family": str(row["family"]), "seed": int(row["seed"]), "sampler": str(row["sampler"])}
    record |= {f"parameters.{key}": value for key, value in json.loads(row["parameters"]).items()}
    record |= {f"tv.{key}": tv.get(key) for key in ("lo", "hi", "kind")}
    record |= {key: _number(result.get(key)) for key in ("kl", "chi2", "expected_reward")}
    record |= {key: _number(cost.get(key)) for key in ("reference_draws", "value_queries")}
    record |= {key: _number(result.get(key)) for key in ("horizon", "bellman_error", "ratio_bound", "log_partition")}
    _number(record["tv.lo"]), _number(record["tv.hi"])
    for name, quantity in (result.get("outcomes") or {}).items():
        record |= {f"outcomes.{name}.{end}": _number((quantity or {}).get(end)) for end in ("lo", "hi")}
        record[f"outcomes.{name}.kind"] = (quantity or {}).get("kind")
    effort = {key: None if row.get(key) is None else float(row[key]) for key in ("width", "budget")}
    about = {key: row.get(key) for key in ("version", "code", "error")}
    if not all(value is None or isinstance(value, str) for value in (record["tv.kind"], *about.values())):
        raise ValueError("a text is none")
    return record | {"runs": int(row["runs"])} | effort | about


def _number(value: Any) -> float | int | None:
    if value is not None and type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return value
