"""``treesim outcomes``, and what other commands show of outcomes."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from treesim import Tree, instance_from_texts, load, results, save, tree_of_model
from treesim.empirical.measure import measure


@pytest.fixture
def answered(run, instance):
    Path("answers.txt").write_text("".join(f"{answer}\n" for answer in ["x", "y", "", "z"] * 4))
    np.save("true.npy", np.arange(16.0))
    run("outcomes", instance, "--answers", "answers.txt", "--correct", "y", "--true-reward", "true.npy", "-o", "b.st")
    return "b.st"


@pytest.fixture
def text(run):
    tree = tree_of_model(lambda prefixes: [[0.5, 0.5]] * len(prefixes), ["a", "b"].__getitem__, horizon=2)
    save(instance_from_texts(tree, lambda texts: [1.0 + text.count("a") for text in texts]), "t.st")
    return "t.st"


def answers(file):
    outcomes = load(file).outcomes
    return [None if place < 0 else outcomes.answers[place] for place in outcomes.answer.tolist()]


def test_answers_and_true_rewards_come_from_files(run, answered):
    outcomes = load(answered).outcomes
    assert answers(answered) == ["x", "y", None, "z"] * 4
    assert outcomes.correct == ("y",)
    assert outcomes.true_reward.to_float().tolist() == list(range(16))
    np.savetxt("log.txt", np.arange(16.0))
    run("outcomes", answered, "--true-reward", "log.txt", "--true-scale", "log", "-o", "c.st")
    assert answers("c.st") == answers(answered)
    assert load("c.st").outcomes.correct == ("y",)
    np.testing.assert_allclose(load("c.st").outcomes.true_reward.log(), np.arange(16.0), atol=1e-12)
    run("outcomes", "c.st", "--answers", "answers.txt", "--correct", "z", "--correct", "x", "-o", "d.st")
    assert load("d.st").outcomes.correct == ("z", "x")
    assert load("d.st").outcomes.true_reward.equals(load("c.st").outcomes.true_reward)


def test_answers_come_from_texts_tokens_and_names(run, text):
    run("outcomes", text, "--regex", "a(b?)$", "--correct", "b", "-o", "r.st")
    assert answers("r.st") == ["", "b", "", None]
    told = run("outcomes", text, "--tokens", "--correct", "a", "--correct", "c", "-o", "k.st").stderr
    assert answers("k.st") == ["a", "b", "a", "b"] and told == "no leaf has the correct answer 'c'\n"
    tree, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], "ab", horizon=2)
    save(instance_from_texts_of_names(tree), "n.st")
    run("outcomes", "n.st", "--names", "--correct", "aa", "-o", "m.st")
    assert answers("m.st") == ["aa", "ab", "ba", "bb"]


def instance_from_texts_of_names(tree):
    from treesim import Instance

    return Instance.from_scores(tree, lambda prefix: 1.0 + prefix.count("a"))


def test_tv_shows_what_outputs_are_worth_only_where_it_is_known_or_asked(run, instance, answered):
    plain, shown = run("tv", instance, "base", "sp-gsmc").stdout, run("tv", answered, "base", "sp-gsmc").stdout
    assert shown.startswith(plain)
    assert plain.count("sampler") == 1
    assert all(head in shown for head in ("accuracy", "pass@8", "maj@8", "weighted@8", "E true", "true wins"))
    asked = run("tv", instance, "base", "--outcomes", "4").stdout
    assert "KL to pi_ref" in asked
    assert "accuracy" not in asked
    document = run.json("tv", answered, "sp-gsmc", "--outcomes", "1,4")
    found = measure("sp-gsmc", load(answered), votes=(1, 4)).worth.document()
    assert document["rows"][0]["outcomes"] == found
    assert found["pass_at.1"]["lo"] == found["accuracy"]["lo"] == pytest.approx(found["majority.1"]["lo"])
    assert "outcomes" not in run.json("tv", instance, "sp-gsmc")["rows"][0]
    rows = list(csv.DictReader(io.StringIO(run("tv", answered, "base", "--format", "csv").stdout)))
    assert float(rows[0]["outcomes.accuracy.lo"]) == pytest.approx(
        measure("base", load(answered)).worth.accuracy.mid, abs=1e-15
    )
    assert run("tv", answered, "base", "--format", "markdown").stdout.count("accuracy") == 1


def test_compare_has_the_same_columns(run, instance, answered):
    table = run("compare", instance, answered, "base", "importance:n=4").stdout.splitlines()
    assert "true wins" in table[0]
    assert table[2].split()[-1] == "-"
    rows = run.json("compare", answered, "base", "--outcomes", "3")["rows"]
    worth = measure("base", load(answered), votes=(3,)).worth
    assert rows[0]["outcomes.majority.3.lo"] == pytest.approx(worth.majority[3].mid)
    assert "true wins" not in run("compare", instance, "base").stdout


def test_a_sweep_keeps_the_outcomes_of_families_that_have_them(run):
    Path("mine.py").write_text(
        "from treesim import family\n"
        "from treesim.instances.families import register\n\n\n"
        "@register('judged')\n"
        "def judged(horizon: int, seed: int = 0):\n"
        "    plain = family('dirichlet', horizon=horizon, seed=seed)\n"
        "    return plain.with_outcomes(['ab'[i % 2] for i in range(2**horizon)], 'a')\n"
    )
    for name in ("judged", "product"):
        Path(f"{name}.toml").write_text(
            f"[[grid]]\nfamily = '{name}'\nsamplers = ['base', 'sp-gsmc']\nparameters = {{horizon = [3]}}\n"
        )
        run("--import", "mine.py", "sweep", f"{name}.toml", "-o", f"{name}.sqlite")
    rows = results("judged.sqlite")
    assert rows[0]["outcomes.accuracy.kind"] == "exact"
    assert rows[0]["outcomes.pass_at.8.lo"] == pytest.approx(1 - (1 - rows[0]["outcomes.accuracy.lo"]) ** 8)
    assert not any(key.startswith("outcomes") for key in results("product.sqlite")[0])
    run("results", "judged.sqlite", "-o", "r.csv")
    assert "outcomes.win_rate.hi" in Path("r.csv").read_text().splitlines()[0]


def test_graphs_with_answers_become_instances_that_have_them(run):
    Path("g.json").write_text(json.dumps({
        "name": "root", "children": [
            {"name": "a", "prob": 0.5, "reward": 1.0, "answer": "4", "correct": True},
            {"name": "b", "prob": 0.5, "reward": 3.0, "answer": "5"},
        ],
    }))  # fmt: skip
    run("generate", "graph", "g.json", "-o", "g.st")
    assert "answers        2, correct '4': 0.5 under pi_ref, 0.25 under the target" in run("inspect", "g.st").stdout
    assert json.loads(run("export", "g.st").stdout)["nodes"][1]["answer"] == "4"


def test_wrong_input(run, instance, answered, text):
    assert "nothing is given; expected --regex" in run.error("outcomes", instance, "-o", "x.st")
    assert "answers are given twice" in run.error("outcomes", text, "--tokens", "--names", "-o", "x.st")
    assert "'(' is no regular expression" in run.error("outcomes", text, "--regex", "(", "-o", "x.st")
    assert "none.txt does not exist" in run.error("outcomes", instance, "--answers", "none.txt", "-o", "x.st")
    assert "there are 16 answers, expected one for each of 4 leaves" in run.error(
        "outcomes", text, "--answers", "answers.txt", "-o", "x.st"
    )
    assert "is the input" in run.error("outcomes", answered, "--tokens", "-o", answered)
    assert "neither texts of their own nor names" in run.error("outcomes", instance, "--regex", "a", "-o", "x.st")
    Path("bad.txt").write_bytes(b"\xff\xfe\n")
    assert "cannot read answers from bad.txt" in run.error("outcomes", instance, "--answers", "bad.txt", "-o", "x.st")
    assert "outcomes is '0', expected whole numbers from 1" in run.error("tv", instance, "base", "--outcomes", "0")
    assert "outcomes is 'x', expected whole numbers" in run.error("tv", instance, "base", "--outcomes", "x")
    assert not Path("x.st").exists()
