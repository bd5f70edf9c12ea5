"""What notebooks show: well-formed, escaped, and without a picture where there can be none."""

import base64
import re
import sys
from html.parser import HTMLParser

import pytest

from treesim import TV, Instance, Scaled, Tree, family, instance_from_graph, sampler
from treesim import notebook as shown
from treesim.figures.inline import LARGEST, graph_svg, instance_svg
from treesim.instances.json_graphs import listed_document

NASTY = "<script>alert('$x$')</script>"


class Reader(HTMLParser):
    """Collects the tags, refusing those that do not close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


@pytest.fixture
def nasty():
    return instance_from_graph(
        listed_document({
            "name": NASTY, "children": [
                {"name": "a", "prob": 0.5, "reward": 1.0}, {"name": "b", "prob": 0.5, "reward": 2.0}
            ],
        }),
        source=NASTY,
    )  # fmt: skip


def pictures(html):
    return [base64.b64decode(data).decode() for data in re.findall(r"data:image/svg\+xml;base64,([^\"]*)", html)]


def perturbed(name, horizon):
    return family(name, horizon=horizon, perturbation="random-sign", epsilon="0.5/T", seed=1)


def tree():
    return perturbed("dirichlet", 3)


def chain():
    return perturbed("markov", 30)


def large():
    return family("uniform", horizon=12)


THINGS = {
    "tree": (tree, 1), "its graph": (lambda: tree().graph, 1), "its audit": (lambda: tree().audit, 0),
    "its target": (lambda: tree().target, 0), "its law": (lambda: sampler("sp-gsmc").law(tree()), 0),
    "inspection": (lambda: tree().inspect(), 1), "chain": (chain, 1),
    "its walk": (lambda: sampler("sp-gsmc").law(chain()), 0),
    "corrected": (lambda: sampler("sp-gsmc:mh=3").law(chain()), 0),
    "large": (large, 0), "large target": (lambda: large().target, 0),
    "law that may fail": (lambda: sampler("rejection:budget=2,fallback=fail").law(tree()), 0),
    "tv": (lambda: TV(0.1, 0.2, "estimated", 0.99), 0),
}  # fmt: skip


@pytest.mark.parametrize(("make", "drawn"), THINGS.values(), ids=THINGS)
def test_objects_show_a_table_and_a_picture(make, drawn):
    html = make()._repr_html_()
    tags = Reader(html).tags
    assert tags.count("table") == 1
    assert len(pictures(html)) == drawn
    assert len(html) < 200_000


def test_users_texts_are_escaped_and_names_in_pictures_are_inert(nasty):
    html = nasty._repr_html_()
    reader = Reader(html)
    assert "script" not in reader.tags
    assert NASTY in "".join(reader.texts)
    (svg,) = pictures(html)
    assert "<script" not in svg


def test_the_audit_is_in_the_table():
    texts = Reader(family("product", horizon=2, ratio=2.0)._repr_html_()).texts
    assert texts[texts.index("Bellman error") + 1].startswith("0.5, attained at")


def test_without_matplotlib_there_is_a_table_and_no_picture(monkeypatch):
    monkeypatch.setattr(shown.PICTURES, "_known", {})
    for name in [name for name in sys.modules if name.startswith(("matplotlib", "treesim.figures"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    html = family("uniform", horizon=2)._repr_html_()
    assert (Reader(html).tags.count("table"), pictures(html)) == (1, [])


def test_where_nobody_offers_pictures_there_are_none(monkeypatch):
    monkeypatch.setattr(shown.PICTURES, "_known", {})
    monkeypatch.setattr(shown.PICTURES, "_offers", {})
    assert pictures(family("uniform", horizon=2)._repr_html_()) == []


def test_large_graphs_have_no_small_picture():
    assert graph_svg(Tree.complete(2, 7)) is not None
    assert Tree.complete(2, 8).n_nodes > LARGEST
    assert graph_svg(Tree.complete(2, 8)) is None
    assert instance_svg(family("markov", horizon=300)) is None


def test_a_tree_of_one_value_and_dead_ends_is_drawn():
    tree = Tree.complete(2, 2)
    assert "<svg" in (instance_svg(Instance(tree, Scaled.from_float([1, 1, 0, 1, 1, 0, 0]))) or "")


def test_laws_too_large_to_look_at_are_told_by_their_repr(monkeypatch):
    monkeypatch.setattr("treesim.laws.law.MOST_LISTED", 7)
    html = family("uniform", horizon=3).target._repr_html_()
    assert "TargetLaw(prob=Scaled(8 numbers" in html
    assert "<svg" not in html


def test_bars_and_spans_are_within_the_picture():
    assert 'height="60.00"' in shown.bars([0.0, 2.0, 1.0], "three")
    assert shown.bars([], "none").count("<rect") == 0
    assert 'width="2.00"' in shown.span(0.5, 0.5, "a point")
