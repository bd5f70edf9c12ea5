"""Registries: things by the name that specs use, built in, registered at run time, or offered by installed packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from treesim.errors import SpecError, TreesimError

Thing = TypeVar("Thing")


class Registry(MutableMapping[str, Thing]):
    """A dictionary of names that knows what installed packages offer, and loads it when it is first asked for.

    Parameters
    ----------
    group : str
        The entry point group by which packages offer things.
    accept : callable (name, object), optional
        What to keep of an offered object; left out, the object itself.

    Examples
    --------
    >>> shapes = Registry("treesim.doc.shapes")
    >>> shapes["round"] = "o"
    >>> shapes, "square" in shapes
    (Registry(treesim.doc.shapes: round), False)
    """

    def __init__(self, group: str, accept: Callable[[str, Any], Thing] | None = None) -> None:
        self.group = group
        self._accept = accept
        self._known: dict[str, Thing] = {}
        self._offers: dict[str, EntryPoint] | None = None

    def __repr__(self) -> str:
        return f"Registry({self.group}: {', '.join(self) or 'nothing'})"

    def offers(self) -> dict[str, EntryPoint]:
        """What packages offer under names that are not taken, read once."""
        if self._offers is None:
            self._offers = {point.name: point for point in entry_points(group=self.group)}
        return {name: point for name, point in self._offers.items() if name not in self._known}

    def __getitem__(self, name: str) -> Thing:
        if name not in self._known:
            self._known[name] = self._load(self.offers()[name])
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self.offers()

    def _load(self, point: EntryPoint) -> Thing:
        try:
            offered = point.load()
            return offered if self._accept is None else self._accept(point.name, offered)
        except (Exception, SystemExit) as error:
            package = point.dist.name if point.dist is not None else "an installed package"
            why = str(error) if isinstance(error, TreesimError) else f"{type(error).__name__}: {error}"
            raise SpecError(f"{point.name!r} of {package} ({point.value}) cannot be loaded: {why}") from error

    def __setitem__(self, name: str, thing: Thing) -> None:
        self._known[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._known, *sorted(self.offers())])

    def __len__(self) -> int:
        return len(self._known) + len(self.offers())
