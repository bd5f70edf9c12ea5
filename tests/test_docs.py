"""The code of docs/ runs."""

import re
from pathlib import Path

import pytest

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
