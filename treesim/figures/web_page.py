"""Self-contained web pages: sliders that choose among curves computed beforehand."""

from __future__ import annotations

import html
import itertools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from treesim._version import __version__
from treesim.errors import TreesimError
from treesim.figures.formulas import Markup
from treesim.figures.style import DARK
from treesim.runtime.files import write_whole

CHOICE = "; the sliders choose among them, and the address keeps what they choose"


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
    """The frame of a plot, the same in every state.

    Attributes
    ----------
    title : str
    x, y : Axis
    about : sequence of str
        Paragraphs and formulas above the plot.
    """

    title: str
    x: Axis
    y: Axis
    about: Sequence[str] = ()


@dataclass(frozen=True)
class Curve:
    """A curve of a plot.

    Attributes
    ----------
    label : str
        Says what kind of number it shows, too.
    points : sequence of (x, y)
        By increasing x; y is None where there is none.
    colour : str
        One of `figures.style`, which has a shape of marks and a hue for the dark; or any other of CSS, without them.
    dash : bool
    marks : bool
        Whether every point is marked, and not only some of them.
    """

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
        Paragraphs and formulas.
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
        >>> page.html().startswith("<!doctype html>"), "://" in page.html().replace("http://www.w3.org", "")
        (True, False)
        """
        parts = files("treesim.figures")
        read = {end: (parts / f"web_page.{end}").read_text(encoding="utf-8") for end in ("html", "css", "js")}
        # No text may end the script element that holds the data.
        data = json.dumps(_plain(self._data()), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        return Template(read["html"]).substitute(
            title=html.escape(self.title),
            story=_paragraphs(self.story),
            sliders="\n".join(_slider(index, slider) for index, slider in enumerate(self.sliders)),
            panels="\n".join(_figure(index, panel) for index, panel in enumerate(self.panels)),
            light=_palette(DARK.keys()),
            dark=_palette(DARK.values()),
            style=read["css"],
            script=read["js"],
            data=data,
            version=__version__,
            choice=CHOICE if self.sliders else "",
        )

    def _data(self) -> dict[str, Any]:
        """What the script reads: every curve once, since most stay as they are when a slider moves."""
        places: dict[str, int] = {}

        def place(curve: Curve) -> int:
            return places.setdefault(json.dumps(_plain(_look(curve))), len(places))

        drawn = [
            {"panels": [[place(curve) for curve in panel] for panel in state.panels], "notes": state.notes}
            for state in self.states
        ]
        return {
            "sliders": [list(slider.values) for slider in self.sliders],
            "panels": [{"x": asdict(panel.x), "y": asdict(panel.y)} for panel in self.panels],
            "curves": [json.loads(curve) for curve in places],
            "states": drawn,
        }


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


def _palette(colours: Iterable[str]) -> str:
    """The colours of curves as variables of CSS."""
    return " ".join(f"--series{shape}: {colour};" for shape, colour in enumerate(colours))


def _look(curve: Curve) -> dict[str, Any]:
    """A curve with its shape, and a colour that turns with the ground."""
    shape = list(DARK).index(curve.colour) if curve.colour in DARK else None
    return asdict(curve) | {"shape": shape, "colour": curve.colour if shape is None else f"var(--series{shape})"}


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n".join(
        f'<div class="formula">{text}</div>' if isinstance(text, Markup) else f"<p>{html.escape(text)}</p>"
        for text in texts
    )


def _slider(index: int, slider: Slider) -> str:
    name = f"slider{index}"
    return (
        f'<div class="slider"><label for="{name}">{html.escape(slider.label)}</label><output for="{name}"></output>'
        f'<input type="range" id="{name}" min="0" max="{len(slider.values) - 1}" step="1" value="{slider.start}"'
        ' autocomplete="off"></div>'
    )


def _figure(index: int, panel: Panel) -> str:
    """The frame that the script fills."""
    title = html.escape(panel.title)
    return (
        f'<figure><figcaption>{title}</figcaption><div class="about">{_paragraphs(panel.about)}</div>'
        f'<div class="plot"><svg role="img" tabindex="0" aria-label="{title}" aria-describedby="about{index}">'
        f'<desc id="about{index}"></desc></svg><div class="value" role="status"></div></div><ul class="legend"></ul>'
        f'<details><summary>Table<span class="hidden"> of {title}</span></summary>'
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}, table"><table>'
        f'<caption class="hidden">{title}</caption><thead></thead><tbody></tbody></table></div></details></figure>'
    )


def _plain(value: Any) -> Any:
    """What JSON holds, numbers with the six digits that a plot can show."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None
