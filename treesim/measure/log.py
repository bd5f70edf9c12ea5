"""Logs of generation, read: JSON lines, a step of a run each.

Guided generation with a pool writes ``{"run": 7, "step": 0, "value": 0.5, "pool": [0.4, 0.7], "kept": 1}``: the value
of the prefix, those of the children that were drawn from pi_ref, and which of them was kept. Traces that somebody
scored write ``{"run": 7, "step": 0, "value": 0.5}``: the values of the prefixes of a path that was drawn from pi_ref.
Values are linear, or logs (``"scale": "log"``) or logits of them; 0 has the log -Infinity, which may be a text. Steps
of a run count up by one; runs may take turns.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import MeasureError, quoted
from treesim.runtime.reading import require_file

SCALES = ("linear", "log", "logit")
NUMBERS = {int, float}
# Up to so far apart, in log, the value of a prefix and what it was as a child are the same: scores are rounded. Of very
# large logs single precision keeps no more than the other.
SAME, SAME_DIGITS = 1e-3, 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Log(Brief):
    """Runs of one kind, in order, their values as logs.

    Attributes
    ----------
    runs : list
        Their names.
    start : ndarray of int, shape [n_runs + 1]
        Lines of run ``i`` are ``start[i] .. start[i + 1]``.
    first_step : int
        The number that the first line of each run has.
    log_value : ndarray, shape [n_lines]
        log of the value of the prefix, in nats.
    pool_start : ndarray of int, shape [n_lines + 1]
        Children of line ``l`` are ``pool_start[l] .. pool_start[l + 1]``; none in plain traces.
    log_pool : ndarray, shape [n_children]
        log of their values.
    kept : ndarray of int, shape [n_lines]
        Which child was kept, numbered within the pool; shape [0] for plain traces.
    name : str
        Where it comes from.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.measure.simulation import guided_log
    >>> log = guided_log(family("dirichlet", horizon=3), pool=4, runs=10)
    >>> len(log.runs), log.is_guided, log.log_pool.shape
    (10, True, (120,))
    """

    runs: list[Any]
    start: IntArray
    first_step: int
    log_value: FloatArray
    pool_start: IntArray
    log_pool: FloatArray
    kept: IntArray
    name: str = "log"

    @property
    def is_guided(self) -> bool:
        """Whether there are pools."""
        return len(self.kept) > 0

    @property
    def lengths(self) -> IntArray:
        """Lines of each run, shape [n_runs]."""
        return np.diff(self.start)

    @property
    def position(self) -> IntArray:
        """Which line of its run each line is, from 0, shape [n_lines]."""
        return np.arange(self.start[-1]) - np.repeat(self.start[:-1], self.lengths)

    @property
    def run_of_line(self) -> IntArray:
        """The run of each line, by number, shape [n_lines]."""
        return np.repeat(np.arange(len(self.runs)), self.lengths)


def read_log(path: str | Path, scale: str | None = None) -> Log:
    """Read a log of guided generation, or of scored traces.

    Parameters
    ----------
    path : str or Path
        A file of JSON lines.
    scale : str, optional
        ``linear``, ``log`` or ``logit``; left out, what the lines say, or linear.

    Raises
    ------
    MeasureError
        If a line is no step of a log, or steps do not follow each other; the message says which line.

    Examples
    --------
    >>> lines = ['{"run": "a", "step": 0, "value": 0.5, "pool": [0.25, 0.75], "kept": 1}',
    ...          '{"run": "a", "step": 1, "value": 0.75, "pool": [1.0, 1.0], "kept": 0}']
    >>> _ = Path("two.jsonl").write_text("\\n".join(lines))
    >>> log = read_log("two.jsonl")
    >>> log.runs, np.exp(log.log_pool).round(2).tolist(), log.kept.tolist()
    (['a'], [0.25, 0.75, 1.0, 1.0], [1, 0])
    """
    path = Path(path)
    require_file(path, MeasureError)
    if scale is not None and scale not in SCALES:
        raise MeasureError(f"scale is {quoted(scale)}, expected one of: {', '.join(SCALES)}")
    reader = _Reader(path, scale)
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if not line.isspace():
                    reader.take(number, line)
    except UnicodeDecodeError as error:
        raise MeasureError(f"{path} is no text in UTF-8: {error.reason}") from None
    except OSError as error:
        raise MeasureError(f"cannot read {path}: {error.strerror}") from None
    return reader.finish()


class _Reader:
    """Takes lines, one after the other, and keeps their numbers in arrays."""

    def __init__(self, path: Path, scale: str | None) -> None:
        self.path, self.asked, self.scale = path, scale, scale
        self.has_pools: bool | None = None
        self.run_number: dict[Any, int] = {}
        self.last: list[tuple[int, int]] = []  # of each run: its last step, and where it stands
        self.first_step: int | None = None
        self.run, self.line, self.kept, self.size = (array("q") for _ in range(4))
        self.value, self.pool = array("d"), array("d")

    def fail(self, number: int, what: str) -> MeasureError:
        """What is wrong with a line."""
        return MeasureError(f"{self.path}, line {number}: {what}")

    def take(self, number: int, line: str) -> None:
        """Read a line."""
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deeply")
            raise self.fail(number, f"no JSON ({reason}); expected an object a line") from None
        if not isinstance(row, dict):
            raise self.fail(number, f"{quoted(row)}, expected an object with run, step and value")
        try:
            run, step, value = row["run"], row["step"], row["value"]
        except KeyError as key:
            raise self.fail(number, f"there is no {key}, expected run, step and value") from None
        self._follows(number, run, step)
        self._same_scale(number, row.get("scale"))
        self.line.append(number)
        self._add(number, "value", self.value, [value])
        pool, kept = row.get("pool"), row.get("kept")
        if (pool is None) != (kept is None):
            raise self.fail(number, "pool and kept stand together, and one of them is missing")
        if self.has_pools is None:
            self.has_pools = pool is not None
        if self.has_pools != (pool is not None):
            kinds = ("no pool", "a pool") if self.has_pools else ("a pool", "none")
            raise self.fail(number, f"the step has {kinds[0]} and those before have {kinds[1]}; expected one kind")
        if pool is None:
            return
        if not isinstance(pool, list) or not pool:
            raise self.fail(number, f"pool is {quoted(pool)}, expected a list of at least one value")
        if type(kept) is not int or not 0 <= kept < len(pool):
            raise self.fail(number, f"kept is {quoted(kept)}, expected a number from 0 to {len(pool) - 1}")
        self._add(number, "pool", self.pool, pool)
        self.kept.append(kept)
        self.size.append(len(pool))

    def _follows(self, number: int, run: Any, step: Any) -> None:
        """Note the step if it comes next in its run."""
        if not isinstance(run, str | int):
            raise self.fail(number, f"run is {quoted(run)}, expected a text or a whole number")
        if type(step) is not int:
            raise self.fail(number, f"step is {quoted(step)}, expected a whole number")
        known = self.run_number.get(run)
        if known is None:
            if self.first_step is None:
                self.first_step = step
            if step != self.first_step:
                raise self.fail(number, f"run {quoted(run)} begins with step {step}, expected {self.first_step} as in "
                                        "the first run")  # fmt: skip
            known = self.run_number[run] = len(self.last)
            self.last.append((step, number))
        else:
            before, place = self.last[known]
            if step != before + 1:
                was = f"line {place} has step {before}"
                twice = f"is there already ({was})" if step <= before else f"comes after a gap ({was})"
                raise self.fail(number, f"step {step} of run {quoted(run)} {twice}; expected {before + 1}")
            self.last[known] = (step, number)
        self.run.append(known)

    def _same_scale(self, number: int, said: Any) -> None:
        if said is not None and said not in SCALES:
            raise self.fail(number, f"scale is {quoted(said)}, expected one of: {', '.join(SCALES)}")
        if self.asked is not None:
            if said not in (None, self.asked):
                raise self.fail(number, f"the line says that its scale is {said}, and {self.asked} was asked for")
            return
        scale = said or "linear"
        if self.scale not in (None, scale):
            raise self.fail(number, f"the scale is {scale} and before it was {self.scale}; expected one scale")
        self.scale = scale

    def _add(self, number: int, what: str, room: array[float], values: list[Any]) -> None:
        try:
            if not NUMBERS.issuperset(map(type, values)):
                values = [_number(value) for value in values]
            room.extend(values)
        except (TypeError, OverflowError):
            raise self.fail(number, f"{what} has {quoted(values)}, expected numbers") from None

    def finish(self) -> Log:
        """The log, its runs put together, once there are no more lines."""
        if not self.line:
            raise MeasureError(f"{self.path} is empty, expected a line a step")
        line, run = np.array(self.line), np.array(self.run)
        value, pool, size = np.array(self.value), np.array(self.pool), np.array(self.size)
        scale = self.scale or "linear"
        value = self._logs(value, scale, line, "value")
        pool = self._logs(pool, scale, np.repeat(line, size) if len(size) else line, "pool")
        order = np.argsort(run, kind="stable")
        start = np.append(0, np.cumsum(np.bincount(run)))
        pool_start = np.append(0, np.cumsum(size)) if len(size) else np.zeros(len(line) + 1, np.int64)
        sizes = np.diff(pool_start)[order]
        # Where each child stood, line by line in the new order.
        new_start = np.append(0, np.cumsum(sizes))
        moved = np.arange(new_start[-1]) + np.repeat(pool_start[:-1][order] - new_start[:-1], sizes)
        kept = np.array(self.kept)[order] if len(size) else np.zeros(0, np.int64)
        log = Log(list(self.run_number), start, self.first_step or 0, value[order], new_start, pool[moved], kept,
                  str(self.path))  # fmt: skip
        if log.is_guided:
            self._check_kept(log, line[order])
        return log

    def _logs(self, given: FloatArray, scale: str, line: IntArray, what: str) -> FloatArray:
        """Logs of the values; raises where one is none."""
        high = given < np.inf if scale != "logit" else ~np.isnan(given)
        fine = high & (given >= 0.0) if scale == "linear" else high
        if not fine.all():
            bad = int(np.argmin(fine))
            expected = {"linear": "finite numbers of at least 0", "log": "logs, below infinity", "logit": "logits"}
            raise self.fail(int(line[bad]), f"{what} has {given[bad]:g}, expected {expected[scale]} (scale {scale})")
        if scale == "log":
            return given
        with np.errstate(divide="ignore"):
            return np.log(given) if scale == "linear" else -np.logaddexp(0.0, -given)

    def _check_kept(self, log: Log, line: IntArray) -> None:
        """What was kept has value where a child of its pool has, and is the next prefix."""
        kept = log.log_pool[log.pool_start[:-1] + log.kept]
        best = np.maximum.reduceat(log.log_pool, log.pool_start[:-1])
        lost = np.flatnonzero(np.isneginf(kept) & (best > -np.inf))
        if len(lost):
            raise self.fail(int(line[lost[0]]), "the child kept has value 0 and another has not; expected a choice in "
                                                "proportion to value")  # fmt: skip
        inner = np.flatnonzero(log.position > 0)
        before, now = kept[inner - 1], log.log_value[inner]
        with np.errstate(invalid="ignore"):
            differs = inner[(before != now) & ~(np.abs(before - now) <= np.maximum(SAME, SAME_DIGITS * np.abs(before)))]
        if len(differs):
            there = int(differs[0])
            raise self.fail(int(line[there]), f"the value is {np.exp(now[inner == there][0]):.6g}, and the child kept "
                            f"before it had {np.exp(kept[there - 1]):.6g}; expected the same")  # fmt: skip


def _number(value: Any) -> float:
    """A value that is no plain number: an infinity may be a text."""
    if isinstance(value, str) and value in ("Infinity", "-Infinity"):
        return float(value)
    if type(value) not in NUMBERS:
        raise TypeError
    return float(value)
