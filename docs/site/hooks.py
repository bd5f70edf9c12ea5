"""What mkdocs does here beside its plugins: pages that are made, formulas as MathML, links that leave docs/."""

import html
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import reference

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]*)")


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Pages that are made: the reference, a page a room."""
    for room in reference.ROOMS:
        files.append(File.generated(config, f"api/{room}.md", content=reference.page(room)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Links to files of the repository outside docs/ lead to GitHub; on GitHub itself they are relative."""

    def outside(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), match[1]))
        return match[1] if path.startswith("docs/") else f"{config.repo_url}/blob/main/{path}"

    return LINK.sub(outside, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """TeX becomes MathML, which browsers draw without any script."""

    def mathml(match: re.Match[str]) -> str:
        tex = html.unescape(match[3]).strip()
        return convert(tex, display="block" if match[2] == "[" else "inline")

    return FORMULA.sub(mathml, content)
