import json
from pathlib import Path

import pytest

from tests.treesim.measure.test_log import record
from treesim import family, save
from treesim.measure import measure_log
from treesim.measure.planning import plan_measured
from treesim.measure.simulation import guided_log, reference_log
from treesim.theory.planning import NOT_GUARANTEED, plan, plan_for

INSTANCE = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.05, seed=1)
THREE = ("--horizon", "8", "--bellman-error", "0.01")


@pytest.fixture
def measured(run):
    record(guided_log(INSTANCE, 32, 400, seed=1), Path("guided.jsonl"), "linear")
    Path("measured.json").write_text(run("measure", "guided.jsonl", "--delta", "0.05", "--json").stdout)
    return "measured.json"


def test_every_option_reaches_the_plan(run):
    document = run.json("plan", *THREE, "--ratio-bound", "1.5", "--delta", "0.05", "--branching", "4")
    found = plan(8, 0.01, 1.5, 0.05, branching=4)
    assert document["rows"] == json.loads(json.dumps(found.document()["rows"]))
    assert document["cheapest"] == {asks: found.cheapest(asks).spec for asks in ("probabilities", "draws")}
    assert (document["horizon"], document["bellman_error"], document["ratio_bound"]) == (8, 0.01, 1.5)
    assert document["delta"] == 0.05 and document["branching"] == 4 and document["observed"] == []
    assert document["draws_at_least"] == 1 and document["not_guaranteed"] == NOT_GUARANTEED
    assert run.json("plan", *THREE)["ratio_bound"] == "Infinity"


def test_people_read_the_cheapest_first(run):
    text = run("plan", "--horizon", 40, "--bellman-error", 0.1, "--ratio-bound", 1.2, "--delta", 0.1).stdout
    found = plan(40, 0.1, 1.2, 0.1)
    for asks, words in (("probabilities", "children listed"), ("draws", "children drawn only")):
        assert f"cheapest, {words}: {found.cheapest(asks).spec}\n" in text
    lines = text.splitlines()
    specs = [line.split("  ")[0] for line in lines[2:15]]
    guaranteed = [m for m in found.methods if m.tv is not None]
    assert specs[: len(guaranteed)] == [m.spec for m in sorted(guaranteed, key=lambda m: (m.asks, m.cost))]
    assert f"fewer than {found.draws_at_least} draws at the root" in text
    assert f"fewer than {found.values_at_least:.4g} values (Theorem 4.2)" in text
    assert all(f"  {name}: {why}" in lines for name, why in NOT_GUARANTEED.items())
    # Where all children are listed a cost is in units of their number, unless that is known.
    assert " B " in text and " B " not in run("plan", *THREE, "--branching", 2).stdout
    assert run("plan", *THREE, "--format", "csv").stdout.startswith("spec,asks,theorem,tv,cost,remark")


def test_an_instance_has_its_own_numbers(run):
    save(INSTANCE, "a.safetensors")
    document = run.json("plan", "a.safetensors", "--delta", "0.2")
    assert document["bellman_error"] == INSTANCE.audit.bellman_error
    assert document["ratio_bound"] == INSTANCE.audit.ratio_bound and document["branching"] == 2
    assert document["cheapest"]["draws"] == plan_for(INSTANCE, 0.2).cheapest("draws").spec
    assert run.json("plan", "a.safetensors", "--branching", "7")["branching"] == 7


def test_a_measured_log_says_what_it_saw(run, measured):
    document = run.json("plan", "--from", measured)
    found = measure_log("guided.jsonl", delta=0.05)
    least, observed = plan_measured(found.document())
    assert document["delta"] == 0.05 and document["horizon"] == 4 and document["measured"] == measured
    assert document["bellman_error"] == found.bellman_error_lower == least.bellman_error
    assert document["ratio_bound"] == found.ratio_bound_seen
    assert document["observed"] == [vars(row) for row in observed]
    sampled, guided, *corrections = document["observed"]
    assert sampled["tv"] is None and f"only TV <= {found.tv_upper.hi:.3g}" in sampled["remark"]
    assert guided["tv"] is None and f"only TV <= {found.average_case_bound.hi:.3g}" in guided["remark"]
    assert [row["spec"] for row in corrections] == [
        f"chebyshev, {found.paths.chebyshev} runs", f"metropolis, {found.paths.metropolis} runs",
        f"importance, {found.paths.importance} runs",
    ]  # fmt: skip
    assert all(row["tv"] == 0.05 for row in corrections)
    # Another delta: what was sampled is near enough, and the log's numbers of paths are for 0.05.
    looser = run.json("plan", "--from", measured, "--delta", "0.5")
    assert looser["observed"][0]["tv"] == found.tv_upper.hi and looser["observed"][2]["tv"] is None
    text = run("plan", "--from", measured).stdout
    assert text.startswith("what the log says of its own runs") and "which the log bounds from below" in text


def test_wrong_inputs_are_named(run, measured):
    for arguments, text in (
        ([], "expected --horizon and --bellman-error, a FILE, or --from MEASURED.json"),
        (["a.safetensors", *THREE], "FILE and --horizon are given, expected one of them"),
        (["a.safetensors", "--ratio-bound", "2"], "--ratio-bound stands beside FILE"),
        (["--from", measured, "--bellman-error", "2"], "--bellman-error stands beside --from"),
        (["--horizon", "3"], "--horizon without --bellman-error"),
        (["--from", "guided.jsonl"], "guided.jsonl is no JSON"),
        (["--from", "none.json"], "none.json does not exist"),
        ([*THREE, "--bellman-error", "inf"], "bellman_error is inf"),
    ):
        assert text in run.error("plan", *arguments)
    Path("list.json").write_text("[1]")
    assert "list.json holds [1]" in run.error("plan", "--from", "list.json")
    Path("other.json").write_text('{"kind": "guided"}')
    assert "it is no measurement" in run.error("plan", "--from", "other.json")
    record(reference_log(INSTANCE, 150, seed=1), Path("traces.jsonl"), "log")
    Path("traces.json").write_text(run("measure", "traces.jsonl", "--json").stdout)
    assert "it is a measurement of plain traces" in run.error("plan", "--from", "traces.json")
    document = json.loads(Path(measured).read_text()) | {"bellman_error_lower": "Infinity"}
    Path("zero.json").write_text(json.dumps(document))
    assert "its Bellman error is infinite" in run.error("plan", "--from", "zero.json")
