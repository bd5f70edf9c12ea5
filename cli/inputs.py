"""What arguments name: an instance's file, a compiled tree, a family, or a sampler."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treesim.cli.output import Failure, note, working

if TYPE_CHECKING:
    from treesim import Instance
    from treesim.compiled.definition import CompiledTree

_CLASS = re.compile(r"(.+\.py):([^\W\d]\w*)(:.*)?")


def load(file: Path) -> Instance:
    """The instance of a file; of ``FILE.py:NAME`` the compiled tree of that name, in arrays."""
    from treesim.instances import storage

    tree = tree_of(str(file))
    if tree is None:
        return storage.load(file)
    with working("compiling and building the tree"):
        return tree.instance()


def tree_of(text: str) -> CompiledTree | None:
    """The compiled tree that ``FILE.py:NAME`` or ``FILE.py:NAME:FIELD=VALUE,...`` names; None of another text."""
    found = _CLASS.fullmatch(text)
    if found is None:
        return None
    from treesim.compiled.families import compiled, offer

    return compiled(_offered(found, offer))


def family_of(text: str) -> str:
    """A FAMILY by a name that is known: of ``FILE.py:NAME`` the file is run, and its compiled tree a family."""
    found = _CLASS.fullmatch(text)
    if found is None:
        return text
    from treesim.compiled.families import offer

    path, name, rest = found.groups()
    if rest:
        raise Failure(f"parameters of a family are options, or --set KEY=VALUE; expected {path}:{name}")
    return _offered(found, offer)


def setting(text: str) -> tuple[str, Any]:
    """A parameter of a family: a whole number, a number, or a text."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Failure(f"--set {text!r}: expected KEY=VALUE")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, value


def spec_of(text: str) -> str:
    """A SPEC by a name that is known: of ``FILE.py:CLASS`` the file is run, and its class registered by its name."""
    found = _CLASS.fullmatch(text)
    if found is None:
        return text
    from treesim.samplers.registry import offer

    return _offered(found, offer)


def file_or_spec(text: str) -> Path | str:
    """What an argument names that may be an instance or a sampler: what `load` takes, or the sampler's spec.

    A spec starts with the name of a known sampler, or has a colon; everything else is a file. A name that is both is
    refused, with how to write either.
    """
    from treesim.errors import quoted
    from treesim.runtime.reading import exists
    from treesim.samplers import SAMPLERS

    if _is_tree(text):
        return Path(text)
    text = spec_of(text)
    name, colon, _ = text.partition(":")
    there = exists(Path(text))
    if name.strip() in SAMPLERS:
        if there and not colon:
            raise Failure(
                f"{quoted(text)} is a sampler and a file; write {text}: for the sampler, ./{text} for the file"
            )
        return text
    if there:
        return Path(text)
    if colon:
        raise Failure(f"unknown sampler {quoted(name)}, expected one of: {', '.join(SAMPLERS)}")
    raise Failure(f"{quoted(text)} is no file and no sampler; samplers are: {', '.join(SAMPLERS)}")


def _is_tree(text: str) -> bool:
    """Whether it names a class of a file that is a compiled tree, and no sampler."""
    found = _CLASS.fullmatch(text)
    if found is None:
        return False
    from treesim.compiled.families import TREES, offer_if_tree

    _offered(found, offer_if_tree)
    return found[2] in TREES


def _offered(found: re.Match[str], offer: Callable[[str, Any], None]) -> str:
    """The spec, once the file is run and what it has under the name is offered."""
    from treesim.runtime.user_code import run_file

    path, name, rest = found.groups()
    run_file(Path(path), (name, offer))
    return f"{name}{rest or ''}"


def budget_note(spec: str, tv: Mapping[str, Any], width: float) -> None:
    """Say what budget would have been enough, where an interval stayed wider than asked."""
    if tv["wanted_budget"] is not None:
        gap, wanted = tv["hi"] - tv["lo"], tv["wanted_budget"]
        advice = f"for {width:g} raise --budget to about {wanted:.1g}"
        if wanted == math.inf:
            advice = "rounding allows no narrower one"
        note(f"{spec}: the interval is {gap:.2g} wide; {advice}")
