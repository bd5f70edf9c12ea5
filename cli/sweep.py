"""``treesim sweep``: a grid of cells into one store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from treesim.cli.ending import farewell
from treesim.cli.help import Command
from treesim.cli.options import PATH, json_option, output_option, spread_options
from treesim.cli.output import distinct_output, note, print_json, progress
from treesim.tables import escaped


@click.command(
    cls=Command, short_help="A grid of instances and samplers into one store; resumable.",
    examples=("sweep grid.toml -o results.sqlite", "sweep grid.toml -o results.sqlite --jobs 4"),
)  # fmt: skip
@click.argument("grid", type=PATH, metavar="GRID.toml")
@output_option("A SQLite file.", required=True, metavar="STORE")
@spread_options()
@click.option("--force", is_flag=True, help="Compute the cells that STORE has, too.")
@json_option
def sweep(grid: Path, output: Path, jobs: int, dask: str | None, force: bool, as_json: bool) -> None:
    """Compute every cell of GRID.toml that STORE lacks, one committed row a cell.

    Killed at any moment and started again it finishes with the same rows. Cells that failed, or that another version of
    treesim or of your own code computed, are computed again. The exit code is 1 if cells failed. A grid:

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
    from treesim.studies.store import failures, missing, open_store, settle
    from treesim.studies.sweep import run

    cells = read_grid(grid)

    def going_on() -> str:
        stored = settle(output, cells)
        return f"interrupted: {stored} of {len(cells)} cells are in {output}; the same command goes on from there"

    with open_store(distinct_output(output, grid), create=True, tell=note) as store, farewell(going_on):
        waiting = cells if force else missing(cells, store)
        computed = run(waiting, store, jobs, dask)
        with closing(computed):
            for _ in progress(computed, "cells", shown=True, length=len(waiting)):
                pass
        failed = failures(cells, store)
    done = len(cells) - len(waiting)
    if as_json:
        print_json({"store": str(output), "cells": len(cells), "computed": len(waiting), "found": done,
                    "without_result": len(failed)})  # fmt: skip
    else:
        click.echo(f"{len(cells)} cells in {escaped(str(output))}: {len(waiting)} computed, {done} were there")
    if failed:
        note(f"{len(failed)} of them failed and will be tried again: {failed[0]}" + (" ..." if len(failed) > 1 else ""))
        raise click.exceptions.Exit(1)
