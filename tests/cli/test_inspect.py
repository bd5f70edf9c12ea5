import json
import re
from pathlib import Path

import numpy as np
import pytest

from treesim import Instance, Scaled, Tree


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
    assert lines[0] == (
        "level,sup,mean_reference,mean_target,tv,kl,mean_log_reference,mean_log_target,mean_log_guided,centred"
    )
    assert len(lines) == 5
    assert run("inspect", instance, "--format", "markdown").stdout.startswith("| level ")


def test_the_worst_node_is_named_by_what_is_written_there(run):
    Path("tea.txt").write_text("tee teeth the tea " * 20)
    run(
        "generate", "ngram", "--horizon", 6, "--contains", "the", "--text", "tea.txt", "--value", "suffix:length=1",
        "-o", "t.st",
    )  # fmt: skip
    place = run.json("inspect", "t.st")["bellman_error"]["place"]
    text = re.fullmatch(r"node \d+ \(level (\d), as after '([teah ]*)'\)", place)
    assert len(text[2]) == int(text[1])
    assert f"attained at {place}\n" in run("inspect", "t.st").stdout


def test_what_no_family_built_is_called_by_its_file(run, sketched):
    Instance(Tree.complete(2, 1), Scaled.from_float([1.0, 1.0, 2.0])).save("mine.st")
    assert run("inspect", "mine.st").stdout.startswith("mine.st\n")
    text = run("audit", "treesim", "--instance", "mine.st", "--runs", 200, "--algorithm", "base", "-o", "a.svg").stdout
    assert "untouched, on mine.st." in text
    assert "given" not in text


def test_nodes_that_have_names_go_by_them(run):
    Path("g.json").write_text(json.dumps({
        "name": "root", "children": [
            {"name": "yes $5", "prob": 0.5, "value": 1.0, "children": [{"name": "so", "prob": 1.0, "reward": 3.0}]},
            {"name": "no", "prob": 0.5, "reward": 2.0},
        ],
    }))  # fmt: skip
    run("generate", "graph", "g.json", "-o", "g.st")
    assert "attained at node 1 'yes $5' (level 1)" in run("inspect", "g.st").stdout
    assert run("sample", "g.st", "base", "-n", 30).stdout.count(",so,") > 0


def test_a_name_cannot_command_the_terminal(run):
    tree = Tree.complete(2, 1)
    named = Tree(tree.level_ptr, tree.edge_ptr, tree.edge_prob, ["\x1b[31mroot\nnext", "a", "b"])
    Instance(named, Scaled.from_float([1.0, 1.0, 2.0])).save("n.st")
    text = run("inspect", "n.st").stdout
    assert "\x1b" not in text
    assert len(text.splitlines()) == 10
