"""Writes docs/ledger.md from claims.md beside this file: ``python docs/site/ledger.py``.

A claim has a verdict, what was found, and lines of Python. They are run; what they print stands behind them, and in
place of ``{0}``, ``{1}``, ... in the text.
"""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

SOURCE, PAGE = Path(__file__).with_name("claims.md"), Path(__file__).parent.parent / "ledger.md"
VERDICTS = ("holds", "sharpened", "false as stated", "settled here", "answered in part")


@dataclass(frozen=True)
class Claim:
    """A claim, the verdict, what was found, where there is more, and the lines that show it."""

    name: str
    says: str
    verdict: str
    found: str
    more: str
    lines: str

    @classmethod
    def read(cls, text: str) -> Claim:
        """From a section of the source."""
        name, fields, lines, _ = re.split(r"\n\n(?=Claim: )|\n```python\n|```\n*$", text)
        field = dict(part.strip().split(": ", 1) for part in fields.split("\n\n"))
        assert field["Verdict"] in VERDICTS, field["Verdict"]
        return cls(name, field["Claim"], field["Verdict"], field["Found"], field.get("More", ""), lines)

    def run(self) -> list[str]:
        """What the lines print."""
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard):
            exec(self.lines, {})
        return heard.getvalue().splitlines()


def page() -> str:
    """The page, every number computed now."""
    head, *parts = SOURCE.read_text(encoding="utf-8").split("\n## ")
    return "\n## ".join([head, *map(_part, parts)])


def _part(text: str) -> str:
    source, *sections = text.split("\n### ")
    claims = list(map(Claim.read, sections))
    printed = [claim.run() for claim in claims]
    rows = [
        f"| [{claim.name}](#{_anchor(claim.name)}) | {claim.verdict} | {_joined(claim.found).format(*numbers)} |"
        for claim, numbers in zip(claims, printed, strict=True)
    ]
    table = "\n".join(["| claim | verdict | found |", "| --- | --- | --- |", *rows])
    return "\n".join([f"{source}\n{table}\n", *map(_section, claims, printed)])


def _section(claim: Claim, printed: list[str]) -> str:
    left = iter(printed)
    code = [f"{line}  # {next(left)}" if line.startswith("print(") else line for line in claim.lines.splitlines()]
    verdict = f"{claim.verdict[0].upper()}{claim.verdict[1:]}"
    told = f"**{verdict}.** {claim.found.format(*printed)}\n{claim.more}".rstrip()
    return "\n".join([f"### {claim.name}\n", f"**Claim.** {claim.says}\n", f"{told}\n", "```python", *code, "```\n"])


def _joined(text: str) -> str:
    """On one line, as a table needs it."""
    return " ".join(text.split())


def _anchor(title: str) -> str:
    """The anchor of a heading, as markdown makes it."""
    return "-".join("".join(c for c in title.lower() if c.isalnum() or c in " -_").split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
