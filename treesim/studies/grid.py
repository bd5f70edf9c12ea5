"""Grids: the cells of a sweep, read from TOML."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treesim.errors import TreesimError
from treesim.instances.families import FAMILIES
from treesim.samplers import sampler
from treesim.spec import spell

_KEYS = {"family", "samplers", "seeds", "parameters", "runs"}


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
    """

    family: str
    parameters: str
    seed: int
    sampler: str
    runs: int

    @property
    def key(self) -> str:
        """A digest of what defines the cell."""
        text = json.dumps([self.family, self.parameters, self.seed, self.sampler, self.runs])
        return hashlib.sha256(text.encode()).hexdigest()


def read_grid(path: Path) -> list[Cell]:
    """The cells of a grid, each once, in an order that keeps an instance's samplers together.

    A grid is TOML: one table ``[[grid]]`` or more, each with ``family``, ``samplers`` (specs), ``seeds`` (default
    ``[0]``), ``runs`` (default 20000) and ``parameters``, where a list stands for each of its values.

    Raises
    ------
    SweepError
        If it is no such file; the message names what is wrong.
    TreesimError
        If a sampler is none.
    """
    if not path.is_file():
        raise SweepError(f"{path} does not exist")
    try:
        grids = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SweepError(f"{path} cannot be read as TOML: {error}") from None
    tables = grids.get("grid")
    if set(grids) != {"grid"} or not isinstance(tables, list) or not tables:
        raise SweepError(f"{path} has {', '.join(grids) or 'nothing'}, expected one table [[grid]] or more")
    cells: dict[str, Cell] = {}
    for table in tables:
        for cell in _cells_of(path, table):
            cells.setdefault(cell.key, cell)
    return list(cells.values())


def _cells_of(path: Path, table: Mapping[str, Any]) -> Iterator[Cell]:
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise SweepError(f"{path}: unknown key {unknown[0]!r}, expected: {', '.join(sorted(_KEYS))}")
    name, specs = table.get("family"), table.get("samplers")
    if not isinstance(name, str) or name not in FAMILIES:
        raise SweepError(f"{path}: family is {name!r}, expected one of: {', '.join(FAMILIES)}")
    if not isinstance(specs, list) or not specs:
        raise SweepError(f"{path}: samplers is {specs!r}, expected a list of specs")
    seeds, runs = table.get("seeds", [0]), table.get("runs", 20_000)
    if not isinstance(seeds, list) or any(type(seed) is not int or seed < 0 for seed in seeds):
        raise SweepError(f"{path}: seeds is {seeds!r}, expected a list of whole numbers of at least 0")
    if type(runs) is not int or runs < 20:
        raise SweepError(f"{path}: runs is {runs!r}, expected a whole number of at least 20")
    spelled = [spell(sampler(spec)) for spec in specs]
    parameters = table.get("parameters", {})
    choices = [value if isinstance(value, list) else [value] for value in parameters.values()]
    for values in itertools.product(*choices):
        text = json.dumps(dict(zip(parameters, values, strict=True)), sort_keys=True)
        for seed, spec in itertools.product(seeds, spelled):
            yield Cell(name, text, seed, spec, runs)
