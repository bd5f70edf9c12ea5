"""Stores: one SQLite file, one committed row a cell."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from treesim.studies.grid import Cell, SweepError

# "tree" in ASCII: marks a SQLite file as a store of ours.
APPLICATION = 0x74726565

FORMAT = 1

COLUMNS = ("key", "family", "parameters", "seed", "sampler", "runs", "version", "result", "error")


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


def commit(store: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    """Make a row safe."""
    with store:
        store.execute(f"INSERT OR REPLACE INTO cells VALUES ({', '.join('?' * len(COLUMNS))})", row)
