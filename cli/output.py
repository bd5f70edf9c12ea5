"""How commands speak: tables, JSON documents, errors, and files that are never lost."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from treesim.cli.help import Command
from treesim.tables import Records, escaped, flat, table

Item = TypeVar("Item")

# Where a context keeps what it says at the end.
_LATER = "treesim.later"
_TRACEBACK = "treesim.traceback"


class Failure(click.ClickException):
    """A one-line message and exit code 2."""

    exit_code = 2
    prefix = "Error: "

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"{self.prefix}{escaped(self.format_message())}", file=file, err=file is None)


class Group(Command, click.Group):
    """A group whose commands fail with one line and exit code 2, never a traceback; Ctrl-C ends them with 130."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        with one_line_errors():
            result = super().invoke(ctx)
            for text in ctx.meta.pop(_LATER, []):
                note(text)
            return result

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        def run() -> int:
            try:
                code = super(Group, self).main(args, standalone_mode=False, **extra)
            except click.Abort:
                return _ended(Interrupted())
            except click.exceptions.NoArgsIsHelpError as error:
                return _ended(error)
            except click.UsageError as error:
                return _ended(Failure(error.format_message()))
            except click.ClickException as error:
                return _ended(error)
            return code if isinstance(code, int) else 0

        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        from treesim.cli.ending import Interrupted, own_process

        sys.exit(own_process(run) if args is None else run())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _ended(error: click.ClickException) -> int:
    with contextlib.suppress(OSError):
        error.show()
    return error.exit_code


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn whatever ends a command into `Failure`."""
    try:
        yield
    except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit, click.Abort):
        raise
    except click.UsageError as error:
        raise Failure(error.format_message()) from None
    except click.ClickException:
        raise
    except KeyboardInterrupt:
        from treesim.cli.ending import Interrupted

        raise Interrupted() from None
    except BrokenPipeError:
        # Who reads what is printed has read enough.
        raise click.exceptions.Exit(1) from None
    except MemoryError:
        raise Failure("out of memory; choose a smaller instance") from None
    except SystemExit as error:
        _show_traceback(error)
        raise Failure(f"code that is not treesim's ended the program by sys.exit({error.code!r})") from None
    except Exception as error:
        _show_traceback(error)
        raise Failure(_reason(error)) from None


def want_traceback(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """What ``--traceback`` does: errors of this call show where they come from, before the line that says what."""
    if wanted:
        context.meta[_TRACEBACK] = True


def _show_traceback(error: BaseException) -> None:
    context = click.get_current_context(silent=True)
    if os.environ.get("TREESIM_TRACEBACK") or (context is not None and context.meta.get(_TRACEBACK)):
        text = "".join(traceback.format_exception(error))
        click.echo(escaped(text, keep="\n"), err=True, nl=False)


def _reason(error: Exception) -> str:
    errors = sys.modules.get("treesim.errors")
    if errors is not None and isinstance(error, errors.TreesimError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if "treesim.runtime.user_code" in sys.modules and sys.modules["treesim.runtime.user_code"].place(error):
        return sys.modules["treesim.runtime.user_code"].reason(error)
    return f"{type(error).__name__}: {error}; treesim did not expect this, --traceback shows where"


def note(text: str) -> None:
    """A line on stderr, beside the result."""
    click.echo(escaped(text), err=True)


def later(ctx: click.Context, text: str) -> None:
    """A line on stderr once the command has done its work; a command that fails says why, and nothing else."""
    ctx.meta.setdefault(_LATER, []).append(text)


def print_json(document: Any) -> None:
    """One JSON document on stdout; numbers that JSON lacks are written as the texts "Infinity", "-Infinity", "NaN"."""
    click.echo(json_text(document))


def json_text(document: Any) -> str:
    """The text of `print_json`."""
    return json.dumps(_strict(document), indent=2, allow_nan=False)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> None:
    """Print a table; the first `left` columns are texts, the others numbers, to the right."""
    click.echo(table(headers, rows, left))


def print_as(
    style: str, document: dict[str, Any], headers: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1
) -> bool:
    """Print what programs and papers read; False if the command shall speak to people, in words of its own.

    Parameters
    ----------
    style : str
        ``json`` prints the document, ``csv`` its ``rows``, ``markdown`` and ``latex`` the table.
    document : dict
    headers, rows, left
        Of the table.
    """
    if style == "table":
        return False
    if style == "json":
        print_json(document)
    elif style == "csv":
        # As it is: click would take out what commands a terminal, and values may have that.
        sys.stdout.write(Records(map(flat, document["rows"])).csv())
    else:
        click.echo(table(headers, rows, left, style))
    return True


def whole_numbers(text: str, what: str) -> list[int]:
    """The different numbers of a list that is separated by commas, in ascending order."""
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise Failure(f"{what} is {text!r}, expected whole numbers separated by commas") from None


def progress(items: Iterable[Item], label: str, shown: bool, length: int | None = None) -> Iterator[Item]:
    """Go through the items, with a bar on stderr if the work is long."""
    if not (shown and sys.stderr.isatty()):
        yield from items
        return
    with click.progressbar(items, length, label=escaped(label), file=sys.stderr) as bar:
        yield from bar


@contextmanager
def levels(label: str) -> Iterator[Callable[[int, int], None]]:
    """A callback for long recursions, told the level that is done and how many there are."""
    with status(label) as report:
        yield lambda done, total: report(f"level {done} of {total}")


@contextmanager
def status(label: str) -> Iterator[Callable[[str], None]]:
    """A callback for long work: on a terminal it keeps one line on stderr up to date, after two seconds."""
    start, shown = time.monotonic(), False

    def report(text: str) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - start > 2.0:
            shown = True
            click.echo(f"\r\033[K{escaped(label)}: {escaped(text)} ", nl=False, err=True)

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
