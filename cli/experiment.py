"""``treesim experiment``: the questions of the paper's programme, one command each."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from treesim.cli.options import json_option
from treesim.cli.output import Failure, print_json, print_table, working
from treesim.tables import escaped, number


@click.command(short_help="A question of the paper's programme, answered with numbers and a figure; --list.")
@click.argument("name", required=False, metavar="NAME")
@click.option("--list", "listed", is_flag=True, help="The questions.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE.png", help="The figure; default NAME.png."
)
@json_option
def experiment(name: str | None, listed: bool, output: Path | None, as_json: bool) -> None:
    """Run an experiment by NAME: bellman, particles, corrections, pools, acceptance, tokens, phases or steps."""
    from treesim.figures.studies import experiment_figure
    from treesim.figures.style import figure_path, save_figure
    from treesim.studies.experiments import EXPERIMENTS

    if listed or name is None:
        for known, run in EXPERIMENTS.items():
            click.echo(f"{known:13}{(inspect.getdoc(run) or '').splitlines()[0]}")
        return
    if name not in EXPERIMENTS:
        raise Failure(f"unknown experiment {name!r}, expected one of: {', '.join(EXPERIMENTS)}")
    output = figure_path(output or Path(f"{name}.png"))
    with working("computing"):
        result = EXPERIMENTS[name]()
    save_figure(experiment_figure(result), output)
    if as_json:
        print_json({"experiment": name, "question": result.question, "answer": result.answer, "x": result.x,
                    "y": result.y, "curves": result.curves, "figures": result.figures,
                    "surface": vars(result.surface) if result.surface else None, "figure": str(output)})  # fmt: skip
        return
    click.echo(f"{result.question}\n")
    places = sorted({x for curve in result.curves.values() for x, _ in curve})
    tables = {label: dict(curve) for label, curve in result.curves.items()}
    print_table(
        [result.x, *tables],
        [[number(x), *(number(table[x]) if x in table else "-" for table in tables.values())] for x in places],
    )
    click.echo(f"\n{result.answer}\n\nfigure: {escaped(str(output))}")
