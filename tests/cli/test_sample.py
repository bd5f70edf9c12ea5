import csv
import io
from pathlib import Path

import numpy as np

from treesim import load


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


def test_samples_of_a_trellis_are_paths(run, chain):
    document = run.json("sample", chain, "sp-gsmc", "-n", 5)
    assert all(len(row) == 40 and set(row) <= {0, 1, 2} for row in document["choices"])


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
