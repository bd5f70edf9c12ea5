"""One thing has one spelling; old ones work, with a note."""

from pathlib import Path

import pytest

OLD = [
    (("tv", "{}", "smc:particles=64"), "--n", 100, "--runs", None),
    (("scale", "product", "smc", "--horizons", "2"), "--n", 100, "--runs", None),
    (("scale", "product", "smc", "--horizons", "2"), "-o", "s.png", "--plot", "s.png"),
    (("demo", "guidance", "--horizon", 3), "-o", "g.svg", "--plot", "g.svg"),
    (("demo", "hidden-leaf", "--horizon", 3), "--games", 20, "--runs", None),
    (("experiment", "acceptance"), "--output", "e.svg", "--plot", "e.svg"),
    (("audit", "treesim", "--runs", 100, "--sizes", "2"), "-o", "a.svg", "--plot", "a.svg"),
]


@pytest.mark.parametrize(("command", "old", "value", "new", "file"), OLD, ids=lambda part: str(part)[:40])
def test_old_spellings_work_with_a_note(run, instance, command, old, value, new, file):
    command = [str(part).format(instance) for part in command]
    before = run(*command, old, value)
    assert before.stderr.count("\n") == 1
    assert f"is now called {new}; the old spelling still works" in before.stderr
    if file is not None:
        Path(file).unlink()
    after = run(*command, new, value)
    if command[0] != "audit":  # which says how long it took
        assert after.stdout == before.stdout
    assert after.stderr == ""
    assert file is None or Path(file).exists()


def test_both_spellings_are_one_too_many(run, instance):
    for arguments in (("--n", 100, "--runs", 100), ("--runs", 100, "--n", 100)):
        line = run.error("tv", instance, "smc:particles=64", *arguments)
        assert line == "Error: --runs and its old spelling --n: give one of them"


def test_old_spellings_are_checked_like_new_ones(run, instance):
    assert "Invalid value for '--n'" in run.error("tv", instance, "base", "--n", 3)
    assert "--n" not in run("tv", "--help").stdout.replace("-n, --runs", "")


def test_runs_has_a_short_form_everywhere(run, instance):
    for arguments in (
        ("tv", instance, "smc:particles=64"),
        ("sample", instance, "base"),
        ("demo", "hidden-leaf", "--horizon", 3),
        ("scale", "product", "smc", "--horizons", "2"),
    ):
        assert run(*arguments, "-n", 50).stdout == run(*arguments, "--runs", 50).stdout
    assert run.json("sample", instance, "smc:particles=4", "--diagnose", "--runs", 50)["runs"] == 50
