"""The demo of the discoveries: what each says, what decides it, and what was measured."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.tables import table


def figure_file(folder: Path, discovery: Discovery) -> Path:
    """Where the figure of a discovery goes."""
    return folder / f"{discovery.name}.png"


def document(discoveries: list[Discovery], folder: Path) -> dict[str, Any]:
    """The demo as a document."""
    return {
        "demo": "discoveries",
        "figures": str(folder),
        "rows": [
            {
                "name": each.name,
                "statement": each.statement,
                "answer": each.experiment.answer,
                "numbers": each.experiment.figures,
                "checks": len(each.checks),
                "held": sum(check.holds for check in each.checks),
                "figure": str(figure_file(folder, each)),
            }
            for each in discoveries
        ],
    }


def words(discoveries: list[Discovery], folder: Path) -> str:
    """The demo in words."""
    statements = [
        f"{each.name}\n{textwrap.fill(each.statement, 100, initial_indent='  ', subsequent_indent='  ')}\n"
        for each in discoveries
    ]
    rows = [
        [each.name, f"{sum(check.holds for check in each.checks)} of {len(each.checks)}",
         textwrap.fill(each.experiment.answer, 60), str(figure_file(folder, each))] for each in discoveries
    ]  # fmt: skip
    return "\n".join([*statements, table(["discovery", "checks held", "found", "figure"], rows, left=4)])
