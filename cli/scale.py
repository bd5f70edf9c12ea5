"""``treesim scale``: least compute for a TV against the horizon."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from treesim.cli.help import Command
from treesim.cli.inputs import setting
from treesim.cli.options import (
    delta_option,
    family_argument,
    plot_option,
    runs_option,
    seed_option,
    specs_argument,
    spread_options,
    table_options,
    vary_option,
)
from treesim.cli.output import Failure, print_as, print_table, progress, whole_numbers
from treesim.tables import distance, escaped, number

# What has a place of its own on the command line, and what `scale` calls so itself.
_OPTIONS = {
    "horizon": "--horizons", "horizons": "--horizons", "epsilon": "--epsilon", "seed": "--seed", "delta": "--delta",
    "vary": "--vary", "runs": "--runs", "name": "FAMILY", "spec": "SPEC",
}  # fmt: skip


@click.command(
    cls=Command, short_help="Least compute for TV <= delta against T, and which growth explains it.",
    examples=("scale product smc --vary particles --epsilon 0.5/T --delta 0.02 --horizons 8,16,32",
              "scale dirichlet importance --set concentration=0.5 --horizons 2,4,6 --plot growth.png"),
)  # fmt: skip
@family_argument
@specs_argument
@vary_option
@click.option(
    "--epsilon", "schedules", multiple=True, metavar="E", help="Bellman error, such as 0.5/T; may be repeated."
)
@delta_option(0.1)
@click.option("--horizons", default="4,8,16,32", show_default=True, help="Values of T, separated by commas.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of FAMILY; may be repeated.")
@runs_option(20_000, 20, "Runs that estimate a TV where there is no exact law.", formerly=["--n"])
@seed_option()
@plot_option("Save a figure.", formerly=["-o", "--output"])
@spread_options()
@table_options()
def scale(
    family: str, specs: tuple[str, ...], vary: str | None, schedules: tuple[str, ...], delta: float, horizons: str,
    settings: tuple[str, ...], runs: int, seed: int, plot: Path | None, jobs: int, dask: str | None, style: str,
) -> None:  # fmt: skip
    """The least parameter of each sampler SPEC with TV <= delta on FAMILY, for each horizon and Bellman error.

    What one instance needs is told by: treesim need
    """
    from treesim import FAMILIES
    from treesim.figures.studies import scaling_figure
    from treesim.figures.style import figure_path, save_figure
    from treesim.runtime.reading import exists
    from treesim.studies import scaling
    from treesim.studies.spread import in_order

    if family not in FAMILIES and exists(Path(family)):
        raise Failure(f"{family} is a file, and scale asks a family at many horizons; for one instance: treesim need "
                      f"{family} {specs[0]}")  # fmt: skip
    steps = whole_numbers(horizons, "horizons")
    if steps[0] < 1:
        raise Failure(f"horizons is {horizons!r}, expected numbers of at least 1")
    if plot is not None:
        figure_path(plot)
    parameters = dict(setting(text) for text in settings)
    for key in parameters:
        if key in _OPTIONS:
            raise Failure(f"--set {key}: expected {_OPTIONS[key]}")
    asked = {
        (f"{spec}, epsilon = {schedule}" if schedule is not None else spec, horizon):
        scaling.Question(family, spec, horizon, delta, vary, schedule, seed, runs, parameters)
        for spec in specs for schedule in (schedules or (None,)) for horizon in steps
    }  # fmt: skip
    answers = in_order(
        scaling.Question.answer, list(asked.values()), jobs, dask, lambda rows: progress(rows, "horizons", shown=True)
    )
    series: dict[str, list[scaling.Need]] = {}
    for (label, _), row in zip(asked, answers, strict=True):
        series.setdefault(label, []).append(row)
    fits = {
        label: scaling.fit({row.horizon: row.least for row in rows if row.least is not None})
        for label, rows in series.items()
    }
    if plot is not None:
        save_figure(scaling_figure(series, fits, family, delta), plot)
    document = {
        "family": family, "delta": delta, "seed": seed, "figure": None if plot is None else str(plot),
        "rows": [{"series": label, **row.document()} for label, rows in series.items() for row in rows],
        "fits": {label: None if each is None else dataclasses.asdict(each) for label, each in fits.items()},
    }  # fmt: skip
    columns = ["T", "Bellman error", "least", "TV", "kind", "queries"]
    table = [[label, *_cells(row)] for label, rows in series.items() for row in rows]
    if print_as(style, document, ["sampler", *columns], table):
        return
    for label, rows in series.items():
        click.echo(f"{escaped(f'{family}, {label}')}: least {rows[0].parameter} with TV <= {delta:g}\n")
        print_table(columns, map(_cells, rows))
        click.echo(f"\n{_sentence(fits[label])}\n")
    if plot is not None:
        click.echo(f"figure: {escaped(str(plot))}")


def _cells(row: Any) -> list[Any]:
    return [row.horizon, number(row.epsilon), "none" if row.least is None else row.least,
            distance(row.tv.lo, row.tv.hi), row.tv.kind, number(row.queries)]  # fmt: skip


def _sentence(growth: Any) -> str:
    if growth is None:
        return "Too few horizons for a fit: three at least."
    if growth.verdict == "constant":
        return "It does not grow."
    power, exponential = growth.power, growth.exponential
    which = {
        "power": "A power explains it better", "exponential": "An exponential explains it better",
        "undecided": "Which explains it better is undecided",
    }[growth.verdict]  # fmt: skip
    return (
        f"T^{power.exponent:.3g} (95%: {power.low:.3g} to {power.high:.3g}) or exp({exponential.exponent:.3g} T) "
        f"({exponential.low:.3g} to {exponential.high:.3g}). {which}: "
        f"AIC {power.aic:.3g} against {exponential.aic:.3g}."
    )
