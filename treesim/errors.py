"""What can go wrong, as exceptions: one sentence each, for the person who reads it; and how sentences quote names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_LONGEST = 200


class TreesimError(Exception):
    """Base of every error that treesim raises on purpose.

    >>> import treesim
    >>> try:
    ...     treesim.sampler("importance:n=0")
    ... except treesim.TreesimError as error:
    ...     print(error)
    n is 0, expected at least 1
    """


class TreeError(TreesimError):
    """A tree, or the graph it should come from, breaks an invariant.

    >>> import treesim
    >>> treesim.Tree.complete(branching=2, horizon=1, policy=[0.5, 0.4])
    Traceback (most recent call last):
    treesim.errors.TreeError: edge probabilities of node 0 (level 0) sum to 0.9, expected 1
    """


class MemoryBudgetError(TreesimError):
    """What was asked for does not fit in the memory budget; nothing was allocated.

    >>> import treesim
    >>> treesim.family("uniform", horizon=60)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    treesim.errors.MemoryBudgetError: a complete tree with branching 2 and horizon 60, with V* and V^, ...
    """


class RewardError(TreesimError):
    """A reward is not a number, is infinite, or is zero everywhere.

    >>> import treesim
    >>> treesim.optimal_twist(treesim.Tree.complete(branching=2, horizon=1), [float("nan"), 0.0])
    Traceback (most recent call last):
    treesim.errors.RewardError: log reward of leaf 0 is nan, expected a number or -inf
    """


class PerturbationError(TreesimError):
    """A perturbation's parameters are out of range or cannot all be met.

    >>> import treesim
    >>> treesim.family("uniform", horizon=2, perturbation="random-sign", epsilon=-0.1)
    Traceback (most recent call last):
    treesim.errors.PerturbationError: epsilon is -0.1, expected a finite number of at least 0
    """


class ConstraintError(TreesimError):
    """A constraint on texts is malformed, too large, or one that no text meets.

    >>> import treesim
    >>> treesim.family("ngram", horizon=3, contains="python")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    treesim.errors.ConstraintError: no text of 3 letters meets the constraint, but some of 6 do; choose ...
    """


class SpecError(TreesimError):
    """A spec such as ``importance:n=16`` names something unknown or impossible.

    >>> import treesim
    >>> treesim.sampler("importance:m=16")
    Traceback (most recent call last):
    treesim.errors.SpecError: sampler 'importance' has no parameter 'm'; its parameters: n
    """


class InstanceFileError(TreesimError):
    """An instance file is damaged, foreign, edited, or of a newer format.

    >>> import treesim
    >>> treesim.load("nowhere.safetensors")
    Traceback (most recent call last):
    treesim.errors.InstanceFileError: nowhere.safetensors does not exist
    """


class OracleError(TreesimError):
    """A sampler asked the oracle what it may not, or returned what it never reached.

    >>> import treesim
    >>> oracle = treesim.Oracle(treesim.family("uniform", horizon=2), None)
    >>> oracle.value(treesim.Prefix((0,), 0, ()))
    Traceback (most recent call last):
    treesim.errors.OracleError: prefix (0,) was never reached: draw it or list it before asking its value
    """


class Undecided(TreesimError):
    """A distance is known too loosely to answer a comparison.

    >>> import treesim
    >>> treesim.TV(0.1, 0.3, "certified") < 0.2  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    treesim.errors.Undecided: the TV is between 0.1 and 0.3 (certified), which leaves open whether it ...
    """


class LearningError(TreesimError):
    """A value cannot be learned from these rewards, with this loss or by this search.

    >>> import treesim
    >>> instance = treesim.family("uniform", horizon=3, reward="sparse:share=0.25")
    >>> treesim.learn(instance, "log-returns", "level")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    treesim.errors.LearningError: loss 'log-returns' takes logs of rewards, and some that training ...
    """


class MeasureError(TreesimError):
    """A log cannot be read, written to, or measured.

    >>> from treesim.measure import read_log
    >>> read_log("nowhere.jsonl")
    Traceback (most recent call last):
    treesim.errors.MeasureError: nowhere.jsonl does not exist
    """


class OutcomeError(TreesimError):
    """Answers or true rewards do not fit the leaves that they are of.

    >>> import treesim
    >>> treesim.family("uniform", horizon=1).with_outcomes(["yes"], correct="yes")
    Traceback (most recent call last):
    treesim.errors.OutcomeError: there are 1 answers, expected one for each of 2 leaves
    """


class NoExactLaw(TreesimError):
    """The sampler's exact law is out of reach here; the message says what would do instead.

    >>> import treesim
    >>> instance = treesim.family("uniform", horizon=5)
    >>> treesim.sampler("smc:particles=50,resampling=systematic").law(instance)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    treesim.errors.NoExactLaw: smc has an exact law for multinomial resampling at every step and the ...
    """


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
