"""``treesim unroll``: the tree of all paths of a trellis."""

from __future__ import annotations

from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.options import file_argument, output_option, table_options
from treesim.cli.output import working
from treesim.cli.saving import instance_output, save_and_tell


@click.command(
    cls=Command, short_help="Make a trellis the tree of all its paths.",
    examples=("unroll trellis.safetensors -o tree.safetensors", "unroll trellis.safetensors -o t.safetensors --json"),
)  # fmt: skip
@file_argument
@output_option("The instance file to write.", required=True)
@table_options()
def unroll(file: Path, output: Path, style: str) -> None:
    """Make a trellis the tree of all its paths, and save it; refused where that does not fit in memory."""
    from treesim import load
    from treesim.instances import merging

    instance_output(output, file)
    instance = load(file)
    with working("unrolling"):
        tree = merging.unroll(instance)
    save_and_tell(tree, output, style)
