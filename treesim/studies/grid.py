"""Grids: the cells of a sweep, read from TOML."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import math
import re
import reprlib
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treesim._version import __version__
from treesim.empirical.outcomes import DEFAULT_VOTES
from treesim.errors import TreesimError
from treesim.instances.families import FAMILIES
from treesim.laws.density_ratio import Effort
from treesim.runtime.user_code import digest
from treesim.samplers import sampler
from treesim.samplers.open_parameters import open_sampler
from treesim.spec import spell

MOST_CELLS = 1_000_000
MOST_RUNS = 10**9
LARGEST_SEED = 2**63 - 1
LARGEST_GRID = 1 << 24
DEFAULT_RUNS = 20_000

_KEYS = ("family", "samplers", "seeds", "parameters", "runs", "width", "budget", "outcomes")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "str": (str,), "bool": (bool,), "None": ()
}  # fmt: skip


def _texts(outcomes: Iterable[int]) -> str:
    return ",".join(map(str, outcomes))


class SweepError(TreesimError):
    """A grid or a store is not what it should be."""


@dataclass(frozen=True)
class Cell:
    """One instance and one sampler.

    Attributes
    ----------
    family : str
    parameters : str
        As canonical JSON.
    seed : int
    sampler : str
        Its spec.
    runs : int
        That estimate the TV where there is no exact law.
    width, budget : float
        How near bounds on a TV must be, and what they may cost.
    outcomes : str
        k of pass@k and of votes, where the instance has outcomes: whole numbers, with commas between them.
    code : str
        Digest of the code and of the files of the user's that take part; empty if there are none.
    version : str
        Of treesim.
    """

    family: str
    parameters: str
    seed: int
    sampler: str
    runs: int = DEFAULT_RUNS
    width: float = Effort().width
    budget: float = Effort().budget
    outcomes: str = _texts(DEFAULT_VOTES)
    code: str = ""
    version: str = __version__

    @property
    def identity(self) -> str:
        """A digest of what is asked: a store has one row for it."""
        return self._digest(
            self.family, self.parameters, self.seed, self.sampler, self.runs, self.width, self.budget, self.outcomes
        )

    @property
    def votes(self) -> tuple[int, ...]:
        """Its outcomes as numbers."""
        return tuple(map(int, self.outcomes.split(",")))

    @property
    def key(self) -> str:
        """A digest of what is asked and of what answers it: a row that has it need not be computed again."""
        return self._digest(self.identity, self.code, self.version)

    @staticmethod
    def _digest(*parts: Any) -> str:
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read_grid(path: Path) -> list[Cell]:
    """The cells of a grid, each once, in an order that keeps an instance's samplers together.

    A grid is TOML: one table ``[[grid]]`` or more, each with ``family``, ``samplers`` (specs), ``seeds`` (default
    ``[0]``), ``runs`` (default 20000), ``width`` and ``budget`` (of TVs that can only be enclosed), ``outcomes``
    (default ``[8]``, the k of pass@k and votes) and ``parameters``, where a list stands for each of its values.

    Raises
    ------
    SweepError
        If it is no such file, or has more than a million cells; the message names what is wrong.
    TreesimError
        If a sampler is none.
    """
    try:
        grids = tomllib.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise SweepError(f"{path} cannot be read as TOML: {error}") from None
    tables = grids.get("grid")
    if set(grids) != {"grid"} or not isinstance(tables, list) or not tables:
        raise SweepError(f"{path} has {', '.join(grids) or 'nothing'}, expected one table [[grid]] or more")
    parts = [_Part.checked(path, table) for table in tables]
    count = sum(part.count for part in parts)
    if count > MOST_CELLS:
        raise SweepError(f"{path} has {count:,} cells, expected at most {MOST_CELLS:,}: split it, or thin its lists")
    cells: dict[str, Cell] = {}
    for part in parts:
        for cell in part.cells():
            cells.setdefault(cell.key, cell)
    return list(cells.values())


@dataclass(frozen=True)
class _Part:
    """A table of a grid, checked."""

    family: str
    samplers: dict[str, str]
    seeds: list[int]
    parameters: dict[str, list[Any]]
    runs: int
    width: float
    budget: float
    outcomes: str

    @classmethod
    def checked(cls, path: Path, table: Any) -> _Part:
        """The part that a table describes."""
        if not isinstance(table, dict):
            raise SweepError(f"{path}: a grid is {reprlib.repr(table)}, expected a table [[grid]]")
        unknown = sorted(set(table) - set(_KEYS))
        if unknown:
            raise SweepError(f"{path}: unknown key {unknown[0]!r}, expected: {', '.join(sorted(_KEYS))}")
        family, specs = table.get("family"), table.get("samplers")
        if not isinstance(family, str) or family not in FAMILIES:
            raise SweepError(f"{path}: family is {reprlib.repr(family)}, expected one of: {', '.join(FAMILIES)}")
        if not isinstance(specs, list) or not specs or not all(isinstance(spec, str) for spec in specs):
            raise SweepError(f"{path}: samplers is {reprlib.repr(specs)}, expected a list of specs")
        spelled = [spell(sampler(spec)) for spec in specs]
        seeds = table.get("seeds", [0])
        if not isinstance(seeds, list) or not seeds or not all(_is_whole(seed, 0, LARGEST_SEED) for seed in seeds):
            raise SweepError(
                f"{path}: seeds is {reprlib.repr(seeds)}, expected a list of whole numbers from 0 to 2^63 - 1"
            )
        runs = table.get("runs", DEFAULT_RUNS)
        if not _is_whole(runs, 20, MOST_RUNS):
            raise SweepError(f"{path}: runs is {reprlib.repr(runs)}, expected a whole number from 20 to {MOST_RUNS:,}")
        effort = Effort()
        width = _positive(path, "width", table.get("width", effort.width))
        budget = _positive(path, "budget", table.get("budget", effort.budget))
        outcomes = table.get("outcomes", list(DEFAULT_VOTES))
        if not isinstance(outcomes, list) or not outcomes or not all(_is_whole(k, 1, LARGEST_SEED) for k in outcomes):
            raise SweepError(f"{path}: outcomes is {reprlib.repr(outcomes)}, expected a list of whole numbers from 1")
        parameters = _parameters(path, family, table.get("parameters", {}))
        codes = {spec: digest([FAMILIES[family], open_sampler(spec).author]) for spec in spelled}
        return cls(family, codes, seeds, parameters, runs, width, budget, _texts(outcomes))

    @property
    def count(self) -> int:
        """How many cells it has."""
        return len(self.samplers) * len(self.seeds) * math.prod(map(len, self.parameters.values()))

    def cells(self) -> Iterator[Cell]:
        """Its cells, an instance's together."""
        for values in itertools.product(*self.parameters.values()):
            settings = dict(zip(self.parameters, values, strict=True))
            text = json.dumps(settings, sort_keys=True)
            read = _files_read(settings)
            for seed, (spec, code) in itertools.product(self.seeds, self.samplers.items()):
                yield Cell(
                    self.family, text, seed, spec, self.runs, self.width, self.budget, self.outcomes, code + read
                )  # fmt: skip


def _files_read(settings: Mapping[str, Any]) -> str:
    """A digest of the files that an instance is made from: texts, and rewards such as ``given:file=F``."""
    texts = {key: value for key, value in settings.items() if isinstance(value, str)}
    names = [value for key, value in texts.items() if key in ("text", "file")]
    names += [name for value in texts.values() for name in re.findall(r"[:,]\s*file=([^,]*)", value)]
    files = [Path(name) for name in names if Path(name).is_file()]
    return hashlib.sha256(b"".join(map(_file_digest, files))).hexdigest()[:16] if files else ""


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise SweepError(f"{path} is {what}, expected a TOML file")
        if status.st_size > LARGEST_GRID:
            raise SweepError(f"{path} has {status.st_size:,} bytes, expected a grid of at most {LARGEST_GRID:,}")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SweepError(f"{path} does not exist") from None
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error.strerror}") from None


def _parameters(path: Path, family: str, given: Any) -> dict[str, list[Any]]:
    """The values of each parameter, as the family takes them."""
    if not isinstance(given, dict):
        raise SweepError(f"{path}: parameters is {reprlib.repr(given)}, expected a table")
    taken = {key: p for key, p in inspect.signature(FAMILIES[family]).parameters.items() if key != "seed"}
    open_ended = any(p.kind in _VARIADIC for p in taken.values())
    choices = {}
    for name, value in given.items():
        if name == "seed":
            raise SweepError(f"{path}: seed is a parameter of {family!r}, expected a list seeds beside the parameters")
        if name not in taken and not open_ended:
            raise SweepError(f"{path}: family {family!r} has no parameter {name!r}; its parameters: {', '.join(taken)}")
        choices[name] = value if isinstance(value, list) else [value]
        if not choices[name]:
            raise SweepError(f"{path}: {name} is an empty list, expected a value or more")
        for each in choices[name]:
            kinds = _kinds(taken[name].annotation) if name in taken else None
            if not _is_plain(each) or (kinds is not None and type(each) not in kinds):
                expected = "a number, a text or a list of these" if kinds is None else _expected(kinds)
                raise SweepError(f"{path}: {name} has the value {reprlib.repr(each)}, expected {expected}")
    required = [key for key, p in taken.items() if p.default is p.empty and p.kind not in _VARIADIC]
    missing = [key for key in required if key not in choices]
    if missing:
        raise SweepError(f"{path}: family {family!r} needs {missing[0]}")
    return choices


def _kinds(annotation: Any) -> tuple[type, ...] | None:
    """The types that an annotation of plain types allows; None for all others."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    names = [part.strip() for part in text.split("|")]
    if not set(names) <= set(_TYPES):
        return None
    return tuple(kind for name in names for kind in _TYPES[name])


def _expected(kinds: tuple[type, ...]) -> str:
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return " or ".join(words[kind] for kind in dict.fromkeys(kinds) if not (kind is int and float in kinds))


def _is_plain(value: Any) -> bool:
    """Whether JSON has it, in 64 bits: texts, finite numbers, truth values, and lists of these."""
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def _is_whole(value: Any, least: int, largest: int) -> bool:
    return type(value) is int and least <= value <= largest


def _positive(path: Path, name: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value <= 1e300:
        raise SweepError(f"{path}: {name} is {reprlib.repr(value)}, expected a number above 0")
    return float(value)
