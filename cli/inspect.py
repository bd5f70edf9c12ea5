"""``treesim inspect``: size, log Z, Bellman error and ratio bound of an instance."""

from __future__ import annotations

from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.inputs import load
from treesim.cli.options import file_argument, plot_option, table_options
from treesim.cli.output import distinct_output, print_as
from treesim.tables import escaped


@click.command(
    cls=Command, short_help="Size, log Z, Bellman error, ratio bound; --plot.",
    examples=("inspect tree.safetensors", "inspect tree.safetensors --plot tree.png"),
)  # fmt: skip
@file_argument
@plot_option("Save a figure: Bellman error by level, value profile, small graphs drawn.")
@table_options()
def inspect(file: Path, plot: Path | None, style: str) -> None:
    """Size, log Z, Bellman error by level and ratio bound of an instance."""

    found = load(file).inspect()
    document = found.document()
    if plot is not None:
        from treesim.figures.instance import instance_figure
        from treesim.figures.style import save_figure

        save_figure(instance_figure(found.instance), distinct_output(plot, file))
    levels = {**document["bellman_error"]["by_level"], **document["guidance"]["by_level"]}
    records = [
        {"level": t, **dict(zip(levels, row, strict=True))} for t, row in enumerate(zip(*levels.values(), strict=True))
    ]
    if print_as(style, document if style == "json" else {"rows": records}, *found.levels()):
        return
    click.echo(escaped(str(found), keep="\n"))
    if plot is not None:
        click.echo(f"\nfigure: {escaped(str(plot))}")
