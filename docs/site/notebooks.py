"""Notebooks to download, made from the tutorials: the same text and the same code."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

DOCS = Path(__file__).parent.parent
PAGES = (
    "start.md", "tutorials/first-tree.md", "tutorials/own-sampler.md", "my-model.md", "tutorials/learned-values.md",
    "tutorials/constrained-decoding.md", "tutorials/testing-a-library.md", "tutorials/lecture.md",
)  # fmt: skip
NEEDS = "This notebook needs treesim: `pip install .` in a copy of its repository, {url}."


def place(page: str) -> str:
    """Where the site has the notebook of a page."""
    return f"notebooks/{posixpath.basename(page).removesuffix('.md')}.ipynb"


def notebook(page: str, url: str) -> Any:
    """The notebook of a page; its links lead to the repository at `url`."""
    text = (DOCS / page).read_text(encoding="utf-8")
    cells = [nbformat.v4.new_markdown_cell(NEEDS.format(url=url))]
    for language, part in _parts(text):
        if language == "python":
            cells.append(nbformat.v4.new_code_cell(part))
        elif part:
            cells.append(nbformat.v4.new_markdown_cell(_linked(part, posixpath.dirname(page), url)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # the same at each build
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def files(url: str) -> Iterator[tuple[str, str]]:
    """Where the site has each notebook, and what is in it."""
    for page in PAGES:
        yield place(page), nbformat.writes(notebook(page, url))


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """What stands between blocks of Python, and the blocks."""
    for number, part in enumerate(re.split(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)):
        yield ("python" if number % 2 else "markdown"), part.strip()


def _linked(text: str, folder: str, url: str) -> str:
    """Links of the page, as they lead from anywhere."""

    def absolute(match: re.Match[str]) -> str:
        return f"]({url}/blob/main/{posixpath.normpath(posixpath.join('docs', folder, match[1]))}"

    return re.sub(r"\]\((?!https?:|#)([^)\s]+)", absolute, text)
