"""The site: what its pages are made from, and, where mkdocs is installed, the pages themselves."""

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module", autouse=True)
def maker(request):
    """What makes the pages is no package: it lies where mkdocs finds it."""
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    yield
    sys.path.remove(str(ROOT / "docs" / "site"))


def examples(thing) -> str:
    """The docstrings of a function, or of a class and what it defines."""
    own = vars(thing).values() if inspect.isclass(thing) else ()
    methods = [each.__func__ if isinstance(each, classmethod | staticmethod) else each for each in own]
    return "\n".join(str(getattr(each, "__doc__", "")) for each in [thing, *methods])


def test_everything_public_has_an_example():
    public = import_module("reference").public()
    assert sum(map(len, public.values())) > 250
    lacking = [name for things in public.values() for name, thing in things.items() if ">>> " not in examples(thing)]
    assert lacking == []


def test_what_treesim_hands_out_is_in_the_reference():
    import treesim

    public = import_module("reference").public()
    named = {name for things in public.values() for name in things}
    things = {name for name in treesim.__all__ if callable(getattr(treesim, name))}
    assert {f"treesim.{name}" for name in things} <= named


def test_the_reference_has_a_page_for_every_room():
    reference, pages = import_module("reference"), (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f"- api/{room}.md\n" in pages for room in reference.ROOMS)
    assert "::: hard_instances.certificate.certificate\n" in reference.page("hard_instances")
    assert "::: treesim.graphs.tree.Tree\n" in reference.page("graphs")


def test_the_ledger_says_what_its_lines_print():
    ledger = import_module("ledger")
    assert ledger.page() == ledger.PAGE.read_text(encoding="utf-8")


def test_every_claim_of_the_ledger_shows_a_number():
    ledger = import_module("ledger")
    source = ledger.SOURCE.read_text(encoding="utf-8")
    claims = [ledger.Claim.read(text) for part in source.split("\n## ")[1:] for text in part.split("\n### ")[1:]]
    assert len(claims) == source.count("\nVerdict: ") >= 18
    assert {claim.verdict for claim in claims} == set(ledger.VERDICTS)
    for claim in claims:
        assert claim.lines.count("\nprint(") >= 1, claim.name
        assert "{0}" in claim.found, claim.name


def test_notebooks_are_valid_and_hold_the_code_of_their_pages():
    nbformat = pytest.importorskip("nbformat", reason="nbformat is in the extra treesim[docs]")
    notebooks = import_module("notebooks")
    written = dict(notebooks.files("https://example.org"))
    assert len(written) == len(notebooks.PAGES) >= 7
    for page in notebooks.PAGES:
        made = nbformat.reads(written[notebooks.place(page)], as_version=4)
        nbformat.validate(made)
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        code = [cell.source for cell in made.cells if cell.cell_type == "code"]
        assert code == [block.strip() for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
        told = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
        assert "](../" not in told and "```python" not in told
        outside = re.sub(r"```python\n.*?```", "", text, flags=re.DOTALL)
        assert set(re.findall("[A-Za-z]{3,}", outside)) <= set(re.findall("[A-Za-z]{3,}", told))


def test_the_gallery_has_every_figure_and_every_demo():
    from treesim import figures

    gallery = import_module("gallery")
    entries = [entry for _, entries in gallery.groups() for entry in entries]
    assert len({entry.name for entry in entries}) == len(entries)
    lines = "\n".join(entry.lines for entry in entries)
    # Those that a command draws.
    drawn_by = {
        "instance_figure": "treesim inspect", "comparison_figure": "treesim compare", "audit_figure": "treesim audit",
        "diagnosis_figure": "--diagnose --plot", "scaling_figure": "treesim scale",
    }  # fmt: skip
    assert [name for name in figures.__all__ if drawn_by.get(name, name) not in lines] == []
    from treesim.cli.demo import demo

    assert [name for name in demo.commands if f"treesim demo {name} " not in lines] == []
    for entry in entries:
        assert (ROOT / "docs" / entry.see).is_file(), entry.see
        assert 40 <= len(entry.alt) <= 160, entry.alt


@pytest.mark.parametrize("title", ["Bellman error by level", "The score card"])
def test_a_figure_of_the_gallery_is_made_by_its_lines(title, tmp_path, monkeypatch):
    gallery = import_module("gallery")
    monkeypatch.setattr(gallery, "KEPT", tmp_path / "kept")
    (entry,) = (each for _, entries in gallery.groups() for each in entries if each.title == title)
    made = entry.made()
    assert set(made) == {"figure", "thumbnail"} | ({"page"} if entry.page else set())
    assert all(path.stat().st_size > 1_000 for path in made.values())
    before = made["figure"].stat().st_mtime_ns
    assert entry.made()["figure"].stat().st_mtime_ns == before
