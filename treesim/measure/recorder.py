"""A recorder that anybody's loop can call: what it writes `read_log` reads."""

from __future__ import annotations

import json
import math
import operator
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, SupportsFloat, SupportsIndex

from treesim.errors import MeasureError, quoted
from treesim.measure.log import SAME, SAME_DIGITS, SCALES


class Recorder:
    """Writes a log of generation, a line a step, to a file.

    Every line is written whole before `step` returns; threads may share a recorder, but a file has one writer.

    Parameters
    ----------
    path : str or Path
        The file; lines are added to what it has.
    scale : str
        What the values are: ``linear``, ``log`` or ``logit``.

    Raises
    ------
    MeasureError
        If the file cannot be written to, or does not end with a whole line.

    Examples
    --------
    >>> with Recorder("guided.jsonl") as log:
    ...     for run in range(2):
    ...         log.step(run, value=0.5, pool=[0.25, 0.75], kept=1)
    >>> print(Path("guided.jsonl").read_text(), end="")
    {"run": 0, "step": 0, "value": 0.5, "pool": [0.25, 0.75], "kept": 1}
    {"run": 1, "step": 0, "value": 0.5, "pool": [0.25, 0.75], "kept": 1}
    """

    def __init__(self, path: str | Path, scale: str = "linear") -> None:
        if scale not in SCALES:
            raise MeasureError(f"scale is {quoted(scale)}, expected one of: {', '.join(SCALES)}")
        self.path, self.scale = Path(path), scale
        self._lock = threading.Lock()
        self._next: dict[str | int, tuple[int, float | None]] = {}  # of each run: its step, and what it kept
        self._has_pools: bool | None = None
        try:
            if self.path.exists() and self.path.stat().st_size:
                with self.path.open("rb") as stream:
                    stream.seek(-1, os.SEEK_END)
                    if stream.read() != b"\n":
                        raise MeasureError(f"{self.path} does not end with a whole line; mend it, or choose another")
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise MeasureError(f"cannot write {self.path}: {error.strerror}") from None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing waits to be written."""
        self._file.close()

    def step(
        self, run: str | SupportsIndex, value: SupportsFloat, pool: Iterable[SupportsFloat] | None = None,
        kept: SupportsIndex | None = None,
    ) -> None:  # fmt: skip
        """Write a step; the steps of a run are counted from 0.

        Parameters
        ----------
        run : str or int
            Which run the step is of; runs may take turns.
        value : number
            Of the prefix.
        pool : iterable of numbers, optional
            Values of the children that were drawn from pi_ref; of the finished sequence it is the reward.
        kept : int, optional
            Which of them was kept, from 0.

        Raises
        ------
        MeasureError
            If a number is none of the scale, the child kept is not in the pool, or the value is not that of the child
            that the run kept before. Nothing is written then.
        """
        name = run if isinstance(run, str) else operator.index(run)
        worth = self._checked("value", value)
        row: dict[str, Any] = {"run": name, "step": 0, "value": _spelled(worth)}
        if (pool is None) != (kept is None):
            raise MeasureError("pool and kept stand together, and one of them is missing")
        after: float | None = None
        if pool is not None and kept is not None:
            children, index = [self._checked("pool", child) for child in pool], operator.index(kept)
            if not 0 <= index < len(children):
                raise MeasureError(f"kept is {index}, expected a number from 0 to {len(children) - 1}")
            row |= {"pool": [_spelled(child) for child in children], "kept": index}
            after = children[index]
            zero = 0.0 if self.scale == "linear" else -math.inf
            if after == zero < max(children):
                raise MeasureError(
                    "the child kept has value 0 and another has not; expected a choice in proportion to value"
                )
        if self.scale != "linear":
            row["scale"] = self.scale
        with self._lock:
            if self._has_pools not in (None, pool is not None):
                raise MeasureError("steps with and without pools are in one log; expected one kind")
            step, before = self._next.get(name, (0, None))
            if before is not None and not self._are_same(before, worth):
                raise MeasureError(
                    f"the value of run {quoted(name)} is {worth:g}, and the child kept before it had {before:g}; "
                    "expected the same"
                )
            row["step"] = step
            self._write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            self._next[name], self._has_pools = (step + 1, after), pool is not None

    def _checked(self, what: str, number: SupportsFloat) -> float:
        value = float(number)
        low = 0.0 if self.scale == "linear" else -math.inf
        if not low <= value < math.inf and not (self.scale == "logit" and value == math.inf):
            expected = "a finite number of at least 0" if self.scale == "linear" else "a number"
            raise MeasureError(f"{what} is {value:g}, expected {expected} (scale {self.scale})")
        return value

    def _are_same(self, before: float, now: float) -> bool:
        """Whether two numbers are one value, but for rounding."""
        apart = SAME * before if self.scale == "linear" else max(SAME, SAME_DIGITS * abs(before))
        return before == now or (math.isfinite(before) and abs(before - now) <= apart)

    def _write(self, line: bytes) -> None:
        """All of the line, or nothing."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(line)
            if written == len(line):
                return
            problem = "the disk is full"
        except OSError as error:
            problem = error.strerror or str(error)
        self._file.truncate(end)
        raise MeasureError(f"cannot write {self.path}: {problem}")


def _spelled(value: float) -> float | str:
    """A number as JSON has it."""
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
