"""What README shows is what the program does."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from treesim.cli.main import main

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
CONSOLE = "".join(re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL))
SESSIONS = [part.split("\n", 1) for part in re.split(r"^\$ treesim ", CONSOLE, flags=re.MULTILINE)[1:]]


def test_commands_print_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(SESSIONS) >= 3
    for command, output in SESSIONS:
        result = CliRunner().invoke(main, command.split(), catch_exceptions=False)
        assert result.stdout.strip() == output.strip()


def test_python_examples_run_and_print_what_they_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, names)
    passed, error, tv, paths, long_tv, _, _, leaves = capsys.readouterr().out.splitlines()
    assert passed == "True"
    assert float(error) == pytest.approx(0.05, abs=1e-12)
    assert re.match(r"TV\(lo=0\.21.*kind='exact'", tv)
    assert float(paths) == pytest.approx(1000)
    assert re.match(r"TV\(lo=.*kind='certified'", long_tv)
    assert leaves == "6561"


def test_every_family_sampler_reward_and_perturbation_is_named():
    from treesim import FAMILIES, PERTURBATIONS, REWARDS, SAMPLERS

    for name in [*FAMILIES, *SAMPLERS, *REWARDS, *(set(PERTURBATIONS) - {"exact"})]:
        assert f"`{name}" in TEXT, name
