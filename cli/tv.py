"""``treesim tv``: distance to the target, a row a sampler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from treesim.cli.help import Command
from treesim.cli.inputs import budget_note, file_or_spec, load
from treesim.cli.options import (
    budget_option,
    file_argument,
    outcomes_option,
    runs_option,
    seed_option,
    specs_argument,
    table_options,
    width_option,
)
from treesim.cli.output import levels, note, print_as, print_table, progress
from treesim.tables import distance, number

if TYPE_CHECKING:
    from treesim.empirical.measure import Target

# Trees of more nodes than this make the user wait.
LONG_WORK = 1 << 20


@click.command(
    cls=Command, short_help="Exact distance to the target, a row a sampler.",
    examples=("tv tree.safetensors base best-of-n:n=16 sp-gsmc sp-gsmc:pool=8,mh=4",
              "tv tree.safetensors smc:particles=2 --target sp-gsmc --format csv"),
)  # fmt: skip
@file_argument
@specs_argument
@click.option("--target", "other", metavar="SPEC|FILE",
              help="Instead of the instance's own: what a sampler draws from, or another instance.")  # fmt: skip
@width_option(1e-6)
@budget_option
@runs_option(100_000, 20, "Runs that estimate a TV where there is no exact law.", formerly=["--n"])
@seed_option("Of those runs.")
@outcomes_option()
@table_options()
def tv(
    file: Path, specs: tuple[str, ...], other: str | None, width: float, budget: float, runs: int, seed: int,
    votes: tuple[int, ...] | None, style: str,
) -> None:  # fmt: skip
    """Distance to the target of each sampler, one row a SPEC.

    base | best-of-n:n=16 | soft-best-of-n:n=16,temperature=0.5 | importance:n=16 | rejection:budget=64 | beam:width=4 |
    race:n=16 | sp-gsmc | sp-gsmc:pool=8 | sp-gsmc:mh=4 | sp-gsmc:reject=4 | sp-gsmc:chebyshev=4 |
    sp-gsmc:pool=8,mh=4 | smc:particles=16,resampling=systematic,threshold=0.5,proposal=optimal |
    vgb:steps=100,momentum=true | random-suffix:steps=100 | particle-gibbs:particles=16,sweeps=4

    The zoo, published samplers in plain Python (docs/zoo.md):

    block-best-of-n:n=4,tokens=2 | rebase:width=4 | dvts:subtrees=2,width=2 | puct:simulations=16 |
    lookahead-beam:beams=4,width=2,lookahead=1 | majority:n=8,answer=1 | inference-time-pessimism:n=8,beta=1 |
    speculative-best-of-n:n=4,draft=0.5 | power-sampling:steps=4,alpha=4,tokens=2 |
    resampled-smc:particles=8,scheme=ssp | entropic-particle-filter:particles=8 | smc-without-replacement:particles=8 |
    lookahead-smc:particles=8,depth=1 | awrs:particles=8 | asap:samples=4 | cars
    """
    from treesim import sampler as sampler_of
    from treesim.empirical.measure import measure
    from treesim.laws.density_ratio import Effort
    from treesim.samplers import GuidedSMC, labels
    from treesim.studies.describe import described

    chosen = [sampler_of(spec) for spec in specs]
    instance = load(file)
    target = None if other is None else _target(other)
    rows, worth = [], []
    for sampler, spec in zip(progress(chosen, "laws", instance.graph.n_nodes > LONG_WORK), specs, strict=True):
        with levels(spec) as report:
            found = measure(sampler, instance, Effort(width, budget, report), runs, seed, target, votes)
            rows.append(described(found, sampler, instance, target))
            worth.append({} if found.worth is None else found.worth.cells())
        budget_note(spec, rows[-1]["tv"], width)
        if isinstance(sampler, GuidedSMC) and sampler.chebyshev > 1:
            remark = sampler.rule(instance).remark
            if remark:
                note(f"{spec}: {remark}")
    table = []
    for row, label in zip(rows, labels(row["sampler"] for row in rows), strict=True):
        bound = row["bound"]
        table.append([
            label,
            distance(row["tv"]["lo"], row["tv"]["hi"]),
            row["tv"]["kind"],
            number(row["kl"]),
            number(row["chi2"]),
            number(row["expected_reward"]),
            number(row["cost"]["reference_draws"]),
            number(row["cost"]["value_queries"]),
            "-" if bound is None else f"{bound['sharp']:.4g} ({bound['theorem']}: {bound['value']:.4g})",
        ])  # fmt: skip
    headers = ["sampler", "TV", "kind", "KL", "chi^2", "E reward", "draws", "queries", "TV at most"]
    document = {"file": str(file), **({} if other is None else {"target": other}), "rows": rows}
    heads = list(worth[0])
    wide = [[*line, *cells.values()] for line, cells in zip(table, worth, strict=True)]
    if print_as(style, document, [*headers, *heads], wide):
        return
    print_table(headers, table)
    if heads:
        click.echo()
        print_table(["sampler", *heads], [[line[0], *cells.values()] for line, cells in zip(table, worth, strict=True)])


def _target(text: str) -> Target:
    from treesim import sampler
    from treesim.empirical.measure import target_of

    named = file_or_spec(text)
    return target_of(load(named) if isinstance(named, Path) else sampler(named))
