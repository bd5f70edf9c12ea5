"""Numbers and tables as people read them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from treesim.errors import TreesimError, quoted

# What a table can be printed as.
FORMS = ("table", "csv", "json", "markdown", "latex")
# Libraries of data frames, in the order in which they are tried.
FRAMES = ("pandas", "polars")

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


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1, form: str = "table") -> str:
    r"""A table, a line a row; the first `left` columns are texts, the others numbers, to the right.

    Parameters
    ----------
    headers : sequence of str
    rows : iterable of sequences
    left : int
    form : str
        ``table``, ``markdown``, or ``latex`` (of the package booktabs).

    Examples
    --------
    >>> print(table(["sampler", "TV"], [["a|b", 0.5]], form="markdown"))
    | sampler   |   TV |
    |:----------|-----:|
    | a\|b      |  0.5 |
    """
    from tabulate import tabulate

    style = {"table": "simple", "markdown": "pipe", "latex": "latex_booktabs"}[form]
    align = ["left"] * left + ["right"] * (len(headers) - left)
    names, lines = [_cell(header, form) for header in headers], [[_cell(each, form) for each in row] for row in rows]
    return tabulate(lines, names, tablefmt=style, disable_numparse=True, colalign=align)


def _cell(value: Any, form: str) -> str:
    text = "" if value is None else escaped(str(value))
    return text.replace("|", r"\|") if form == "markdown" else text


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A document of one level: what was inside others is called ``outer.inner``.

    Examples
    --------
    >>> flat({"sampler": "base", "tv": {"lo": 0.5, "hi": 0.5}, "bound": None})
    {'sampler': 'base', 'tv.lo': 0.5, 'tv.hi': 0.5, 'bound': None}
    """
    record: dict[str, Any] = {}
    for key, value in document.items():
        record |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return record


class Records(list[dict[str, Any]]):
    """Rows as flat dictionaries, which become a file or a data frame.

    Examples
    --------
    >>> found = Records([{"n": 1, "tv": 0.5}, {"n": 2, "tv": 0.25, "kind": "exact"}])
    >>> found.columns
    ['n', 'tv', 'kind']
    >>> print(found.csv(), end="")
    n,tv,kind
    1,0.5,
    2,0.25,exact
    """

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in the order in which they appear."""
        return list(dict.fromkeys(key for record in self for key in record))

    def csv(self) -> str:
        """The rows as comma-separated values, with a line of names; what a row lacks is empty."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self)
        return text.getvalue()

    def typed_columns(self) -> dict[str, list[Any]]:
        """The columns, the values of each of one type, as files and data frames of typed columns want them."""
        return {key: _typed([record.get(key) for record in self]) for key in self.columns}

    def to_frame(self, library: str | None = None) -> Any:
        """The rows as a data frame.

        Parameters
        ----------
        library : str, optional
            ``pandas`` or ``polars``; left out, the first of them that is installed.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame

        Raises
        ------
        TreesimError
            If there is no such library.
        """
        for name in FRAMES if library is None else (library,):
            if name not in FRAMES:
                raise TreesimError(f"library is {quoted(name)}, expected one of: {', '.join(FRAMES)}")
            try:
                frames = import_module(name)
            except ImportError:
                continue
            return frames.DataFrame(self.typed_columns())
        raise TreesimError(f"a data frame needs {library or ' or '.join(FRAMES)}: pip install {library or FRAMES[0]}")


def _typed(values: list[Any]) -> list[Any]:
    """Values of one type: a parameter may be a number in one row and a text, or a list, in another."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and kinds <= {str, bool, float}:
        return values
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return values
    as_one = float if kinds <= {int, float} else str
    return [None if value is None else as_one(value) for value in values]
