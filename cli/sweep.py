"""``treesim sweep`` and ``treesim results``: a grid of cells in one store, and what is in it."""

from __future__ import annotations

from pathlib import Path

import click

from treesim.cli.options import json_option
from treesim.cli.output import Failure, distinct_output, print_json, progress


@click.command(short_help="A grid of instances and samplers into one store; resumable.")
@click.argument("grid", type=click.Path(path_type=Path), metavar="GRID.toml")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="STORE", help="A SQLite file.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--dask", metavar="ADDRESS", help="Of a running Dask cluster that computes the cells instead.")
@json_option
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
    from treesim.studies.grid import read_grid
    from treesim.studies.store import missing, open_store, rows
    from treesim.studies.sweep import run, run_on_dask

    cells = read_grid(grid)
    with open_store(distinct_output(output, grid), create=True) as store:
        waiting = missing(cells, store)
        done = len(cells) - len(waiting)
        computed = run(waiting, store, jobs) if dask is None else run_on_dask(waiting, store, dask)
        try:
            for _ in progress(waiting, "cells", shown=True):
                next(computed)
        except KeyboardInterrupt:
            stored = len(cells) - len(missing(cells, store))
            raise Failure(
                f"interrupted: {stored} of {len(cells)} cells are in {output}; the same command goes on from there"
            ) from None
        failed = sum(record["error"] is not None for record in rows(store))
    if as_json:
        print_json({"store": str(output), "cells": len(cells), "computed": len(waiting), "found": done,
                    "without_result": failed})  # fmt: skip
        return
    click.echo(
        f"{len(cells)} cells in {output}: {len(waiting)} computed, {done} were there"
        + (f"; {failed} rows say why they have no result" if failed else "")
    )
