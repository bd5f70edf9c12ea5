"""``treesim inspect``: size, log Z, Bellman error and ratio bound of an instance."""

from __future__ import annotations

from pathlib import Path

import click

from treesim.cli.options import file_argument, json_option
from treesim.cli.output import distinct_output, print_json, print_table
from treesim.tables import escaped, number


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
    from treesim.studies.describe import describe_instance

    instance = load(file)
    document = describe_instance(instance)
    if plot is not None:
        from treesim.figures.instance import instance_figure
        from treesim.figures.style import save_figure

        save_figure(instance_figure(instance), distinct_output(plot, file))
    if as_json:
        print_json(document)
        return
    error = document["bellman_error"]
    start, end = document["ratio_bound_step"]

    def place(node: int) -> str:
        return escaped(instance.graph.describe(node))

    click.echo(escaped(instance.parameter_text))
    click.echo(
        f"horizon {document['horizon']}, {document['nodes']:,} nodes, 2^{document['log2_paths']:.4g} paths, "
        f"seed {document['seed']}\n"
        f"log Z          {document['log_partition']:.10g}\n"
        f"Bellman error  {number(error['sup'], 10)}, attained at {place(error['node'])}\n"
        f"ratio bound L  {number(document['ratio_bound'], 10)}, attained from {place(start)} to {place(end)}\n"
    )
    columns = error["by_level"]
    print_table(
        ["level", "sup", "mean under pi_ref", "mean under target"],
        [[t, *map(number, row)] for t, row in enumerate(zip(*columns.values(), strict=True))],
    )
    if plot is not None:
        click.echo(f"\nfigure: {escaped(str(plot))}")
