from pathlib import Path

import numpy as np
import pytest


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


def test_inspect_counts_the_paths_of_a_trellis(run, chain):
    document = run.json("inspect", chain)
    assert document["nodes"] == 121
    assert document["log2_paths"] == pytest.approx(40 * np.log2(3))
    run("inspect", chain, "--plot", "m.png")
    assert Path("m.png").stat().st_size > 10_000


def test_levels_in_every_format(run, instance):
    lines = run("inspect", instance, "--format", "csv").stdout.splitlines()
    assert lines[0] == "level,sup,mean_reference,mean_target"
    assert len(lines) == 5
    assert run("inspect", instance, "--format", "markdown").stdout.startswith("| level ")
