"""Machine code on disk: numba's cache, told apart by all the code that a kernel holds, never in the way of an answer.

Numba looks at the file that a kernel stands in. What it calls from another file is part of its machine code as well,
which would stay after that file has changed.
"""

import contextlib
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.runtime.nrt import rtsys

_IMPORTS = re.compile(r"^from treesim\.kernels(?:\.(\w+))? import", re.MULTILINE)


class Kept(FunctionCache):
    """The machine code of one kernel, for one digest of its sources. What cannot be read or written is not there."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        digest = digest_of_sources(Path(function.__code__.co_filename))
        name = f"{self._impl.filename_base}.{digest}"
        self._cache_file = IndexDataCacheFile(cache_path=self._cache_path, filename_base=name, source_stamp=digest)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Kept machine code; None if there is none, or if it is damaged.

        What numba loads to compile, a sixth of a short command's time, is not loaded; only its counts of references are
        there, which machine code calls.
        """
        try:
            rtsys.initialize(target)
            return self._load_overload(signature, target)
        except Exception:  # pickle's, which are of any class
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Keep machine code, if there is a place for it."""
        with contextlib.suppress(OSError):
            super().save_overload(signature, data)


def kept(dispatcher: Any, of: Any = Kept) -> Any:
    """The same kernel, its machine code kept on disk, unless there is no place for it."""
    with contextlib.suppress(RuntimeError, OSError):
        dispatcher._cache = of(dispatcher.py_func)
    return dispatcher


@cache
def digest_of_sources(file: Path) -> str:
    """A digest of a file of kernels, and of all those that it imports from.

    Examples
    --------
    >>> walk, forward = (Path(__file__).with_name(name) for name in ("walk.py", "forward.py"))
    >>> digest_of_sources(walk) == digest_of_sources(forward), len(digest_of_sources(walk))
    (False, 16)
    """
    texts: dict[Path, str] = {}
    found = [file]
    while found:
        each = found.pop()
        if each not in texts:
            texts[each] = each.read_text(encoding="utf-8")
            found += [each.with_name(f"{name or '__init__'}.py") for name in _IMPORTS.findall(texts[each])]
    joined = "\0".join(texts[each] for each in sorted(texts))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]
