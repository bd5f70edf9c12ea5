"""``treesim verify``: every theorem as a check."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treesim.cli.help import Command
from treesim.cli.options import PATH, seed_option, table_options
from treesim.cli.output import Failure, print_as, print_table, progress
from treesim.tables import number

if TYPE_CHECKING:
    from treesim.theory.verification import Check

# Horizon, and epsilon of 4.3 or L of 5.1.
SEARCHES = ((3, 0.2), (4, 0.2), (5, 0.1))
PARTICLES = ((2, 1.1, "5.1"), (3, 1.1, "5.1"))


@click.command(
    cls=Command, short_help="Theorems checked: on FILE, or on the standard battery; exit 1 if one fails.",
    examples=("verify tree.safetensors", "verify tree.safetensors --epsilon 0.1"),
)  # fmt: skip
@click.argument("file", required=False, type=PATH)
@click.option(
    "--epsilon", type=click.FloatRange(min=0), help="Bellman error as stated by somebody; default: the audited one."
)
@click.option("--ratio-bound", type=click.FloatRange(min=1), help="L as stated by somebody; default: the audited one.")
@click.option("--search", is_flag=True, help="Search for instances on which the bounds of 4.3 and 5.1 are tightest.")
@seed_option("Of the search.")
@table_options()
def verify(
    file: Path | None, epsilon: float | None, ratio_bound: float | None, search: bool, seed: int, style: str
) -> None:
    """Check each theorem that speaks of an instance: measured, bound, holds, slack (by which factor it is loose).

    Without FILE the standard battery of families is checked, hard instances with their certificates among them. The
    exit code is 1 if a theorem, or a hypothesis as stated, does not hold.
    """
    if search:
        if file is not None:
            raise Failure("--search makes its own instances; leave the file out")
        _search(seed, style)
        return
    if file is None and (epsilon is not None or ratio_bound is not None):
        raise Failure("--epsilon and --ratio-bound state something of one instance; give its file")
    rows = list(_battery() if file is None else _of_file(file, epsilon, ratio_bound))
    failures = sum(not check.holds for _, check in rows)
    document = {"rows": [_as_json(name, check) for name, check in rows], "failures": failures}
    headers = ["instance", "theorem", "measured quantity", "measured", "", "bound", "holds", "slack"]
    table = [
        [name, check.theorem, check.claim, number(check.measured), "<=" if check.at_most else ">=",
         number(check.bound), "yes" if check.holds else "NO", number(check.slack, 3)]
        for name, check in _named_once(rows)
    ]  # fmt: skip
    if not print_as(style, document, headers, table, left=3):
        print_table(headers, table, left=3)
        click.echo(f"\n{len(rows)} checks, {failures} failed")
    if failures:
        raise click.exceptions.Exit(1)


def _battery() -> Iterable[tuple[str, Check]]:
    from treesim.hard_instances.battery import BATTERY, battery
    from treesim.hard_instances.discoveries import DISCOVERIES
    from treesim.runtime.threads import n_threads

    parts = progress(battery(n_threads()), "theorems", shown=True, length=len(BATTERY) + len(DISCOVERIES))
    for _, name, checks in sorted(parts, key=lambda part: part[0]):
        for check in checks:
            yield name, check


def _of_file(file: Path, epsilon: float | None, ratio_bound: float | None) -> Iterable[tuple[str, Check]]:
    from treesim.hard_instances.battery import verify_all
    from treesim.instances import storage

    for check in verify_all(storage.load(file), epsilon, ratio_bound):
        yield str(file), check


def _named_once(rows: Iterable[tuple[str, Check]]) -> Iterable[tuple[str, Check]]:
    last = None
    for name, check in rows:
        yield ("" if name == last else name), check
        last = name


def _as_json(name: str, check: Check) -> dict[str, Any]:
    return {
        "instance": name, "theorem": check.theorem, "claim": check.claim, "measured": check.measured,
        "relation": "<=" if check.at_most else ">=", "bound": check.bound, "holds": check.holds, "slack": check.slack,
    }  # fmt: skip


def _search(seed: int, style: str) -> None:
    from treesim.theory.worst_case import worst_guidance, worst_particles

    rows: list[dict[str, Any]] = []
    for horizon, size, theorem in progress(
        [(*pair, "4.3") for pair in SEARCHES] + list(PARTICLES), "searches", shown=True
    ):
        if theorem == "4.3":
            worst, subject = worst_guidance(horizon, size, seed=seed), "sp-gsmc"
        else:
            worst, subject = worst_particles(horizon, size, seed=seed), "smc:particles=2"
        audit = worst.instance.audit
        rows.append({
            "theorem": theorem, "sampler": subject, "horizon": horizon, "epsilon": audit.bellman_error,
            "ratio_bound": audit.ratio_bound, "tv": worst.measured, "bound": worst.bound,
            "share": worst.measured / worst.bound, "sharp": worst.sharp,
            "share_of_sharp": None if worst.sharp is None else worst.measured / worst.sharp,
            "evaluations": worst.evaluations,
        })  # fmt: skip
    headers = [
        "theorem", "sampler", "T", "epsilon", "L", "worst TV", "bound", "TV / bound", "sharp bound", "TV / sharp",
    ]  # fmt: skip
    table = [
        [row["theorem"], row["sampler"], row["horizon"], number(row["epsilon"]), number(row["ratio_bound"]),
         number(row["tv"], 7), number(row["bound"]), number(row["share"]), number(row["sharp"], 7),
         number(row["share_of_sharp"], 9)] for row in rows
    ]  # fmt: skip
    if not print_as(style, {"seed": seed, "rows": rows}, headers, table, left=2):
        print_table(headers, table, left=2)
