"""Options that commands share, declared once, so that one thing has one spelling everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from treesim.cli.inputs import family_of, spec_of
from treesim.cli.output import Failure, later, want_traceback, whole_numbers
from treesim.tables import FORMS

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

PATH = click.Path(path_type=Path)


def _samplers(ctx: click.Context, _: click.Parameter, start: str) -> list[CompletionItem]:
    """What a shell may complete to a SPEC: names of samplers."""
    from treesim import SAMPLERS

    return [CompletionItem(name) for name in SAMPLERS if name.startswith(start)]


def _families(ctx: click.Context, _: click.Parameter, start: str) -> list[CompletionItem]:
    """What a shell may complete to a FAMILY."""
    from treesim import FAMILIES

    return [CompletionItem(name) for name in [*FAMILIES, "graph"] if name.startswith(start)]


def _files_and_samplers(ctx: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """What a shell may complete to a FILE or a SPEC."""
    return [CompletionItem(start, type="file"), *_samplers(ctx, parameter, start)]


def _known(ctx: click.Context, _: click.Parameter, given: Any) -> Any:
    """SPECs by names that are known."""
    return tuple(map(spec_of, given)) if isinstance(given, tuple) else given and spec_of(given)


file_argument = click.argument("file", type=PATH)
family_argument = click.argument(
    "family", callback=lambda ctx, parameter, text: text and family_of(text), shell_complete=_families
)
spec_argument = click.argument("spec", callback=_known, shell_complete=_samplers)
specs_argument = click.argument(
    "specs", nargs=-1, required=True, metavar="SPEC...", callback=_known, shell_complete=_samplers
)
names_argument = click.argument(
    "names", nargs=-1, required=True, metavar="FILE... SPEC...", shell_complete=_files_and_samplers
)
any_specs_argument = click.argument("specs", nargs=-1, metavar="[SPEC...]", callback=_known, shell_complete=_samplers)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
vary_option = click.option(
    "--vary", metavar="NAME", help="The parameter that grows; default: the one that must be given."
)
budget_option = click.option(
    "--budget", type=click.FloatRange(min=1), default=2e10, show_default=True,
    help="Work a TV may cost, in cell moves of about a nanosecond; past it the interval stays wider.",
)  # fmt: skip


def spread_options() -> Callable[[Command], Command]:
    """``--jobs`` and ``--dask``: where the work is done."""

    def add(command: Command) -> Command:
        jobs = option("jobs", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
        dask = option("dask", "--dask", metavar="ADDRESS", help="Of a running Dask cluster that does the work instead.")
        return jobs(dask(command))

    return add


def outcomes_option() -> Callable[[Command], Command]:
    """``--outcomes``: the k of pass@k and votes, a tuple, or None."""

    def numbers(ctx: click.Context, _: click.Parameter, text: str | None) -> tuple[int, ...] | None:
        if text is None:
            return None
        votes = whole_numbers(text, "outcomes")
        if votes[0] < 1:
            raise Failure(f"outcomes is {text!r}, expected whole numbers from 1")
        return tuple(votes)

    return option(
        "votes", "--outcomes", metavar="K,K,...", callback=numbers,
        help="What outputs are worth, with pass@K and votes of K; files that have answers or true rewards show it "
        "unasked, for K = 8.",
    )  # fmt: skip


def option(name: str, *flags: str, formerly: Sequence[str] = (), **settings: Any) -> Callable[[Command], Command]:
    """An option whose old spellings keep working, with a note on stderr.

    Parameters
    ----------
    name : str
        Of the parameter.
    *flags : str
        The longest last: that is what the note calls it.
    formerly : sequence of str
        Old spellings.
    **settings
        Of `click.option`.
    """
    if not formerly:
        return click.option(*flags, name, **settings)
    key, once = f"treesim.{name}", f"{flags[-1]} and its old spelling {' / '.join(formerly)}: give one of them"

    def remember(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is None:
            return
        if name in ctx.params:
            raise click.UsageError(once)
        ctx.meta[key] = value
        later(ctx, f"{' / '.join(formerly)} is now called {flags[-1]}; the old spelling still works")

    def settle(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
        if key not in ctx.meta:
            return value
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(once)
        return ctx.meta[key]

    def add(command: Command) -> Command:
        old = click.option(
            *formerly, f"{name}_formerly", type=settings.get("type"), hidden=True, expose_value=False, callback=remember
        )
        return click.option(*flags, name, callback=settle, **settings)(old(command))

    return add


def traceback_option(hidden: bool = False) -> Callable[[Command], Command]:
    """``--traceback``; it may stand before the command or behind it."""
    return click.option(
        "--traceback", is_flag=True, is_eager=True, expose_value=False, hidden=hidden, callback=want_traceback,
        help="Where an error comes from, in your code too; or set TREESIM_TRACEBACK=1.",
    )  # fmt: skip


def seed_option(of: str | None = None) -> Callable[[Command], Command]:
    """``--seed``, of whatever is random in the command."""
    return option("seed", "--seed", type=click.IntRange(min=0), default=0, show_default=True, help=of)


def width_option(default: float) -> Callable[[Command], Command]:
    """``--width``, where a TV can only be enclosed."""
    return option(
        "width", "--width", type=click.FloatRange(min=0, min_open=True), default=default, show_default=True,
        help="Where a TV can only be enclosed (on a trellis): how far apart the bounds may be.",
    )  # fmt: skip


def runs_option(
    default: int | None, least: int, help_text: str, most: int | None = None, formerly: Sequence[str] = ()
) -> Callable[[Command], Command]:
    """``--runs``: how often a sampler is run."""
    return option(
        "runs", "-n", "--runs", formerly=formerly, type=click.IntRange(least, most), default=default,
        show_default=default is not None, help=help_text,
    )  # fmt: skip


def plot_option(
    help_text: str, default: Path | None = None, metavar: str = "FILE", formerly: Sequence[str] = ()
) -> Callable[[Command], Command]:
    """``--plot``: where a figure goes."""
    return option(
        "plot", "--plot", formerly=formerly, type=PATH, metavar=metavar, default=default,
        show_default=default is not None, help=help_text,
    )  # fmt: skip


def output_option(
    help_text: str = "Write a file instead of stdout.", required: bool = False, metavar: str = "FILE"
) -> Callable[[Command], Command]:
    """``-o``: where the result goes, if it is no figure."""
    return option("output", "-o", "--output", type=PATH, metavar=metavar, required=required, help=help_text)


def delta_option(default: float) -> Callable[[Command], Command]:
    """``--delta``: the TV to reach."""
    return option(
        "delta", "--delta", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=default,
        show_default=True, help="The TV to reach.",
    )  # fmt: skip


def table_options(*more: str) -> Callable[[Command], Command]:
    """``--format`` of the command's table, and ``--json`` for short: the parameter ``style``.

    Parameters
    ----------
    *more : str
        Other formats that the command writes.
    """

    def shorten(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted:
            ctx.meta["treesim.json"] = True

    def settle(ctx: click.Context, _: click.Parameter, style: str) -> str:
        if "treesim.json" not in ctx.meta:
            return style
        if style not in ("json", "table"):
            raise click.UsageError(f"--json and --format {style}: give one of them")
        return "json"

    def add(command: Command) -> Command:
        short = click.option("--json", is_flag=True, is_eager=True, expose_value=False, callback=shorten,
                             help="Short for --format json: one JSON document.")  # fmt: skip
        long = option("style", "--format", type=click.Choice([*FORMS, *more]), default="table", show_default=True,
                      callback=settle, help="csv and json have the numbers as they are.")  # fmt: skip
        return long(short(command))

    return add
