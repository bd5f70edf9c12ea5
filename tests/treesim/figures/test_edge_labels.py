"""Figures show what edges write, where there is room, as it is written."""

import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from treesim import family, instance_from_texts, merge, tree_of_model
from treesim.figures.edge_labels import shown_token
from treesim.figures.inline import instance_svg
from treesim.figures.instance import draw_graph


def texts(words, horizon, seed=0):
    rng = np.random.default_rng(seed)
    tree = tree_of_model(lambda some: rng.dirichlet(np.ones(len(words)), len(some)), words.__getitem__, horizon)
    return instance_from_texts(tree, lambda found: [1.0 + len(text) for text in found])


def axes(width=7.0, height=4.4):
    return Figure(figsize=(width, height)).subplots()


def test_every_edge_of_a_small_tree_says_what_it_writes():
    """The child that a label stands nearest to is the one whose edge writes it."""
    words = [" yes", "$x$ or $y$", "\n", ""]
    instance = texts(words, 1)
    ax = draw_graph(instance, axes())
    ends = ax.collections[0].get_segments()
    said = {round(note.xy[0], 6): note.get_text() for note in ax.texts}
    written = [words[token] for token in instance.graph.edge_tokens(0)]
    assert said == {
        round(start[0] + 0.65 * (end[0] - start[0]), 6): shown_token(word)
        for (start, end), word in zip(ends, written, strict=True) if word
    }  # fmt: skip
    assert len(said) == 3
    assert set(said.values()) == {"␣yes", r"\n", "$x$␣or␣$y$"}
    assert not any(note.get_parse_math() for note in ax.texts)


def test_labels_do_not_lie_on_each_other():
    instance = texts(["one", "two", "three"], 3)
    figure = Figure(figsize=(7, 4.4))
    ax = draw_graph(instance, figure.subplots())
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [note.get_window_extent(renderer) for note in ax.texts]
    assert len(boxes) == 3 + 9
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


@pytest.mark.parametrize(("width", "height", "labelled"), [(7, 4.4, 6), (0.7, 4.4, 0), (7, 0.7, 0)])
def test_levels_without_room_have_no_labels(width, height, labelled):
    ax = draw_graph(texts(["yes", "no"], 2), axes(width, height))
    assert len(ax.texts) == labelled


def test_parallel_edges_share_a_label():
    chain = merge(
        instance_from_texts(tree_of_model(lambda some: [[0.5, 0.5]] * len(some), "ab".__getitem__, 2),
                            lambda found: [1.0] * len(found))
    )[0]  # fmt: skip
    assert [note.get_text() for note in draw_graph(chain, axes()).texts] == ["a, b", "a, b"]


def test_graphs_without_tokens_have_no_labels():
    assert len(draw_graph(family("uniform", horizon=2), axes()).texts) == 0


def test_small_pictures_have_labels_too():
    """SVG draws letters as shapes, and says before each text what it is."""
    assert "<!-- ␣ja -->" in instance_svg(texts([" ja", "nein"], 2))


def test_long_tokens_and_commands_are_shown_short_and_escaped():
    assert shown_token("x" * 12) == "x" * 12
    assert shown_token("x" * 13) == "x" * 11 + "…"
    assert shown_token("\x1b\u202e") == r"\x1b\u202e"


def test_letters_that_the_font_lacks_are_told_by_their_numbers():
    assert shown_token("é🎉") == r"é\U0001f389"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert instance_svg(texts(["🎉", "b"], 1)).count(r"\U0001f389") == 1
