"""``treesim sweep`` and ``treesim results``: a grid of cells in one store, and what is in it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import click

from treesim.cli.output import Failure, distinct_output, json_text, number, print_json, print_table, progress


@click.command(short_help="A grid of instances and samplers into one store; resumable.")
@click.argument("grid", type=click.Path(path_type=Path), metavar="GRID.toml")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="STORE", help="A SQLite file.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--dask", metavar="ADDRESS", help="Of a running Dask cluster that computes the cells instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sweep(grid: Path, output: Path, jobs: int, dask: str | None, as_json: bool) -> None:
    """Compute every cell of GRID.toml that STORE lacks, one committed row a cell.

    Killed at any moment and started again it finishes with the same rows. A grid:

    \b
        [[grid]]
        family = "dirichlet"
        samplers = ["sp-gsmc", "importance:n=16"]
        seeds = [0, 1, 2]
        [grid.parameters]
        horizon = [4, 6, 8]
        perturbation = "random-sign"
        epsilon = ["0.5/T", 0.1]
    """
    from treesim.studies import sweep as sweeping

    cells = sweeping.read_grid(grid)
    with sweeping.open_store(distinct_output(output, grid), create=True) as store:
        waiting = sweeping.missing(cells, store)
        done = len(cells) - len(waiting)
        computed = sweeping.run(waiting, store, jobs) if dask is None else sweeping.run_on_dask(waiting, store, dask)
        try:
            for _ in progress(waiting, "cells", True):
                next(computed)
        except KeyboardInterrupt:
            stored = len(cells) - len(sweeping.missing(cells, store))
            raise Failure(
                f"interrupted: {stored} of {len(cells)} cells are in {output}; the same command goes on from there"
            ) from None
        failed = sum(record["error"] is not None for record in sweeping.rows(store))
    if as_json:
        print_json({"store": str(output), "cells": len(cells), "computed": len(waiting), "found": done,
                    "without_result": failed})  # fmt: skip
        return
    click.echo(
        f"{len(cells)} cells in {output}: {len(waiting)} computed, {done} were there"
        + (f"; {failed} rows say why they have no result" if failed else "")
    )


@click.command(short_help="The rows of a store as table, csv, json or parquet.")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), default="table",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a file instead of stdout.")
def results(store: Path, form: str, output: Path | None) -> None:
    """What a sweep has found so far, a row a cell."""
    from treesim.runtime.files import write_whole
    from treesim.studies import sweep as sweeping

    with sweeping.open_store(store) as connection:
        records = sweeping.rows(connection)
    columns = list(dict.fromkeys(key for record in records for key in record))
    if form == "parquet":
        if output is None:
            raise Failure("parquet is no text; give a file: -o FILE.parquet")
        _write_parquet(records, columns, distinct_output(output, store))
        return
    if form == "table" and output is None:
        _print_summary(records)
        return
    text = json_text({"store": str(store), "rows": records}) + "\n" if form == "json" else _csv(records, columns)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_whole(distinct_output(output, store), lambda path: path.write_text(text, encoding="utf-8"))


def _csv(records: list[dict[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _print_summary(records: list[dict[str, Any]]) -> None:
    """The table: what defines a cell where it differs, and what was found."""
    names = list(dict.fromkeys(key for record in records for key in record if key.startswith("parameters.")))
    rows = []
    for record in records:
        given = [str(record.get(name, "-")) for name in names]
        found = [number(record["tv.lo"]), number(record["tv.hi"]), record["tv.kind"] or "-"]
        rows.append(
            [record["family"], *given, str(record["seed"]), record["sampler"], *found,
             number(record["value_queries"]), record["error"] or ""]
        )  # fmt: skip
    defines = ["family", *(name.removeprefix("parameters.") for name in names), "seed", "sampler"]
    why = "why not" if any(record["error"] for record in records) else ""
    print_table([*defines, "TV from", "to", "kind", "queries", why], rows, left=len(defines))


def _write_parquet(records: list[dict[str, Any]], columns: list[str], path: Path) -> None:
    from treesim.runtime.files import write_whole

    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Failure("parquet needs the package pyarrow: pip install 'treesim[parquet]'") from None
    # A parameter may be a number in one cell and a text in another.
    mixed = {name for name in columns if len({type(record.get(name)) for record in records} - {type(None)}) > 1}
    plain = [
        {name: str(record.get(name)) if name in mixed and record.get(name) is not None else record.get(name)
         for name in columns}
        for record in records
    ]  # fmt: skip
    table = pyarrow.Table.from_pylist(plain)
    write_whole(path, lambda temporary: parquet.write_table(table, temporary))
