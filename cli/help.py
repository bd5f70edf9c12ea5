"""Help texts: wrapped between words only, so that specs and options can be copied, and ending with examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click

# As wide as a hyphen, and no place to break a line.
_KEPT = "\u2011"


class Formatter(click.HelpFormatter):
    """Wraps texts between words, never at a hyphen."""

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _KEPT))

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: Any, **settings: Any) -> None:
        super().write_dl([(term, text.replace("-", _KEPT)) for term, text in rows], *args, **settings)

    def getvalue(self) -> str:
        return super().getvalue().replace(_KEPT, "-")


class Context(click.Context):
    """The context of our commands."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose help ends with examples.

    Parameters
    ----------
    examples : sequence of str
        What one types after ``treesim``.
    """

    context_class = Context

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}treesim {example}\n")
