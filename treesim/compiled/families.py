"""Compiled trees by name: what files of users offer, as families and as instances."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from treesim.compiled.definition import CompiledTree
from treesim.errors import SpecError, quoted
from treesim.instances.families import FAMILIES
from treesim.instances.instance import Instance
from treesim.spec import parse

TREES: dict[str, type[CompiledTree]] = {}


def offer(name: str, kind: Any) -> None:
    """Make a compiled tree known under a name, as a family too: what files of trees are run for.

    The parameters of the family are the fields, and those of `CompiledTree.instance`.

    Raises
    ------
    SpecError
        If it is none, or a built-in family has the name.
    """
    if not (isinstance(kind, type) and issubclass(kind, CompiledTree)):
        raise SpecError(f"{name} is {quoted(kind)}, expected a class with @treesim.compiled_tree before it")
    if name in FAMILIES and name not in TREES:
        raise SpecError(f"there is a family named {name!r}; choose another name for the class")
    TREES[name] = kind
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]

    def build(seed: int = 0, **parameters: Any) -> Instance:
        own = {key: value for key, value in parameters.items() if key in fields}
        rest = {key: value for key, value in parameters.items() if key not in fields}
        return kind(**own, **({"seed": seed} if "seed" in fields else {})).instance(seed=seed, **rest)

    named, none = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    own = [
        inspect.Parameter(
            key, named, annotation=field.type, default=none if field.default is dataclasses.MISSING else field.default
        )
        for key, field in fields.items()
    ]
    shared = list(inspect.signature(kind.instance).parameters.values())[1:]
    build.__doc__ = kind.__doc__
    build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*own, *(each.replace(kind=named) for each in shared if each.name not in fields)]
    )
    FAMILIES[name] = build


def offer_if_tree(name: str, kind: Any) -> None:
    """Offer a class that is a compiled tree, and forget one of that name that is none any more."""
    if isinstance(kind, type) and issubclass(kind, CompiledTree):
        offer(name, kind)
    elif TREES.pop(name, None) is not None:
        del FAMILIES[name]


def compiled(spec: str) -> CompiledTree:
    """The tree of a spec, ``NAME:field=value,...``, that was offered.

    Raises
    ------
    SpecError
        If there is no such tree or field, or a value is not of its type.
    """
    return parse(spec, TREES, "compiled tree")
