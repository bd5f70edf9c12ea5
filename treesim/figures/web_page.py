"""Self-contained web pages: sliders that choose among curves computed beforehand."""

from __future__ import annotations

import html
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from treesim._version import __version__
from treesim.errors import TreesimError
from treesim.figures.style import BLUE
from treesim.runtime.files import write_whole


@dataclass(frozen=True)
class Slider:
    """A slider over a few values.

    Attributes
    ----------
    label : str
    values : sequence
    start : int
        The place it stands at when the page opens.
    """

    label: str
    values: Sequence[Any]
    start: int = 0


@dataclass(frozen=True)
class Axis:
    """An axis: its label, whether it is logarithmic, and its ends; what is left out spans the curves of all states."""

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """The frame of a plot, the same in every state."""

    title: str
    x: Axis
    y: Axis


@dataclass(frozen=True)
class Curve:
    """A curve of a plot; its label says what kind of number it shows."""

    label: str
    points: Sequence[tuple[float, float | None]]
    colour: str
    dash: bool = False
    marks: bool = False


@dataclass(frozen=True)
class State:
    """What the page shows at one position of the sliders: the curves of each panel, and lines of text."""

    panels: Sequence[Sequence[Curve]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes
    ----------
    title : str
    story : sequence of str
        Paragraphs.
    sliders : sequence of Slider
    panels : sequence of Panel
    states : sequence of State
        One for each combination of the sliders' values, the last slider moving fastest.
    """

    title: str
    story: Sequence[str]
    sliders: Sequence[Slider]
    panels: Sequence[Panel]
    states: Sequence[State]

    def html(self) -> str:
        """The page: one document that asks the network for nothing.

        Examples
        --------
        >>> axes = Axis("T"), Axis("TV")
        >>> page = Page("One curve", [], [Slider("T", [1])], [Panel("TV", *axes)], [State([[]])])
        >>> page.html().startswith("<!doctype html>"), "http" in page.html().replace("http://www.w3.org", "")
        (True, False)
        """
        # No text may end the script element that holds the data.
        data = json.dumps(_plain(asdict(self)), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        template = Template((files("treesim.figures") / "web_page.html").read_text(encoding="utf-8"))
        return template.substitute(title=html.escape(self.title), version=__version__, accent=BLUE, data=data)


def states(sliders: Sequence[Slider], state: Callable[..., State], track: Callable[..., Any] = iter) -> list[State]:
    """`state` of every combination of the sliders' values; `track` may show how far the work is.

    Examples
    --------
    >>> [state.notes for state in states([Slider("T", [1, 2]), Slider("N", [5])], lambda t, n: State([], [f"{t} {n}"]))]
    [['1 5'], ['2 5']]
    """
    places = list(itertools.product(*(slider.values for slider in sliders)))
    return [state(*place) for place in track(places)]


def page_path(path: Path) -> Path:
    """The path, if its ending is that of a page."""
    if path.suffix not in (".html", ".htm"):
        raise TreesimError(f"{path} ends in {path.suffix!r}, expected .html")
    return path


def save_page(page: Page, path: Path) -> None:
    """Write the page, whole or not at all."""
    write_whole(page_path(path), lambda temporary: temporary.write_text(page.html(), encoding="utf-8"))


def _plain(value: Any) -> Any:
    """What JSON holds, numbers with the six digits that a plot can show."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None
