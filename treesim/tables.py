"""Numbers and tables as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

# Numbers nearer to zero than this are zero to the accuracy of exact figures.
NEGLIGIBLE = 1e-12

# Control characters, line and paragraph ends, directions of writing, and halves of characters.
_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def number(value: float | None, digits: int = 4) -> str:
    """A number for people: short, with what is zero to rounding shown as such.

    Examples
    --------
    >>> number(0.123456), number(1e-15), number(None)
    ('0.1235', '0 (to 1e-12)', '-')
    """
    if value is None:
        return "-"
    if value != 0 and abs(value) < NEGLIGIBLE:
        return f"0 (to {NEGLIGIBLE:g})"
    return f"{value:.{digits}g}"


def distance(lo: float, hi: float) -> str:
    """A distance: the number, or the middle of an interval and half its width, or its upper end.

    Examples
    --------
    >>> distance(0.25, 0.25), distance(0.25, 0.26), distance(0.0, 1e-6)
    ('0.25', '0.255 ± 5.0e-03', 'at most 1.0e-06')
    """
    if lo == 0.0 < hi:
        return f"at most {hi:.1e}"
    return number(lo) if lo == hi else f"{number((lo + hi) / 2, 6)} ± {(hi - lo) / 2:.1e}"


def escaped(text: str, keep: str = "") -> str:
    r"""A text on one line that says the same on every terminal: what would command it is shown as in Python's strings.

    Examples
    --------
    >>> print(escaped("red \x1b[31m, two\nlines"), escaped("two\nlines", keep="\n"))
    red \x1b[31m, two\nlines two
    lines
    """
    return _COMMANDS.sub(
        lambda match: match[0] if match[0] in keep else match[0].encode("unicode_escape").decode(), text
    )


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> str:
    """A plain table, a line a row; the first `left` columns are texts, the others numbers, to the right."""
    from tabulate import tabulate

    align = ["left"] * left + ["right"] * (len(headers) - left)
    names, lines = [escaped(header) for header in headers], [[_cell(each) for each in row] for row in rows]
    return tabulate(lines, names, tablefmt="simple", disable_numparse=True, colalign=align)


def _cell(value: Any) -> str:
    return "" if value is None else escaped(str(value))
