from functools import partial
from pathlib import Path

import pytest

from treesim.demos import failures, language_model
from treesim.empirical.diagnosis import diagnose
from treesim.hard_instances import over_optimisation


def test_blowup_tells_its_story_and_draws_it(run):
    text = run("demo", "blowup", "--horizons", "2,3,4").stdout
    assert "grows by a factor of 2.0" in text
    assert Path("blowup.png").read_bytes().startswith(b"\x89PNG")


def test_blowup_as_json(run, sketched):
    document = run.json("demo", "blowup", "--horizons", "2,4", "--delta", 0.2, "--plot", "b.svg")
    assert [row["horizon"] for row in document["rows"]] == [2, 4]
    row = document["rows"][1]
    assert row["importance"]["reference_draws"] == 4 * row["importance"]["least"]
    assert row["guided"]["tv"]["kind"] == "exact"
    assert Path("b.svg").exists()


def test_constrained_tells_its_story_and_draws_it(run):
    text = run("demo", "constrained", "--horizon", 20, "--order", 2, "--contains", "is").stdout
    for name in ("the model alone", "sees the constraint only", "looks 10 letters ahead", "the optimal twist"):
        assert name in text
    assert "given that the text contains 'is'" in text
    assert Path("constrained.png").read_bytes().startswith(b"\x89PNG")


def test_constrained_as_json(run, sketched):
    document = run.json(
        "demo", "constrained", "--horizon", 15, "--order", 2, "--constraint", "[a-m .]*", "--plot", "c.svg"
    )
    alone, *guided = document["rows"]
    assert alone["meets"] == pytest.approx(1 - alone["tv"]["lo"], rel=1e-9)
    for row in guided:
        assert row["meets"] == pytest.approx(1.0)
        assert set(row["text"]) <= set("abcdefghijklm .")
        assert len(row["progress"]) == len(row["text"]) == 15
    assert guided[-1]["tv"]["hi"] < 1e-9
    assert Path("c.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contains", "@"], "the letter '@', which is not in the vocabulary"),
        (["--constraint", "(a"], "is no regular expression"),
        (["--horizon", "3", "--contains", "python"], "no text of 3 letters meets the constraint"),
        (["--text", "none.txt"], "cannot read the text none.txt"),
        (["-o", "c.bmp"], "expected .png, .pdf or .svg"),
    ],
)
def test_wrong_constraints_are_one_line(run, arguments, message):
    assert message in run.error("demo", "constrained", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--horizons", "2,x"], "expected whole numbers"),
        (["--horizons", "30"], "expected numbers from 1 to 12"),
        (["--delta", "0.001"], "expected from 0.03 to 1"),
        (["--horizons", "2", "--plot", "b.bmp"], "expected .png, .pdf or .svg"),
    ],
)
def test_wrong_input_is_one_line(run, arguments, message):
    assert message in run.error("demo", "blowup", *arguments)


def test_an_unknown_demo_is_one_line(run):
    assert "No such command 'magic'" in run.error("demo", "magic")


def test_hidden_leaf_tells_its_story_and_draws_it(run):
    text = run("demo", "hidden-leaf", "--horizon", 6, "--runs", 40).stdout
    assert "One of 16 equally likely prefixes" in text
    assert "exp(0.4621 T)" in text
    assert Path("hidden-leaf.png").read_bytes().startswith(b"\x89PNG")


def test_hidden_leaf_as_json_and_with_more_players(run, sketched):
    arguments = ("--horizon", 6, "--runs", 60, "--sampler", "base", "--sampler", "importance:n={}", "--plot", "h.svg")
    document = run.json("demo", "hidden-leaf", *arguments)
    assert document["hidden"] == 16
    assert document["query_bound"] == pytest.approx((document["target_mass"] - 1 / 3) * 16)
    best = next(curve for curve in document["curves"] if curve["strategy"] == "best possible")
    for curve in document["curves"]:
        for queries, success in zip(curve["queries"], curve["success"], strict=True):
            # 60 games: 5 standard errors above the best possible would be a false alarm in 10^6.
            room = 0.0 if curve["kind"] == "exact" else 5 * 0.5 / 60**0.5
            assert success <= min(1.0, queries / 16) + room + 1e-9
    assert best["success"][-1] == 1.0
    assert abs(document["exponent"] - document["exponent_of_theorem"]) < 0.01


def test_hidden_leaf_refuses_what_it_cannot_play(run):
    assert "expected at most 512" in run.error("demo", "hidden-leaf", "--horizon", 12, "--epsilon", 2, "--branching", 3)
    assert "unknown sampler" in run.error("demo", "hidden-leaf", "--sampler", "luck")


def test_guidance_tells_its_story_and_draws_it(run):
    assert "2 T epsilon" in run("demo", "guidance", "--horizon", 4).stdout
    assert Path("guidance.png").read_bytes().startswith(b"\x89PNG")
    for row in run.json("demo", "guidance", "--horizon", 5)["rows"]:
        assert 0 < row["random_sign"] <= row["adversarial"] + 1e-12
        assert row["adversarial"] <= row["sharp"] <= row["paper"]


def test_over_optimisation_tells_its_story_and_draws_it(run, monkeypatch):
    monkeypatch.setattr(over_optimisation, "N_POOLS", 400)  # of what is estimated only the names are looked at
    text = run("demo", "over-optimisation", "--horizon", 6, "--share", 0.05).stdout
    assert "The best N is 4, about 1/sqrt(s)" in text
    assert Path("over-optimisation.png").read_bytes().startswith(b"\x89PNG")
    document = run.json("demo", "over-optimisation", "--horizon", 6, "--plot", "o.svg")
    assert document["best_n"] == 7
    assert {point["name"] for point in document["points"]} > {"best-of-N", "pessimism", "targets"}
    assert "is not in the range" in run.error("demo", "over-optimisation", "--share", 0.6)


def test_failures_are_shown_side_by_side(run, sketched, monkeypatch):
    monkeypatch.setattr(failures, "diagnose", partial(diagnose, n=50))  # both failures are plain in each run
    text = run("demo", "failures", "--particles", 50, "--horizon", 100).stdout
    assert "collapse" in text
    assert "degenerate" in text
    assert Path("failures.png").read_bytes().startswith(b"\x89PNG")
    document = run.json("demo", "failures", "--particles", 50, "--horizon", 100)
    assert document["resampling"]["verdict"][0].startswith("particle collapse")
    assert document["no_resampling"]["verdict"][0].startswith("weight degeneracy")
    draws = list(document["importance_draws"].values())
    assert draws == sorted(draws) and draws[-1] > 3 * draws[0]


def test_discoveries_are_a_table_and_a_figure_each(run, sketched, discovered, monkeypatch):
    text = run("demo", "discoveries", "-o", "found").stdout
    page = run.json("demo", "discoveries", "--html", "page.html")
    assert (page["figures"], page["page"], page["rows"][0]["figure"]) == (None, "page.html", None)
    assert Path("page.html").read_text().count("<figure>") == 12
    assert len(page["rows"]) == 11
    for row in page["rows"]:
        assert row["held"] == row["checks"] > 0
        assert row["name"] in text and f"{row['checks']} of {row['checks']}" in text
        assert Path(f"found/{row['name']}.png").read_bytes().startswith(b"\x89PNG")
        assert f"found/{row['name']}.png" in text
    # The rest is said of two as of all.
    for row in page["rows"][2:]:
        monkeypatch.delitem(discovered, row["name"])
    rows = run.json("demo", "discoveries", "-o", "found")["rows"]
    assert [Path(row["figure"]) for row in rows] == [Path(f"found/{row['name']}.png") for row in page["rows"][:2]]
    text = run("demo", "discoveries", "--html", "page.html").stdout
    assert "page: page.html" in text and "figure" not in text
    assert sorted(path.name for path in Path().iterdir()) == ["found", "page.html"]
    Path("taken").write_text("")
    assert "taken is a file, expected a folder" in run.error("demo", "discoveries", "--plot", "taken")


@pytest.fixture
def few_runs(monkeypatch):
    """Particles are run a thousand times for each value; the test of the README runs as many as users do."""
    monkeypatch.setattr(language_model, "run", partial(language_model.run, runs=1000))


def test_the_language_model_tells_its_story(run, sketched, few_runs):
    text = run("demo", "language-model").stdout
    assert "has written 4,093 texts of 6 tokens" in text and "' a great movie. I loved'" in text
    for name in ("the reward of the text so far", "a judge of the text so far", "learned from the last token", "V*"):
        assert name in text
    assert Path("language-model.png").read_bytes().startswith(b"\x89PNG")


def test_the_language_model_s_options_reach_its_numbers(run, sketched, few_runs, instance, chain):
    plain = run.json("demo", "language-model", "--plot", "a.svg")
    assert plain["texts"] == 4093 and plain["horizon"] == 6 and plain["likely"][0][1] == " made in 201"
    best = [plain["best_of_n"][str(n)]["lo"] for n in (1, 4, 16, 256)]
    assert best[1] < best[0] < best[2] < best[3]  # over-optimised
    assert [row["guided"]["kind"] for row in plain["guides"]] == ["exact"] * 6
    assert plain["guides"][-1]["bellman_error"] < 1e-12 and plain["guides"][0]["particles"]["kind"] == "estimated"
    other = run.json("demo", "language-model", "--strength", 3, "--liked", "woman", "--disliked", "film man",
                     "--constraint", ".*woman.*", "--plot", "b.svg")  # fmt: skip
    assert "woman" in other["wanted"][0][1] and other["log_partition"] != plain["log_partition"]
    assert other["constraint"]["pattern"] == ".*woman.*"
    again = run.json("demo", "language-model", "--seed", 1, "--plot", "c.svg")
    assert again["guides"][4]["guided"] != plain["guides"][4]["guided"]
    assert again["guides"][3] | {"particles": 0} == plain["guides"][3] | {"particles": 0}
    # Another tree that writes texts may stand in its place; this one writes none.
    assert "the edges of this tree have no tokens" in run.error("demo", "language-model", "--tree", instance)
    assert "expected a tree" in run.error("demo", "language-model", "--tree", chain)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--constraint", "("], "the expression '(' is malformed"),
        (["--constraint", "xyz"], "no text of the tree matches 'xyz'"),
        (["--strength", "99"], "strength is 99, expected from -20 to 20"),
        (["--tree", "none.safetensors"], "none.safetensors does not exist; to grow it: --model PATH"),
        (["--model", "nowhere"], "growing a tree needs"),
        (["--plot", "b.bmp"], "expected .png, .pdf or .svg"),
    ],
)
def test_wrong_input_of_the_language_model_is_one_line(run, arguments, message):
    assert message in run.error("demo", "language-model", *arguments)
