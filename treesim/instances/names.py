"""Names of nodes in files: they come back as they were, types included, and no two become one.

An instance file has a table of names, in JSON, and for each node a place in it: a node may stand on many levels.
What JSON keeps stands for itself; the rest is tagged: ``{"tuple": [...]}``, ``{"bytes": "hex"}``, ``{"float": "inf"}``.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from treesim.errors import TreesimError, quoted
from treesim.runtime.notes import note

Name = Hashable | None

UNNAMED = -1


def encoded_names(names: Sequence[Name]) -> tuple[list[Any], NDArray[np.int32]]:
    """The table of names as JSON documents, and the place of each node's name in it, shape [n_nodes].

    What is no text, number, bytes or tuple of these is written as its text, with a note.

    Raises
    ------
    TreesimError
        If a name is text that no encoding can write (a lone surrogate).

    Examples
    --------
    >>> encoded_names([(), ("a", 1), b"yes", None, None])
    ([{'tuple': []}, {'tuple': ['a', 1]}, {'bytes': '796573'}], array([ 0,  1,  2, -1, -1], dtype=int32))
    """
    odd: list[Any] = []
    table: list[Any] = []
    written: dict[str, int] = {}
    rank = {id(None): UNNAMED}
    # Told apart by what is written, as 1 and True are equal and two names; each object is written once.
    for key, name in {id(name): name for name in names if name is not None}.items():
        item = _encoded(name, odd)
        rank[key] = written.setdefault(json.dumps(item), len(table))
        if rank[key] == len(table):
            table.append(item)
    if odd:
        others = f", and {len(odd) - 1} more" if len(odd) > 1 else ""
        note(f"the name {quoted(odd[0])} is a {type(odd[0]).__name__}{others}: a file keeps it as text")
    return table, np.fromiter((rank[id(name)] for name in names), np.int32, len(names))


def decoded_names(table: Sequence[Any], place: NDArray[np.int32]) -> tuple[Name, ...]:
    """The names that `encoded_names` wrote.

    Raises
    ------
    TreesimError
        If they are not what it writes.

    Examples
    --------
    >>> decoded_names([{"tuple": ["a", {"bytes": "6f6b"}]}], np.array([0, -1], np.int32))
    (('a', b'ok'), None)
    """
    names = np.empty(len(table) + 1, object)
    for k, item in enumerate(table):
        names[k] = _decoded(item)
    if not ((place >= UNNAMED) & (place < len(table))).all():
        raise TreesimError(f"node_name holds a number that is not from {UNNAMED} to {len(table) - 1}")
    return tuple(names[place].tolist())


def distinct(
    names: Sequence[Hashable], levels: Sequence[int], wanted: Callable[[Hashable], Hashable]
) -> list[Hashable]:
    """What each name is written as, no two alike: as is wanted where that is unique, else ``name@level``, numbered.

    Examples
    --------
    >>> distinct(["", "a", "a", "a@1", 1, "1"], [0, 1, 2, 2, 2, 2], lambda name: name)
    ['', 'a@1.2', 'a@2', 'a@1', 1, '1']
    >>> distinct([1, "1"], [1, 1], str)
    ['1@1', '1']
    """
    forms = [wanted(name) for name in names]
    count = Counter(forms)
    # A name that is its own form has it before one that is spelled like it.
    own = Counter(form for name, form in zip(names, forms, strict=True) if _same(name, form))
    kept = [count[form] == 1 or (own[form] == 1 and _same(name, form)) for name, form in zip(names, forms, strict=True)]
    taken = {form for form, is_kept in zip(forms, kept, strict=True) if is_kept}
    tries: Counter[str] = Counter()
    for i, (form, level) in enumerate(zip(forms, levels, strict=True)):
        if kept[i]:
            continue
        base = f"{form}@{level}"
        text = base
        while text in taken:
            tries[base] += 1
            text = f"{base}.{tries[base] + 1}"
        forms[i] = text
        taken.add(text)
    return forms


def is_text(name: Any) -> bool:
    """Whether texts can be written: a lone surrogate cannot."""
    if isinstance(name, tuple | list):
        return all(map(is_text, name))
    if isinstance(name, str) and not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            return False
    return True


def _same(name: Hashable, form: Hashable) -> bool:
    return type(name) is type(form) and name == form


def _encoded(name: Any, odd: list[Any]) -> Any:
    if hasattr(name, "dtype") and getattr(name, "ndim", None) == 0:
        name = name.item()
    if isinstance(name, bool) or (isinstance(name, int) and name.bit_length() <= 10_000):
        return bool(name) if isinstance(name, bool) else int(name)
    if isinstance(name, float) and not math.isnan(name):
        return {"float": str(name)} if math.isinf(name) else float(name)
    if isinstance(name, bytes):
        return {"bytes": name.hex()}
    if isinstance(name, tuple):
        return {"tuple": [None if part is None else _encoded(part, odd) for part in name]}
    if not isinstance(name, str):
        odd.append(name)
        name = str(name)
    if not is_text(name):
        raise TreesimError(f"the name {quoted(name)} is no text that a file can hold: it has a lone surrogate")
    return str(name)


def _decoded(item: Any) -> Any:
    if isinstance(item, str | int | float):
        return item
    if isinstance(item, dict) and len(item) == 1:
        ((tag, value),) = item.items()
        if tag == "tuple" and isinstance(value, list):
            return tuple(None if part is None else _decoded(part) for part in value)
        if tag == "float" and value in ("inf", "-inf"):
            return float(value)
        if tag == "bytes" and isinstance(value, str):
            try:
                return bytes.fromhex(value)
            except ValueError:
                pass
    raise TreesimError(f"a name is {quoted(item)}, expected text, a number or a tagged name")
