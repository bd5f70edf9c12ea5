"""What notebooks show of an object: a small table of facts and a small picture, as HTML.

Pictures that need matplotlib belong to a higher floor. It offers them by name, in the entry point group
``treesim.pictures``, and is loaded when one is asked for; where there is none, there is no picture.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from treesim.errors import TreesimError
from treesim.registry import Registry
from treesim.tables import escaped

PICTURES: Registry[Callable[..., Any]] = Registry("treesim.pictures")

_BLUE = "#2a6fbb"
_WIDTH, _HEIGHT = 260, 60


def card(title: str, facts: Iterable[tuple[str, Any]], picture: str = "") -> str:
    """A title, a table of facts, and a picture below; texts are escaped, the picture is HTML already.

    Examples
    --------
    >>> card("a < b", [("T", 3)])
    '<div><b>a &lt; b</b><table><tr><th>T</th><td>3</td></tr></table></div>'
    """
    rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in facts)
    return f"<div><b>{_text(title)}</b><table>{rows}</table>{picture}</div>"


def bars(heights: Sequence[float], says: str) -> str:
    """Numbers of at least 0 as bars, and for those who cannot see them a text.

    Examples
    --------
    >>> bars([1.0, 2.0], "two bars").count("<rect")
    2
    """
    wide, top = _WIDTH / max(1, len(heights)), max([*heights, 1e-300])
    rects = "".join(
        f'<rect x="{i * wide:.2f}" y="{_HEIGHT * (1 - height / top):.2f}" width="{0.8 * wide:.2f}" '
        f'height="{_HEIGHT * height / top:.2f}" fill="{_BLUE}"/>'
        for i, height in enumerate(heights)
    )
    return _drawing(rects, _HEIGHT, says)


def span(lo: float, hi: float, says: str) -> str:
    """An interval within [0, 1] as a stretch of a line."""
    line = f'<rect x="0" y="9" width="{_WIDTH}" height="2" fill="#999999"/>'
    stretch = (
        f'<rect x="{_WIDTH * lo:.2f}" y="4" width="{max(2.0, _WIDTH * (hi - lo)):.2f}" height="12" fill="{_BLUE}"/>'
    )
    return _drawing(line + stretch, 20, says)


def picture(name: str, thing: Any, says: str) -> str:
    """A picture that a higher floor draws as SVG; empty where it cannot, or the thing is too large for one."""
    try:
        svg = PICTURES[name](thing) if name in PICTURES else None
    except (TreesimError, ImportError):
        return ""
    if not svg:
        return ""
    # As the source of an image it cannot run anything, whatever a name in it may be.
    data = base64.b64encode(svg.encode()).decode()
    return f'<img style="display:block" alt="{escape(says)}" src="data:image/svg+xml;base64,{data}"/>'


def _text(value: Any) -> str:
    return escape(escaped(str(value)))


def _drawing(shapes: str, height: int, says: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(says)}">{shapes}</svg>'
    )
