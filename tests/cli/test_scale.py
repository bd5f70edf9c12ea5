from pathlib import Path

import pytest


def test_rows_and_fits_as_json(run):
    document = run.json(
        "scale", "product", "smc", "--vary", "particles", "--epsilon", "0.5/T", "--delta", 0.02, "--horizons", "8,16,32"
    )  # fmt: skip
    assert [row["least"] for row in document["rows"]] == [4, 3, 2]
    assert document["rows"][0]["tv"]["kind"] == "exact"
    assert document["rows"][0]["queries"] == 32
    (found,) = document["fits"].values()
    assert set(found) == {"power", "exponential", "verdict"}


def test_schedules_side_by_side_with_a_figure(run):
    result = run(
        "scale", "product", "smc", "--epsilon", "0.5/T", "--epsilon", "0.1", "--horizons", "4,8,16", "--plot", "s.png"
    )
    assert "epsilon = 0.5/T" in result.stdout
    assert "epsilon = 0.1" in result.stdout
    assert "AIC" in result.stdout
    assert Path("s.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_input(run):
    assert "expected whole numbers" in run.error("scale", "product", "smc", "--horizons", "many")
    assert "expected KEY=VALUE" in run.error("scale", "product", "smc", "--set", "ratio")
    assert "has no parameter 'wishes'" in run.error("scale", "product", "smc", "--set", "wishes=3")
    assert "unknown sampler" in run.error("scale", "product", "luck")
    assert "expected .png" in run.error("scale", "product", "smc", "--plot", "s.txt")


@pytest.mark.parametrize(
    ("setting", "option"),
    [("horizon=3", "--horizons"), ("seed=1", "--seed"), ("epsilon=0.1", "--epsilon"), ("runs=20", "--runs"),
     ("delta=0.1", "--delta"), ("spec=base", "SPEC"), ("name=x", "FAMILY"), ("vary=n", "--vary"),
     ("horizons=3", "--horizons")],
)  # fmt: skip
def test_what_has_an_option_of_its_own_is_not_set(run, setting, option):
    assert f"expected {option}" in run.error("scale", "product", "smc", "--horizons", "2", "--set", setting)


@pytest.mark.parametrize("setting", ["luck=3", "=3", "ratio", "ratio=x", f"ratio={'9' * 400}", "ratio=nan"])
def test_settings_that_are_wrong_are_one_line(run, setting):
    run.error("scale", "product", "smc", "--horizons", "2", "--set", setting)


def test_a_file_is_told_which_command_takes_it(run, instance):
    assert f"for one instance: treesim need {instance} importance" in run.error("scale", instance, "importance")


def test_one_table_of_all_series_for_papers(run):
    arguments = ("scale", "product", "smc", "importance", "--epsilon", "0.5/T", "--horizons", "4,8")
    rows = run(*arguments, "--format", "csv").stdout.splitlines()
    assert rows[0].startswith("series,horizon,epsilon,sampler,parameter,least,tv.lo,tv.hi,tv.kind")
    assert len(rows) == 5
    table = run(*arguments, "--format", "markdown").stdout.splitlines()
    assert table[0].startswith("| sampler") and len(table) == 6
