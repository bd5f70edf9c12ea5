"""What mkdocs does here beside its plugins: pages that are made, formulas as MathML, links that leave docs/."""

import html
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from markdown import Markdown
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import gallery
import notebooks
import reference
import slides

ROOT = Path(__file__).parents[2]
SLIDES = "slides/lecture.html"
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]*)")


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Pages and files that are made: gallery, reference, changelog, notebooks, slides."""
    texts = {f"api/{room}.md": reference.page(room) for room in reference.ROOMS}
    texts |= {"gallery.md": gallery.page(), "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")}
    texts |= dict(notebooks.files(config.repo_url))
    render = Markdown(extensions=config.markdown_extensions, extension_configs=config.mdx_configs)
    texts[SLIDES] = slides.slides(render, mathml)
    for place, text in texts.items():
        files.append(File.generated(config, place, content=text))
    for place, made in gallery.files():
        files.append(File.generated(config, place, abs_src_path=str(made)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Tutorials offer their notebooks; links to files outside docs/ lead to the repository."""
    folder, source = posixpath.dirname(page.file.src_uri), page.file.src_uri

    def outside(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        return match[1] if path.startswith("docs/") else f"{config.repo_url}/blob/main/{path}"

    if source in notebooks.PAGES:
        place = posixpath.relpath(notebooks.place(source), folder or ".")
        title, text = markdown.split("\n", 1)
        offers = [f"[Download this page as a notebook]({place})"]
        if source == slides.LECTURE:
            offers.append(f"[Show the slides](../{SLIDES})")
        markdown = f"{title}\n\n{' · '.join(offers)}\n{text}"
    return LINK.sub(outside, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """TeX becomes MathML."""
    return mathml(content)


def on_post_page(output: str, **_: Any) -> str:
    """The theme's search has no name for those who cannot see it."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def mathml(content: str) -> str:
    """Formulas as browsers draw them without any script."""

    def drawn(match: re.Match[str]) -> str:
        drawing = convert(html.unescape(match[3]).strip(), display="block" if match[2] == "[" else "inline")
        # One that is wider than a phone can be scrolled by the keyboard.
        return drawing.replace(' display="block"', ' display="block" tabindex="0"', 1)

    return FORMULA.sub(drawn, content)
