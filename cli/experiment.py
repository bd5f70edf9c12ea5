"""``treesim experiment``: the questions of the paper's programme, one command each."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.options import PATH, plot_option, spread_options, table_options
from treesim.cli.output import Failure, print_as, print_table, status, working
from treesim.tables import escaped, number


@click.command(
    cls=Command, short_help="A question of the paper's programme, answered with numbers and a figure; --list.",
    examples=("experiment steps", "experiment pools --plot pools.pdf --format csv"),
)  # fmt: skip
@click.argument("name", required=False, metavar="NAME")
@click.option("--list", "listed", is_flag=True, help="The questions.")
@click.option("--store", type=PATH, metavar="FILE", help="Where a long experiment keeps results; default NAME.jsonl.")
@plot_option("The figure; default NAME.png.", formerly=["-o", "--output"])
@spread_options()
@table_options()
def experiment(
    name: str | None, listed: bool, store: Path | None, plot: Path | None, jobs: int, dask: str | None, style: str
) -> None:  # fmt: skip
    """Run an experiment by NAME: bellman, learned, particles, corrections, pools, acceptance, tokens, phases, steps,
    nearest.

    One that takes minutes, learned, keeps each result in a file as it comes; run again, it goes on from there.
    """
    from treesim.figures.studies import experiment_figure
    from treesim.figures.style import figure_path, save_figure
    from treesim.studies.experiments import EXPERIMENTS

    if listed or name is None:
        for known, run in EXPERIMENTS.items():
            click.echo(f"{known:13}{(inspect.getdoc(run) or '').splitlines()[0]}")
        return
    if name not in EXPERIMENTS:
        raise Failure(f"unknown experiment {name!r}, expected one of: {', '.join(EXPERIMENTS)}")
    plot = figure_path(plot or Path(f"{name}.png"))
    keeps = "store" in inspect.signature(EXPERIMENTS[name]).parameters
    asked = {"--store": store is not None, "--jobs": jobs > 1, "--dask": dask is not None}
    if not keeps and any(asked.values()):
        option = next(option for option, given in asked.items() if given)
        raise Failure(f"experiment {name!r} is short: it keeps nothing, and runs here; leave {option} out")
    if keeps:
        with status(name) as report:
            result = EXPERIMENTS[name](store=store or Path(f"{name}.jsonl"), report=report, jobs=jobs, dask=dask)
    else:
        with working("computing"):
            result = EXPERIMENTS[name]()
    save_figure(experiment_figure(result), plot)
    places = sorted({x for curve in result.curves.values() for x, _ in curve})
    tables = {label: dict(curve) for label, curve in result.curves.items()}
    document = {
        "experiment": name, "question": result.question, "answer": result.answer, "x": result.x,
        "y": result.y, "curves": result.curves, "figures": result.figures,
        "surface": vars(result.surface) if result.surface else None, "figure": str(plot),
        "rows": [{result.x: x, **{label: curve.get(x) for label, curve in tables.items()}} for x in places],
    }  # fmt: skip
    headers = [result.x, *tables]
    rows = [[number(x), *(number(curve.get(x)) for curve in tables.values())] for x in places]
    if print_as(style, document, headers, rows):
        return
    click.echo(f"{result.question}\n")
    print_table(headers, rows)
    click.echo(f"\n{result.answer}\n\nfigure: {escaped(str(plot))}")
