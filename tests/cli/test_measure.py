import json
from pathlib import Path

import numpy as np
import pytest

from tests.treesim.measure.test_log import record
from treesim import family
from treesim.measure import measure_log, read_log
from treesim.measure.simulation import guided_log, reference_log

INSTANCE = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.2, seed=1)


@pytest.fixture
def guided(run):
    record(guided_log(INSTANCE, 4, 100, seed=1), Path("guided.jsonl"), "linear")
    return "guided.jsonl"


@pytest.fixture
def traces(run):
    record(reference_log(INSTANCE, 150, seed=1), Path("traces.jsonl"), "log")
    return "traces.jsonl"


def test_json_has_what_the_library_measures(run, guided):
    document = run.json("measure", guided, "--delta", "0.2", "--level", 0.9, "--seed", 3)
    found = measure_log(guided, delta=0.2, level=0.9, seed=3)
    assert document["runs"] == 100 and document["file"] == guided
    assert [row["step"] for row in document["steps"]] == [0, 1, 2]
    for row, step in zip(document["steps"], found.steps, strict=True):
        assert row["visits"] == 100
        assert row["mean_square"] == {"estimate": step.mean_square.estimate, "lo": step.mean_square.lo,
                                      "hi": step.mean_square.hi}  # fmt: skip
    assert document["bellman_error_lower"] == found.bellman_error_lower
    assert document["ratio_bound_seen"] == found.ratio_bound_seen
    assert set(document["average_case_bound"]) == {"estimate", "lo", "hi"}
    assert document["tv_upper"] == {"estimate": found.tv_upper.estimate, "hi": found.tv_upper.hi, "level": 0.9}
    assert document["ess"] == found.ess.estimate and document["acceptance"] == found.acceptance.estimate
    assert document["intervals"]["ess"]["lo"] == found.ess.lo
    assert document["paths"] == {"chebyshev": found.paths.chebyshev, "metropolis": found.paths.metropolis,
                                 "importance": found.paths.importance}  # fmt: skip
    # One length: nothing to compare.
    assert document["trend"]["by_length"] is None and document["trend"]["by_step"]["lo"] < 0.5


def test_every_option_reaches_the_measurement(run, guided):
    plain = run.json("measure", guided)
    assert plain["level"] == 0.95 and plain["delta"] == 0.1
    assert run.json("measure", guided, "--delta", 0.01)["paths"] != plain["paths"]
    assert run.json("measure", guided, "--level", 0.5)["tv_upper"]["hi"] < plain["tv_upper"]["hi"]
    assert run.json("measure", guided, "--seed", 1)["intervals"] != plain["intervals"]
    assert run.json("measure", guided, "--chi-square", 9)["tv_upper"]["hi"] > plain["tv_upper"]["hi"]
    rows = [json.loads(line) for line in Path(guided).read_text().splitlines()]
    logs = [row | {"value": np.log(row["value"]), "pool": np.log(row["pool"]).tolist()} for row in rows]
    Path("logs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in logs))
    logged = run.json("measure", "logs.jsonl", "--scale", "log")
    assert logged["tv_upper"]["hi"] == pytest.approx(plain["tv_upper"]["hi"])
    assert "line 101: value has -" in run.error("measure", "logs.jsonl")


def test_tables_say_it_in_words(run, guided, traces):
    text = run("measure", guided, "--plot", "guided.png").stdout
    found = measure_log(guided)
    for words in ("mean square", "by plug-in", "TV to the target, at most", "importance resampling", "effective runs"):
        assert words in text
    assert f"at most {found.tv_upper.hi:.4g}" in text and Path("guided.png").stat().st_size > 10_000
    text = run("measure", traces, "--plot", "traces.svg").stdout
    found = measure_log(traces)
    assert f"at least {found.calibration.mean_error_lower:.4g}" in text and "<svg" in Path("traces.svg").read_text()
    lines = run("measure", guided, "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("step,visits,mean_square.estimate,mean_square.lo,mean_square.hi") and len(lines) == 4


def test_traces_have_cells_and_no_weights(run, traces):
    document = run.json("measure", traces)
    for key in ("average_case_bound", "tv_upper", "ess", "acceptance", "paths"):
        assert document[key] is None, key
    assert document["kind"] == "traces" and sum(cell["visits"] for cell in document["cells"]) == 450
    assert document["steps"][0]["mean_square"] is None and "lo" in document["steps"][0]["drift"]
    assert read_log(traces).is_guided is False
    assert "which have no weights that chi_square could bound" in run.error("measure", traces, "--chi-square", 1)


def test_what_a_reader_must_know_stands_on_stderr(run, guided):
    assert run("measure", guided).stderr == ""
    lines = Path(guided).read_text().splitlines(keepends=True)
    Path("few.jsonl").write_text("".join(line for line in lines if json.loads(line)["run"] < 6))
    assert "6 runs are few: intervals are rough" in run("measure", "few.jsonl").stderr
    Path("one.jsonl").write_text("".join(line for line in lines if json.loads(line)["run"] == 6))
    assert "one.jsonl has one run, and intervals are from differences between runs" in run.error("measure", "one.jsonl")
    assert "chi_square is inf, expected a positive number" in run.error("measure", guided, "--chi-square", "inf")
    assert "none.jsonl does not exist" in run.error("measure", "none.jsonl")
    assert "expected .png, .pdf or .svg" in run.error("measure", guided, "--plot", "x.txt")
