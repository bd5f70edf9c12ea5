"""``treesim merge``: prefixes of identical future made one node."""

from __future__ import annotations

from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.inputs import load
from treesim.cli.options import file_argument, output_option, table_options
from treesim.cli.output import note, working
from treesim.cli.saving import instance_output, save_and_tell


@click.command(
    cls=Command, short_help="Make prefixes of identical future one node: a tree becomes a trellis.",
    examples=("merge tree.safetensors -o trellis.safetensors",
              "merge tree.safetensors --tolerance 1e-6 -o trellis.safetensors"),
)  # fmt: skip
@file_argument
@click.option("--tolerance", type=click.FloatRange(min=0), default=0.0, show_default=True,
              help="Logs of probabilities and values that round to the same multiple of it are the same.")  # fmt: skip
@output_option("The instance file to write.", required=True)
@table_options()
def merge(file: Path, tolerance: float, output: Path, style: str) -> None:
    """Make prefixes of identical future one node, and save the trellis.

    Every path writes the tokens that it wrote. What a tolerance changes, a bound on the TV between the targets before
    and after, is said on stderr, and how many nodes lost their names.
    """
    from treesim.instances import merging

    instance_output(output, file)
    instance = load(file)
    with working("merging"):
        merged, report = merging.merge(instance, tolerance)
    change = f"; the target moved by TV {report.tv_bound:.2g} at most" if tolerance else ""
    save_and_tell(merged, output, style)
    note(f"{report.nodes_before} nodes are {report.nodes_after} now{change}")
    if report.renamed:
        left = "what edges write tells the texts" if merged.graph.names is None else "that of the first of them stands"
        note(f"{report.renamed} nodes lost their names, merged with nodes of other names; {left}")
