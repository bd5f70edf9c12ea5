"""How commands speak: tables, JSON documents, errors, and files that are never lost."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from treesim.tables import table

Item = TypeVar("Item")


class Failure(click.ClickException):
    """A one-line message and exit code 2."""

    exit_code = 2


class Group(click.Group):
    """A group whose commands fail with one line and exit code 2, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        with one_line_errors():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn the errors that a user can cause into `Failure`."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise Failure(error.format_message()) from None
    except MemoryError:
        raise Failure("out of memory; choose a smaller instance") from None
    except Exception as error:
        errors = sys.modules.get("treesim.errors")
        if errors is not None and isinstance(error, errors.TreesimError):
            raise Failure(str(error)) from None
        raise


def print_json(document: Any) -> None:
    """One JSON document on stdout; numbers that JSON lacks are written as the texts "Infinity", "-Infinity", "NaN"."""
    click.echo(json_text(document))


def json_text(document: Any) -> str:
    """The text of `print_json`."""
    return json.dumps(_strict(document), indent=2, allow_nan=False)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> None:
    """Print a table; the first `left` columns are texts, the others numbers, to the right."""
    click.echo(table(headers, rows, left))


def whole_numbers(text: str, what: str) -> list[int]:
    """The different numbers of a list that is separated by commas, in ascending order."""
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise Failure(f"{what} is {text!r}, expected whole numbers separated by commas") from None


def progress(items: Sequence[Item], label: str, shown: bool) -> Iterator[Item]:
    """Go through the items, with a bar on stderr if the work is long."""
    if not (shown and sys.stderr.isatty()):
        yield from items
        return
    with click.progressbar(items, label=label, file=sys.stderr) as bar:
        yield from bar


@contextmanager
def levels(label: str) -> Iterator[Callable[[int, int], None]]:
    """A callback for long recursions: on a terminal it keeps one line on stderr up to date, after two seconds."""
    start, shown = time.monotonic(), False

    def report(done: int, total: int) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - start > 2.0:
            shown = True
            click.echo(f"\r{label}: level {done} of {total} ", nl=False, err=True)

    yield report
    if shown:
        click.echo("\r\033[K", nl=False, err=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on stderr what is being done, if a person waits for it for more than two seconds."""
    timer = threading.Timer(2.0, lambda: click.echo(f"{what} ...", err=True))
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def distinct_output(output: Path, *inputs: Path) -> Path:
    """The output path, refused where it is one of the inputs."""
    from treesim.runtime.reading import exists

    for path in inputs:
        if exists(output) and exists(path) and output.samefile(path):
            raise Failure(f"{output} is the input; choose another name for the output")
    return output


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
