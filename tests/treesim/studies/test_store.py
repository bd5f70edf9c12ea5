"""Stores: born whole or taken as new, patient with others, and never overwritten where they are not ours."""

import contextlib
import json
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from treesim.studies import store as stores
from treesim.studies.grid import Cell, SweepError
from treesim.studies.store import (
    APPLICATION,
    COLUMNS,
    FORMAT,
    commit,
    failures,
    missing,
    open_store,
    rows,
    settle,
)  # fmt: skip

FIRST = ["key", "family", "parameters", "seed", "sampler", "runs", "version", "result", "error"]

CELL = Cell("product", '{"horizon": 2}', 0, "base", 20)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def row(cell, result='{"tv": {"lo": 0.5, "hi": 0.5, "kind": "exact"}}', error=None):
    asked = (cell.family, cell.parameters, cell.seed, cell.sampler, cell.runs, cell.width, cell.budget, cell.outcomes)
    return (cell.identity, cell.key, *map(str, asked), cell.version, cell.code, result, error)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.sqlite"


@pytest.fixture
def full(path):
    with open_store(path, create=True) as store:
        commit(store, row(CELL))
    return path


def execute(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_row_is_there_again(full):
    with open_store(full) as store:
        (record,) = rows(store)
        assert missing([CELL], store) == []
    assert record["tv.lo"] == 0.5 and record["parameters.horizon"] == 2
    assert (record["width"], record["budget"]) == (CELL.width, CELL.budget)
    assert names(full.parent) == ["s.sqlite"]


def test_other_code_or_another_version_replaces_the_row(full):
    for change in ({"code": "1"}, {"version": "0"}):
        cell = Cell(**{**vars(CELL), **change})
        with open_store(full, create=True) as store:
            assert missing([cell], store) == [cell]
            commit(store, row(cell))
            (record,) = rows(store)
            assert missing([cell], store) == [] and missing([CELL], store) == [CELL]
        assert (record["code"], record["version"]) == (cell.code, cell.version)


def test_errors_are_missing(full):
    with open_store(full, create=True) as store:
        commit(store, row(CELL, None, "it failed"))
        assert missing([CELL], store) == [CELL]
        assert failures([CELL], store) == ["it failed"]
        assert failures([], store) == []


@pytest.mark.parametrize(
    "statements",
    [
        [],
        ["PRAGMA journal_mode = WAL"],
        ["PRAGMA journal_mode = WAL", f"PRAGMA application_id = {APPLICATION}"],
        [f"PRAGMA application_id = {APPLICATION}", "PRAGMA user_version = 1"],
        [f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {FORMAT}"],
    ],
)
def test_what_was_ended_at_its_birth_is_taken_as_new(path, statements):
    execute(path, *statements)
    if not statements:
        path.touch()
    with pytest.raises(SweepError, match="is empty"), open_store(path):
        pass
    with open_store(path, create=True) as store:
        commit(store, row(CELL))
    with open_store(path) as store:
        assert len(rows(store)) == 1


def test_a_birth_that_fails_on_the_way_can_be_had_again(path, monkeypatch):
    execute_ = stores.Store.execute

    def fail(self, statement, values=()):
        if statement.startswith("CREATE"):
            raise sqlite3.OperationalError("database or disk is full")
        return execute_(self, statement, values)

    monkeypatch.setattr(stores.Store, "execute", fail)
    with pytest.raises(SweepError), open_store(path, create=True):
        pass
    monkeypatch.undo()
    with open_store(path, create=True) as store:
        commit(store, row(CELL))


def test_many_births_at_once_are_one(path):
    problems = []
    barrier = threading.Barrier(8)

    def make(n):
        barrier.wait()
        try:
            with open_store(path, create=True) as store:
                commit(store, row(Cell("product", '{"horizon": 2}', n, "base", 20)))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with open_store(path) as store:
        assert [record["seed"] for record in rows(store)] == list(range(8))


def test_births_that_meet_do_not_wait_for_each_other(path, monkeypatch):
    """Both have seen an empty file before either makes it a store."""
    monkeypatch.setattr(stores, "PATIENCE", 5.0)
    barrier, problems, looks = threading.Barrier(2), [], threading.local()
    is_unfinished = stores._is_unfinished

    def look(store):
        answer = is_unfinished(store)
        looks.count = getattr(looks, "count", 0) + 1
        if looks.count == 2:
            # They meet only where a transaction does not keep others out.
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(0.5)
        return answer

    monkeypatch.setattr(stores, "_is_unfinished", look)

    def make():
        try:
            with open_store(path, create=True):
                pass
        except SweepError as error:
            problems.append(error)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_locked_store_is_waited_for_and_that_is_told(full, monkeypatch):
    monkeypatch.setattr(stores, "ATTEMPT", 0.01)
    monkeypatch.setattr(stores, "QUIET", 0.0)
    other = sqlite3.connect(full, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    told = []

    def tell(words):
        told.append(words)
        other.execute("COMMIT")

    with open_store(full, create=True) as store:
        commit(stores.Store(full, store.connection, tell=tell), row(CELL))
    assert told == [f"waiting: another process has locked {full}"]
    other.close()


def test_a_store_that_stays_locked_is_given_up_in_one_sentence(full, monkeypatch):
    monkeypatch.setattr(stores, "ATTEMPT", 0.01)
    monkeypatch.setattr(stores, "PATIENCE", 0.1)
    other = sqlite3.connect(full, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with open_store(full, create=True) as store, pytest.raises(SweepError, match="locked by another process"):
        commit(store, row(CELL))
    other.execute("COMMIT")
    other.close()


@pytest.fixture
def first_format(path):
    values = (CELL.key, "product", '{"horizon": 2}', "0", "base", "20", "0.0.9", '{"tv": {"lo": 0.25}}', None)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("PRAGMA user_version = 1")
        columns = ", ".join(f"{name} TEXT" for name in FIRST[1:])
        connection.execute(f"CREATE TABLE cells (key TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
        connection.execute(f"INSERT INTO cells VALUES ({', '.join('?' * 9)})", values)
    connection.close()
    return path


def test_stores_of_the_first_format_are_read_and_not_written(first_format):
    before = first_format.read_bytes()
    with open_store(first_format) as store:
        (record,) = rows(store)
    assert (record["tv.lo"], record["version"], record["code"], record["width"]) == (0.25, "0.0.9", None, None)
    with pytest.raises(SweepError, match=r"format 1, .*choose a new name"), open_store(first_format, create=True):
        pass
    assert first_format.read_bytes() == before


def test_stores_of_the_second_format_are_read_and_not_written(full):
    """They lack what votes were asked."""
    execute(full, "ALTER TABLE cells DROP COLUMN outcomes", "PRAGMA user_version = 2")
    with open_store(full) as store:
        (record,) = rows(store)
    assert (record["tv.lo"], record["width"], record["code"]) == (0.5, CELL.width, "")
    with pytest.raises(SweepError, match=r"format 2, .*choose a new name"), open_store(full, create=True):
        pass


FOREIGN = [
    (["CREATE TABLE mine (x)"], "no store of treesim"),
    (["PRAGMA user_version = 7"], "no store of treesim"),
    ([f"PRAGMA application_id = {APPLICATION}", "PRAGMA user_version = 99"], "format 99"),
    (
        [f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {FORMAT}", "CREATE TABLE mine (x)"],
        "not that of",
    ),
    (
        [f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {FORMAT}", "CREATE TABLE cells (x)"],
        "not that of",
    ),
]


@pytest.mark.parametrize(("statements", "message"), FOREIGN)
@pytest.mark.parametrize("create", [False, True])
def test_what_is_not_ours_is_left_as_it_is(path, statements, message, create):
    execute(path, *statements)
    before = path.read_bytes()
    with pytest.raises(SweepError, match=message), open_store(path, create):
        pass
    assert path.read_bytes() == before
    assert names(path.parent) == ["s.sqlite"]


DAMAGED_ROWS = [
    "result = 'x'", "result = '[]'", "result = '{\"tv\": 3}'", "result = '{\"tv\": {\"lo\": \"x\"}}'",
    "result = '{\"tv\": {\"kind\": 3}}'", "result = '{\"kl\": []}'", "result = '{\"cost\": {\"value_queries\": true}}'",
    f"result = '{'[' * 50_000}'", "parameters = NULL", "parameters = '[1]'", "parameters = '{'", "seed = 'x'",
    "seed = NULL", "runs = NULL", "runs = x'ff'", "width = 'wide'", "error = x'ff'", "result = CAST(x'ff' AS TEXT)",
    "parameters = x'00'", "version = 3.5e300 || x'ff'",
]  # fmt: skip


@pytest.mark.parametrize("change", DAMAGED_ROWS, ids=lambda change: change[:40])
def test_damaged_rows_are_one_sentence(full, change):
    execute(full, f"UPDATE cells SET {change}")
    with pytest.raises(SweepError, match="damaged"), open_store(full) as store:
        rows(store)


def test_damaged_files_are_one_sentence(full):
    """Every byte of the head, and many others, changed or cut off: an answer or one sentence."""
    whole = full.read_bytes()
    path = full.parent / "damaged.sqlite"
    refused = 0
    for place in [*range(0, 110), *range(110, len(whole), 97)]:
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            for create in (False, True):
                for name in names(full.parent):
                    if name.startswith("damaged"):
                        (full.parent / name).unlink()
                path.write_bytes(content)
                try:
                    with open_store(path, create) as store:
                        rows(store)
                        if create:
                            commit(store, row(CELL))
                            missing([CELL], store)
                except SweepError as error:
                    refused += 1
                    assert "\n" not in str(error)
    assert refused > 200


def test_text_files_are_left_as_they_are(path):
    path.write_text("not a store at all " * 100)
    for create in (False, True):
        with pytest.raises(SweepError, match="no store of treesim, or damaged"), open_store(path, create):
            pass
    assert path.read_text() == "not a store at all " * 100


@pytest.mark.parametrize("create", [False, True])
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path, create):
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("pipe", "no regular file"), (".", "a folder"), ("x" * 300, "cannot be opened")):
        with pytest.raises(SweepError, match=message), open_store(tmp_path / name, create):
            pass
    with pytest.raises(SweepError, match=r"does not exist|no folder"), open_store(tmp_path / "none" / "s", create):
        pass
    assert names(tmp_path) == ["pipe"]


def test_links_are_followed(tmp_path, full):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/new.sqlite")
    with open_store(tmp_path / "link", create=True) as store:
        commit(store, row(CELL))
    assert names(tmp_path / "there") == ["new.sqlite"]
    assert (tmp_path / "link").is_symlink()


def test_a_store_is_read_where_nothing_can_be_written(full):
    """As on a medium that can only be read: SQLite's own file beside it cannot be made."""
    Path(f"{full}-shm").mkdir()
    with open_store(full) as store:
        assert len(rows(store)) == 1


def test_all_rows_can_be_moved_into_the_one_file(path, tmp_path):
    with open_store(path, create=True) as store:
        commit(store, row(CELL))
        other = Cell("product", '{"horizon": 2}', 1, "base", 20)
        assert settle(path, [CELL, other]) == 1
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(path.read_bytes())
        with open_store(copy) as copied:
            assert len(rows(copied)) == 1


def test_columns_have_the_order_that_rows_have(full):
    with open_store(full) as store:
        assert store.execute(f"SELECT {', '.join(COLUMNS)} FROM cells") == [row(CELL)]


def test_a_record_has_every_figure_under_its_name(path):
    figures = {
        "tv": {"lo": 0.25, "hi": 0.5, "kind": "certified"}, "kl": 1.0, "chi2": 2.0, "expected_reward": 3.0,
        "cost": {"reference_draws": 4.0, "value_queries": 5.0}, "horizon": 6, "bellman_error": 7.0, "ratio_bound": 8.0,
        "log_partition": 9.0,
    }  # fmt: skip
    with open_store(path, create=True) as store:
        commit(store, row(CELL, json.dumps(figures)))
        (record,) = rows(store)
    flat = {f"tv.{key}": value for key, value in figures.pop("tv").items()} | figures.pop("cost") | figures
    assert {key: record[key] for key in flat} == flat
    assert (record["width"], record["budget"], record["runs"]) == (CELL.width, CELL.budget, CELL.runs)
