"""Fingerprints of functions that are compiled: of their instructions, and of every value outside that they look at.

Compiled code has the values of globals in it. Where one of them could change unseen there is no fingerprint.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from treesim._version import __version__

_INSTALLED = {"site-packages", "dist-packages"}


def fingerprint(functions: Iterable[Any], *besides: str) -> str | None:
    """A digest of functions, and of what they refer to; None if that includes what nobody can vouch for.

    Parameters
    ----------
    functions : iterable
        Python's, or compiled by numba.
    *besides : str
        What else is to count.

    Examples
    --------
    >>> def triple(x):
    ...     return 3 * x
    >>> fingerprint([triple]) == fingerprint([triple]), fingerprint([triple]) == fingerprint([fingerprint])
    (True, False)
    """
    try:
        parts = [part for function in functions for part in _print(function, set())]
    except _Unknown:
        return None
    text = [__version__.encode(), *(each.encode() for each in besides), *parts]
    return hashlib.sha256(b"\0".join(text)).hexdigest()


class _Unknown(Exception):
    """What has no fingerprint."""


def _print(value: Any, seen: set[int]) -> Iterator[bytes]:
    if id(value) in seen:
        return
    if isinstance(value, bool | int | float | complex | str | bytes | None | np.generic):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, tuple) and type(value) is tuple:
        yield f"tuple {len(value)}".encode()
        for each in value:
            yield from _print(each, seen)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        yield f"{value.dtype} {value.shape} {value.strides}".encode() + value.tobytes()
    elif isinstance(value, FunctionType) and not _is_installed(inspect.getmodule(value)):
        seen.add(id(value))
        yield from _print_code(value.__code__)
        for each in (*(value.__defaults__ or ()), *_outside(value)):
            yield from _print(each, seen)
    elif hasattr(value, "py_func"):
        yield repr(sorted(getattr(value, "targetoptions", {}).items(), key=str)).encode()
        yield from _print(value.py_func, seen)
    elif _is_installed(value if isinstance(value, ModuleType) else inspect.getmodule(value)):
        module = value if isinstance(value, ModuleType) else inspect.getmodule(value)
        release = getattr(sys.modules.get(str(getattr(module, "__name__", "")).split(".")[0]), "__version__", "")
        yield f"{getattr(module, '__name__', '')} {getattr(value, '__name__', '')} {release}".encode()
    else:
        raise _Unknown


def _print_code(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_argcount)).encode()
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _print_code(each)
        else:
            yield repr(each).encode()


def _outside(function: FunctionType) -> Iterator[Any]:
    """The globals and the enclosing variables that a function may look at."""
    known = function.__globals__
    for name in sorted(_names(function.__code__)):
        if name in known:
            yield name
            yield known[name]
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            raise _Unknown from None


def _names(code: CodeType) -> set[str]:
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


def _is_installed(module: ModuleType | None) -> bool:
    """Whether a module is Python's, or of an installed package: its release tells its content."""
    if module is None:
        return False
    if module.__name__.split(".")[0] in sys.builtin_module_names or module.__name__.split(".")[0] == "builtins":
        return True
    origin = getattr(module, "__file__", None)
    if origin is None:
        return False
    path = Path(origin).resolve()
    return bool(_INSTALLED & set(path.parts)) or module.__name__.split(".")[0] in sys.stdlib_module_names
