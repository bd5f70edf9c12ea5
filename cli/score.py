"""``treesim score``: where a sampler fails, on a fixed battery, beside every published one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.help import Command
from treesim.cli.options import (
    PATH,
    any_specs_argument,
    output_option,
    plot_option,
    seed_option,
    spread_options,
    table_options,
)
from treesim.cli.output import Failure, note, print_as, print_table, progress
from treesim.tables import distance, escaped, number

if TYPE_CHECKING:
    from treesim.studies.score_card import Mark, ScoreCard

EVERY = "all"


@click.command(
    cls=Command, short_help="Where a sampler fails: a fixed battery of experiments, and a card; -o card.html.",
    examples=("score sp-gsmc importance -o card.html", "score mine.py:Mine --jobs 2 -o card.html"),
)  # fmt: skip
@any_specs_argument
@click.option("--vary", metavar="NAME", help="The parameter that grows; default: the one that must be given, or mh.")
@output_option("A web page with verdicts and curves.", metavar="FILE.html")
@plot_option("Save a figure.")
@spread_options()
@click.option("--journal", type=PATH, metavar="FILE", help="Where results are kept; default: a cache of the user's.")
@click.option("--fresh", is_flag=True, help="Compute what is known, too.")
@seed_option("Of runs, where there is no exact law.")
@table_options()
def score(
    specs: tuple[str, ...], vary: str | None, output: Path | None, plot: Path | None, jobs: int, dask: str | None,
    journal: Path | None, fresh: bool, seed: int, style: str,
) -> None:  # fmt: skip
    """Play each sampler SPEC on every axis of the battery, at equal budgets, and say where it fails.

    A sampler of your own is FILE.py:CLASS, with parameters FILE.py:CLASS:NAME=VALUE,... Of what is open one parameter
    grows with the budget: so many prefixes drawn, and values asked, for every step. Cards of all samplers that come
    with treesim are known; without SPEC they are listed, and all stands for every one. What was computed is kept, by
    battery and by the code of the sampler: interrupted, the same command goes on.
    """
    from treesim.figures.score_card import score_figure, score_page
    from treesim.figures.style import figure_path, save_figure
    from treesim.figures.web_page import page_path, save_page
    from treesim.studies.roster import ROSTER, shipped

    if output is not None:
        page_path(output)
    if plot is not None:
        figure_path(plot)
    known = {} if fresh else shipped()
    listed = not specs or specs == (EVERY,)
    if not specs and (fresh or vary or output or plot):
        raise Failure("no sampler is given; expected SPEC..., or all")
    cards = [
        known[spec] if spec in known and vary is None and seed == 0
        else _computed(spec, vary, seed, jobs, dask, journal, fresh)
        for spec in (ROSTER if listed else specs)
    ]  # fmt: skip
    rivals = {} if listed else shipped()
    if plot is not None:
        save_figure(score_figure(cards, rivals), plot)
    if output is not None:
        save_page(score_page(cards, rivals), output)
    written = {"page": output and str(output), "figure": plot and str(plot)}
    if listed:
        _list(cards, style, written)
    else:
        _tell(cards, style, written)


def _computed(
    spec: str, vary: str | None, seed: int, jobs: int, dask: str | None, journal: Path | None, fresh: bool
) -> ScoreCard:
    from treesim.studies import score_card

    return score_card.score(
        spec, vary, seed, jobs, dask, journal or (None if fresh else _cache()),
        lambda found: progress(found, spec, shown=True),
    )  # fmt: skip


def _cache() -> Path | None:
    """The user's own journal; None where there is no place for it."""
    from treesim._version import __version__
    from treesim.runtime.files import cache_folder
    from treesim.studies.battery import VERSION

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        note(f"results are not kept: {folder}: {error.strerror}")
        return None
    return folder / f"score-{VERSION}-{__version__}.jsonl"


def _list(cards: Sequence[ScoreCard], style: str, written: dict[str, Any]) -> None:
    """All samplers, the best first."""
    from treesim.studies.verdicts import failures, solved

    cards = sorted(cards, key=lambda card: -card.total)
    headers = ["sampler", "score", "solved", "failed"]
    rows = [[card.sampler, f"{card.total:.3f}", len(solved(card)), len(failures(card))] for card in cards]
    document = {**_document(cards), **written}
    if print_as(style, document, headers, rows):
        return
    print_table(headers, rows)
    click.echo(f"\nOf {len(cards[0].marks)} axes: solved: TV <= 0.05 at the largest budget; failed: above 0.25.")


def _tell(cards: Sequence[ScoreCard], style: str, written: dict[str, Any]) -> None:
    """The cards, and what they say."""
    from treesim.studies.battery import BUDGETS, VERSION
    from treesim.studies.roster import shipped
    from treesim.studies.verdicts import verdicts

    headers = ["axis", *(f"TV at {budget}" for budget in BUDGETS), "kind", "reward", "score"]
    tables = [[[name, *_cells(card, name)] for name in card.marks] for card in cards]
    rows = [[card.sampler, *row] for card, table in zip(cards, tables, strict=True) for row in table]
    document = {**_document(cards), **written}
    if print_as(style, document, ["sampler", *headers], rows, left=2):
        return
    for card, table in zip(cards, tables, strict=True):
        click.echo(f"{escaped(card.sampler)}, battery {VERSION}: TV at so many prefixes and values a step\n")
        print_table(headers, table)
        click.echo("\n" + "\n".join(f"- {escaped(line)}" for line in verdicts(card, shipped())) + "\n")
    for kind, path in written.items():
        if path:
            click.echo(f"{kind}: {escaped(path)}")


def _cells(card: ScoreCard, name: str) -> list[Any]:
    marks = card.marks[name]
    kinds = dict.fromkeys(mark.tv.kind for mark in marks if mark.tv is not None)
    return [*map(_distance, marks), "/".join(kinds) or "-", number(marks[-1].reward), f"{card.score(name):.2f}"]


def _distance(mark: Mark) -> str:
    return "-" if mark.tv is None else distance(mark.tv.lo, mark.tv.hi)


def _document(cards: Sequence[ScoreCard]) -> dict[str, Any]:
    """The cards, and the same as rows of a table."""
    from treesim.studies.battery import VERSION

    rows = [
        {"card": card.sampler, "axis": name, "score": card.score(name), **mark.document()}
        for card in cards for name, marks in card.marks.items() for mark in marks
    ]  # fmt: skip
    return {"battery": VERSION, "cards": [card.document() for card in cards], "rows": rows}
