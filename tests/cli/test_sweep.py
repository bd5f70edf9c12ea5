import csv
import json
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
