"""What can go wrong, as exceptions: one sentence each, for the person who reads it; and how sentences quote names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_LONGEST = 200


class TreesimError(Exception):
    """Base of every error that treesim raises on purpose."""


class TreeError(TreesimError):
    """A tree, or the graph it should come from, breaks an invariant."""


class MemoryBudgetError(TreesimError):
    """What was asked for does not fit in the memory budget; nothing was allocated."""


class RewardError(TreesimError):
    """A reward is not a number, is infinite, or is zero everywhere."""


class PerturbationError(TreesimError):
    """A perturbation's parameters are out of range or cannot all be met."""


class ConstraintError(TreesimError):
    """A constraint on texts is malformed, too large, or one that no text meets."""


class SpecError(TreesimError):
    """A spec such as ``importance:n=16`` names something unknown or impossible."""


class InstanceFileError(TreesimError):
    """An instance file is damaged, foreign, edited, or of a newer format."""


class OracleError(TreesimError):
    """A sampler asked the oracle what it may not, or returned what it never reached."""


class Undecided(TreesimError):
    """A distance is known too loosely to answer a comparison."""


class LearningError(TreesimError):
    """A value cannot be learned from these rewards, with this loss or by this search."""


class MeasureError(TreesimError):
    """A log cannot be read, written to, or measured."""


class OutcomeError(TreesimError):
    """Answers or true rewards do not fit the leaves that they are of."""


class NoExactLaw(TreesimError):
    """The sampler's exact law is out of reach here; the message says what would do instead."""


def quoted(name: Any) -> str:
    r"""A name as messages show it: on one line, as it was written, whatever its type.

    Unlike ``repr`` it leaves backslashes single and numpy's types out.

    Examples
    --------
    >>> print(quoted(r"$\frac$"), quoted("two\nlines"), quoted(("a", 1)))
    '$\frac$' 'two\nlines' ('a', 1)
    """
    if hasattr(name, "dtype") and getattr(name, "ndim", None) == 0:
        name = name.item()
    if isinstance(name, str):
        mark = '"' if "'" in name and '"' not in name else "'"
        return f"{mark}{_printable(name)}{mark}"
    if type(name) is tuple:
        return _shortened(f"({', '.join(map(quoted, name))}{',' if len(name) == 1 else ''})")
    if isinstance(name, int) and name.bit_length() > 128:
        return f"a whole number of {name.bit_length()} bits"
    return _printable(repr(name))


def listed(names: Iterable[Any]) -> str:
    """Names in a row, at most eight.

    Examples
    --------
    >>> listed(["weight", "p"]), listed("abcdefghij")
    ("'weight', 'p'", "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more")
    """
    texts = [quoted(name) for name in names]
    return ", ".join(texts[:8]) + (f" and {len(texts) - 8} more" if len(texts) > 8 else "")


def _printable(text: str) -> str:
    return _shortened("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
