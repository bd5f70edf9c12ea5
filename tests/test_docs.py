"""The code of docs/ runs."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.sessions import sessions
from treesim.cli.main import main

ROOT = Path(__file__).parent.parent / "docs"
# The code of the ledger runs where it is written: tests/test_site.py.
DOCS = sorted(set(ROOT.rglob("*.md")) - set((ROOT / "site").rglob("*.md")) - {ROOT / "ledger.md"})


@pytest.mark.parametrize("page", DOCS, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_python_blocks_run_and_print_what_they_say(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    printed = capsys.readouterr().out.splitlines()
    for line, expected in zip(printed, re.findall(r"^print\(.*?\)  # (.*)$", text, re.MULTILINE), strict=True):
        pattern = ".*".join(re.escape(part) for part in expected.split("..."))
        assert re.fullmatch(pattern, line), line


SHOWING = [page for page in DOCS if sessions(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", SHOWING, ids=lambda page: page.stem)
def test_commands_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command, output in sessions(page.read_text(encoding="utf-8")):
        assert CliRunner().invoke(main, command.split(), catch_exceptions=False).stdout.strip() == output
