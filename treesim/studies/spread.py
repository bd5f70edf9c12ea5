"""Work spread over processes, or over the workers of a running Dask cluster; the user's files go along."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from treesim.errors import TreesimError
from treesim.runtime.processes import Death, process_map
from treesim.runtime.user_code import UserFile, load, loaded

# Seconds to wait for a cluster to answer, and for it to have workers again.
DASK_PATIENCE, DASK_DESERTED = 10.0, 120.0

# Goes through results as they are finished, and may show how far the work is.
Track = Callable[[Any], Iterable[Any]]

Item = TypeVar("Item")
Result = TypeVar("Result")


class SpreadError(TreesimError):
    """There is no such cluster, or it goes away."""


@dataclass(frozen=True)
class Failed:
    """That an item has no result.

    Attributes
    ----------
    why : str
    """

    why: str


@dataclass(frozen=True)
class Finished(Generic[Item]):
    """What comes as it is finished, when it is known how much there will be.

    Attributes
    ----------
    found : iterator
    length : int
    """

    found: Iterator[Item]
    length: int

    def __iter__(self) -> Iterator[Item]:
        return self.found

    def __len__(self) -> int:
        return self.length


@dataclass(frozen=True)
class There(Generic[Item, Result]):
    """A function of an item in another process or on another machine, after the user's files were run there.

    Attributes
    ----------
    function : callable
        Importable.
    files : tuple of UserFile
    """

    function: Callable[[Item], Result]
    files: tuple[UserFile, ...]

    def __call__(self, item: Item) -> Result | Failed:
        """The result; what is wrong with an item is no reason to end."""
        try:
            load(self.files)
            return self.function(item)
        except TreesimError as error:
            return Failed(str(error))


def spread(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int = 1, dask: str | None = None
) -> Generator[tuple[Item, Result | Failed], None, None]:
    """``(item, function(item))`` as they are finished; `Failed` for an item that fails, or kills its process.

    Parameters
    ----------
    function : callable
        Importable, as are items and results, where the work is done elsewhere. Errors other than `TreesimError` are its
        own affair.
    items : sequence
    jobs : int
        Processes; one is this one.
    dask : str, optional
        The address of a running cluster that does the work instead.

    Raises
    ------
    SpreadError
        If the package ``distributed`` is missing, there is no cluster at the address, or it goes away.

    Examples
    --------
    >>> list(spread(abs, [1, -2]))
    [(1, 1), (-2, 2)]
    """
    there = There(function, loaded())
    if dask is not None:
        yield from _on_dask(there, items, dask)
    elif jobs == 1:
        for item in items:
            yield item, there(item)
    else:
        for item, result in process_map(there, items, jobs):
            yield item, Failed(str(result)) if isinstance(result, Death) else result


def in_order(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int = 1,
    dask: str | None = None,
    track: Track = iter,
) -> list[Result]:
    """The results of all items, in their order.

    Parameters
    ----------
    function, items, jobs, dask
        Of `spread`.
    track : callable (iterable) -> iterable, optional
        Goes through the results as they come, and may show how far it is.

    Raises
    ------
    TreesimError
        For the first item that is found to fail.

    Examples
    --------
    >>> in_order(abs, [1, -2])
    [1, 2]
    """
    results: dict[int, Result] = {}
    numbered = list(enumerate(items))
    for (place, _), result in track(Finished(spread(_Second(function), numbered, jobs, dask), len(items))):
        if isinstance(result, Failed):
            raise TreesimError(result.why)
        results[place] = result
    return [results[place] for place, _ in numbered]


@dataclass(frozen=True)
class _Second(Generic[Item, Result]):
    """A function of the second of a pair."""

    function: Callable[[Item], Result]

    def __call__(self, pair: tuple[int, Item]) -> Result:
        return self.function(pair[1])


def _on_dask(there: There[Item, Result], items: Sequence[Item], address: str) -> Iterator[tuple[Item, Result | Failed]]:
    """The same on a cluster; items of a worker that dies go to another."""
    client = _client(address)
    with client:
        try:
            futures = client.map(there, items, pure=False)
            item_of = dict(zip((future.key for future in futures), items, strict=True))
            for future in _as_they_end(client, futures):
                item = item_of[future.key]
                if future.status == "finished":
                    yield item, future.result()
                elif future.status == "error":
                    yield item, Failed(f"Dask gave it up: {said(future.exception())}")
                else:
                    raise SpreadError(f"the Dask cluster {future.status} a part of the work")
        except (TreesimError, GeneratorExit, KeyboardInterrupt):
            raise
        except Exception as error:
            raise SpreadError(f"Dask failed: {said(error)}") from None


def said(error: BaseException | None) -> str:
    """An error in a line.

    Examples
    --------
    >>> said(ValueError("no"))
    'ValueError: no'
    """
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _client(address: str) -> Any:
    """A client of the cluster at an address; `SpreadError` if there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise SpreadError("--dask needs the package distributed: pip install 'treesim[dask]'") from None
    # What it logs about connections is said by the error.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    outcome: list[Any] = []

    def connect() -> None:
        try:
            outcome.append(Client(address, timeout=DASK_PATIENCE))
        except Exception as error:
            # A server of another kind is read as lengths and types that make no sense: any error may come.
            outcome.append(error)

    # Its own patience does not end where a server accepts and says nothing.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * DASK_PATIENCE)
    if not outcome:
        raise SpreadError(f"there is no Dask cluster at {address!r}: what is there does not answer")
    if isinstance(outcome[0], OSError | TimeoutError) and str(outcome[0]):
        raise SpreadError(f"there is no Dask cluster at {address!r}: {str(outcome[0]).splitlines()[0]}")
    if isinstance(outcome[0], Exception):
        raise SpreadError(f"there is no Dask cluster at {address!r}: no address, or a server of another kind")
    return outcome[0]


def _as_they_end(client: Any, futures: list[Any]) -> Iterator[Any]:
    """Futures as they are finished or given up; Dask's own way to wait has no end where all workers are gone."""
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    deserted = 0.0
    left = len(futures)
    while left:
        try:
            future = ended.get(timeout=DASK_PATIENCE)
        except queue.Empty:
            deserted = 0.0 if client.nthreads() else deserted + DASK_PATIENCE
            if deserted >= DASK_DESERTED:
                raise SpreadError("the Dask cluster has no workers") from None
        else:
            left -= 1
            yield future
