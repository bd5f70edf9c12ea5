"""``treesim plan``: what to run for a TV, and what is guaranteed of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.help import Command
from treesim.cli.options import PATH, delta_option, table_options
from treesim.cli.output import print_as, print_table
from treesim.tables import number

if TYPE_CHECKING:
    from treesim.theory.planning import Method, Plan


@click.command(
    cls=Command, short_help="What to run for TV <= delta: guaranteed sizes, their cost, the cheapest.",
    examples=("plan --horizon 40 --bellman-error 0.01 --ratio-bound 3 --delta 0.05",
              "plan tree.safetensors --delta 0.2"),
)  # fmt: skip
@click.argument("file", type=PATH, required=False)
@click.option("--from", "measured", type=PATH, metavar="MEASURED.json",
              help="What treesim measure --json wrote, instead.")  # fmt: skip
@click.option("--horizon", type=click.IntRange(1), metavar="T", help="Steps.")
@click.option("--bellman-error", type=click.FloatRange(0), metavar="E", help="epsilon: how far P V^ / V^ is from 1.")
@click.option("--ratio-bound", type=click.FloatRange(1), metavar="L",
              help="Of the values of neighbours; without one, what needs it is not guaranteed.")  # fmt: skip
@delta_option(0.1)
@click.option("--branching", type=click.IntRange(1), metavar="B",
              help="Children of a prefix, for methods that list them all.")  # fmt: skip
@table_options()
@click.pass_context
def plan(
    ctx: click.Context, file: Path | None, measured: Path | None, horizon: int | None, bellman_error: float | None,
    ratio_bound: float | None, delta: float, branching: int | None, style: str,
) -> None:  # fmt: skip
    """What to run for TV <= delta: every method with the sizes that a theorem asks for on all instances of a horizon T,
    Bellman error and ratio bound, and which of them costs least.

    The three numbers are given, or those of an instance FILE, or of a measured log: --from. What one instance needs is
    often far less: treesim need
    """
    sources = {"FILE": file, "--from": measured, "--horizon": horizon}
    given = [what for what, value in sources.items() if value is not None]
    if len(given) != 1:
        raise click.UsageError(
            f"{' and '.join(given)} are given, expected one of them" if given
            else "expected --horizon and --bellman-error, a FILE, or --from MEASURED.json"
        )  # fmt: skip
    numbers = {"--bellman-error": bellman_error, "--ratio-bound": ratio_bound}
    stray = [what for what, value in numbers.items() if value is not None]
    if horizon is None and stray:
        raise click.UsageError(f"{stray[0]} stands beside {given[0]}, which has its own")
    observed: tuple[Method, ...] = ()
    if measured is not None:
        from treesim.measure.planning import plan_measured

        asked = delta if ctx.get_parameter_source("delta") is click.core.ParameterSource.COMMANDLINE else None
        found, observed = plan_measured(measured, asked, branching)
    elif file is not None:
        from treesim import load
        from treesim.theory.planning import plan_for

        found = plan_for(load(file), delta, branching)
    elif horizon is None or bellman_error is None:
        raise click.UsageError("--horizon without --bellman-error; expected both")
    else:
        from treesim.theory.planning import plan as guarantees

        found = guarantees(horizon, bellman_error, ratio_bound or float("inf"), delta, branching)
    headers = ["method", "asks for", "TV at most", "cost", "by", "remark"]
    document = {
        "file": None if file is None else str(file), "measured": None if measured is None else str(measured),
        **found.document(), "observed": [vars(row) for row in observed],
    }  # fmt: skip
    if print_as(style, document, headers, _rows(found.methods, found.branching), left=6):
        return
    _print(found, observed, headers)


def _print(found: Plan, observed: Sequence[Method], headers: Sequence[str]) -> None:
    """For people."""
    from treesim.theory.planning import NOT_GUARANTEED

    if observed:
        click.echo("what the log says of its own runs")
        print_table(headers, _rows(observed), left=6)
        least = f"epsilon is {number(found.bellman_error)} and L {number(found.ratio_bound)}"
        click.echo(f"\nwhat is guaranteed if {least}, which the log bounds from below")
    print_table(headers, _rows(found.methods, found.branching), left=6)
    click.echo()
    for asks, words in (("probabilities", "children listed"), ("draws", "children drawn only")):
        best = found.cheapest(asks)
        if best is not None:
            click.echo(f"cheapest, {words}: {best.spec}")
    draws = f"{found.draws_at_least} draw{'s' if found.draws_at_least > 1 else ''} at the root"
    click.echo(f"no algorithm that draws is within {found.delta:g} on all such instances with fewer than {draws}")
    if found.values_at_least is not None and found.values_at_least > 1.0:
        click.echo(f"and none at all with fewer than {number(found.values_at_least)} values (Theorem 4.2)")
    click.echo("\nnot guaranteed:")
    for name, why in NOT_GUARANTEED.items():
        click.echo(f"  {name}: {why}")


def _rows(methods: Sequence[Method], branching: int | None = 1) -> list[list[Any]]:
    """Guaranteed ones first, by cost."""
    ranked = sorted(methods, key=lambda row: (row.tv is None, row.asks, row.cost or 0.0))
    return [
        [
            row.spec,
            row.asks,
            "" if row.tv is None else number(row.tv, 3),
            _cost(row, branching),
            row.theorem,
            row.remark,
        ]
        for row in ranked
    ]


def _cost(row: Method, branching: int | None) -> str:
    if row.cost is None:
        return ""
    return number(row.cost, 3) + (" B" if branching is None and row.asks == "probabilities" else "")
