"""``treesim results``: what is in a store."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import click

from treesim.cli.output import Failure, distinct_output, json_text, note, print_table
from treesim.tables import number


@click.command(short_help="The rows of a store as table, csv, json or parquet.")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), default="table",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a file instead of stdout.")
def results(store: Path, form: str, output: Path | None) -> None:
    """What a sweep has found so far, a row a cell."""
    from treesim.runtime.files import write_whole
    from treesim.studies.store import open_store, rows

    with open_store(store, tell=note) as opened:
        records = rows(opened)
    columns = list(dict.fromkeys(key for record in records for key in record))
    if form == "parquet":
        if output is None:
            raise Failure("parquet is no text; give a file: -o FILE.parquet")
        _write_parquet(records, columns, distinct_output(output, store))
        return
    if form == "table" and output is None:
        _print_summary(records)
        return
    text = json_text({"store": str(store), "rows": records}) + "\n" if form == "json" else _csv(records, columns)
    if output is None:
        sys.stdout.write(text)
    else:
        write_whole(distinct_output(output, store), lambda path: path.write_text(text, encoding="utf-8"))


def _csv(records: list[dict[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _print_summary(records: list[dict[str, Any]]) -> None:
    """The table: what defines a cell where it differs, and what was found."""
    names = list(dict.fromkeys(key for record in records for key in record if key.startswith("parameters.")))
    rows = []
    for record in records:
        given = [str(record.get(name, "-")) for name in names]
        tv = [number(record["tv.lo"]), number(record["tv.hi"]), record["tv.kind"] or "-"]
        rows.append(
            [record["family"], *given, str(record["seed"]), record["sampler"], *tv,
             number(record["value_queries"]), record["error"] or ""]
        )  # fmt: skip
    defines = ["family", *(name.removeprefix("parameters.") for name in names), "seed", "sampler"]
    why = "why not" if any(record["error"] for record in records) else ""
    print_table([*defines, "TV from", "to", "kind", "queries", why], rows, left=len(defines))


def _write_parquet(records: list[dict[str, Any]], columns: list[str], path: Path) -> None:
    from treesim.runtime.files import write_whole

    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Failure("parquet needs the package pyarrow: pip install 'treesim[parquet]'") from None
    columns_of = {name: _column([record.get(name) for record in records]) for name in columns}
    table = pyarrow.table(columns_of)
    write_whole(path, lambda temporary: parquet.write_table(table, temporary))


def _column(values: list[Any]) -> list[Any]:
    """Values of one type: a parameter may be a number in one cell and a text, or a list, in another."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and kinds <= {str, bool, float}:
        return values
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return values
    as_one = float if kinds <= {int, float} else str
    return [None if value is None else as_one(value) for value in values]
