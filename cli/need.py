"""``treesim need``: least compute for a TV on one instance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treesim.cli.help import Command
from treesim.cli.inputs import budget_note, load
from treesim.cli.options import (
    budget_option,
    delta_option,
    file_argument,
    runs_option,
    seed_option,
    specs_argument,
    table_options,
    vary_option,
    width_option,
)
from treesim.cli.output import Failure, print_as, print_table, status
from treesim.tables import distance, number

if TYPE_CHECKING:
    from treesim import TV


@click.command(
    cls=Command, short_help="Least compute for TV <= delta on one instance.",
    examples=("need tree.safetensors importance --delta 0.1",
              "need tree.safetensors sp-gsmc --vary mh --delta 0.001"),
)  # fmt: skip
@file_argument
@specs_argument
@vary_option
@delta_option(0.1)
@click.option("--most", type=click.IntRange(1, 2**40), default=2**20, show_default=True,
              help="Larger parameters are not tried.")  # fmt: skip
@width_option(1e-6)
@budget_option
@runs_option(20_000, 20, "Runs that estimate a TV where there is no exact law.")
@seed_option("Of those runs.")
@table_options()
def need(
    file: Path, specs: tuple[str, ...], vary: str | None, delta: float, most: int, width: float, budget: float,
    runs: int, seed: int, style: str,
) -> None:  # fmt: skip
    """The least parameter of each sampler SPEC with TV <= delta on the instance: particles, paths, a pool or steps.

    It is "none" where even the largest is not enough; its TV is shown then. How the need of a family grows with T is
    told by: treesim scale
    """
    from treesim import FAMILIES
    from treesim.laws.density_ratio import Effort
    from treesim.runtime.reading import exists
    from treesim.studies import scaling

    if str(file) in FAMILIES and not exists(file):
        raise Failure(f"{file} is a family, and need asks one instance; for its need against T: treesim scale {file} "
                      f"{specs[0]}")  # fmt: skip
    # Wrong specs are told before anything is computed.
    parameters = [scaling.varying(spec, vary) for spec in specs]
    instance = load(file)
    found = []
    for spec, parameter in zip(specs, parameters, strict=True):
        with status(f"{spec}, {parameter}") as report:

            def tried(n: int, tv: TV, report: Callable[[str], None] = report) -> None:
                report(f"{n}, TV {distance(tv.lo, tv.hi)}")

            effort = Effort(width, budget)
            found.append(scaling.need(instance, spec, delta, parameter, runs, seed, effort, most, tried))
        budget_note(found[-1].sampler, found[-1].tv.document(), width)
    document = {"file": str(file), "delta": delta, "seed": seed,
                "rows": [{"spec": spec, **row.document()} for spec, row in zip(specs, found, strict=True)]}  # fmt: skip
    headers = ["sampler", "parameter", f"least for TV <= {delta:g}", "TV", "kind", "queries"]
    table = [
        [spec, row.parameter, "none" if row.least is None else row.least,
         distance(row.tv.lo, row.tv.hi), row.tv.kind, number(row.queries)]
        for spec, row in zip(specs, found, strict=True)
    ]  # fmt: skip
    if not print_as(style, document, headers, table, left=2):
        print_table(headers, table, left=2)
