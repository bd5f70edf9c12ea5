"""Slides from a page: each part under a heading is one, in a single file that needs nothing else."""

from __future__ import annotations

import base64
import html
import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from markdown import Markdown
from pygments.formatters import HtmlFormatter

DOCS = Path(__file__).parent.parent
LECTURE = "tutorials/lecture.md"
FRAME = Path(__file__).with_name("slides.html")


def slides(render: Markdown, mathml: Callable[[str], str]) -> str:
    """The lecture as slides; its links lead to the pages of the site beside it."""
    title, *parts = (DOCS / LECTURE).read_text(encoding="utf-8").split("\n## ")
    made = [_cover(title)]
    for part in parts:
        render.reset()
        made.append(mathml(render.convert(f"## {part}")))
    sections = "\n".join(f'<section aria-label="Slide {n}">{each}</section>' for n, each in enumerate(made, start=1))
    body = re.sub(r'(src|href)="([^":#]+)(#[^"]*)?"', _placed, sections)
    colours = [HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("friendly", "monokai")]
    light, dark = (re.sub(r"background(-color)?: [^;}]+;?", "", text) for text in colours)
    frame = FRAME.read_text(encoding="utf-8")
    for name, text in (("TITLE", _heading(title)), ("LIGHT", light), ("DARK", dark), ("SLIDES", body)):
        frame = frame.replace(f"<!--{name}-->", text)
    return frame


def _cover(text: str) -> str:
    return f"<h1>{_heading(text)}</h1><p>How compute at inference time buys quality, and where it does not.</p>"


def _heading(text: str) -> str:
    return html.escape(text.splitlines()[0].removeprefix("# "))


def _placed(match: re.Match[str]) -> str:
    """A picture as data, a link to a page as it leads from the folder of the slides."""
    kind, path, anchor = match[1], posixpath.normpath(posixpath.join(posixpath.dirname(LECTURE), match[2])), match[3]
    if kind == "src":
        data = base64.b64encode((DOCS / path).read_bytes()).decode()
        return f'src="data:image/png;base64,{data}"'
    return f'href="../{path.removesuffix(".md")}.html{anchor or ""}"'
