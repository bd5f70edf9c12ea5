"""Sweeps: the same rows to the bit however often they are killed, and stores that are never overwritten."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from treesim import FAMILIES, estimate, family, sampler
from treesim.empirical.measure import measure
from treesim.runtime import user_code
from treesim.studies import spread as spreading
from treesim.studies.grid import Cell, SweepError, read_grid
from treesim.studies.store import COLUMNS, missing, open_store, rows
from treesim.studies.sweep import compute, run

GRID = """
[[grid]]
family = "dirichlet"
samplers = ["sp-gsmc", "importance:n=4", "smc:particles=40,resampling=systematic"]
seeds = [0, 1]
runs = 2000
[grid.parameters]
horizon = [3, 4]
perturbation = "random-sign"
epsilon = ["0.5/T", 0.1]

[[grid]]
family = "hidden-prefix"
samplers = ["sp-gsmc"]
[grid.parameters]
horizon = [3, 6]
epsilon = [1.0, 0.05]
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def contents(path):
    with open_store(path) as store:
        return list(store.execute(f"SELECT {', '.join(COLUMNS)} FROM cells ORDER BY key"))


def finish(grid, path, jobs=1):
    cells = read_grid(grid)
    with open_store(path, create=True) as store:
        return [cell.key for cell in run(missing(cells, store), store, jobs)]


def test_rows_are_what_the_library_says(grid, tmp_path):
    assert len(finish(grid, tmp_path / "a.sqlite")) == 28
    with open_store(tmp_path / "a.sqlite") as store:
        records = rows(store)
    row = next(
        r for r in records if r["sampler"] == "sp-gsmc" and r["parameters.epsilon"] == "0.5/T" and r["seed"] == 1
    )
    parameters = {key.split(".")[1]: value for key, value in row.items() if key.startswith("parameters.")}
    instance = family("dirichlet", seed=1, **parameters)
    assert row["tv.lo"] == sampler("sp-gsmc").law(instance).tv(instance.target).lo
    assert row["bellman_error"] == instance.audit.bellman_error
    assert {r["tv.kind"] for r in records} == {"exact", "estimated", None}
    errors = [r["error"] for r in records if r["error"]]
    assert len(errors) == 2 and "expected at least 2" in errors[0]


def test_processes_give_the_same_rows(grid, tmp_path):
    finish(grid, tmp_path / "one.sqlite")
    finish(grid, tmp_path / "two.sqlite", jobs=2)
    assert contents(tmp_path / "one.sqlite") == contents(tmp_path / "two.sqlite")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_sweep_that_is_killed_goes_on_and_ends_the_same(grid, tmp_path):
    finish(grid, tmp_path / "whole.sqlite")
    path = tmp_path / "killed.sqlite"
    code = "from treesim.cli.main import main; main()"
    arguments = [sys.executable, "-c", code, "sweep", str(grid), "-o", str(path)]
    process = subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
                (done,) = store.execute("SELECT count(*) FROM cells").fetchone()
        except sqlite3.Error:
            continue
        if done >= 3:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = contents(path)
    assert before
    again = finish(grid, path)
    assert len(again) == 28 - len([row for row in before if row[-1] is None])
    assert contents(path) == contents(tmp_path / "whole.sqlite")
    assert len(finish(grid, path)) == 2


def test_cells_are_known_by_what_defines_them(grid):
    cells = read_grid(grid)
    assert len({cell.key for cell in cells}) == len(cells) == 28
    assert compute(cells[0]) == compute(cells[0])
    grid.write_text(GRID + GRID)
    assert read_grid(grid) == cells


def test_results_survive_json(grid, tmp_path):
    finish(grid, tmp_path / "a.sqlite")
    with open_store(tmp_path / "a.sqlite") as store:
        assert json.loads(json.dumps(rows(store))) == rows(store)


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_rows(grid, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    finish(grid, tmp_path / "one.sqlite")
    cells = read_grid(grid)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        open_store(tmp_path / "two.sqlite", create=True) as store,
    ):
        for done, _ in enumerate(run(cells, store, dask=cluster.scheduler_address)):
            if done == 1:
                worker = next(iter(cluster.workers.values()))
                os.kill(worker.process.process.pid, signal.SIGKILL)
    assert contents(tmp_path / "one.sqlite") == contents(tmp_path / "two.sqlite")


MINE = """
import os, signal, treesim

@treesim.register_sampler("mine")
class Mine:
    def simulate(self, oracle, rng):
        {}
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            prefix = oracle.children(prefix)[{}][0]
        return prefix
"""

SMALL = """
[[grid]]
family = "product"
samplers = ["base", "mine"]
runs = 40
[grid.parameters]
horizon = [2, 3]
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes, and imports, a file with a sampler; gives a grid that uses it."""
    monkeypatch.setattr(user_code, "_files", {})
    grid = tmp_path / "small.toml"
    grid.write_text(SMALL)

    def write(first="pass", child=0):
        (tmp_path / "mine.py").write_text(MINE.format(first, child))
        user_code.run_file(tmp_path / "mine.py")
        return grid

    return write


def found_in(path):
    with open_store(path) as store:
        return {(r["sampler"], r["parameters.horizon"]): r for r in rows(store)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_have_the_users_samplers(mine, tmp_path, jobs):
    assert len(finish(mine(), tmp_path / "a.sqlite", jobs)) == 4
    records = found_in(tmp_path / "a.sqlite")
    assert {r["error"] for r in records.values()} == {None}
    assert records["mine", 3]["tv.kind"] == "exact"


def test_a_sampler_that_is_edited_is_run_again_and_its_rows_replaced(mine, tmp_path):
    path = tmp_path / "a.sqlite"
    assert len(finish(mine(child=0), path)) == 4
    before = found_in(path)
    assert finish(mine(child=0), path) == []
    again = finish(mine(child=1), path)
    after = found_in(path)
    assert len(again) == 2 and len(after) == 4
    assert after["base", 2] == before["base", 2]
    assert after["mine", 2]["code"] != before["mine", 2]["code"]
    assert after["mine", 2]["tv.lo"] != before["mine", 2]["tv.lo"]


FAMILY = """
from treesim import family
from treesim.instances.families import register

@register("mine")
def mine(horizon: int, seed: int = 0):
    return family("product", horizon=horizon, ratio={})
"""


def test_a_family_that_is_edited_is_built_again(mine, tmp_path):
    path, grid = tmp_path / "a.sqlite", tmp_path / "family.toml"
    grid.write_text('[[grid]]\nfamily = "mine"\nsamplers = ["base"]\n[grid.parameters]\nhorizon = 2\n')
    try:
        for ratio, bound in ((1.5, 1.5), (1.75, 1.75)):
            (tmp_path / "mine.py").write_text(FAMILY.format(ratio))
            user_code.run_file(tmp_path / "mine.py")
            assert len(finish(grid, path)) == 1
            (record,) = found_in(path).values()
            assert record["ratio_bound"] == pytest.approx(bound)
    finally:
        del FAMILIES["mine"]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("raise KeyError('x')", "sampler 'mine' failed: KeyError: 'x'"),
        ("raise SystemExit(0)", "sampler 'mine' failed: SystemExit: 0"),
        ("oracle.draw(oracle)", "sampler 'mine' failed"),
        ("return 3", "returned 3, expected a complete prefix or None"),
    ],
)
def test_a_cell_that_fails_is_a_row_and_is_tried_again(mine, tmp_path, first, message):
    path = tmp_path / "a.sqlite"
    assert len(finish(mine(first), path)) == 4
    errors = {key: record["error"] for key, record in found_in(path).items()}
    assert errors["base", 2] is errors["base", 3] is None
    assert message in errors["mine", 2] and message in errors["mine", 3]
    assert len(finish(mine(first), path)) == 2
    assert len(finish(mine(), path)) == 2
    assert {record["error"] for record in found_in(path).values()} == {None}


@pytest.mark.parametrize(
    "cell",
    [
        {"parameters": '{"horizon": "x"}'},
        {"parameters": "{}"},
        {"family": "none"},
        {"seed": -1},
        {"sampler": "none"},
        {"sampler": "importance:n=1" + "0" * 400},
        {"version": "0"},
    ],
)
def test_whatever_goes_wrong_in_a_cell_is_in_its_row(cell):
    given = {"family": "product", "parameters": '{"horizon": 2}', "seed": 0, "sampler": "base", "runs": 40}
    *_, result, error = compute(Cell(**{**given, **cell}))
    assert result is None and error and "\n" not in error


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_cell_that_kills_its_process_costs_no_other(mine, tmp_path):
    path = tmp_path / "a.sqlite"
    assert len(finish(mine("os.kill(os.getpid(), signal.SIGKILL)"), path, jobs=2)) == 4
    errors = {key: record["error"] for key, record in found_in(path).items()}
    assert errors["base", 2] is errors["base", 3] is None
    assert "killed by signal 9" in errors["mine", 2] and "killed by signal 9" in errors["mine", 3]
    assert len(finish(mine(), path, jobs=2)) == 2


def on_dask(cells, path, cluster):
    with open_store(path, create=True) as store:
        return [cell.key for cell in run(cells, store, dask=cluster.scheduler_address)]


def test_dask_has_the_users_samplers_and_survives_what_they_do(mine, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    path = tmp_path / "a.sqlite"
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        cluster.scheduler.allowed_failures = 0
        assert len(on_dask(read_grid(mine("os.kill(os.getpid(), signal.SIGKILL)"))[1:2], path, cluster)) == 1
        assert all("Dask gave it up: KilledWorker" in record["error"] for record in found_in(path).values())
        for child in (0, 1):
            assert len(on_dask(read_grid(mine(child=child)), path, cluster)) == 4
            finish(mine(child=child), tmp_path / f"{child}.sqlite")
            assert contents(path) == contents(tmp_path / f"{child}.sqlite")


def test_a_cluster_without_workers_is_told(grid, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    monkeypatch.setattr(spreading, "DASK_DESERTED", 0.1)
    monkeypatch.setattr(spreading, "DASK_PATIENCE", 1.0)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        pytest.raises(SweepError, match="has no workers"),
    ):
        on_dask(read_grid(grid), tmp_path / "a.sqlite", cluster)


@pytest.mark.parametrize("address", ["nonsense", "", "http://x", "a\nb"])
def test_no_cluster_is_told(grid, tmp_path, monkeypatch, address):
    pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    monkeypatch.setattr(spreading, "DASK_PATIENCE", 0.5)
    with open_store(tmp_path / "a.sqlite", create=True) as store, pytest.raises(SweepError, match="no Dask cluster"):
        next(run(read_grid(grid), store, dask=address))


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10, bytes(100), b"", None])
def test_a_server_of_another_kind_is_told(grid, tmp_path, monkeypatch, reply):
    pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    monkeypatch.setattr(spreading, "DASK_PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept()[0])
                    if reply is not None:
                        kept[-1].sendall(reply)
                        kept.pop().close()

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            open_store(tmp_path / "a.sqlite", create=True) as store,
            pytest.raises(SweepError, match="no Dask cluster"),
        ):
            next(run(read_grid(grid), store, dask=address))
        for connection in kept:
            connection.close()


@pytest.mark.parametrize("seed", [0, 3])
def test_runs_have_the_seed_of_their_cell(seed):
    spec = "smc:particles=40,resampling=systematic"
    done = dict(zip(COLUMNS, compute(Cell("dirichlet", '{"horizon": 3}', seed, spec, 300)), strict=True))
    expected = estimate(spec, family("dirichlet", horizon=3, seed=seed), 300, seed).tv
    assert json.loads(done["result"])["tv"] == expected.document()


def test_votes_are_those_of_the_grid(tmp_path, monkeypatch):
    """Of an instance that has answers, by a family of one's own."""

    def asked(horizon: int, seed: int = 0):
        plain = family("dirichlet", horizon=horizon, seed=seed)
        return plain.with_outcomes([str(leaf % 2) for leaf in range(plain.graph.n_leaves)], correct="1")

    monkeypatch.setitem(FAMILIES, "asked", asked)
    grid = tmp_path / "grid.toml"
    table = "[[grid]]\nfamily = 'asked'\nsamplers = ['best-of-n:n=2']\n{}parameters = {{horizon = 3}}\n"
    for line, votes in (("outcomes = [2, 5]\n", (2, 5)), ("", (8,))):
        grid.write_text(table.format(line))
        (cell,) = read_grid(grid)
        found = json.loads(dict(zip(COLUMNS, compute(cell), strict=True))["result"])["outcomes"]
        assert found == measure("best-of-n:n=2", asked(3), votes=votes).worth.document()
        assert [name for name in found if name.startswith("pass")] == [f"pass_at.{k}" for k in votes]
