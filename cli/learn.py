"""``treesim learn``: a value learned from rewards, and how good a guide it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.help import Command
from treesim.cli.options import file_argument, output_option, seed_option, table_options, width_option
from treesim.cli.output import Failure, note, print_as, print_table, status
from treesim.cli.saving import instance_output
from treesim.tables import distance as spelled
from treesim.tables import number

if TYPE_CHECKING:
    from treesim.learning import Learned


@click.command(
    cls=Command, short_help="Learn V^ from rewards: a loss, features, paths; --loss again compares.",
    examples=("learn tree.safetensors --loss ctl --features level,suffix:2 -o learned.safetensors",
              "learn tree.safetensors --loss ctl --loss step --loss soft-rl --samples 1000"),
)  # fmt: skip
@file_argument
@click.option("--loss", "losses", multiple=True, default=["ctl"], show_default="ctl", metavar="SPEC",
              help="ctl | poisson | sixo | soft-rl:gradient=stop | path-consistency | returns | log-returns | "
                   "cross-entropy | nado:penalty=1 | step; may be given again.")  # fmt: skip
@click.option("--features", default="level,suffix:2", show_default=True, metavar="TERMS",
              help="What V^ sees: one, time, level, suffix:j, count:TOKEN, count, automaton, node, products a*b of "
                   "them, or a name that --import registered.")  # fmt: skip
@click.option("--samples", type=click.IntRange(min=1), metavar="N",
              help="Learn from N simulated paths; default: from all of them, exactly.")  # fmt: skip
@click.option("--paths", type=click.Choice(["reference", "target"]), default="reference", show_default=True,
              help="Law of the paths to learn from.")  # fmt: skip
@click.option(
    "--ridge", type=click.FloatRange(min=0), help="Penalty on weights; default 1e-9, with --samples 0.01 / N."
)
@click.option("--split", is_flag=True, help="Tell nodes of a trellis apart where a feature needs it.")
@click.option("--iterations", type=click.IntRange(min=1), default=5000, show_default=True, help="At the most.")
@seed_option("Of the simulated paths.")
@width_option(1e-3)
@output_option("The instance file to write: the same, with the learned V^.")
@table_options()
def learn(
    file: Path, losses: tuple[str, ...], features: str, samples: int | None, paths: str, ridge: float | None,
    split: bool, iterations: int, seed: int, width: float, output: Path | None, style: str,
) -> None:  # fmt: skip
    """Learn V^ of the prefixes of an instance from its rewards: log V^ is linear in features of the prefix.

    A row a loss: how it went, the Bellman error of V^, largest and mean, and how far guidance by it is from the target.
    """
    from treesim import load
    from treesim.learning import features_of
    from treesim.learning import learn as learn_value

    if output is not None:
        instance_output(output, file)
        if len(losses) > 1:
            raise Failure(f"-o saves one learned value, and there are {len(losses)} losses; give one")
    seen = features_of(load(file), features, split)
    rows = []
    for loss in losses:
        with status(loss) as report:
            learned = learn_value(
                seen.instance, loss, seen, samples, paths, ridge, iterations=iterations, seed=seed, report=report
            )
        rows.append(_row(learned, width))
        if not learned.is_converged:
            note(
                f"{loss} has not converged: after {learned.iterations} iterations the slope is {learned.slope:.2g}; "
                "raise --iterations or --ridge"
            )
    if learned.rank is not None and learned.rank < len(seen.columns):
        note(
            f"the {len(seen.columns)} features add up to {learned.rank} that are independent: V^ is unique, their "
            "weights are not"
        )
    if output is not None:
        learned.instance.save(output)
    headers = ["loss", "features", "Bellman error", "mean", "B", "KL", "TV of sp-gsmc"]
    table = [
        [row["loss"], row["features"], number(row["bellman_error"]), number(row["mean_error"]),
         number(row["average_case_bound"]), number(row["kl_target_to_guided"]),
         spelled(row["tv"]["lo"], row["tv"]["hi"])]
        for row in rows
    ]  # fmt: skip
    document = {"file": str(file), "output": None if output is None else str(output), "columns": seen.columns,
                "rows": rows}  # fmt: skip
    if not print_as(style, document, headers, table):
        print_table(headers, table)


def _row(learned: Learned, width: float) -> dict[str, Any]:
    """What is told of a learned value."""
    from treesim.empirical.measure import distance
    from treesim.laws.density_ratio import Effort
    from treesim.samplers import GuidedSMC

    audit, guided = learned.instance.audit, learned.instance.guidance
    return {
        **learned.document(), "features": len(learned.columns), "bellman_error": audit.bellman_error,
        "mean_error": float(audit.mean_target.mean()), "average_case_bound": guided.average_case_bound,
        "kl_target_to_guided": guided.kl_target_to_guided, "predicted_tv": guided.predicted_tv,
        "tv": distance(GuidedSMC(), learned.instance, Effort(width)).document(),
    }  # fmt: skip
