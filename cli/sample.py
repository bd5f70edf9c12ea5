"""``treesim sample``: outputs of a sampler, or what its runs look like inside."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.help import Command
from treesim.cli.inputs import load
from treesim.cli.options import (
    file_argument,
    output_option,
    plot_option,
    runs_option,
    seed_option,
    spec_argument,
    table_options,
)
from treesim.cli.output import Failure, distinct_output, note, print_as, print_json, print_table
from treesim.tables import escaped, number, table

if TYPE_CHECKING:
    from treesim import Draws, Instance, Sampler
    from treesim.empirical.diagnosis import Diagnosis
    from treesim.empirical.partition import Partition

OUTPUTS, DIAGNOSED = 10, 200


@click.command(
    cls=Command, short_help="Simulate outputs of a sampler.",
    examples=("sample tree.safetensors sp-gsmc:pool=8 --runs 1000 -o outputs.csv",
              "sample tree.safetensors smc:particles=64 --diagnose --plot runs.png"),
)  # fmt: skip
@file_argument
@spec_argument
@runs_option(None, 1, "Runs, an output each; default: 10, or 200 to diagnose.", most=2**40)
@seed_option()
@output_option("Write .csv or .npz instead of stdout.")
@click.option("--diagnose", is_flag=True, help="Look inside the runs instead: ESS, ancestors, acceptance, a verdict.")
@plot_option("With --diagnose: ESS, ancestors, genealogy.")
@table_options()
def sample(
    file: Path,
    spec: str,
    runs: int | None,
    seed: int,
    output: Path | None,
    diagnose: bool,
    plot: Path | None,
    style: str,
) -> None:
    """Simulate outputs of a sampler: leaf, choices at each step, log reward.

    The table of outputs is csv; that of --diagnose has a row a level, where there is one to look at.
    """
    import csv
    import io

    import numpy as np

    from treesim import sampler as sampler_of
    from treesim.runtime.files import write_whole
    from treesim.runtime.memory import require_memory

    if output is not None and output.suffix not in (".csv", ".npz"):
        raise Failure(f"{output} ends in {output.suffix!r}, expected .csv or .npz")
    if plot is not None and not diagnose:
        raise Failure("--plot draws what --diagnose finds; give both")
    sampler = sampler_of(spec)
    instance = load(file)
    if diagnose:
        _diagnose(sampler, instance, spec, runs or DIAGNOSED, seed, plot, style)
        return
    count = runs or OUTPUTS
    require_memory(count * (64 + 12 * instance.graph.horizon), f"{count} outputs of {instance.graph.horizon} steps")
    draws = sampler.simulate(instance, count, seed)
    log_reward = draws.log_reward(instance)
    choices = [draws.choices(instance.graph, i) for i in range(count)]
    texts = None
    if instance.graph.edge_tokens(0) is not None:
        paths = instance.graph.path_edges(np.maximum(draws.leaf, 0), draws.edges)
        texts = [None if leaf < 0 else instance.graph.text(edges)
                 for leaf, edges in zip(draws.leaf.tolist(), paths, strict=True)]  # fmt: skip
    names = None if instance.graph.names is None else [_last_name(instance, draws, i) for i in range(count)]
    if style == "json":
        print_json({
            "file": str(file), "sampler": spec, "n": count, "seed": seed,
            "leaf": [None if leaf < 0 else leaf for leaf in draws.leaf.tolist()],
            "choices": choices,
            **({} if names is None else {"name": names}),
            **({} if texts is None else {"text": texts}),
            "log_reward": [None if leaf < 0 else value
                           for leaf, value in zip(draws.leaf.tolist(), log_reward.tolist(), strict=True)],
            "cost": {"reference_draws": draws.reference_draws, "value_queries": draws.value_queries},
        })  # fmt: skip
    if output is not None and output.suffix == ".npz":
        nothing = [-1] * instance.graph.horizon
        arrays = {
            "leaf": draws.leaf,
            "choices": np.array([nothing if row is None else row for row in choices]),
            "log_reward": log_reward,
        }
        if names is not None:
            arrays["name"] = np.array(["" if name is None else name for name in names])
        if texts is not None:
            arrays["text"] = np.array(["" if text is None else text for text in texts])
        write_whole(distinct_output(output, file), lambda path: np.savez(path, allow_pickle=False, **arrays))
        return
    if output is None and style == "json":
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns: dict[str, Sequence[Any]] = {"draw": range(count), "leaf": draws.leaf.tolist()}
    if names is not None:
        columns["name"] = names
    if texts is not None:
        columns["text"] = texts
    columns |= {
        "choices": ["-".join(map(str, row or [])) for row in choices],
        "log_reward": [repr(value) for value in log_reward.tolist()],
    }
    if output is None and style in ("markdown", "latex"):
        click.echo(table(list(columns), zip(*columns.values(), strict=True), left=len(columns) - 1, form=style))
        return
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    if output is None:
        sys.stdout.write(text.getvalue())
    else:
        write_whole(distinct_output(output, file), lambda path: path.write_text(text.getvalue(), encoding="utf-8"))


def _last_name(instance: Instance, draws: Draws, i: int) -> str | None:
    """What the last node of an output is called, before the padding that may follow it."""
    import numpy as np

    from treesim import Tree

    graph, leaf = instance.graph, int(draws.leaf[i])
    if leaf < 0 or graph.names is None:
        return None
    if isinstance(graph, Tree):
        nodes = graph.path(leaf)
    else:
        edges = [] if draws.edges is None else draws.edges[i].tolist()
        ends = [int(graph.layer(t).ends(np.array([edge]))[0]) for t, edge in enumerate(edges)]
        nodes = [0, *(graph.level(t + 1).start + end for t, end in enumerate(ends))]
    named = (graph.names[node] for node in reversed(nodes))
    name = next((name for name in named if name is not None), None)
    return None if name is None else str(name)


def _diagnose(
    sampler: Sampler, instance: Instance, spec: str, runs: int, seed: int, plot: Path | None, style: str
) -> None:
    """Print what is found inside the sampler's runs, and draw it."""
    from treesim.empirical import diagnosis

    found = diagnosis.diagnose(sampler, instance, n=runs, seed=seed)
    if plot is not None:
        from treesim.figures.runs import diagnosis_figure
        from treesim.figures.style import save_figure

        if found.ess is None:
            raise Failure(f"there is nothing to draw inside {spec}, expected smc")
        save_figure(diagnosis_figure(found, diagnosis.one_run(sampler, instance, seed), spec), plot)
    columns = {"ess": found.ess, "weight_range": found.weight_range, "ancestors": found.ancestors}
    lists = {key: None if column is None else column.tolist() for key, column in columns.items()}
    document: dict[str, Any] = {
        "sampler": spec, "runs": found.runs, **lists,
        "log_partition_spread": found.log_partition_spread, "extinct": found.extinct,
        "acceptance": found.acceptance, "verdict": list(found.verdict),
        "partition": found.partition and found.partition.document(),
    }  # fmt: skip
    if found.ess is None:
        headers, rows = ["sampler", "runs", "acceptance"], [[spec, found.runs, number(found.acceptance)]]
        records = [{"sampler": spec, "runs": found.runs, "acceptance": found.acceptance}]
    else:
        levels = list(zip(*columns.values(), strict=True))
        headers = ["level", "ESS / N", "largest weight / mean", "ancestors / N"]
        rows = [[t, *map(number, row)] for t, row in enumerate(levels, 1)]
        records = [{"level": t, **dict(zip(columns, map(float, row), strict=True))} for t, row in enumerate(levels, 1)]
    told = _in_words(found, plot)
    if print_as(style, document if style == "json" else {"rows": records}, headers, rows):
        for line in told if style != "json" else ():
            note(line)
        return
    if found.ess is not None:
        print_table(headers, rows)
        click.echo()
    click.echo("\n".join(told))


def _of_partition(found: Partition) -> list[str]:
    """What the runs say of Z, beside the truth."""
    upper = "" if found.upper is None else f", and {number(found.upper, 6)} with a path of the target pinned"
    lines = [f"log Z {number(found.log_partition, 6)}; mean of log Z^ {number(found.lower, 6)}{upper}"]
    if found.relative_variance is not None:
        line = f"Var(Z^ / Z) {number(found.relative_variance)} (exact)"
        if found.one_run_variance is not None and found.one_run_spread is not None and found.coalesced is not None:
            line += (
                f"; one run's estimate of it {number(found.one_run_variance)} in the mean, standard deviation "
                f"{number(found.one_run_spread)}, {found.coalesced:.0%} of the runs from one ancestor"
            )
        lines.append(line)
    if (moment := found.moment) is not None:
        lines.append(
            f"likeliest last node {moment.node}: {number(moment.prob)} of the target (exact), {number(moment.mean)} in "
            f"the runs, their variance {number(moment.variance)}; one run's estimate of it "
            f"{number(moment.one_run_variance)} in the mean, standard deviation {number(moment.one_run_spread)}"
        )
    return lines


def _in_words(found: Diagnosis, plot: Path | None) -> list[str]:
    """What is found, of all levels together."""
    lines = [] if found.acceptance is None else [f"acceptance rate {found.acceptance:.4f}"]
    if found.log_partition_spread is not None:
        spread = number(found.log_partition_spread)
        lines.append(f"log of the estimates of Z: standard deviation {spread}")
    if found.partition is not None:
        lines += _of_partition(found.partition)
    lines += found.verdict
    return lines if plot is None else [*lines, f"figure: {escaped(str(plot))}"]
