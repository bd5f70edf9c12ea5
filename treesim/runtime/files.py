"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from treesim.errors import TreesimError

# What is being written now, so that a program that must end at once can take it away.
_temporaries: set[Path] = set()

# Libraries look at endings; longer ones are none, and names have a largest length.
LONGEST_SUFFIX = 16


def cache_folder() -> Path:
    """Where results are kept that could be found again: ``TREESIM_CACHE``, else the system's place for caches."""
    if own := os.environ.get("TREESIM_CACHE"):
        return Path(own)
    home = Path.home()
    places = {"darwin": home / "Library" / "Caches", "win32": Path(os.environ.get("LOCALAPPDATA") or home)}
    return places.get(sys.platform, Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")) / "treesim"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, then put it in place in one step.

    Links are followed: what they point to is replaced, they stay. Pipes and character devices are written through.

    Raises
    ------
    TreesimError
        If the folder does not exist or cannot be written to, the disk is full, or the path is a folder, a disk or a
        pipe that nobody reads; nothing is left behind.
    """
    target = regular_target(path)
    folder = None if target is None else target.parent
    suffix = path.suffix if len(path.suffix) <= LONGEST_SUFFIX else ""
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".treesim-", suffix=suffix)
    except OSError as error:
        raise TreesimError(f"cannot write {path}: {error.strerror}") from None
    os.close(handle)
    temporary = Path(name)
    _temporaries.add(temporary)
    try:
        write(temporary)
        if target is None:
            _write_through(temporary, path)
            return
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(target)
    except TreesimError:
        raise
    except Exception as error:
        # Safetensors has errors of its own for what the system refuses.
        if not (isinstance(error, OSError) or "I/O error" in str(error)):
            raise
        raise TreesimError(f"cannot write {path}: {_reason(error)}") from None
    finally:
        temporary.unlink(missing_ok=True)
        _temporaries.discard(temporary)


def regular_target(path: Path) -> Path | None:
    """The regular file, there or not yet, that a path leads to by its links; None for what is written through.

    Raises
    ------
    TreesimError
        If it leads to a folder, a disk, or nowhere.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    except OSError as error:
        raise TreesimError(f"cannot write {path}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise TreesimError(f"cannot write {path}: it is a folder")
    if stat.S_ISBLK(mode):
        raise TreesimError(f"cannot write {path}: it is a disk, expected a file")
    target = Path(os.path.realpath(path))
    # A link of the system's, such as that of an open file whose name is gone, has no path that leads there.
    return target if stat.S_ISREG(mode) and target.exists() else None


def forget_temporaries() -> None:
    """Take away what is half-written, when the program ends without returning."""
    for temporary in list(_temporaries):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENXIO:
        return "nobody reads from it"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _write_through(source: Path, path: Path) -> None:
    # Opening a pipe that nobody reads would wait for ever.
    handle = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    os.set_blocking(handle, True)
    with source.open("rb") as stream, os.fdopen(handle, "wb") as device:
        shutil.copyfileobj(stream, device)
