"""``inspect``, ``tv``, ``sample`` and ``export``: what can be learnt from an instance file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.output import Failure, distinct_output, levels, number, print_json, print_table, progress, tv_text

if TYPE_CHECKING:
    from treesim import Instance, Sampler

# Trees of more nodes than this make the user wait.
LONG_WORK = 1 << 20

_file = click.argument("file", type=click.Path(path_type=Path))
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command(short_help="Size, log Z, Bellman error, ratio bound; --plot.")
@_file
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Save a figure: Bellman error by level, value profile, small graphs drawn.",
)
@_json
def inspect(file: Path, plot: Path | None, as_json: bool) -> None:
    """Size, log Z, Bellman error by level and ratio bound of an instance."""
    from treesim.instances import storage
    from treesim.studies import describe as documents

    instance = storage.load(file)
    document = documents.describe_instance(instance)
    if plot is not None:
        from treesim.figures.plots import instance_figure, save_figure

        save_figure(instance_figure(instance), distinct_output(plot, file))
    if as_json:
        print_json(document)
        return
    error = document["bellman_error"]
    start, end = document["ratio_bound_step"]
    click.echo(instance.parameter_text)
    click.echo(
        f"horizon {document['horizon']}, {document['nodes']:,} nodes, 2^{document['log2_paths']:.4g} paths, "
        f"seed {document['seed']}\n"
        f"log Z          {document['log_partition']:.10g}\n"
        f"Bellman error  {number(error['sup'], 10)}, attained at {instance.graph.describe(error['node'])}\n"
        f"ratio bound L  {number(document['ratio_bound'], 10)}, attained from {instance.graph.describe(start)} "
        f"to {instance.graph.describe(end)}\n"
    )
    columns = error["by_level"]
    print_table(
        ["level", "sup", "mean under pi_ref", "mean under target"],
        [[t, *map(number, row)] for t, row in enumerate(zip(*columns.values(), strict=True))],
    )
    if plot is not None:
        click.echo(f"\nfigure: {plot}")


@click.command(short_help="Exact distance to the target, a row a sampler.")
@_file
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option(
    "--width",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-6,
    show_default=True,
    help="Where a TV can only be enclosed (on a trellis): how far apart the bounds may be.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=1),
    default=2e10,
    show_default=True,
    help="Work a TV may cost, in cell moves of about a nanosecond; past it the interval stays wider.",
)
@click.option(
    "--n",
    "runs",
    type=click.IntRange(min=20),
    default=100_000,
    show_default=True,
    help="Runs that estimate a TV where there is no exact law.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of those runs.")
@_json
def tv(file: Path, specs: tuple[str, ...], width: float, budget: float, runs: int, seed: int, as_json: bool) -> None:
    """Distance to the target of each sampler, one row a SPEC.

    base | best-of-n:n=16 | soft-best-of-n:n=16,temperature=0.5 | importance:n=16 | rejection:budget=64 | beam:width=4 |
    sp-gsmc | sp-gsmc:pool=8 | sp-gsmc:mh=4 | sp-gsmc:reject=4 |
    sp-gsmc:pool=8,mh=4 | smc:particles=16,resampling=systematic,threshold=0.5,proposal=optimal | vgb:steps=100 |
    random-suffix:steps=100 | particle-gibbs:particles=16,sweeps=4
    """
    from treesim import samplers
    from treesim.instances import storage
    from treesim.studies import describe as documents

    chosen = [samplers.sampler(spec) for spec in specs]
    instance = storage.load(file)
    rows = []
    for sampler, spec in zip(progress(chosen, "laws", instance.graph.n_nodes > LONG_WORK), specs, strict=True):
        with levels(spec) as report:
            rows.append(documents.describe_sampler(sampler, instance, width, budget, report, runs, seed))
        found = rows[-1]["tv"]
        if found["wanted_budget"] is not None:
            gap, wanted = found["hi"] - found["lo"], found["wanted_budget"]
            click.echo(
                f"{spec}: the interval is {gap:.2g} wide; for {width:g} raise --budget to about {wanted:.1g}", err=True
            )
    if as_json:
        print_json({"file": str(file), "rows": rows})
        return
    table = []
    for row in rows:
        bound = row["bound"]
        table.append([
            row["sampler"],
            tv_text(row["tv"]["lo"], row["tv"]["hi"]),
            row["tv"]["kind"],
            number(row["kl"]),
            number(row["chi2"]),
            number(row["expected_reward"]),
            number(row["cost"]["reference_draws"]),
            number(row["cost"]["value_queries"]),
            "-" if bound is None else f"{bound['sharp']:.4g} ({bound['theorem']}: {bound['value']:.4g})",
        ])  # fmt: skip
    print_table(["sampler", "TV", "kind", "KL", "chi^2", "E reward", "draws", "queries", "TV at most"], table)


@click.command(short_help="Simulate outputs of a sampler.")
@_file
@click.argument("spec")
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many outputs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write .csv or .npz instead of stdout.")
@click.option("--diagnose", is_flag=True, help="Look inside 200 runs instead: ESS, ancestors, acceptance, a verdict.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE.png", help="With --diagnose: ESS, ancestors, genealogy."
)
@_json
def sample(
    file: Path, spec: str, count: int, seed: int, output: Path | None, diagnose: bool, plot: Path | None, as_json: bool
) -> None:
    """Simulate outputs of a sampler: leaf, choices at each step, log reward."""
    import csv
    import io

    import numpy as np

    from treesim import Trellis, samplers
    from treesim.instances import storage
    from treesim.runtime.files import write_whole

    if output is not None and output.suffix not in (".csv", ".npz"):
        raise Failure(f"{output} ends in {output.suffix!r}, expected .csv or .npz")
    if plot is not None and not diagnose:
        raise Failure("--plot draws what --diagnose finds; give both")
    sampler = samplers.sampler(spec)
    instance = storage.load(file)
    if diagnose:
        _diagnose(sampler, instance, spec, seed, plot, as_json)
        return
    draws = sampler.simulate(instance, count, seed)
    log_reward = np.where(draws.leaf < 0, np.nan, instance.log_reward[draws.leaf])
    choices = [draws.choices(instance.graph, i) for i in range(count)]
    texts = None
    if isinstance(instance.graph, Trellis) and instance.graph.tokens is not None and draws.edges is not None:
        texts = [None if leaf < 0 else instance.graph.text(edges)
                 for leaf, edges in zip(draws.leaf.tolist(), draws.edges, strict=True)]  # fmt: skip
    if as_json:
        print_json({
            "file": str(file), "sampler": spec, "n": count, "seed": seed,
            "leaf": [None if leaf < 0 else leaf for leaf in draws.leaf.tolist()],
            "choices": choices,
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
        if texts is not None:
            arrays["text"] = np.array(["" if text is None else text for text in texts])
        write_whole(distinct_output(output, file), lambda path: np.savez(path, allow_pickle=False, **arrays))
        return
    if output is None and as_json:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns: dict[str, Sequence[Any]] = {"draw": range(count), "leaf": draws.leaf.tolist()}
    if texts is not None:
        columns["text"] = texts
    columns |= {
        "choices": ["-".join(map(str, row or [])) for row in choices],
        "log_reward": [repr(value) for value in log_reward.tolist()],
    }
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    if output is None:
        sys.stdout.write(text.getvalue())
    else:
        write_whole(distinct_output(output, file), lambda path: path.write_text(text.getvalue(), encoding="utf-8"))


def _diagnose(sampler: Sampler, instance: Instance, spec: str, seed: int, plot: Path | None, as_json: bool) -> None:
    """Print what is found inside the sampler's runs, and draw it."""
    from treesim.empirical import diagnosis

    found = diagnosis.diagnose(sampler, instance, seed=seed)
    if plot is not None:
        from treesim.figures.plots import diagnosis_figure, save_figure

        if found.ess is None:
            raise Failure(f"there is nothing to draw inside {spec}, expected smc")
        save_figure(diagnosis_figure(found, diagnosis.one_run(sampler, instance, seed), spec), plot)
    columns = {"ess": found.ess, "weight_range": found.weight_range, "ancestors": found.ancestors}
    if as_json:
        print_json({
            "sampler": spec, "runs": found.runs,
            **{key: None if column is None else column.tolist() for key, column in columns.items()},
            "log_partition_spread": found.log_partition_spread, "extinct": found.extinct,
            "acceptance": found.acceptance, "verdict": list(found.verdict),
        })  # fmt: skip
        return
    if found.ess is not None:
        rows = [[t + 1, *map(number, row)] for t, row in enumerate(zip(*columns.values(), strict=True))]
        print_table(["level", "ESS / N", "largest weight / mean", "ancestors / N"], rows)
        click.echo()
    if found.acceptance is not None:
        click.echo(f"acceptance rate {found.acceptance:.4f}")
    if found.log_partition_spread is not None:
        click.echo(f"log of the estimates of Z: standard deviation {number(found.log_partition_spread)}")
    for line in found.verdict:
        click.echo(line)
    if plot is not None:
        click.echo(f"figure: {plot}")


@click.command(short_help="The graph as node-link JSON, GraphML or DOT.")
@_file
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "graphml", "dot"]),
    help="Default: by the ending of the output, else json (networkx node-link).",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a file instead of stdout.")
@_json
def export(file: Path, form: str | None, output: Path | None, as_json: bool) -> None:
    """The tree or trellis as a graph: networkx node-link JSON, GraphML or DOT."""
    from treesim.instances import networkx_io as graphs
    from treesim.instances import storage
    from treesim.runtime.files import write_whole

    if form is None:
        form = {".graphml": "graphml", ".dot": "dot"}.get(output.suffix if output else "", "json")
    if as_json and form != "json":
        raise Failure(f"--json prints node-link JSON, expected no --format {form}")
    text = graphs.graph_text(graphs.graph_from_instance(storage.load(file)), form)
    if output is None:
        sys.stdout.write(text)
    else:
        write_whole(distinct_output(output, file), lambda path: path.write_text(text, encoding="utf-8"))
