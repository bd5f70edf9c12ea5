"""The gallery: figures and pages made by the very lines that are shown beside them, from gallery.md beside this file.

What was made is kept, by the code of treesim and the lines, so that a second build makes nothing twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
SOURCE, KEPT = Path(__file__).with_name("gallery.md"), ROOT / ".cache" / "gallery"
WIDTH = 560  # of a thumbnail, twice what is shown


@dataclass(frozen=True)
class Entry:
    """A figure, the lines that make it, and where it is explained."""

    title: str
    alt: str
    see: str
    language: str
    lines: str

    @classmethod
    def read(cls, text: str) -> Entry:
        """From a section of the source."""
        found = re.fullmatch(r"(.+)\n\nAlt: (.+)\n\nSee: (.+)\n\n```(sh|python)\n(.*?)\n```\n*", text, re.DOTALL)
        assert found is not None, text
        return cls(*found.groups())

    @property
    def name(self) -> str:
        """Of its files."""
        return re.sub("[^a-z]+", "-", self.title.lower()).strip("-")

    @property
    def page(self) -> str | None:
        """The file of the page with sliders, if there is one."""
        found = re.search(r"(\S+\.html)", self.lines)
        return found and found[1]

    def made(self) -> dict[str, Path]:
        """What the lines made: ``figure``, ``thumbnail`` and, if there is one, ``page``."""
        kept = KEPT / hashlib.sha256(f"{_digest()}{self.language}{self.lines}".encode()).hexdigest()[:16]
        if not kept.is_dir():
            with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
                self._run()
                figure = max(Path().rglob("*.png"), key=lambda path: (path.stem == "log-not-loglog", path.name))
                figure.replace("figure.png")
                image = Image.open("figure.png").convert("RGB")
                image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS).save(
                    "small.png"
                )
                Path("made").mkdir()
                for name in ("figure.png", "small.png", self.page):
                    if name:
                        shutil.move(name, "made")
                shutil.copytree("made", kept)
        files = {"figure": kept / "figure.png", "thumbnail": kept / "small.png"}
        return files | ({"page": kept / self.page} if self.page else {})

    def _run(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            if self.language == "python":
                exec(self.lines, {"Path": Path})
                return
            from treesim.cli.main import main

            for line in self.lines.splitlines():
                main(shlex.split(line)[1:], standalone_mode=False)


def groups() -> Iterator[tuple[str, list[Entry]]]:
    """The groups of entries, with their titles."""
    for part in _source()[1:]:
        title, *entries = part.split("\n### ")
        yield title.strip(), list(map(Entry.read, entries))


def files() -> Iterator[tuple[str, Path]]:
    """Where the site has each file, and where it lies now."""
    for _, entries in groups():
        for entry in entries:
            made = entry.made()
            yield f"gallery/{entry.name}.png", made["figure"]
            yield f"gallery/{entry.name}-small.png", made["thumbnail"]
            if entry.page:
                yield f"pages/{entry.page}", made["page"]


def page() -> str:
    """The page, in markdown."""
    return "\n\n".join([_source()[0].strip(), *(_group(title, entries) for title, entries in groups())])


def _group(title: str, entries: list[Entry]) -> str:
    cards = []
    for entry in entries:
        links = [f"[Explained here]({entry.see})"]
        if entry.page:
            links.insert(0, f"[Open the page with sliders](pages/{entry.page})")
        cards.append(
            f'<div class="card" markdown>\n\n### {entry.title}\n\n'
            f"[![{entry.alt}](gallery/{entry.name}-small.png){{ loading=lazy }}](gallery/{entry.name}.png)\n\n"
            f"{' · '.join(links)}\n\n```{entry.language}\n{entry.lines}\n```\n\n</div>"
        )
    return f'## {title}\n\n<div class="cards" markdown>\n\n' + "\n\n".join(cards) + "\n\n</div>"


def _source() -> list[str]:
    return SOURCE.read_text(encoding="utf-8").split("\n## ")


@cache
def _digest() -> str:
    """Of all code that may take part."""
    found = hashlib.sha256()
    for package in ("treesim", "hard_instances", "cli"):
        for file in sorted((ROOT / package).rglob("*")):
            if file.suffix in (".py", ".json", ".safetensors"):
                found.update(file.read_bytes())
    return found.hexdigest()
