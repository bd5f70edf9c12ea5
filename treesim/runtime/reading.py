"""Files to read, told from what cannot be read before it is opened."""

from __future__ import annotations

import stat
from pathlib import Path

from treesim.errors import TreesimError, quoted


def require_file(path: Path, error: type[TreesimError] = TreesimError) -> None:
    """Raise `error` unless `path` is a regular file: a FIFO or a terminal would be waited for without end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise error(f"{_shown(path)} does not exist") from None
    except (OSError, ValueError) as problem:
        raise error(f"cannot read {_shown(path)}: {reason(problem)}") from None
    if stat.S_ISDIR(mode):
        raise error(f"{_shown(path)} is a folder, expected a file")
    if not stat.S_ISREG(mode):
        raise error(f"{_shown(path)} is a device, pipe or socket, expected a file")


def exists(path: Path) -> bool:
    """Whether there is something at `path`; no where the name cannot be one."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def reason(problem: BaseException) -> str:
    """Why something could not be read, on one line."""
    text = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
    return quoted(text.splitlines()[0])[1:-1]


def _shown(path: Path) -> str:
    return quoted(str(path))[1:-1]
