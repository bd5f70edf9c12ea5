import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from treesim import FAMILIES, load

ROOT = Path(__file__).parent.parent.parent


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


def test_the_list_names_families_that_say_nothing_of_themselves(run, monkeypatch):
    monkeypatch.setitem(FAMILIES, "silent", lambda horizon, seed=0: None)
    assert "\nsilent\n" in run("generate", "--list").stdout


def test_options_reach_the_family(run):
    run("generate", "dirichlet", "--horizon", 3, "--branching", 3, "--alpha", 0.5, "--reward", "sparse:share=0.3",
        "--perturbation", "constant-up", "--epsilon", "0.3/T", "--seed", 5, "-o", "d.st")  # fmt: skip
    instance = load("d.st")
    assert instance.parameters["concentration"] == 0.5
    assert instance.audit.bellman_error == pytest.approx(0.1, abs=1e-12)
    assert instance.seed == 5


def test_the_product_model_takes_an_epsilon(run):
    for epsilon, error in (("0.1", 0.1), ("0.5/T", 0.05)):
        run("generate", "product", "--horizon", 10, "--epsilon", epsilon, "-o", "p.st")
        assert load("p.st").audit.bellman_error == pytest.approx(error, abs=1e-12)
        assert load("p.st").audit.ratio_bound == pytest.approx(1 + 2 * error)
    arguments = ("generate", "product", "--horizon", 10, "-o", "q.st")
    assert "ratio and epsilon are given" in run.error(*arguments, "--epsilon", 0.1, "--ratio", 2)
    assert "the product model has one ratio" in run.error(*arguments, "--epsilon", "0.5/t")
    assert not Path("q.st").exists()


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


def test_attributes_of_other_names_are_asked_for_and_read(run):
    edges = [{"source": "start", "target": end, "p": p} for end, p in (("yes", 0.25), ("no", 0.75))]
    nodes = [{"id": "start"}, {"id": "yes", "score": 1.0}, {"id": "no", "score": 0.5}]
    name = graph_file(edges=edges, nodes=nodes)
    assert "it has 'p' (--prob-attribute" in run.error("generate", "graph", name, "-o", "g.st")
    assert "it has 'score' (--reward-attribute" in run.error(
        "generate", "graph", name, "--prob-attribute", "p", "-o", "g.st"
    )
    run("generate", "graph", name, "--prob-attribute", "p", "--reward-attribute", "score", "-o", "g.st")
    assert load("g.st").audit.log_partition == pytest.approx(math.log(0.625))
    assert "no parameter 'prob_attribute'" in run.error(
        "generate", "uniform", "--horizon", 2, "--prob-attribute", "p", "-o", "x.st"
    )


def test_six_digits_are_normalised_in_one_line_on_stderr(tmp_path):
    edges = [
        {"source": "start", "target": "yes", "prob": 0.333333},
        {"source": "start", "target": "no", "prob": 0.666666},
    ]
    graph_file(tmp_path / "g.json", edges=edges)
    done = subprocess.run(
        [sys.executable, "-m", "treesim", "generate", "graph", "g.json", "-o", "g.st", "--json"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert done.stderr == "edge probabilities of node 'start' sum to 0.999999: they were normalised\n"
    assert json.loads(done.stdout)["log_partition"] == pytest.approx(math.log(1 / 3), abs=1e-6)


HUGE = [10**30, 10**400]


@pytest.mark.parametrize("number", HUGE, ids=["30 digits", "400 digits"])
@pytest.mark.parametrize(
    "options",
    [
        ("uniform", "--horizon"),
        ("random-branching", "--horizon"),
        ("markov", "--horizon"),
        ("product", "--horizon"),
        ("hidden-prefix", "--horizon"),
        ("uniform", "--horizon", 3, "--branching"),
        ("random-branching", "--horizon", 3, "--branching"),
        ("markov", "--horizon", 3, "--states"),
        ("markov", "--horizon", 3, "--order"),
        ("ngram", "--horizon", 3, "--contains", "a", "--tokens"),
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_numbers_of_any_length_are_one_line(run, options, number):
    line = run.error("generate", *options, number, "-o", "x.st")
    assert f"expected a number of at most {2**53}" in line
    assert len(line) < 200


def test_numbers_of_any_length_in_specs_are_one_line(run):
    for options in (("--reward", f"right-steps:right={10**400}"), ("--perturbation", f"adversarial:starts={10**30}")):
        assert "expected a number of at most" in run.error(
            "generate", "uniform", "--horizon", 3, *options, "-o", "x.st"
        )
    run("generate", "uniform", "--horizon", 3, "--seed", 10**400, "-o", "x.st")
    assert load("x.st").seed == 10**400


@pytest.mark.parametrize("cap", ["inf", "nan", "0.5"])
def test_a_ratio_cap_that_is_none_is_one_line(run, cap):
    arguments = ("uniform", "--horizon", 3, "--perturbation", "constant-up", "--epsilon", 1, "--ratio-cap", cap)
    assert f"ratio cap is {cap}, expected a finite number" in run.error("generate", *arguments, "-o", "x.st")


def test_names_that_no_file_can_have_are_one_line(run, instance):
    name = "x" * 300
    for arguments in (
        ("generate", "uniform", "--horizon", 3, "-o", name),
        ("generate", "graph", f"{name}.json", "-o", "x.st"),
        ("generate", "uniform", "--horizon", 2, "--reward", f"given:file={name}", "-o", "x.st"),
        ("inspect", name),
        ("export", name),
        ("export", instance, "-o", name),
        ("sample", instance, "base", "-o", f"{name}.csv"),
        ("sample", name, "base"),
    ):
        assert "File name too long" in run.error(*arguments)


def test_pipes_are_not_waited_for(run):
    os.mkfifo("pipe.json")
    for arguments in (
        ("generate", "graph", "pipe.json", "-o", "x.st"),
        ("generate", "uniform", "--horizon", 2, "--reward", "given:file=pipe.json", "-o", "x.st"),
        ("inspect", "pipe.json"),
        ("export", "pipe.json"),
        ("sample", "pipe.json", "base"),
    ):
        assert "is a device, pipe or socket" in run.error(*arguments)
    assert "is not an instance file" in run.error("generate", "uniform", "--horizon", 2, "-o", "pipe.json")


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (np.arange(4) + 1j, "are of type complex128, expected real numbers"),
        (np.zeros(4, "M8[s]"), "are of type datetime64[s], expected real numbers"),
        (np.zeros((2, 2)), "log reward has shape (2, 2)"),
        (np.array(1.0), "log reward has shape ()"),
    ],
)
def test_rewards_that_are_no_numbers_are_one_line(run, numbers, message):
    np.save("r.npy", numbers)
    assert message in run.error("generate", "uniform", "--horizon", 2, "--reward", "given:file=r.npy", "-o", "x.st")


def test_an_empty_reward_file_is_one_line(run):
    Path("r.txt").write_text("")
    assert "log reward has shape (0,)" in run.error(
        "generate", "uniform", "--horizon", 2, "--reward", "given:file=r.txt", "-o", "x.st"
    )


def test_every_parameter_of_a_family_has_an_option(run):
    import inspect

    from treesim import FAMILIES
    from treesim.cli.generate import generate

    options = {parameter.name for parameter in generate.params}
    for name, builder in FAMILIES.items():
        missing = set(inspect.signature(builder).parameters) - options
        assert not missing, f"{name}: {missing}"


def test_rewards_of_steps_work_at_any_horizon(run):
    run("generate", "ngram", "--horizon", 60, "--order", 2, "--tokens", 8, "--reward", "power:alpha=2", "-o", "p.st")
    found = run.json("inspect", "p.st")
    assert found["potentials"] is True
    assert found["bellman_error"]["sup"] == pytest.approx(0.0, abs=1e-12)
    assert "paths with potentials" in run("inspect", "p.st").stdout
    document = run.json("tv", "p.st", "base", "sp-gsmc", "race:n=2")
    assert [row["tv"]["kind"] for row in document["rows"]] == ["certified"] * 3
    drawn = run.json("sample", "p.st", "sp-gsmc", "-n", 3, "--seed", 1)
    assert all(number < -10 for number in drawn["log_reward"])
