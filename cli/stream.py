"""``treesim stream``: a compiled tree that no memory holds, walked depth first."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.inputs import tree_of
from treesim.cli.options import PATH, any_specs_argument, table_options
from treesim.cli.output import Failure, print_as, print_table, status, working
from treesim.tables import distance, escaped


@click.command(
    cls=Command, short_help="Exact figures of a compiled tree of any size, without storing it.",
    examples=("stream tree.py:Ones:horizon=20 sp-gsmc best-of-n:n=16",
              "stream tree.py:Ones:horizon=24 importance:n=64 --journal ones.jsonl"),
)  # fmt: skip
@click.argument("tree")
@any_specs_argument
@click.option("--journal", type=PATH, metavar="FILE", help="Where finished subtrees are kept; interrupted, the same "
              "command goes on.")  # fmt: skip
@click.option("--most-rewards", type=click.IntRange(1, 2**24), default=4096, show_default=True,
              help="Different rewards that are told apart, for the laws of samplers that look at rewards.")  # fmt: skip
@table_options()
def stream(tree: str, specs: tuple[str, ...], journal: Path | None, most_rewards: int, style: str) -> None:
    """log Z, Bellman error and ratio bound of TREE, FILE.py:NAME:FIELD=VALUE,..., and the TV of each sampler SPEC.

    The tree is a class of your own with @treesim.compiled_tree (docs/compiled-trees.md). Samplers are those that look
    at rewards only (base, best-of-n, soft-best-of-n, importance, race, rejection), and sp-gsmc.
    """
    from treesim.samplers import sampler

    for spec in specs:
        sampler(spec)
    chosen = tree_of(tree)
    if chosen is None:
        raise Failure(f"{tree!r} names no compiled tree, expected FILE.py:NAME or FILE.py:NAME:FIELD=VALUE,...")
    with ExitStack() as waiting, status(tree) as report:
        waiting.enter_context(working("compiling the functions of the tree"))

        def told(text: str) -> None:
            if text.startswith("pass"):
                waiting.close()
                report(text)

        found = chosen.stream(journal=journal, progress=told, most_rewards=most_rewards)
    tvs = {spec: found.tv(spec) for spec in specs}
    rows = [{"spec": spec, "tv": tv.document()} for spec, tv in tvs.items()]
    document = {"tree": tree, **found.document(), "rows": rows}
    headers, table = ["sampler", "TV", "kind"], [[spec, distance(tv.lo, tv.hi), tv.kind] for spec, tv in tvs.items()]
    if print_as(style, document, headers, table):
        return
    click.echo(escaped(str(found), keep="\n"))
    if table:
        click.echo()
        print_table(headers, table)
