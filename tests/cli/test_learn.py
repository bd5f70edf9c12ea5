from pathlib import Path

import pytest

from treesim import GuidedSMC, learn, load


@pytest.fixture
def tree(run):
    run("generate", "dirichlet", "--horizon", 6, "--seed", 2, "-o", "tree.st")
    return "tree.st"


def test_a_value_is_learned_and_saved(run, tree):
    done = run("learn", tree, "--loss", "poisson", "--features", "level,suffix:1", "-o", "learned.st")
    learned = learn(load(tree), "poisson", "level,suffix:1")
    saved = load("learned.st")
    assert saved.same_as(learned.instance)
    loss, features, error, mean, bound, kl, tv = done.stdout.splitlines()[2].split()
    assert (loss, int(features)) == ("poisson", len(learned.columns))
    assert float(error) == pytest.approx(saved.audit.bellman_error, rel=1e-3)
    assert float(mean) == pytest.approx(saved.audit.mean_target.mean(), rel=1e-3)
    assert float(bound) == pytest.approx(saved.guidance.average_case_bound, rel=1e-3)
    assert float(kl) == pytest.approx(saved.guidance.kl_target_to_guided, rel=1e-3)
    assert float(tv) == pytest.approx(GuidedSMC().law(saved).tv(saved.target).hi, rel=1e-3)
    assert "features=level,suffix:1" in run("inspect", "learned.st").stdout


def test_losses_are_compared_row_by_row(run, tree):
    document = run.json("learn", tree, "--loss", "ctl", "--loss", "step", "--samples", 300, "--seed", 4)
    assert [row["loss"] for row in document["rows"]] == ["ctl", "step"] and document["output"] is None
    for row in document["rows"]:
        expected = learn(load(tree), row["loss"], samples=300, seed=4)
        assert list(row["weights"].values()) == expected.weights.tolist()
        assert (row["samples"], row["converged"]) == (300, True)
        assert row["predicted_tv"] == expected.instance.guidance.predicted_tv
        assert row["tv"]["kind"] == "exact" and row["features"] == len(document["columns"])
    lines = run("learn", tree, "--loss", "ctl", "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("loss,samples,objective,iterations,converged,slope,") and len(lines) == 2


def test_every_option_reaches_the_search(run, tree):
    def weights(*options):
        return run.json("learn", tree, *options)["rows"][0]["weights"]

    plain = weights("--samples", 50)
    for options in (
        ("--paths", "target"), ("--ridge", 5), ("--seed", 1), ("--features", "level"), ("--samples", 51),
    ):  # fmt: skip
        assert weights("--samples", 50, *options) != plain, options
    cut = run("learn", tree, "--iterations", 1)
    assert "ctl has not converged: after 1 iterations the slope is " in cut.stderr
    assert "raise --iterations or --ridge" in cut.stderr


def test_a_trellis_is_split_where_features_need_it(run):
    run("generate", "markov", "--horizon", 5, "--states", 2, "-o", "chain.st")
    message = run.error("learn", "chain.st", "--features", "count:1", "-o", "l.st")
    assert "feature 'count:1' is no function of the nodes" in message and "--split" in message
    assert not Path("l.st").exists()
    run("learn", "chain.st", "--features", "count:1", "--split", "-o", "l.st")
    assert load("l.st").graph.n_nodes > load("chain.st").graph.n_nodes
    wide, narrow = (
        run.json("learn", "chain.st", "--features", "one", "--width", width)["rows"][0]["tv"] for width in (0.1, 1e-5)
    )
    assert narrow["hi"] - narrow["lo"] <= 1e-5 and wide["lo"] <= narrow["lo"] <= narrow["hi"] <= wide["hi"]


def test_features_that_add_up_to_each_other_are_told(run, tree):
    done = run("learn", tree, "--features", "level,suffix:1")
    assert done.stderr == "the 7 features add up to 6 that are independent: V^ is unique, their weights are not\n"
    assert run.json("learn", tree, "--features", "level,suffix:1")["rows"][0]["rank"] == 6
    assert run("learn", tree, "--features", "level*suffix:1").stderr == ""
    # The counts of all tokens add up to the level.
    assert learn(load(tree), features="level,count").rank == 6


def test_functions_of_a_file_are_features(run, tree):
    Path("mine.py").write_text(
        "from treesim import register_feature\n\n"
        "@register_feature('ones')\ndef ones(prefix):\n    return float(sum(prefix))\n"
    )
    document = run.json("--import", "mine.py", "learn", tree, "--features", "one,ones")
    assert document["columns"] == ["one", "ones:0"]
    expected = run.json("learn", tree, "--features", "one,count:1")["rows"][0]["weights"]
    assert list(document["rows"][0]["weights"].values()) == pytest.approx(list(expected.values()))


def test_wrong_input(run, tree):
    assert "unknown loss 'luck', expected one of: ctl, " in run.error("learn", tree, "--loss", "luck")
    assert "unknown feature 'luck'" in run.error("learn", tree, "--features", "luck")
    assert "reads rewards as probabilities" in run.error("learn", tree, "--loss", "cross-entropy")
    assert "-o saves one learned value, and there are 2 losses; give one" in run.error(
        "learn", tree, "--loss", "ctl", "--loss", "sixo", "-o", "x.st"
    )
    assert "is the input" in run.error("learn", tree, "-o", tree)
    assert "0 is not in the range" in run.error("learn", tree, "--samples", 0)
    Path("taken.txt").write_text("mine")
    assert "is not an instance file" in run.error("learn", tree, "-o", "taken.txt")
