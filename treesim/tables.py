"""Numbers and tables as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# Numbers nearer to zero than this are zero to the accuracy of exact figures.
NEGLIGIBLE = 1e-12


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


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> str:
    """A plain table; the first `left` columns are texts, the others numbers, to the right."""
    from tabulate import tabulate

    align = ["left"] * left + ["right"] * (len(headers) - left)
    return tabulate([list(row) for row in rows], headers, tablefmt="simple", disable_numparse=True, colalign=align)
