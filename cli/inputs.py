"""What arguments name: an instance's file, or a sampler."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treesim.cli.output import Failure, note

_CLASS = re.compile(r"(.+\.py):([^\W\d]\w*)(:.*)?")


def spec_of(text: str) -> str:
    """A SPEC by a name that is known: of ``FILE.py:CLASS`` the file is run, and its class registered by its name."""
    found = _CLASS.fullmatch(text)
    if found is None:
        return text
    from treesim.runtime.user_code import run_file
    from treesim.samplers.registry import offer

    path, name, rest = found.groups()
    run_file(Path(path), (name, offer))
    return f"{name}{rest or ''}"


def file_or_spec(text: str) -> Path | str:
    """What an argument names that may be a file or a sampler: the file's path, or the sampler's spec.

    A spec starts with the name of a known sampler, or has a colon; everything else is a file. A name that is both is
    refused, with how to write either.
    """
    from treesim.errors import quoted
    from treesim.runtime.reading import exists
    from treesim.samplers import SAMPLERS

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


def budget_note(spec: str, tv: Mapping[str, Any], width: float) -> None:
    """Say what budget would have been enough, where an interval stayed wider than asked."""
    if tv["wanted_budget"] is not None:
        gap, wanted = tv["hi"] - tv["lo"], tv["wanted_budget"]
        advice = f"for {width:g} raise --budget to about {wanted:.1g}"
        if wanted == math.inf:
            advice = "rounding allows no narrower one"
        note(f"{spec}: the interval is {gap:.2g} wide; {advice}")
