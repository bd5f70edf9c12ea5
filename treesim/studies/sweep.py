"""Sweeps: a grid of instances and samplers, one committed row a cell, in one SQLite file.

A cell is known by what defines it and by the code that computes it, so a sweep that was killed goes on where it was:
rows that are there stay, others are computed, and the store ends the same to the bit. Nothing that differs from run to
run, such as time, is in it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import astuple
from functools import lru_cache

from treesim._version import __version__
from treesim.empirical.measure import measure
from treesim.errors import TreesimError
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.samplers import sampler
from treesim.studies.describe import described
from treesim.studies.grid import Cell, SweepError, read_grid
from treesim.studies.spread import Failed, SpreadError, said, spread
from treesim.studies.store import Store, commit, failures, missing, open_store, rows

__all__ = [
    "Cell", "SweepError", "compute", "failures", "missing", "open_store", "read_grid", "rows", "run",
]  # fmt: skip

Row = tuple[str | None, ...]


def run(cells: Sequence[Cell], store: Store, jobs: int = 1, dask: str | None = None) -> Generator[Cell, None, None]:
    """Compute cells and commit a row for each; yields each cell once its row is safe.

    A cell that fails, or kills its process, has a row that says why; `missing` names it again.

    Parameters
    ----------
    cells : sequence of Cell
    store : Store
    jobs : int
        Processes; they run the files that `treesim --import` ran here.
    dask : str, optional
        The address of a running cluster instead; cells of a worker that dies go to another.

    Raises
    ------
    SweepError
        If the package ``distributed`` is missing, there is no cluster at the address, or it goes away.

    Examples
    --------
    >>> from pathlib import Path
    >>> cells = [Cell("uniform", '{"horizon": 3}', seed=1, sampler=f"importance:n={n}") for n in (1, 4)]
    >>> with open_store(Path("store.sqlite"), create=True) as store:
    ...     finished = [cell.sampler for cell in run(missing(cells, store), store)]
    ...     left = missing(cells, store)
    >>> finished, left
    (['importance:n=1', 'importance:n=4'], [])
    """
    found = spread(compute, cells, jobs, dask)
    try:
        for cell, row in found:
            commit(store, _row(cell, error=row.why) if isinstance(row, Failed) else row)
            yield cell
    except SpreadError as error:
        raise SweepError(f"{error}; the rows so far are safe, run it again") from None
    finally:
        found.close()


def compute(cell: Cell) -> Row:
    """The row of a cell, a value for each of `COLUMNS`; whatever goes wrong is in it.

    Examples
    --------
    >>> row = compute(Cell("uniform", '{"horizon": 3}', seed=1, sampler="importance:n=4"))
    >>> round(json.loads(row[-2])["tv"]["hi"], 4), row[-1]
    (0.2493, None)
    """
    if cell.version != __version__:
        return _row(cell, error=f"it was computed by treesim {__version__}, expected {cell.version}")
    try:
        instance = _instance(cell.family, cell.parameters, cell.seed, cell.code)
        effort = Effort(cell.width, cell.budget)
        votes = None if instance.outcomes is None else cell.votes
        found = measure(sampler(cell.sampler), instance, effort, cell.runs, cell.seed, votes=votes)
        result = described(found, sampler(cell.sampler), instance)
        audit = instance.audit
        result |= {
            "bellman_error": audit.bellman_error, "ratio_bound": audit.ratio_bound,
            "log_partition": audit.log_partition, "horizon": instance.graph.horizon,
        }  # fmt: skip
        return _row(cell, json.dumps(result))
    except TreesimError as error:
        return _row(cell, error=str(error))
    except MemoryError:
        return _row(cell, error="out of memory")
    except (Exception, SystemExit) as error:
        return _row(cell, error=said(error))


def _row(cell: Cell, result: str | None = None, error: str | None = None) -> Row:
    *asked, code, _ = astuple(cell)
    return (cell.identity, cell.key, *map(str, asked), __version__, code, result, error)


@lru_cache(maxsize=4)
def _instance(name: str, parameters: str, seed: int, code: str) -> Instance:
    """The code is that of the user's family: another one gives another instance."""
    return family(name, seed=seed, **json.loads(parameters))
