import csv
import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest

GRID = """
[[grid]]
family = "product"
samplers = ["sp-gsmc", "smc:particles=2"]
[grid.parameters]
horizon = [2, 3]
ratio = [1.5, 2]
"""


@pytest.fixture
def store(run):
    Path("grid.toml").write_text(GRID)
    assert "8 cells in s.sqlite: 8 computed, 0 were there" in run("sweep", "grid.toml", "-o", "s.sqlite").stdout
    return "s.sqlite"


def test_a_sweep_goes_on(run, store):
    document = run.json("sweep", "grid.toml", "-o", store)
    assert (document["cells"], document["computed"], document["found"]) == (8, 0, 8)


def test_results_in_every_format(run, store):
    assert "smc:particles=2" in run("results", store).stdout
    records = list(csv.DictReader(run("results", store, "--format", "csv").stdout.splitlines()))
    assert len(records) == 8
    assert {record["parameters.ratio"] for record in records} == {"1.5", "2"}
    document = json.loads(run("results", store, "--format", "json").stdout)
    assert [row["tv.lo"] for row in document["rows"]] == [float(record["tv.lo"]) for record in records]
    run("results", store, "--format", "csv", "-o", "r.csv")
    assert len(Path("r.csv").read_text().splitlines()) == 9


def test_the_table_says_why_not_only_where_something_failed(run, store):
    assert run("results", store).stdout.splitlines()[0].split()[-1] == "queries"
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE cells SET result = NULL, error = 'out of memory' WHERE sampler = 'sp-gsmc'")
    connection.close()
    lines = run("results", store).stdout.splitlines()
    assert lines[0].endswith("why not")
    assert sum(line.endswith("out of memory") for line in lines) == 4


@pytest.mark.parametrize(("form", "start"), [("markdown", "| family"), ("latex", "\\begin{tabular}")])
def test_results_for_papers(run, store, form, start):
    text = run("results", store, "--format", form).stdout
    assert text.startswith(start)
    assert text.count("smc:particles=2") == 4


@pytest.mark.parametrize(("name", "start"), [("r.csv", "family,seed"), ("r.json", "{"), ("r.md", "| family"),
                                             ("r.tex", "\\begin"), ("r.txt", "family ")])  # fmt: skip
def test_the_ending_of_a_file_says_its_format(run, store, name, start):
    run("results", store, "-o", name)
    assert Path(name).read_text().startswith(start)


def test_results_as_parquet(run, store):
    parquet = pytest.importorskip("pyarrow.parquet")
    run("results", store, "--format", "parquet", "-o", "r.parquet")
    assert parquet.read_table("r.parquet").num_rows == 8


def test_wrong_input(run, store):
    Path("bad.toml").write_text("[[grid]]\nfamily = 3")
    assert "family is 3" in run.error("sweep", "bad.toml", "-o", "t.sqlite")
    assert not Path("t.sqlite").exists()
    assert "no store of treesim" in run.error("results", "grid.toml")
    assert "give a file" in run.error("results", store, "--format", "parquet")
    assert run.error("sweep", "grid.toml", "-o", "grid.toml")
    assert Path("grid.toml").read_text() == GRID


def test_force_computes_all_again(run, store):
    document = run.json("sweep", "grid.toml", "-o", store, "--force")
    assert (document["cells"], document["computed"], document["found"]) == (8, 8, 0)


MINE = """
import treesim

@treesim.register_sampler("mine")
class Mine:
    def simulate(self, oracle, rng):
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            prefix = {}
        return prefix
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_edited_sampler_is_computed_again(run, jobs):
    Path("grid.toml").write_text(GRID.replace("smc:particles=2", "mine"))
    seen = []
    steps = [("oracle.draw(prefix)", 8), ("oracle.draw(prefix)", 0), ("oracle.children(prefix)[0][0]", 4)]
    for step, computed in steps if jobs == 1 else steps[::2]:
        Path("mine.py").write_text(MINE.format(step))
        document = run.json("--import", "mine.py", "sweep", "grid.toml", "-o", "s.sqlite", "--jobs", jobs)
        assert document["computed"] == computed
        rows = json.loads(run("results", "s.sqlite", "--format", "json").stdout)["rows"]
        assert [row["error"] for row in rows] == [None] * 8
        seen.append([row["tv.lo"] for row in rows if row["sampler"] == "mine"])
    assert seen[0] == seen[-2] != seen[-1]


def test_cells_that_fail_give_exit_code_1_and_are_tried_again(run):
    Path("grid.toml").write_text(GRID.replace("smc:particles=2", "mine"))
    for step, code, computed in (("1 / 0", 1, 8), ("1 / 0", 1, 4), ("oracle.draw(prefix)", 0, 4)):
        Path("mine.py").write_text(MINE.format(step))
        done = run("--import", "mine.py", "sweep", "grid.toml", "-o", "s.sqlite", "--json", code=code)
        document = json.loads(done.stdout)
        assert (document["computed"], document["without_result"]) == (computed, 4 * code)
        if code:
            assert done.stderr == (
                "4 of them failed and will be tried again: sampler 'mine' failed: ZeroDivisionError: division by zero "
                "(mine.py, line 9) ...\n"
            )


def test_many_sweeps_at_once_on_a_new_store_all_succeed(program):
    Path("grid.toml").write_text(GRID)
    processes = [program.start("sweep", "grid.toml", "-o", "s.sqlite") for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, ""), err
        assert out.startswith("8 cells in s.sqlite")


def test_a_locked_store_is_waited_for_with_a_line(program, run, store):
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    process = program.start("sweep", "grid.toml", "-o", store, "--force")
    assert process.stderr.readline() == "waiting: another process has locked s.sqlite\n"
    other.execute("COMMIT")
    other.close()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "8 computed" in out


@pytest.mark.parametrize("size", [0, 1000, 5000, 20_000, 40_000])
def test_a_full_disk_is_one_line_and_loses_nothing(program, run, size):
    Path("grid.toml").write_text(GRID.replace("[2, 3]", "[2, 3, 4, 5, 6]"))
    done = program("sweep", "grid.toml", "-o", "s.sqlite", code=2, disk=size)
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert "cannot" in done.err
    document = run.json("sweep", "grid.toml", "-o", "s.sqlite")
    assert document["computed"] + document["found"] == document["cells"] == 20
    assert (document["found"] > 0) == (size >= 40_000)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_full_disk_leaves_old_results_as_they_were(program, store, form):
    Path("r.out").write_text("old")
    done = program("results", store, "--format", form, "-o", "r.out", code=2, disk=500)
    assert done.err.startswith("Error: cannot write r.out: ")
    assert Path("r.out").read_text() == "old"
    assert {path.name for path in Path().iterdir()} - {"s.sqlite-shm", "s.sqlite-wal"} == {
        "grid.toml", "r.out", "s.sqlite"
    }  # fmt: skip


def test_a_full_disk_leaves_no_half_instance(program):
    done = program("generate", "product", "--horizon", 10, "-o", "a.st", code=2, disk=3000)
    assert done.err.startswith("Error: cannot write a.st: ")
    assert [path.name for path in Path().iterdir()] == []


def test_pipes_and_folders_are_no_stores_and_no_grids(run, store):
    os.mkfifo("pipe")
    for arguments in (("results", "pipe"), ("sweep", "grid.toml", "-o", "pipe"), ("sweep", "pipe", "-o", "t.sqlite")):
        assert "pipe is no regular file" in run.error(*arguments)
    assert "is a folder" in run.error("sweep", "grid.toml", "-o", ".")
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    assert not Path("t.sqlite").exists()


def test_links_are_written_through(run, store):
    Path("link.csv").symlink_to("target.csv")
    run("results", store, "--format", "csv", "-o", "link.csv")
    assert Path("link.csv").is_symlink()
    assert Path("target.csv").read_text().startswith("family")


def test_a_store_of_the_first_format_is_read_only(run, store):
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("CREATE TABLE old AS SELECT key, family, parameters, seed, sampler, runs, version, result, "
                           "error FROM cells")  # fmt: skip
        connection.execute("DROP TABLE cells")
        connection.execute("ALTER TABLE old RENAME TO cells")
    connection.close()
    before = Path(store).read_bytes()
    assert "format 1" in run.error("sweep", "grid.toml", "-o", store)
    assert len(run("results", store, "--format", "csv").stdout.splitlines()) == 9
    assert Path(store).read_bytes() == before


def test_columns_of_many_kinds_as_parquet(run):
    parquet = pytest.importorskip("pyarrow.parquet")
    Path("grid.toml").write_text(
        '[[grid]]\nfamily = "dirichlet"\nsamplers = ["base"]\n[grid.parameters]\nhorizon = 2\n'
        'perturbation = "random-sign"\nepsilon = ["0.5/T", 0.1, 1]\nconcentration = [1, 0.5]\n'
    )
    run("sweep", "grid.toml", "-o", "s.sqlite")
    run("results", "s.sqlite", "--format", "parquet", "-o", "r.parquet")
    table = parquet.read_table("r.parquet").to_pydict()
    assert set(table["parameters.epsilon"]) == {"0.5/T", "0.1", "1"}
    assert set(table["parameters.concentration"]) == {1.0, 0.5}


def test_the_table_has_both_ends_of_an_interval(run):
    Path("one.toml").write_text(
        '[[grid]]\nfamily = "dirichlet"\nsamplers = ["smc:particles=40,resampling=systematic"]\nruns = 100\n'
        "[grid.parameters]\nhorizon = 3\n"
    )
    run("sweep", "one.toml", "-o", "one.sqlite")
    (row,) = json.loads(run("results", "one.sqlite", "--format", "json").stdout)["rows"]
    assert row["tv.lo"] < row["tv.hi"]
    header, _, line = run("results", "one.sqlite").stdout.splitlines()
    assert "TV from" in header
    assert f"{row['tv.hi']:.4g}" in line.split()
