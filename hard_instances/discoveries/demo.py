"""The demo of the discoveries: what each says, what decides it, and what was measured."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from treesim.figures.formulas import above, below, fenced, formula, join, over
from treesim.figures.studies import COLOURS
from treesim.figures.web_page import Axis, Curve, Page, Panel, State
from treesim.hard_instances.discoveries.discovery import Discovery
from treesim.studies.experiment import Experiment, Surface
from treesim.tables import table

FORMULAS = {
    "exact-guided": formula("E[values asked] = O(L ", above("T", "2"), above("(1 + ε)", "2 T"), ")"),
    "first-leaf": formula(
        "P(exit through k) = ", over(below("s", "k"), join("∑ ", below("s", "j"))), " , ",
        over("1", below("s", "k")), " = ", over("1", below("c", "k")), " + ", over("1", "C(k)"),
    ),
    "sharper-hidden-prefix": formula("c = ", over("2", join("1 + ", over("2 log(1 + ε)", "log B")))),
    "single-or-many": formula("(T − 1) log(1 + ε) ≤ 2 atanh δ"),
    "log-not-loglog": formula(
        below("TV", "n"), " = ", below("TV", "0"), above(fenced(join("(1 − p)(1 − ", above("k", "−2"), ")")), "n")
    ),
    "log-inherent": formula("TV ≥ ", over("1", "2"), " ", above(fenced(over("k − 1", "k + 1")), "N")),
    "race": formula("P(y is kept) = q(y) N w ∫ ", above("G(s)", "N − 1"), " ", above("s", "−2"), " ds"),
    "perfect-value-particles": formula("N = 3.46 ", above("T", "1 / 2")),
    "average-case": formula("TV ≤ B = ∑ TV(", below("μ", "t"), ", ", below("ν", "t"), ")"),
    "errors-add-like-roots": formula("TV ≈ erf(", over("1", "2"), " ", above("KL", "1 / 2"), ")"),
    "which-loss": formula("V̂(c) → a(parent of c) V̂(c)"),
}  # fmt: skip
SLICES = 6


def page(discoveries: list[Discovery]) -> Page:
    """Every discovery: what it says, what decides it, and its figure; a map is shown in slices."""
    panels, curves = [], []
    for each in discoveries:
        experiment, held = each.experiment, sum(check.holds for check in each.checks)
        about = [each.statement, *([FORMULAS[each.name]] if each.name in FORMULAS else [])]
        about += [f"{experiment.question}. {experiment.answer} Checks held: {held} of {len(each.checks)}."]
        panels.append(Panel(each.name, *_axes(experiment), about))
        curves.append([
            Curve(label, points, colour, marks=True)
            for (label, points), colour in zip(experiment.curves.items(), itertools.cycle(COLOURS))
        ])  # fmt: skip
        if experiment.surface is not None:
            panel, slices = _slices(f"{each.name}: the map", experiment.surface)
            panels.append(panel)
            curves.append(slices)
    return Page(
        "Beyond the paper: eleven results of an exact laboratory",
        ("Each result has the checks that decide it, rows of treesim verify, and a figure.",),
        (), panels, [State(curves)],
    )  # fmt: skip


def _axes(experiment: Experiment) -> tuple[Axis, Axis]:
    x, y = Axis(experiment.x, log=experiment.log_x), Axis(experiment.y, log=experiment.log_y)
    return x, y if experiment.log_y else Axis(experiment.y, low=0.0)


def _slices(title: str, surface: Surface) -> tuple[Panel, list[Curve]]:
    """A map as curves, a few of its rows from the first to the last."""
    rows = np.linspace(0, len(surface.y) - 1, min(SLICES, len(surface.y))).round().astype(int).tolist()
    curves = [
        Curve(f"{surface.y_label} = {surface.y[row]:.3g}", list(zip(surface.x, surface.z[row], strict=True)), colour)
        for row, colour in zip(rows, COLOURS, strict=False)
    ]
    about = f"{surface.z_label} over {surface.x_label} and {surface.y_label}, a curve for each of {len(rows)} values."
    return Panel(title, Axis(surface.x_label, log=True), Axis(surface.z_label), (about,)), curves


def figure_file(folder: Path, discovery: Discovery) -> Path:
    """Where the figure of a discovery goes."""
    return folder / f"{discovery.name}.png"


def document(discoveries: list[Discovery], folder: Path | None, html: Path | None) -> dict[str, Any]:
    """The demo as a document; without a folder there are no figures."""
    return {
        "demo": "discoveries",
        "figures": folder and str(folder),
        "page": html and str(html),
        "rows": [
            {
                "name": each.name,
                "statement": each.statement,
                "answer": each.experiment.answer,
                "numbers": each.experiment.figures,
                "checks": len(each.checks),
                "held": sum(check.holds for check in each.checks),
                "figure": folder and str(figure_file(folder, each)),
            }
            for each in discoveries
        ],
    }


def words(discoveries: list[Discovery], folder: Path | None) -> str:
    """The demo in words; without a folder there are no figures."""
    statements = [
        f"{each.name}\n{textwrap.fill(each.statement, 100, initial_indent='  ', subsequent_indent='  ')}\n"
        for each in discoveries
    ]
    rows = [
        [each.name, f"{sum(check.holds for check in each.checks)} of {len(each.checks)}",
         textwrap.fill(each.experiment.answer, 60), *([str(figure_file(folder, each))] if folder else [])]
        for each in discoveries
    ]  # fmt: skip
    return "\n".join(
        [*statements, table(["discovery", "checks held", "found", *(["figure"] if folder else [])], rows, left=4)]
    )
