"""``treesim audit``: which law does the sampler of another library draw from?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from treesim.cli.help import Command
from treesim.cli.options import PATH, plot_option, runs_option, seed_option, table_options
from treesim.cli.output import Failure, note, print_as, print_table, progress, whole_numbers
from treesim.tables import escaped, number

OWN = "treesim"
PARAMETERS: dict[str, Any] = {"horizon": 3, "reward": "gaussian:beta=1", "seed": 0}


@click.command(
    cls=Command, short_help="Which law the sampler of a library draws from: its-hub, particles, ...; --list.",
    examples=("audit its-hub --algorithm particle-filtering:selection=argmax",
              "audit treesim --algorithm smc:particles=16 --instance tree.safetensors --runs 500"),
)  # fmt: skip
@click.argument("library_name", required=False, metavar="LIBRARY")
@click.option("--list", "listed", is_flag=True, help="Libraries and their algorithms.")
@click.option("--algorithm", metavar="SPEC", help="Such as particle-filtering:selection=argmax; default: the first.")
@click.option("--instance", "path", type=PATH, metavar="FILE",
              help="A tree with its values; default: binary, T = 3, exact twist.")  # fmt: skip
@click.option("--sizes", default="4,16,64", show_default=True, help="Particles N, separated by commas.")
@click.option("--expect", metavar="LAW", help="Exit with code 1 unless this candidate is the verdict, such as: target.")
@runs_option(2_000, 100, "Runs of each size.")
@seed_option()
@plot_option("The figure.", Path("audit.png"), formerly=["-o", "--output"])
@table_options()
def audit(
    library_name: str | None, listed: bool, algorithm: str | None, path: Path | None, sizes: str, expect: str | None,
    runs: int, seed: int, plot: Path, style: str,
) -> None:  # fmt: skip
    """Run the sampler of LIBRARY, untouched, with a tree as its language and reward model, and say which law it draws
    from. Our own samplers are audited as LIBRARY `treesim`."""
    from treesim import samplers
    from treesim.adapters.libraries import LIBRARIES, library
    from treesim.empirical.identification import identify_law
    from treesim.errors import SpecError
    from treesim.figures.runs import audit_figure
    from treesim.figures.style import figure_path, save_figure
    from treesim.instances import families, storage
    from treesim.spec import spell

    if listed or library_name is None:
        for name in LIBRARIES:
            try:
                each = library(name)
                click.echo(f"{each.title}: {', '.join(each.algorithms)}")
            except SpecError as error:
                click.echo(f"{name}: {error}")
        click.echo(f"{OWN}: {', '.join(samplers.SAMPLERS)}")
        return
    counts = whole_numbers(sizes, "sizes")
    if counts[0] < 1:
        raise Failure(f"sizes is {sizes!r}, expected numbers of at least 1")
    figure_path(plot)
    if library_name == OWN:
        kind, title = samplers.sampler(algorithm or "smc:particles=16"), OWN
        says = "the law that `treesim tv` computes"
    else:
        found_library = library(library_name)
        kind, says, title = found_library.sampler(algorithm), found_library.says, found_library.title
    instance = families.family("uniform", **PARAMETERS) if path is None else storage.load(path)
    identified = identify_law(
        kind, instance, runs, counts, seed, lambda items: progress(list(items), "sizes", shown=True)
    )
    best, laws = identified.candidates[0].name, [each.name for each in identified.candidates]
    if expect is not None and expect not in laws:
        raise Failure(f"expect is {expect!r}, expected one of: {', '.join(map(repr, sorted(laws)))}")
    name = f"{title}, {spell(kind)}"
    save_figure(audit_figure(identified, name), plot)
    document = {
        "library": title, "algorithm": spell(kind), "says": says, "runs": runs,
        "instance": instance.title,
        "seed": seed, "verdict": identified.verdict, "floor": identified.floor,
        "rows": [{
            "size": row.size, "tv": row.tv.document(),
            "reference_draws": row.reference_draws, "value_queries": row.value_queries, "seconds": row.seconds,
        } for row in identified.rows],
        "candidates": [{
            "law": each.name, "probability": each.probability,
            "tv": None if each.tv is None else each.tv.document(),
        } for each in identified.candidates],
        "exponents": [vars(each) for each in identified.exponents], "fit_tv": identified.fit_tv,
        "frequencies": identified.frequencies.tolist(), "target": identified.target.tolist(), "figure": str(plot),
    }  # fmt: skip
    headers = ["size", "TV to the target", "values asked", "steps drawn", "ms a run"]
    table = [
        ["-" if row.size is None else row.size, f"{row.tv.lo:.3f} to {row.tv.hi:.3f}", number(row.value_queries),
         number(row.reference_draws), number(1e3 * row.seconds, 3)] for row in identified.rows
    ]  # fmt: skip
    if print_as(style, document, headers, table):
        _end(best, expect)
        return
    click.echo(
        f"{name}, untouched, on {instance.title}.\nThe library: {says}.\n{runs} runs of each size; exact "
        f"draws would be at TV {identified.floor:.3f} from their own law.\n"
    )
    print_table(headers, table)
    click.echo("")
    print_table(
        ["candidate law", "probability", "TV to it"],
        [[each.name, f"{each.probability:.4f}", "-" if each.tv is None else f"{each.tv.lo:.3f} to {each.tv.hi:.3f}"]
         for each in identified.candidates],
    )  # fmt: skip
    click.echo("\nThe law pi_ref prod_t V_t^a_t that fits best (the target has 0, .., 0, 1):\n")
    print_table(
        ["t", "a_t", "99% interval"],
        [[each.step, number(each.estimate, 3),
          "not told by the runs" if each.low is None else f"{each.low:.2f} to {each.high:.2f}"]
         for each in identified.exponents],
    )  # fmt: skip
    click.echo(f"\nVerdict: {identified.verdict}.\n\nfigure: {escaped(str(plot))}")
    _end(best, expect)


def _end(best: str, expect: str | None) -> None:
    """Exit with code 1 where another law was expected."""
    if expect not in (None, best):
        note(f"the verdict is '{best}', expected '{expect}'")
        raise click.exceptions.Exit(1)
