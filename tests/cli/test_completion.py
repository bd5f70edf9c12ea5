"""What shells complete, as the page of commands says it is switched on."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from treesim.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_that_the_page_asks_for_is_there(program, shell):
    asked = f"_TREESIM_COMPLETE={shell}_source treesim"
    assert asked in PAGE
    assert "_TREESIM_COMPLETE=" in program(env={"_TREESIM_COMPLETE": f"{shell}_source"}).out


def completed(words):
    """What bash is offered for the last of some words."""
    env = {
        "_TREESIM_COMPLETE": "bash_complete",
        "COMP_WORDS": f"treesim {words}",
        "COMP_CWORD": str(words.count(" ") + 1),
    }
    return CliRunner().invoke(main, prog_name="treesim", env=env).stdout.split()


def test_commands_options_families_and_samplers_are_completed():
    assert completed("ver") == ["plain,verify"]
    assert completed("tv a.st --ru") == ["plain,--runs"]
    assert completed("tv a.st sp-g") == ["plain,sp-gsmc"]
    assert completed("generate dir") == ["plain,dirichlet"]
    assert completed("scale hidden") == ["plain,hidden-prefix"]
    assert completed("sample a.st imp") == ["plain,importance"]
    assert completed("compare a.st imp") == ["file,imp", "plain,importance"]
    assert completed("inspect tr")[0].startswith("file,")


def test_old_spellings_are_not_offered():
    assert completed("tv a.st --n") == []
    assert not re.search(r"--games", " ".join(completed("demo hidden-leaf --")))
