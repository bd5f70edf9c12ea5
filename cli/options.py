"""Options that commands share, declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from treesim.cli.output import want_traceback

Command = TypeVar("Command", bound=Callable[..., Any])

file_argument = click.argument("file", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def traceback_option(hidden: bool = False) -> Callable[[Command], Command]:
    """``--traceback``; it may stand before the command or behind it."""
    return click.option(
        "--traceback", is_flag=True, is_eager=True, expose_value=False, hidden=hidden, callback=want_traceback,
        help="Where an error comes from, in your code too; or set TREESIM_TRACEBACK=1.",
    )  # fmt: skip


def seed_option(of: str | None = None) -> Callable[[Command], Command]:
    """``--seed``, of whatever is random in the command."""
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=of)


def width_option(default: float) -> Callable[[Command], Command]:
    """``--width``, where a TV can only be enclosed."""
    return click.option(
        "--width",
        type=click.FloatRange(min=0, min_open=True),
        default=default,
        show_default=True,
        help="Where a TV can only be enclosed (on a trellis): how far apart the bounds may be.",
    )


def runs_option(flag: str, default: int, least: int, help_text: str) -> Callable[[Command], Command]:
    """How many runs; the flag differs by command."""
    return click.option(
        flag, "runs", type=click.IntRange(min=least), default=default, show_default=True, help=help_text
    )


def file_option(*flags: str, metavar: str, help_text: str, default: Path | None = None) -> Callable[[Command], Command]:
    """A file to write."""
    return click.option(
        *flags, type=click.Path(path_type=Path), metavar=metavar, default=default, show_default=default is not None,
        help=help_text,
    )  # fmt: skip
