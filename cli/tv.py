"""``treesim tv``: distance to the target, a row a sampler."""

from __future__ import annotations

import math
from pathlib import Path

import click

from treesim.cli.options import file_argument, json_option, runs_option, seed_option, width_option
from treesim.cli.output import levels, print_json, print_table, progress
from treesim.tables import distance, number

# Trees of more nodes than this make the user wait.
LONG_WORK = 1 << 20


@click.command(short_help="Exact distance to the target, a row a sampler.")
@file_argument
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@width_option(1e-6)
@click.option(
    "--budget",
    type=click.FloatRange(min=1),
    default=2e10,
    show_default=True,
    help="Work a TV may cost, in cell moves of about a nanosecond; past it the interval stays wider.",
)
@runs_option("--n", 100_000, 20, "Runs that estimate a TV where there is no exact law.")
@seed_option("Of those runs.")
@json_option
def tv(file: Path, specs: tuple[str, ...], width: float, budget: float, runs: int, seed: int, as_json: bool) -> None:
    """Distance to the target of each sampler, one row a SPEC.

    base | best-of-n:n=16 | soft-best-of-n:n=16,temperature=0.5 | importance:n=16 | rejection:budget=64 | beam:width=4 |
    sp-gsmc | sp-gsmc:pool=8 | sp-gsmc:mh=4 | sp-gsmc:reject=4 |
    sp-gsmc:pool=8,mh=4 | smc:particles=16,resampling=systematic,threshold=0.5,proposal=optimal | vgb:steps=100 |
    random-suffix:steps=100 | particle-gibbs:particles=16,sweeps=4
    """
    from treesim import load
    from treesim import sampler as sampler_of
    from treesim.laws.density_ratio import Effort
    from treesim.studies.describe import describe_sampler

    chosen = [sampler_of(spec) for spec in specs]
    instance = load(file)
    rows = []
    for sampler, spec in zip(progress(chosen, "laws", instance.graph.n_nodes > LONG_WORK), specs, strict=True):
        with levels(spec) as report:
            rows.append(describe_sampler(sampler, instance, Effort(width, budget, report), runs, seed))
        tv_document = rows[-1]["tv"]
        if tv_document["wanted_budget"] is not None:
            gap, wanted = tv_document["hi"] - tv_document["lo"], tv_document["wanted_budget"]
            advice = f"for {width:g} raise --budget to about {wanted:.1g}"
            if wanted == math.inf:
                advice = "rounding allows no narrower one"
            click.echo(f"{spec}: the interval is {gap:.2g} wide; {advice}", err=True)
    if as_json:
        print_json({"file": str(file), "rows": rows})
        return
    table = []
    for row in rows:
        bound = row["bound"]
        table.append([
            row["sampler"],
            distance(row["tv"]["lo"], row["tv"]["hi"]),
            row["tv"]["kind"],
            number(row["kl"]),
            number(row["chi2"]),
            number(row["expected_reward"]),
            number(row["cost"]["reference_draws"]),
            number(row["cost"]["value_queries"]),
            "-" if bound is None else f"{bound['sharp']:.4g} ({bound['theorem']}: {bound['value']:.4g})",
        ])  # fmt: skip
    print_table(["sampler", "TV", "kind", "KL", "chi^2", "E reward", "draws", "queries", "TV at most"], table)
