"""Specs: ``name:key=value,key=value`` names a frozen dataclass and its parameters, on the command line and in files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Container, Iterable, Mapping
from functools import wraps
from numbers import Integral, Real
from typing import Any, TypeVar, get_type_hints

from treesim.errors import SpecError, quoted

LARGEST_WHOLE = 2**53

Thing = TypeVar("Thing")

_KINDS: dict[str, tuple[type, str]] = {
    "int": (Integral, "a whole number"), "float": (Real, "a number"), "str": (str, "a text"),
    "bool": (bool, "true or false"),
}  # fmt: skip


class Parameters:
    """Base of the dataclasses that specs name: before a class checks its parameters by itself, their types are."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls).get("__post_init__")
        if own is not None:

            @wraps(own)
            def check(self: Any) -> None:
                Parameters.__post_init__(self)
                own(self)

            cls.__post_init__ = check  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            require_kind(field.name, getattr(self, field.name), field.type)


def parse(text: str, kinds: Mapping[str, type[Thing]], what: str) -> Thing:
    """The object that a spec names.

    Raises
    ------
    SpecError
        If the name or a parameter is unknown, or a value is not of its type or out of range.

    Examples
    --------
    >>> from treesim.samplers import SAMPLERS
    >>> parse("importance:n=16", SAMPLERS, "sampler")
    Importance(n=16)
    """
    name, _, rest = text.partition(":")
    name = name.strip()
    if name not in kinds:
        raise SpecError(f"unknown {what} {name!r}, expected one of: {', '.join(kinds)}")
    kind = kinds[name]
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    types = get_type_hints(kind)
    given: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise SpecError(f"{what} {name!r} has no parameter {key!r}; its parameters: {known}")
        if not equals or key in given:
            raise SpecError(f"{item!r} in {text!r}: expected {key}=VALUE, once")
        given[key] = _value(value, types[key], f"{key} of {name}")
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and key not in given:
            raise SpecError(f"{what} {name!r} needs {key}, such as {name}:{key}=16")
    return kind(**given)


def spell(thing: Any, also: Container[str] = ()) -> str:
    """The shortest spec of an object: the inverse of `parse`.

    Parameters
    ----------
    thing : object
    also : container of str
        Parameters that are spelled even where they have their defaults.

    Examples
    --------
    >>> from treesim.samplers import SMC, Importance
    >>> spell(Importance(n=16)), spell(SMC(16), also=["resampling"])
    ('importance:n=16', 'smc:particles=16,resampling=multinomial')
    """
    changed = [
        f"{field.name}={_text(getattr(thing, field.name))}"
        for field in dataclasses.fields(thing)
        if field.name in also or getattr(thing, field.name) != field.default
    ]
    return ":".join(filter(None, [thing.name, ",".join(changed)]))


def require_kind(what: str, value: Any, annotation: Any) -> None:
    """Raise `SpecError` where a parameter that is annotated ``int``, ``float`` or ``str`` is something else.

    Examples
    --------
    >>> require_kind("horizon", 4.0, int)
    Traceback (most recent call last):
    treesim.errors.SpecError: horizon is 4.0, expected a whole number
    """
    kind, words = _KINDS.get(getattr(annotation, "__name__", annotation), (object, ""))
    if not isinstance(value, kind):
        raise SpecError(f"{what} is {quoted(value)}, expected {words}")


def require_whole(what: str, number: int, least: int) -> None:
    """Raise `SpecError` unless `number` is a whole number of at least `least`."""
    require_kind(what, number, int)
    require_at_least(what, number, least)


def require_at_least(what: str, number: float, least: float) -> None:
    """Raise `SpecError` unless `number` is a finite number of at least `least`."""
    if not least <= number < math.inf:
        raise SpecError(f"{what} is {quoted(number)}, expected at least {least}")


def require_positive(what: str, number: float) -> None:
    """Raise `SpecError` unless `number` is a finite number above 0."""
    if not 0 < number < math.inf:
        raise SpecError(f"{what} is {quoted(number)}, expected a number above 0")


def require_countable(what: str, number: Any) -> None:
    """Raise `SpecError` where a whole number is beyond what floats count exactly: no array has so many entries."""
    if isinstance(number, int) and abs(number) > LARGEST_WHOLE:
        raise SpecError(f"{what} is {quoted(number)}, expected a number of at most {LARGEST_WHOLE}")


def require_one_of(what: str, text: str, choices: Iterable[str]) -> None:
    """Raise `SpecError` unless `text` is one of the choices."""
    if text not in choices:
        raise SpecError(f"{what} is {text!r}, expected one of: {', '.join(choices)}")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str, kind: Any, what: str) -> Any:
    if kind is bool:
        require_one_of(what, text, ("true", "false"))
        return text == "true"
    try:
        if kind is int:
            require_countable(what, int(text))
            return int(text)
        if kind is float:
            return float(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise SpecError(f"{what} is {text!r}, expected {expected}") from None
    return text
