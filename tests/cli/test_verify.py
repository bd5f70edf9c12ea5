import csv
import json

import pytest
from click.testing import CliRunner

from treesim.cli.main import main
from treesim.hard_instances import battery


def run(*arguments, **options):
    return CliRunner().invoke(main, list(arguments), **options)


@pytest.fixture
def hidden(tmp_path):
    path = tmp_path / "hidden.safetensors"
    assert run("generate", "hidden-prefix", "--horizon", "9", "--form", "trellis", "-o", str(path)).exit_code == 0
    return str(path)


def test_a_file_is_checked(hidden):
    result = run("verify", hidden, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["failures"] == 0
    assert {row["theorem"] for row in document["rows"]} >= {"3.1", "3.2", "4.1", "4.3", "sharp 4.3", "5.1", "5.2"}
    assert all(row["holds"] for row in document["rows"])


def test_an_understated_hypothesis_ends_in_exit_code_1(hidden):
    result = run("verify", hidden, "--epsilon", "0.5")
    assert result.exit_code == 1
    assert "NO" in result.stdout
    assert "1 failed" in result.stdout


def test_the_battery_holds(discovered):
    """In this process, where the discoveries are known."""
    result = run("verify", env={"TREESIM_THREADS": "1"})
    assert result.exit_code == 0
    assert "0 failed" in result.stdout
    assert "hidden-prefix" in result.stdout


def test_processes_share_the_battery(monkeypatch):
    """Its last parts are begun first, and shown last: of three the first is begun when another is finished."""
    monkeypatch.setattr(battery, "BATTERY", battery.BATTERY[:3])
    monkeypatch.setattr(battery, "_discoveries", dict)
    alone, shared = (run("verify", "--json", env={"TREESIM_THREADS": threads}) for threads in ("1", "2"))
    assert alone.exit_code == shared.exit_code == 0
    assert alone.stdout == shared.stdout
    shown = dict.fromkeys(row["instance"] for row in json.loads(shared.stdout)["rows"])
    assert [name.split("(")[0] for name in shown] == ["product", "product", "dirichlet"]


def test_wrong_use_is_told(hidden):
    for arguments, message in (
        (("verify", "--epsilon", "0.1"), "give its file"),
        (("verify", hidden, "--search"), "leave the file out"),
        (("verify", "nowhere.safetensors"), "nowhere.safetensors"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr


def test_checks_in_every_format(hidden):
    rows = list(csv.DictReader(run("verify", hidden, "--format", "csv").stdout.splitlines()))
    assert {row["holds"] for row in rows} == {"True"}
    assert run("verify", hidden, "--format", "latex").stdout.startswith("\\begin{tabular}{lllrrrrr}")
    failed = run("verify", hidden, "--epsilon", "0.5", "--format", "markdown")
    assert failed.exit_code == 1
    assert "|      NO |" in failed.stdout
