"""Journals: results of long work, one JSON line each, so that work that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from treesim._version import __version__
from treesim.errors import TreesimError


class Journal:
    """What is known so far, by key; kept in a file if there is one.

    Parameters
    ----------
    path : Path or None
        The file; None keeps nothing.
    subject : str
        Whose results they are; a file of another subject or of another version of treesim is refused.

    Raises
    ------
    TreesimError
        If the file is none of ours, or cannot be written to.

    Examples
    --------
    >>> journal = Journal(Path("squares.jsonl"), "squares")
    >>> journal.recall({"n": 3}, lambda: {"square": 9})
    {'square': 9}
    >>> Journal(Path("squares.jsonl"), "squares").recall({"n": 3}, lambda: {"square": None})
    {'square': 9}
    """

    def __init__(self, path: Path | None, subject: str) -> None:
        self.path = path
        self._known: dict[str, dict[str, Any]] = {}
        self._head = {"treesim": __version__, "journal": subject}
        if path is None:
            return
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            lines = text.splitlines(keepends=True)
            if lines:
                self._read(path, lines)
            else:
                path.write_text(json.dumps(self._head) + "\n", encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TreesimError(f"{path} cannot hold a journal: {getattr(error, 'strerror', None) or error}") from None

    def __len__(self) -> int:
        return len(self._known)

    def knows(self, key: dict[str, Any]) -> bool:
        """Whether there is a result for a key."""
        return json.dumps(key, sort_keys=True) in self._known

    def recall(self, key: dict[str, Any], find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result for a key, found now and written down if it is not known."""
        name = json.dumps(key, sort_keys=True)
        if name not in self._known:
            self.keep(key, find())
        return self._known[name]

    def keep(self, key: dict[str, Any], result: dict[str, Any]) -> None:
        """Write a result down."""
        self._known[json.dumps(key, sort_keys=True)] = result
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"key": key, "result": result}) + "\n")
                stream.flush()
                os.fsync(stream.fileno())

    def _read(self, path: Path, lines: list[str]) -> None:
        try:
            head = json.loads(lines[0])
        except ValueError:
            head = None
        if not isinstance(head, dict) or head.get("journal") != self._head["journal"]:
            raise TreesimError(f"{path} is no journal of {self._head['journal']!r}; choose another name, or delete it")
        if head != self._head:
            raise TreesimError(
                f"{path} was written by treesim {head.get('treesim')}, and this is {__version__}; delete it, or choose "
                "another name"
            )
        whole = lines if lines[-1].endswith("\n") else lines[:-1]
        for number, line in enumerate(whole[1:], 2):
            try:
                row = json.loads(line)
                self._known[json.dumps(row["key"], sort_keys=True)] = row["result"]
            except (ValueError, KeyError, TypeError):
                raise TreesimError(f"line {number} of {path} is damaged; delete it, or the file") from None
        if len(whole) < len(lines):
            # What was being written when the work was interrupted.
            path.write_text("".join(whole), encoding="utf-8")
