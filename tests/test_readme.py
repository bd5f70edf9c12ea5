"""What README shows is what the program does."""

import re
from pathlib import Path

from click.testing import CliRunner

from tests.sessions import sessions
from treesim.cli.main import main

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_commands_print_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = sessions(TEXT)
    assert len(shown) >= 2
    for command, output in shown:
        result = CliRunner().invoke(main, command.split(), catch_exceptions=False)
        assert result.stdout.strip() == output


def test_python_examples_run_and_print_what_they_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, names)
    (tv,) = capsys.readouterr().out.splitlines()
    assert re.match(r"TV\(lo=0\.033.*kind='exact'", tv)


def test_it_takes_two_minutes_and_its_pictures_and_links_are_there():
    assert len(TEXT.split()) < 600
    pictures, links = re.findall(r"!\[([^\]]+)\]\((\S+)\)", TEXT), re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", TEXT)
    assert len(pictures) == 2 and all(len(alt) > 40 for alt, _ in pictures)
    for path in [*(path for _, path in pictures), *links]:
        assert (ROOT / path.split("#")[0]).is_file(), path


def test_every_family_sampler_reward_and_perturbation_is_named():
    from treesim import FAMILIES, PERTURBATIONS, REWARDS, SAMPLERS

    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name in [*FAMILIES, *SAMPLERS, *REWARDS, *(set(PERTURBATIONS) - {"exact"})]:
        assert f"`{name}" in commands, name
