import json
from pathlib import Path

import pytest

from treesim import FAMILIES, load


def test_generate_saves_what_inspect_reads(run):
    document = run.json("generate", "product", "--horizon", 10, "--ratio", 1.2, "-o", "p.st")
    assert document == run.json("inspect", "p.st")
    assert document["bellman_error"]["sup"] == pytest.approx(0.1)


def test_the_same_command_gives_the_same_bytes(run):
    for name in ("a.st", "b.st"):
        run("generate", "random-branching", "--horizon", 5, "--perturbation", "log-normal", "--seed", 3, "-o", name)
    assert Path("a.st").read_bytes() == Path("b.st").read_bytes()
    run("generate", "random-branching", "--horizon", 5, "--perturbation", "log-normal", "--seed", 4, "-o", "c.st")
    assert Path("c.st").read_bytes() != Path("a.st").read_bytes()


def test_the_list_names_every_family(run):
    text = run("generate", "--list").stdout
    for name in FAMILIES:
        assert f"\n{name}\n" in f"\n{text}"
    assert "graph FILE" in text


def test_options_reach_the_family(run):
    run("generate", "dirichlet", "--horizon", 3, "--branching", 3, "--alpha", 0.5, "--reward", "sparse:share=0.3",
        "--perturbation", "constant-up", "--epsilon", "0.3/T", "--seed", 5, "-o", "d.st")  # fmt: skip
    instance = load("d.st")
    assert instance.parameters["concentration"] == 0.5
    assert instance.audit.bellman_error == pytest.approx(0.1, abs=1e-12)
    assert instance.seed == 5


def graph_file(name="g.json", **changes):
    nodes = [{"id": "start"}, {"id": "yes", "reward": 1.0}, {"id": "no", "reward": 0.0}]
    edges = [{"source": "start", "target": "yes", "prob": 0.25}, {"source": "start", "target": "no", "prob": 0.75}]
    document = {"directed": True, "multigraph": False, "graph": {}, "nodes": nodes, "edges": edges} | changes
    Path(name).write_text(json.dumps(document))
    return name


def test_a_users_own_graph(run):
    document = run.json("generate", "graph", graph_file(), "-o", "g.st")
    assert document["family"] == "graph"
    assert document["ratio_bound"] == "Infinity"
    assert document["bellman_error"]["sup"] == 0.0
    assert load("g.st").graph.names == ("start", "yes", "no")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forest", "--horizon", 3], "unknown family 'forest'"),
        (["uniform"], "family 'uniform' needs horizon"),
        (["uniform", "--horizon", 0], "horizon is 0"),
        (["uniform", "--horizon", "ten"], "'ten' is not a valid integer"),
        (["uniform", "--horizon", 60], "more than the budget"),
        (["uniform", "--horizon", 3, "--seed", -1], "-1 is not in the range"),
        (["uniform", "--horizon", 3, "--ratio", 2], "no parameter 'ratio'"),
        (["uniform", "--horizon", 3, "--perturbation", "constant-up"], "needs an epsilon"),
        (["uniform", "--horizon", 3, "--perturbation", "constant-up", "--epsilon", "a/b"], "expected a number, c/T"),
        (["uniform", "--horizon", 3, "--perturbation", "constant-up", "--epsilon", 0.5, "--ratio-cap", 1.01],
         "conflict for constant-up"),
        (["product", "x.json", "--horizon", 3], "takes no file"),
        (["graph"], "needs a file"),
        (["graph", "none.json"], "none.json does not exist"),
        (["graph", "none.json", "--horizon", 3], "no parameter 'horizon'"),
        (["product", "--horizon", 3, "--colour", "red"], "No such option '--colour'"),
        (["ngram", "--horizon", 9, "--contains", "Python"], "texts are in lower case, write 'p'"),
        (["ngram", "--horizon", 9, "--contains", "c++"], "the letter '+', which is not in the vocabulary"),
        (["ngram", "--horizon", 9, "--contains", "python", "--order", 10**9], "order is 1000000000, expected at most"),
        (["ngram", "--horizon", 9, "--constraint", "(?=a)a*"], "has a lookahead or lookbehind"),
        (["ngram", "--horizon", 9, "--constraint", "[A-Z]+"], "texts are in lower case, write 'a'"),
        (["ngram", "--horizon", 9, "--constraint", "a{10}"], "but some of 10 do; choose a longer horizon"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_writes_nothing(run, arguments, message):
    assert message in run.error("generate", *arguments, "-o", "x.st")
    assert not Path("x.st").exists()


def test_a_missing_output_is_one_line(run):
    assert "Missing option '-o'" in run.error("generate", "product", "--horizon", 3)


def test_files_that_are_not_ours_are_never_overwritten(run):
    Path("thesis.txt").write_text("years of work")
    assert "exists and is not an instance file" in run.error("generate", "product", "--horizon", 3, "-o", "thesis.txt")
    assert Path("thesis.txt").read_text() == "years of work"
    assert "not an instance file" in run.error("generate", "graph", graph_file(), "-o", "g.json")
    run("generate", "product", "--horizon", 3, "-o", "p.st")
    run("generate", "product", "--horizon", 4, "-o", "p.st")
    assert load("p.st").graph.horizon == 4


def test_a_word_beyond_the_frequent_ones_is_written_when_asked_for(run):
    run("generate", "ngram", "--horizon", 8, "--unit", "word", "--order", 2, "--tokens", 10, "--contains", "built-in",
        "-o", "w.st")  # fmt: skip
    texts = run("sample", "w.st", "sp-gsmc", "-n", 5).stdout.splitlines()[1:]
    assert len(texts) == 5
    assert all("built-in" in text for text in texts)
