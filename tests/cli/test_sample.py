import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

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


def test_a_diagnosis_has_every_format(run, instance):
    """The numbers of csv are those of json, and the words are beside the table."""
    question = ("sample", instance, "smc:particles=8", "--diagnose", "--runs", 50)
    document = run.json(*question)
    done = run(*question, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [int(row["level"]) for row in rows] == [1, 2, 3, 4]
    for key in ("ess", "weight_range", "ancestors"):
        assert [float(row[key]) for row in rows] == document[key]
    assert document["verdict"][0] in done.stderr
    assert run(*question, "--format", "json").stdout == run(*question, "--json").stdout
    markdown = run(*question, "--format", "markdown").stdout.splitlines()
    assert markdown[0].split("|")[1].strip() == "level"
    assert len(markdown) == 2 + 4
    assert r"\toprule" in run(*question, "--format", "latex").stdout
    corrected = ("sample", instance, "sp-gsmc:mh=4", "--diagnose")
    (row,) = csv.DictReader(io.StringIO(run(*corrected, "--format", "csv").stdout))
    assert float(row["acceptance"]) == run.json(*corrected)["acceptance"]
    assert (row["sampler"], row["runs"]) == ("sp-gsmc:mh=4", "200")


def test_outputs_have_every_format(run, instance):
    question = ("sample", instance, "base", "--runs", 3)
    text = run(*question).stdout
    assert run(*question, "--format", "csv").stdout == text
    markdown = [[cell.strip() for cell in line.split("|")[1:-1]]
                for line in run(*question, "--format", "markdown").stdout.splitlines()]  # fmt: skip
    assert [markdown[0], *markdown[2:]] == list(csv.reader(io.StringIO(text)))
    assert r"\toprule" in run(*question, "--format", "latex").stdout


def graph(edges, **rewards):
    nodes = dict.fromkeys(name for edge in edges for name in edge[:2])
    Path("g.json").write_text(json.dumps({
        "multigraph": True,
        "nodes": [{"id": name} | ({"reward": rewards[name]} if name in rewards else {}) for name in nodes],
        "edges": [{"source": a, "target": b, "prob": p} for a, b, p in edges],
    }))  # fmt: skip
    return "g.json"


@pytest.mark.parametrize("extra", [[], [("c", "go on", 0.5)]], ids=["tree", "trellis"])
def test_names_of_nodes_are_printed(run, extra):
    edges = [("start", "stop", 0.5), ("start", "a", 0.25), ("start", "c", 0.25), ("a", "go on", 1.0)]
    edges += [("c", "go back", 0.5 if extra else 1.0), *extra]
    run("generate", "graph", graph(edges, **{"stop": 1.0, "go on": 2.0, "go back": 3.0}), "-o", "g.st")
    text = run("sample", "g.st", "base", "-n", 40, "--seed", 1).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    reward = {"stop": 1.0, "go on": 2.0, "go back": 3.0}
    assert {row["name"] for row in rows} == set(reward)
    assert all(np.exp(float(row["log_reward"])) == pytest.approx(reward[row["name"]]) for row in rows)
    assert run.json("sample", "g.st", "base", "-n", 40, "--seed", 1)["name"] == [row["name"] for row in rows]
    run("sample", "g.st", "base", "-n", 40, "--seed", 1, "-o", "s.npz")
    with np.load("s.npz") as arrays:
        assert arrays["name"].tolist() == [row["name"] for row in rows]


def test_an_output_that_is_nothing_has_no_name(run):
    run("generate", "graph", graph([("r", "a", 0.5), ("r", "b", 0.5)], a=0.0, b=1.0), "-o", "g.st")
    document = run.json("sample", "g.st", "rejection:budget=1,fallback=fail", "-n", 30)
    assert set(document["name"]) == {None, "b"}
    assert ",-1,,,nan" in run("sample", "g.st", "rejection:budget=1,fallback=fail", "-n", 30).stdout


def test_more_outputs_than_memory_holds_are_refused(run, instance):
    assert "outputs of 4 steps needs" in run.error("sample", instance, "base", "-n", 10**12)
    assert "is not in the range" in run.error("sample", instance, "base", "-n", 10**400)


def test_texts_of_a_tree_are_shown(run):
    run("generate", "ngram", "--horizon", 3, "--order", 2, "--tokens", 4, "--contains", "e", "-o", "t.st")
    run("unroll", "t.st", "-o", "tree.st")
    drawn = run.json("sample", "tree.st", "sp-gsmc", "-n", 20)
    assert drawn["text"] == drawn["name"] and all("e" in text for text in drawn["text"])
