from pathlib import Path

import pytest


def test_blowup_tells_its_story_and_draws_it(run):
    text = run("demo", "blowup", "--horizons", "2,3,4").stdout
    assert "grows by a factor of 2.0" in text
    assert Path("blowup.png").read_bytes().startswith(b"\x89PNG")


def test_blowup_as_json(run):
    document = run.json("demo", "blowup", "--horizons", "2,4", "--delta", 0.2, "-o", "b.svg")
    assert [row["horizon"] for row in document["rows"]] == [2, 4]
    row = document["rows"][1]
    assert row["importance"]["reference_draws"] == 4 * row["importance"]["least"]
    assert row["guided"]["tv"]["kind"] == "exact"
    assert Path("b.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--horizons", "2,x"], "expected whole numbers"),
        (["--horizons", "30"], "expected numbers from 1 to 12"),
        (["--delta", "0.001"], "expected from 0.03 to 1"),
        (["--horizons", "2", "-o", "b.bmp"], "expected .png, .pdf or .svg"),
    ],
)
def test_wrong_input_is_one_line(run, arguments, message):
    assert message in run.error("demo", "blowup", *arguments)


def test_an_unknown_demo_is_one_line(run):
    assert "No such command 'magic'" in run.error("demo", "magic")
