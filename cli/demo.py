"""``treesim demo``: short stories with exact numbers and a figure."""

from __future__ import annotations

from pathlib import Path

import click

from cli.output import Failure, Group, number, print_json, print_table, progress

HORIZONS = "2,4,6,8,10"


@click.group(cls=Group)
def demo() -> None:
    """Teaching demos: text, exact numbers and a figure."""


@demo.command()
@click.option("--horizons", default=HORIZONS, show_default=True, help="Values of T, separated by commas.")
@click.option("--delta", type=float, default=0.1, show_default=True, help="The TV to reach.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("blowup.png"), show_default=True, help="The figure."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def blowup(horizons: str, delta: float, seed: int, output: Path, as_json: bool) -> None:
    """Compute for TV <= delta: exponential in T without a reward model, flat with one."""
    from treesim import demos
    from treesim.plots import blowup_figure, figure_path, save_figure

    try:
        steps = sorted({int(text) for text in horizons.split(",")})
    except ValueError:
        raise Failure(f"horizons is {horizons!r}, expected whole numbers separated by commas") from None
    if not (steps[0] >= 1 and steps[-1] <= 12):
        raise Failure(f"horizons is {horizons!r}, expected numbers from 1 to 12: the tree has 4^T leaves")
    if not 0.03 <= delta < 1:
        raise Failure(f"delta is {delta}, expected from 0.03 to 1: best-of-N itself ends near 0.02")
    figure_path(output)
    rows = [row for t in progress(steps, "horizons", True) for row in demos.blowup([t], delta, seed)]
    growth = {
        "best_of_n": demos.growth_per_step(rows, lambda row: row.best_of_n),
        "importance": demos.growth_per_step(rows, lambda row: row.importance),
    }
    save_figure(blowup_figure(rows, delta), output)
    if as_json:
        print_json({
            "demo": "blowup", "delta": delta, "seed": seed, "figure": str(output),
            "rows": [{
                "horizon": row.horizon,
                "best_of_n": {"least": row.best_of_n, "reference_draws": row.steps_drawn(row.best_of_n)},
                "importance": {"least": row.importance, "reference_draws": row.steps_drawn(row.importance)},
                "guided": {"epsilon": row.epsilon, "value_queries": row.guided_queries, "bound": row.guided_bound,
                           "tv": {"lo": row.guided_tv, "hi": row.guided_tv, "kind": "exact"}},
            } for row in rows],
            "growth_per_step": growth,
        })  # fmt: skip
        return
    click.echo(
        "At every step two of four continuations are right, and the reference policy does not know which.\n"
        "Best-of-N and importance resampling see the reward only at the end. Guidance asks a reward model\n"
        f"at each step, whose one-step (Bellman) error is 1/(4T). Least compute for TV <= {delta:g}, exact:\n"
    )
    print_table(
        ["T", "best-of-N: N", "steps drawn", "importance: N", "steps drawn", "guided: TV", "at most", "values asked"],
        [[row.horizon, number(row.best_of_n, 9), number(row.steps_drawn(row.best_of_n), 9),
          number(row.importance, 9), number(row.steps_drawn(row.importance), 9),
          f"{row.guided_tv:.4f}", f"{row.guided_bound:.4f}", number(row.guided_queries)] for row in rows],
    )  # fmt: skip
    if growth["importance"] is not None:
        click.echo(
            f"\nWithout a reward model N grows by a factor of {growth['importance']:.2f} a step; with one, a single "
            "particle\nstays within reach of the target at any horizon, for four values a step."
        )
    click.echo(f"\nfigure: {output}")
