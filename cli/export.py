"""``treesim export``: the graph as node-link JSON, GraphML or DOT."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.inputs import load
from treesim.cli.options import file_argument, json_option, output_option
from treesim.cli.output import Failure, distinct_output


@click.command(
    cls=Command, short_help="The graph as node-link JSON, GraphML or DOT.",
    examples=("export tree.safetensors --format dot", "export tree.safetensors -o tree.graphml"),
)  # fmt: skip
@file_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "graphml", "dot"]),
    help="Default: by the ending of the output, else json (networkx node-link).",
)
@output_option()
@json_option
def export(file: Path, form: str | None, output: Path | None, as_json: bool) -> None:
    """The tree or trellis as a graph: networkx node-link JSON, GraphML or DOT."""
    from treesim import graph_from_instance
    from treesim.instances.graph_files import graph_text
    from treesim.runtime.files import write_whole

    if form is None:
        form = {".graphml": "graphml", ".dot": "dot"}.get(output.suffix if output else "", "json")
    if as_json and form != "json":
        raise Failure(f"--json prints node-link JSON, expected no --format {form}")
    text = graph_text(graph_from_instance(load(file)), form)
    if output is None:
        sys.stdout.write(text)
    else:
        write_whole(distinct_output(output, file), lambda path: path.write_text(text, encoding="utf-8"))
