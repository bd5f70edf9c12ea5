"""The site: what its pages are made from, and, where mkdocs is installed, the pages themselves."""

import inspect
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
