"""``treesim inspect``: size, log Z, Bellman error and ratio bound of an instance."""

from __future__ import annotations

from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.options import file_argument, plot_option, table_options
from treesim.cli.output import distinct_output, print_as, print_table
from treesim.tables import escaped, number


@click.command(
    cls=Command, short_help="Size, log Z, Bellman error, ratio bound; --plot.",
    examples=("inspect tree.safetensors", "inspect tree.safetensors --plot tree.png"),
)  # fmt: skip
@file_argument
@plot_option("Save a figure: Bellman error by level, value profile, small graphs drawn.")
@table_options()
def inspect(file: Path, plot: Path | None, style: str) -> None:
    """Size, log Z, Bellman error by level and ratio bound of an instance."""
    from treesim import load
    from treesim.studies.describe import describe_instance

    instance = load(file)
    document = describe_instance(instance)
    if plot is not None:
        from treesim.figures.instance import instance_figure
        from treesim.figures.style import save_figure

        save_figure(instance_figure(instance), distinct_output(plot, file))
    error = document["bellman_error"]
    by_level = [dict(zip(error["by_level"], row, strict=True)) for row in zip(*error["by_level"].values(), strict=True)]
    columns = ["level", "sup", "mean under pi_ref", "mean under target"]
    table = [[t, *map(number, row.values())] for t, row in enumerate(by_level)]
    records = [{"level": t, **row} for t, row in enumerate(by_level)]
    if print_as(style, document if style == "json" else {"rows": records}, columns, table):
        return
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
    print_table(columns, table)
    if plot is not None:
        click.echo(f"\nfigure: {escaped(str(plot))}")
