"""``treesim compare``: TV against compute, samplers and instances side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from treesim.cli.help import Command
from treesim.cli.inputs import file_or_spec, load
from treesim.cli.options import (
    budget_option,
    names_argument,
    outcomes_option,
    plot_option,
    runs_option,
    seed_option,
    spread_options,
    table_options,
    width_option,
)
from treesim.cli.output import Failure, distinct_output, note, print_as, print_table, progress
from treesim.tables import distance, escaped, number

if TYPE_CHECKING:
    from treesim import Comparison


@click.command(
    cls=Command, short_help="TV against compute, for any number of instances and samplers; --plot.",
    examples=("compare tree.safetensors sp-gsmc importance smc --vary n=1,4,16 --vary particles=1,2,4",
              "compare results.sqlite --plot sweep.png"),
)  # fmt: skip
@names_argument
@click.option("--vary", "varied", multiple=True, metavar="NAME=V,V,...",
              help="Values of a parameter, for every SPEC that leaves it open; may be given again.")  # fmt: skip
@width_option(1e-6)
@budget_option
@runs_option(20_000, 20, "Runs that estimate a TV where there is no exact law.")
@seed_option("Of those runs.")
@outcomes_option()
@plot_option("Save a figure.")
@spread_options()
@table_options()
def compare(
    names: tuple[str, ...], varied: tuple[str, ...], width: float, budget: float, runs: int, seed: int,
    votes: tuple[int, ...] | None, plot: Path | None, jobs: int, dask: str | None, style: str,
) -> None:  # fmt: skip
    """TV and cost of every SPEC on every FILE, in one table and one figure.

    Names of samplers are SPECs, all else is a FILE; where a file is called as a sampler is, write ./NAME. The one FILE
    may be the store of a sweep: its rows are compared, and --vary NAME says what makes a curve.
    """
    from treesim.figures.comparison import comparison_figure
    from treesim.figures.style import figure_path, save_figure
    from treesim.samplers import labels
    from treesim.studies.store import is_store

    if plot is not None:
        figure_path(plot)
        distinct_output(plot, *map(Path, names))
    told = [file_or_spec(name) for name in names]
    files, specs = [each for each in told if isinstance(each, Path)], [each for each in told if isinstance(each, str)]
    if not files:
        raise Failure(f"{names[0]} is a sampler, and no instance is given; expected FILE... SPEC...")
    stores = [file for file in files if is_store(file)]
    if stores and len(told) > 1:
        raise Failure(f"{stores[0]} is the store of a sweep, which has its instances and samplers; expected it alone")
    if stores:
        found = _of_store(stores[0], varied)
    elif not specs:
        raise Failure(f"no sampler is given for {files[0]}; expected FILE... SPEC...")
    else:
        found = _computed(files, specs, varied, (width, budget), runs, seed, votes, jobs, dask)
    if plot is not None:
        save_figure(comparison_figure(found), plot)
    shown = labels(point.sampler for point in found.points)
    worth = [{} if point.worth is None else point.worth.cells() for point in found.points]
    heads = list(dict.fromkeys(head for cells in worth for head in cells))
    headers = ["instance", "sampler", "TV", "kind", "values asked", "draws", *heads]
    table = [
        [point.instance, label, distance(point.tv.lo, point.tv.hi), point.tv.kind, number(point.values),
         number(point.draws), *(cells.get(head, "-") for head in heads)]
        for point, label, cells in zip(found.points, shown, worth, strict=True)
    ]  # fmt: skip
    document = {"rows": found.records(), "figure": None if plot is None else str(plot)}
    if print_as(style, document, headers, table, left=2):
        return
    print_table(headers, table, left=2)
    if plot is not None:
        click.echo(f"\nfigure: {escaped(str(plot))}")


def _computed(
    files: list[Path], specs: list[str], varied: tuple[str, ...], effort: tuple[float, float], runs: int, seed: int,
    votes: tuple[int, ...] | None, jobs: int, dask: str | None,
) -> Comparison:  # fmt: skip
    """What is measured on instances."""
    from treesim.laws.density_ratio import Effort
    from treesim.studies import compare as study

    vary = dict(_values(text) for text in varied)
    # Wrong specs are told before anything is read.
    fixed = [line.label for line in study.series(specs, vary) if line.varies is None]
    if vary and fixed:
        note(f"one point each for {', '.join(fixed)}: none of {', '.join(vary)} is theirs to vary")
    instances = {str(file): load(file) for file in files}
    return study.compare(
        instances,
        specs,
        vary,
        Effort(*effort),
        runs,
        seed,
        lambda cells: progress(cells, "cells", shown=True),
        votes,
        jobs,
        dask,
    )


def _of_store(store: Path, varied: tuple[str, ...]) -> Comparison:
    """What a sweep has found."""
    from treesim.studies.compare import from_records
    from treesim.studies.store import open_store, rows

    if any("=" in text for text in varied):
        raise Failure("a store has its values; expected --vary NAME")
    with open_store(store, tell=note) as opened:
        return from_records(rows(opened), varied)


def _values(text: str) -> tuple[str, list[str]]:
    key, _, values = text.partition("=")
    found = [value.strip() for value in values.split(",")]
    if not key.strip() or not all(found):
        raise Failure(f"--vary {text!r}: expected NAME=VALUE,VALUE,... such as n=1,4,16")
    return key.strip(), found
