"""``treesim results``: what is in a store."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from treesim.cli.help import Command
from treesim.cli.options import PATH, output_option, table_options
from treesim.cli.output import Failure, distinct_output, json_text, note
from treesim.tables import Records, number, table

_ENDINGS = {".csv": "csv", ".json": "json", ".md": "markdown", ".tex": "latex", ".parquet": "parquet"}


@click.command(
    cls=Command, short_help="The rows of a store as table, csv, json, markdown, latex or parquet.",
    examples=("results results.sqlite", "results results.sqlite --format csv -o results.csv"),
)  # fmt: skip
@click.argument("store", type=PATH)
@output_option()
@table_options("parquet")
def results(store: Path, output: Path | None, style: str) -> None:
    """What a sweep has found so far, a row a cell; the ending of a file says its format, if no --format does."""
    from treesim.runtime.files import write_whole
    from treesim.studies.store import open_store, rows

    with open_store(store, tell=note) as opened:
        records = rows(opened)
    if output is not None and style == "table":
        style = _ENDINGS.get(output.suffix, style)
    if style == "parquet":
        if output is None:
            raise Failure("parquet is no text; give a file: -o FILE.parquet")
        _write_parquet(records, distinct_output(output, store))
        return
    if style == "json":
        text = json_text({"store": str(store), "rows": records}) + "\n"
    elif style == "csv":
        text = records.csv()
    else:
        text = _summary(records, style) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        write_whole(distinct_output(output, store), lambda path: path.write_text(text, encoding="utf-8"))


def _summary(records: Records, style: str) -> str:
    """The table: what defines a cell where it differs, and what was found."""
    from treesim.samplers import labels

    names = list(dict.fromkeys(key for record in records for key in record if key.startswith("parameters.")))
    failed = any(record["error"] for record in records)
    rows = []
    for record, sampler in zip(records, labels(record["sampler"] for record in records), strict=True):
        given = [str(record.get(name, "-")) for name in names]
        tv = [number(record["tv.lo"]), number(record["tv.hi"]), record["tv.kind"] or "-"]
        why = [record["error"] or ""] if failed else []
        rows.append(
            [record["family"], *given, str(record["seed"]), sampler, *tv, number(record["value_queries"]), *why]
        )
    defines = ["family", *(name.removeprefix("parameters.") for name in names), "seed", "sampler"]
    headers = [*defines, "TV from", "to", "kind", "queries", *(["why not"] if failed else [])]
    return table(headers, rows, len(defines), style)


def _write_parquet(records: Records, path: Path) -> None:
    from treesim.runtime.files import write_whole

    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Failure("parquet needs the package pyarrow: pip install 'treesim[parquet]'") from None
    columns = pyarrow.table(records.typed_columns())
    write_whole(path, lambda temporary: parquet.write_table(columns, temporary))
