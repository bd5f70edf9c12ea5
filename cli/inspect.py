"""``treesim inspect``: size, log Z, Bellman error and ratio bound of an instance."""

from __future__ import annotations

from pathlib import Path

import click

from treesim.cli.options import file_argument, json_option
from treesim.cli.output import distinct_output, print_json
from treesim.tables import escaped


@click.command(short_help="Size, log Z, Bellman error, ratio bound; --plot.")
@file_argument
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Save a figure: Bellman error by level, value profile, small graphs drawn.",
)
@json_option
def inspect(file: Path, plot: Path | None, as_json: bool) -> None:
    """Size, log Z, Bellman error by level and ratio bound of an instance."""
    from treesim import load

    found = load(file).inspect()
    document = found.document()
    if plot is not None:
        from treesim.figures.instance import instance_figure
        from treesim.figures.style import save_figure

        save_figure(instance_figure(found.instance), distinct_output(plot, file))
    if as_json:
        print_json(document)
        return
    click.echo(escaped(str(found), keep="\n"))
    if plot is not None:
        click.echo(f"\nfigure: {escaped(str(plot))}")
