"""``treesim measure``: what a log of generation tells, without the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.help import Command
from treesim.cli.options import delta_option, plot_option, seed_option, table_options
from treesim.cli.output import note, print_as, print_table, working
from treesim.tables import number

if TYPE_CHECKING:
    from treesim.measure import Measurement
    from treesim.measure.intervals import Interval

# Cells of a reliability diagram that a table shows.
_MOST_CELLS = 40


@click.command(
    cls=Command, short_help="What a log of guided generation, or of scored traces, tells: errors, TV, corrections.",
    examples=("measure guided.jsonl --delta 0.05 --plot measured.png",
              "measure traces.jsonl --scale logit"),
)  # fmt: skip
@click.argument("log", type=click.Path(path_type=Path), metavar="LOG.jsonl")
@click.option("--scale", type=click.Choice(["linear", "log", "logit"]),
              help="Of the values; default: what the lines say, or linear.")  # fmt: skip
@delta_option(0.1)
@click.option("--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True,
              help="Of intervals and bounds.")  # fmt: skip
@click.option("--chi-square", type=click.FloatRange(0, min_open=True), metavar="K",
              help="What Var R / (E R)^2 does not exceed, if you know it: the bound on the TV then holds at any number "
                   "of runs; without it the runs say.")  # fmt: skip
@seed_option("Of the bootstrap.")
@plot_option("Save a figure.", metavar="FIGURE")
@table_options()
def measure(
    log: Path, scale: str | None, delta: float, level: float, chi_square: float | None, seed: int, plot: Path | None,
    style: str,
) -> None:  # fmt: skip
    """What a log tells: JSON lines {"run", "step", "value", "pool": [...], "kept"} of guided generation, or
    {"run", "step", "value"} of paths that were drawn from pi_ref and scored.

    Bellman errors by step, how far what was sampled is from the target, and how many runs a correction needs; of plain
    traces whether the values are a martingale. treesim.measure.Recorder writes such logs.
    """
    from treesim.measure import measure_log

    if plot is not None:
        from treesim.figures.style import figure_path

        figure_path(plot)
    with working("reading and measuring the log"):
        found = measure_log(log, scale, delta, level, seed, chi_square)
    for text in found.notes:
        note(text)
    if plot is not None:
        from treesim.figures.measure import measurement_figure
        from treesim.figures.style import save_figure

        save_figure(measurement_figure(found), plot)
    document = {"file": str(log), **found.document()}
    if style == "csv":
        document["rows"] = document["steps"]
    headers, rows = _steps(found)
    if print_as(style, document, headers, rows, left=0):
        return
    print_table(headers, rows, left=0)
    click.echo()
    if found.calibration is not None:
        _print_cells(found)
    print_table(["quantity", "estimate", f"at level {level:g}"], _summary(found), left=1)
    if plot is not None:
        click.echo(f"\nfigure: {plot}")


def _steps(found: Measurement) -> tuple[list[str], list[list[Any]]]:
    """The table of steps."""
    if found.calibration is not None:
        return ["step", "visits", "drift", "interval"], [
            [row.step, row.visits, _estimate(row.drift), _interval(row.drift)]
            for row in found.steps
        ]  # fmt: skip
    return ["step", "visits", "mean square", "interval", "by plug-in", "mean of rho", "interval"], [
        [row.step, row.visits, _estimate(row.mean_square), _interval(row.mean_square),
         number(row.plug_in), _estimate(row.ratio), _interval(row.ratio)]
        for row in found.steps
    ]  # fmt: skip


def _print_cells(found: Measurement) -> None:
    """The reliability diagram as a table, where it is not too long."""
    assert found.calibration is not None
    cells = found.calibration.cells
    if len(cells) <= _MOST_CELLS:
        print_table(
            ["step", "values", "visits", "mean V", "mean V next", "drift"],
            [[cell.step, f"{number(cell.low)} .. {number(cell.high)}", cell.visits, number(cell.value),
              number(cell.following), _interval(cell.drift)] for cell in cells], left=0,
        )  # fmt: skip
        click.echo()


def _summary(found: Measurement) -> list[list[str]]:
    """The figures of the whole log."""
    rows = [
        ["Bellman error epsilon", "", f"at least {number(found.bellman_error_lower)}"],
        ["ratio bound L", "", f"at least {number(found.ratio_bound_seen)} (seen)"],
    ]
    if found.calibration is not None:
        return [["mean |rho - 1|", "", f"at least {number(found.calibration.mean_error_lower)}"], *rows]
    if found.tv_upper is not None:
        rows.append(["TV to the target, at most", number(found.tv_upper.estimate),
                     f"at most {number(found.tv_upper.hi)}"])  # fmt: skip
    for name, part in (
        ("average-case bound B, with noise", found.average_case_bound), ("effective runs", found.ess),
        ("acceptance", found.acceptance), ("mean square goes like (step + 1)^b, b", found.trend_by_step),
        ("and like length^b, b", found.trend_by_length),
    ):  # fmt: skip
        if part is not None:
            rows.append([name, number(part.estimate), _interval(part)])
    if found.paths is not None:
        for name, paths in (("Chebyshev selection", found.paths.chebyshev),
                            ("Metropolis-Hastings", found.paths.metropolis),
                            ("importance resampling", found.paths.importance)):  # fmt: skip
            rows.append([f"runs for TV <= {found.delta:g}: {name}", "none" if paths is None else str(paths), ""])
    return rows


def _estimate(part: Interval | None) -> str:
    return number(None if part is None else part.estimate)


def _interval(part: Interval | None) -> str:
    return "" if part is None else f"{number(part.lo)} .. {number(part.hi)}"
