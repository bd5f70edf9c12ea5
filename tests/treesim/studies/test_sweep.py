"""Sweeps: the same rows to the bit however often they are killed, and stores that are never overwritten."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from treesim import SpecError, family, sampler
from treesim.studies.grid import SweepError, read_grid
from treesim.studies.store import COLUMNS, missing, open_store, rows
from treesim.studies.sweep import compute, run, run_on_dask

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
        found = rows(store)
    row = next(r for r in found if r["sampler"] == "sp-gsmc" and r["parameters.epsilon"] == "0.5/T" and r["seed"] == 1)
    parameters = {key.split(".")[1]: value for key, value in row.items() if key.startswith("parameters.")}
    instance = family("dirichlet", seed=1, **parameters)
    assert row["tv.lo"] == sampler("sp-gsmc").law(instance).tv(instance.target).lo
    assert row["bellman_error"] == instance.audit.bellman_error
    assert {r["tv.kind"] for r in found} == {"exact", "estimated", None}
    errors = [r["error"] for r in found if r["error"]]
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
    assert len(again) == 28 - len(before)
    assert contents(path) == contents(tmp_path / "whole.sqlite")
    assert finish(grid, path) == []


def test_cells_are_known_by_what_defines_them(grid):
    cells = read_grid(grid)
    assert len({cell.key for cell in cells}) == len(cells) == 28
    assert compute(cells[0]) == compute(cells[0])
    grid.write_text(GRID + GRID)
    assert read_grid(grid) == cells


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grid = 3", "expected one table"),
        ("[[grid", "cannot be read as TOML"),
        ("[[grid]]\nfamily = 'luck'\nsamplers = ['base']", "family is 'luck'"),
        ("[[grid]]\nfamily = 'product'\nsamplers = []", "expected a list of specs"),
        ("[[grid]]\nfamily = 'product'\nsamplers = ['base']\nseed = 3", "unknown key 'seed'"),
        ("[[grid]]\nfamily = 'product'\nsamplers = ['base']\nseeds = [-1]", "seeds is"),
        ("[[grid]]\nfamily = 'product'\nsamplers = ['base']\nruns = 3", "runs is 3"),
    ],
)
def test_wrong_grids_are_refused(grid, text, message):
    grid.write_text(text)
    with pytest.raises(SweepError, match=message):
        read_grid(grid)


def test_a_wrong_sampler_is_refused_before_anything_runs(grid):
    grid.write_text("[[grid]]\nfamily = 'product'\nsamplers = ['luck']")
    with pytest.raises(SpecError, match="unknown sampler 'luck'"):
        read_grid(grid)


def test_foreign_and_damaged_files_are_left_as_they_are(tmp_path, grid):
    text = tmp_path / "notes.txt"
    text.write_text("not a store at all " * 100)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    finish(grid, tmp_path / "good.sqlite")
    damaged = tmp_path / "damaged.sqlite"
    whole = (tmp_path / "good.sqlite").read_bytes()
    damaged.write_bytes(whole[:4096] + b"\x00" * (len(whole) - 4096))
    newer = tmp_path / "newer.sqlite"
    newer.write_bytes(whole)
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    for path, message in (
        (text, "no store of treesim, or damaged"), (other, "no store of treesim"), (damaged, "damaged"),
        (newer, "format 99"),
    ):  # fmt: skip
        before = path.read_bytes()
        with pytest.raises(SweepError, match=message), open_store(path, create=True):
            pass
        assert path.read_bytes() == before
    with pytest.raises(SweepError, match="does not exist"), open_store(tmp_path / "none.sqlite"):
        pass


def test_results_survive_json(grid, tmp_path):
    finish(grid, tmp_path / "a.sqlite")
    with open_store(tmp_path / "a.sqlite") as store:
        assert json.loads(json.dumps(rows(store))) == rows(store)


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_rows(grid, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    finish(grid, tmp_path / "one.sqlite")
    cells = read_grid(grid)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        open_store(tmp_path / "two.sqlite", create=True) as store,
    ):
        for done, _ in enumerate(run_on_dask(cells, store, cluster.scheduler_address)):
            if done == 1:
                worker = next(iter(cluster.workers.values()))
                os.kill(worker.process.process.pid, signal.SIGKILL)
    assert contents(tmp_path / "one.sqlite") == contents(tmp_path / "two.sqlite")


def test_no_cluster_is_told(grid, tmp_path):
    pytest.importorskip("distributed", reason="needs the extra treesim[dask]")
    with open_store(tmp_path / "a.sqlite", create=True) as store, pytest.raises(SweepError, match="no Dask cluster"):
        next(run_on_dask(read_grid(grid), store, "nonsense"))
