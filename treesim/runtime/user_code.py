"""Code of users: Python files run for what they register, and digests that tell one version of it from another."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import linecache
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from treesim.errors import SpecError, TreesimError

MODULE = "treesim_import"

_TREESIM = Path(__file__).resolve().parents[1]
# In a checkout two packages lie beside it; a wheel has them inside.
_OURS = (_TREESIM, *(_TREESIM.parent / name for name in ("cli", "hard_instances") if not (_TREESIM / name).is_dir()))
_PYTHON = Path(sysconfig.get_paths()["stdlib"]).resolve()

_INSTALLED = {"site-packages", "dist-packages"}
# What stands between treesim and its users is neither's.
_LIBRARIES = {"click", "numpy", "numba", "networkx", "matplotlib"}

_lock = threading.RLock()


@dataclass(frozen=True)
class UserFile:
    """A Python file of the user's, with its text, so that other processes and machines run the same.

    Attributes
    ----------
    path : str
    source : bytes
    wanted : tuple of (str, callable)
        Names that it defines, and what is done with each and its name once the file has run; importable.
    """

    path: str
    source: bytes
    wanted: tuple[tuple[str, Callable[[str, Any], object]], ...] = ()


_files: dict[str, UserFile] = {}
_helpers: dict[str, bytes] = {}


def run_file(path: Path, *wanted: tuple[str, Callable[[str, Any], object]]) -> None:
    """Run a Python file for what it registers.

    Parameters
    ----------
    path : Path
    *wanted : (str, callable)
        Names that it defines, and what to do with each: called with the name and what it stands for.

    Raises
    ------
    SpecError
        If it cannot be read, raises, ends the program, or lacks a name.
    """
    if not path.exists():
        raise SpecError(f"{path} does not exist")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    name = str(path.absolute())
    before = _files[name].wanted if name in _files else ()
    _run(UserFile(name, source, tuple(dict.fromkeys([*before, *wanted]))))


def load(files: Iterable[UserFile]) -> None:
    """Run what this process has not run yet, or in another version."""
    with _lock:
        for file in files:
            if _files.get(file.path) != file:
                _run(file)


def loaded() -> tuple[UserFile, ...]:
    """What was run in this process."""
    return tuple(_files.values())


def digest(things: Iterable[Any]) -> str:
    """A digest of the code of classes and functions; empty where all of them are treesim's own.

    It covers the file that each comes from, and the files that were run by `run_file` with what they import, wherever a
    part of the code is the user's.
    """
    own = {_content(code) for thing in things for code in _codes(thing) if not _is_ours(code)}
    if not own:
        return ""
    # Which of them is its own counts: two files may have each other's text of before.
    beside = {file.source for file in _files.values()} | set(_helpers.values())
    both = [sorted(hashlib.sha256(content).digest() for content in contents) for contents in (own, beside)]
    return hashlib.sha256(b"".join([*both[0], b"|", *both[1]])).hexdigest()[:16]


def place(error: BaseException) -> str:
    """File and line of the user's code in which an error came up; empty if none of it was running.

    Of the code on the way the innermost that is neither treesim's, nor Python's, nor installed.
    """
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [(Path(code.co_filename), line) for code, line in frames if not _is_ours(code)]
    # Compiled modules have frames too, with the names of files that are not there.
    written = [(path, line) for path, line in users if path.suffix == ".py" or path.name.startswith("<")]
    own = [(path, line) for path, line in written if not _INSTALLED & set(path.parts)]
    own = own or [(path, line) for path, line in written if not _LIBRARIES & set(path.parts)]
    return f"{own[-1][0].name}, line {own[-1][1]}" if own else ""


@contextlib.contextmanager
def blaming(function: Any) -> Iterator[None]:
    """What treesim says of the outputs of a user's function says where the function begins."""
    try:
        yield
    except TreesimError as error:
        if where := home(function):
            error.args = (f"{error} ({where})",)
        raise


def home(function: Any) -> str:
    """File and line where a user's function or method begins; empty if it is none of the user's, or has no code.

    Examples
    --------
    >>> home(home), home(max)
    ('', '')
    """
    function = inspect.unwrap(getattr(function, "func", function))
    called = function if inspect.isroutine(function) else type(function).__call__
    code = getattr(called, "__code__", None)
    return "" if code is None or _is_ours(code) else f"{Path(code.co_filename).name}, line {code.co_firstlineno}"


def reason(error: BaseException) -> str:
    """What an error says, with its kind, and where in the user's code it came up.

    Examples
    --------
    >>> reason(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    where = place(error)
    return f"{type(error).__name__}: {error}{f' ({where})' if where else ''}"


def _run(file: UserFile) -> None:
    module = ModuleType(MODULE)
    module.__file__ = file.path
    before = set(sys.modules)
    previous = sys.modules.get(MODULE)
    sys.modules[MODULE] = module
    name = Path(file.path).name
    try:
        exec(compile(file.source, file.path, "exec"), module.__dict__)
    except SystemExit as error:
        raise SpecError(f"{name} cannot be imported: it ends the program by sys.exit({error.code!r})") from error
    except Exception as error:
        raise SpecError(f"{name} cannot be imported: {reason(error)}") from error
    finally:
        if previous is None:
            del sys.modules[MODULE]
        else:
            sys.modules[MODULE] = previous
    for wanted, take in file.wanted:
        if wanted not in module.__dict__:
            raise SpecError(f"{name} defines no {wanted!r}")
        take(wanted, module.__dict__[wanted])
    _files[file.path] = file
    _helpers.update(_own_modules(set(sys.modules) - before))


def _own_modules(names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The files of modules that are neither Python's, nor installed, nor treesim's."""
    paths = sysconfig.get_paths()
    installed = [Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    for name in names:
        origin = getattr(sys.modules.get(name), "__file__", None)
        if origin is None or name.split(".")[0] == "treesim" or not origin.endswith(".py"):
            continue
        path = Path(origin).resolve()
        if path.is_file() and not any(path.is_relative_to(folder) for folder in installed):
            yield str(path), path.read_bytes()


def _codes(thing: Any) -> Iterator[CodeType]:
    """The code of a function and of the functions it closes over, or of a class and its bases."""
    if isinstance(thing, FunctionType):
        yield thing.__code__
        for inner in (*_closed_over(thing), getattr(thing, "__wrapped__", None)):
            if isinstance(inner, FunctionType | type) and inner is not thing:
                yield from _codes(inner)
    elif isinstance(thing, type):
        for member in [member for base in thing.__mro__ for member in vars(base).values()]:
            function = getattr(member, "__func__", member)
            if isinstance(function, FunctionType):
                yield inspect.unwrap(function).__code__
    else:
        yield from _codes(getattr(thing, "func", type(thing)))


def _closed_over(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        # A cell may be empty still.
        with contextlib.suppress(ValueError):
            yield cell.cell_contents


def _is_ours(code: CodeType) -> bool:
    """Whether it is treesim's, Python's, or a method that Python made."""
    if code.co_filename.startswith("<"):
        return code.co_name.startswith("__")
    path = Path(code.co_filename).resolve()
    if any(path.is_relative_to(folder) for folder in _OURS):
        return True
    return path.is_relative_to(_PYTHON) and not _INSTALLED & set(path.parts)


def _content(code: CodeType) -> bytes:
    """The text of the file that the code comes from; without one, the code itself."""
    if code.co_filename in _files:
        return _files[code.co_filename].source
    with contextlib.suppress(OSError):
        return Path(code.co_filename).read_bytes()
    lines = linecache.getlines(code.co_filename)
    return "".join(lines).encode() if lines else _instructions(code)


def _instructions(code: CodeType) -> bytes:
    constants = [_instructions(each) if isinstance(each, CodeType) else repr(each).encode() for each in code.co_consts]
    return b"\0".join([code.co_code, repr(code.co_names).encode(), *constants])
