import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from treesim import load, sampler, unroll

SPECS = [
    "base",
    "best-of-n:n=16",
    "soft-best-of-n:n=16,temperature=0.5",
    "importance:n=16",
    "rejection:budget=64",
    "beam:width=4",
    "sp-gsmc",
    "sp-gsmc:pool=8",
]


def test_inspect_has_the_promised_keys(run, instance):
    document = run.json("inspect", instance)
    assert set(document) >= {
        "horizon", "nodes", "edges", "log2_paths", "log_partition", "bellman_error", "ratio_bound", "family",
        "parameters", "seed",
    }  # fmt: skip
    assert set(document["bellman_error"]) >= {"sup", "level", "by_level"}
    assert set(document["bellman_error"]["by_level"]) == {"sup", "mean_reference", "mean_target"}
    assert all(len(column) == 4 for column in document["bellman_error"]["by_level"].values())
    assert document["bellman_error"]["sup"] == pytest.approx(0.1, abs=1e-12)
    assert (document["horizon"], document["nodes"], document["edges"], document["log2_paths"]) == (4, 31, 30, 4.0)


def test_inspect_speaks_to_people(run, instance):
    text = run("inspect", instance).stdout
    assert "Bellman error  0.1, attained at node" in text
    assert "log Z" in text


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_inspect_draws(run, instance, ending):
    run("inspect", instance, "--plot", f"figure.{ending}")
    head = Path(f"figure.{ending}").read_bytes()[:5]
    assert head.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending])


def test_inspect_draws_large_trees_and_dead_ends_too(run):
    run("generate", "uniform", "--horizon", 8, "--reward", "sparse:share=0.05", "-o", "big.st")
    run("inspect", "big.st", "--plot", "big.png")
    run("generate", "uniform", "--horizon", 3, "--reward", "sparse:share=0.05", "-o", "small.st")
    run("inspect", "small.st", "--plot", "small.png")
    assert Path("small.png").stat().st_size > 10_000


def test_tv_has_one_row_a_sampler(run, instance):
    rows = run.json("tv", instance, *SPECS)["rows"]
    assert [row["sampler"] for row in rows] == SPECS
    loaded = load(instance)
    for row in rows:
        assert set(row) >= {"sampler", "tv", "kl", "chi2", "expected_reward", "cost", "bound"}
        assert row["tv"]["lo"] == row["tv"]["hi"]
        assert row["tv"]["kind"] == "exact"
        assert row["tv"]["lo"] == sampler(row["sampler"]).law(loaded).tv(loaded.target).lo
        assert set(row["cost"]) == {"reference_draws", "value_queries"}
        if row["sampler"] == "sp-gsmc":
            assert row["bound"]["theorem"] == "4.3"
            assert row["bound"]["value"] == pytest.approx(2 * 4 * 0.1)
            assert row["tv"]["hi"] <= row["bound"]["sharp"]
        else:
            assert row["bound"] is None


def test_tv_speaks_to_people(run, instance):
    lines = run("tv", instance, *SPECS).stdout.splitlines()
    assert len(lines) == 2 + len(SPECS)
    assert lines[0].split() == [
        "sampler",
        "TV",
        "kind",
        "KL",
        "chi^2",
        "E",
        "reward",
        "draws",
        "queries",
        "TV",
        "at",
        "most",
    ]


def test_infinite_divergences_are_valid_json(run):
    run("generate", "uniform", "--horizon", 3, "--reward", "sparse:share=0.2", "-o", "s.st")
    row, beam = run.json("tv", "s.st", "base", "beam:width=1")["rows"]
    assert row["kl"] == row["chi2"] == "Infinity"
    assert beam["kl_from_target"] in ("Infinity", 0.0)


def test_sample_writes_csv_to_stdout_and_file(run, instance):
    text = run("sample", instance, "sp-gsmc", "-n", 20, "--seed", 1).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 20
    loaded = load(instance)
    for row in rows:
        leaf = int(row["leaf"])
        assert row["choices"] == "-".join(map(str, loaded.graph.choices(leaf)))
        assert float(row["log_reward"]) == loaded.log_reward[leaf]
    run("sample", instance, "sp-gsmc", "-n", 20, "--seed", 1, "-o", "out.csv")
    assert Path("out.csv").read_text() == text


def test_sample_writes_npz_and_json_with_the_same_leaves(run, instance):
    run("sample", instance, "importance:n=4", "-n", 50, "--seed", 2, "-o", "out.npz")
    document = run.json("sample", instance, "importance:n=4", "-n", 50, "--seed", 2)
    with np.load("out.npz") as arrays:
        assert arrays["leaf"].tolist() == document["leaf"]
        assert arrays["choices"].shape == (50, 4)
    assert document["cost"] == {"reference_draws": 50 * 4 * 4, "value_queries": 50 * 4}


def test_sampling_nothing_is_said(run):
    run("generate", "uniform", "--horizon", 5, "--reward", "sparse:share=0.01", "-o", "s.st")
    document = run.json("sample", "s.st", "rejection:budget=1,fallback=fail", "-n", 5)
    assert None in document["leaf"]
    assert ",-1,,nan" in run("sample", "s.st", "rejection:budget=1,fallback=fail", "-n", 5).stdout


@pytest.mark.parametrize("form", ["json", "graphml", "dot"])
def test_export_and_back(run, instance, form):
    run("export", instance, "-o", f"g.{form}")
    assert Path(f"g.{form}").read_text() == run("export", instance, "--format", form).stdout
    if form != "dot":
        back = run.json("generate", "graph", f"g.{form}", "-o", "b.st")
        assert back["log_partition"] == pytest.approx(run.json("inspect", instance)["log_partition"], rel=1e-13)
        assert back["bellman_error"]["sup"] == pytest.approx(0.1, abs=1e-12)


def test_export_as_one_json_document(run, instance):
    assert len(run.json("export", instance)["nodes"]) == 31
    assert "--json prints node-link" in run.error("export", instance, "--format", "dot", "--json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "none.st"], "none.st does not exist"),
        (["inspect", "{}", "--plot", "figure.bmp"], "expected .png, .pdf or .svg"),
        (["inspect", "{}", "--plot", "none/figure.png"], "cannot write none/figure.png"),
        (["tv", "{}"], "Missing argument 'SPEC...'"),
        (["tv", "{}", "greedy"], "unknown sampler 'greedy'"),
        (["tv", "{}", "importance:n=-1"], "n is -1"),
        (["sample", "{}", "base", "-n", "0"], "0 is not in the range"),
        (["sample", "{}", "base", "-o", "out.xlsx"], "expected .csv or .npz"),
        (["export", "{}", "--format", "gif"], "'gif' is not one of"),
        (["export", "{}", "-o", "a.st"], "a.st is the input"),
        (["export", "."], "is a folder"),
    ],
)
def test_wrong_input_is_one_line(run, instance, arguments, message):
    before = Path(instance).read_bytes()
    assert message in run.error(*[a.format(instance) for a in arguments])
    assert Path(instance).read_bytes() == before


@pytest.fixture
def chain(run):
    run("generate", "markov", "--horizon", 40, "--perturbation", "log-uniform", "--epsilon", "1/T", "-o", "m.st")
    return "m.st"


def test_inspect_counts_the_paths_of_a_trellis(run, chain):
    document = run.json("inspect", chain)
    assert document["nodes"] == 121
    assert document["log2_paths"] == pytest.approx(40 * np.log2(3))
    run("inspect", chain, "--plot", "m.png")
    assert Path("m.png").stat().st_size > 10_000


def test_tv_encloses_what_it_cannot_know_exactly(run, chain):
    base, guided, corrected = run.json("tv", chain, "base", "sp-gsmc", "sp-gsmc:mh=3")["rows"]
    assert base["tv"]["kind"] == "exact"
    assert guided["tv"]["kind"] == corrected["tv"]["kind"] == "certified"
    assert 0 < guided["tv"]["hi"] - guided["tv"]["lo"] <= 1e-6
    assert corrected["tv"]["hi"] < guided["tv"]["lo"]
    assert corrected["kl"] is None
    fine = run.json("tv", chain, "sp-gsmc", "--width", 1e-9)["rows"][0]["tv"]
    assert guided["tv"]["lo"] <= fine["lo"] <= fine["hi"] <= guided["tv"]["hi"]
    assert "±" in run("tv", chain, "sp-gsmc").stdout


def test_a_budget_that_is_too_small_is_said(run, chain):
    result = run("tv", chain, "sp-gsmc", "--width", 1e-9, "--budget", 1000)
    assert re.search(r"the interval is \S+ wide; for 1e-09 raise --budget to about \de\+", result.stderr)


def test_samples_of_a_trellis_are_paths(run, chain):
    document = run.json("sample", chain, "sp-gsmc", "-n", 5)
    assert all(len(row) == 40 and set(row) <= {0, 1, 2} for row in document["choices"])


def test_a_trellis_goes_out_as_a_graph_and_comes_back(run, chain):
    run("export", chain, "-o", "m.json")
    back = run.json("generate", "graph", "m.json", "-o", "b.st")
    assert back["log_partition"] == pytest.approx(run.json("inspect", chain)["log_partition"], rel=1e-12)
    assert back["log2_paths"] == pytest.approx(40 * np.log2(3))


def test_samples_of_texts_are_printed(run):
    Path("text.txt").write_text("the cat sat on the mat and the rat sat on the cat " * 3)
    run(
        "generate",
        "ngram",
        "--text",
        "text.txt",
        "--horizon",
        30,
        "--contains",
        "rat",
        "--excludes",
        "mat",
        "-o",
        "n.st",
    )
    rows = list(csv.DictReader(io.StringIO(run("sample", "n.st", "sp-gsmc", "-n", 8).stdout)))
    assert all("rat" in row["text"] and "mat" not in row["text"] and len(row["text"]) == 30 for row in rows)
    document = run.json("sample", "n.st", "sp-gsmc", "-n", 8)
    assert document["text"] == [row["text"] for row in rows]
    run("sample", "n.st", "sp-gsmc", "-n", 8, "-o", "t.npz")
    with np.load("t.npz") as arrays:
        assert arrays["text"].tolist() == document["text"]
    refused = run("sample", "n.st", "rejection:budget=1,fallback=fail", "-n", 3).stdout
    assert ",-1,,,nan" in refused


def test_diagnosis_speaks_and_draws(run, instance):
    text = run("sample", instance, "smc:particles=8", "--diagnose", "--plot", "d.png").stdout
    assert "ESS / N" in text
    assert "neither weight degeneracy nor particle collapse" in text
    assert Path("d.png").stat().st_size > 10_000
    document = run.json("sample", instance, "smc:particles=8", "--diagnose")
    assert len(document["ess"]) == len(document["ancestors"]) == 4
    assert document["runs"] == 200
    assert 0 < run.json("sample", instance, "sp-gsmc:mh=4", "--diagnose")["acceptance"] <= 1
    assert "give both" in run.error("sample", instance, "base", "--plot", "d.png")
    assert "nothing to draw" in run.error("sample", instance, "base", "--diagnose", "--plot", "d.png")


def test_tv_estimates_where_there_is_no_exact_law(run, instance):
    exact, estimated = run.json("tv", instance, "smc:particles=2", "smc:particles=64", "--n", 5000)["rows"]
    assert exact["tv"]["kind"] == "exact"
    assert estimated["tv"]["kind"] == "estimated"
    assert estimated["tv"]["level"] == 0.99
    assert estimated["tv"]["hi"] < exact["tv"]["lo"]
    assert estimated["kl"] is None


def test_a_small_trellis_is_unrolled_for_samplers_that_have_a_law_on_trees(run, chain):
    run("generate", "markov", "--horizon", 3, "--perturbation", "log-normal:sigma=0.5", "-o", "s.st")
    small = unroll(load("s.st"))
    specs = ["smc:particles=2", "vgb:steps=5", "random-suffix:steps=3", "sp-gsmc:pool=2,mh=3"]
    for row in run.json("tv", "s.st", *specs)["rows"]:
        assert row["tv"]["kind"] == "exact"
        assert row["tv"]["lo"] == pytest.approx(sampler(row["sampler"]).law(small).tv(small.target).lo, abs=1e-14)
    assert "vgb walks on the prefixes of a tree" in run.error("tv", chain, "vgb:steps=5")
