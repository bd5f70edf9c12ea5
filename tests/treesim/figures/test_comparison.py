"""The figure of a comparison shows its numbers."""

import pytest
from matplotlib.figure import Figure

from treesim import TV, compare, family
from treesim.figures import comparison_figure, draw_comparison, save_figure
from treesim.studies.compare import Comparison, Point

PRODUCT = family("product", horizon=5, ratio=1.5)


def lines(ax):
    """What is drawn as a curve: its x and y."""
    return [list(zip(*line.get_data(), strict=True)) for line in ax.lines if line.get_marker() == "None"]


@pytest.mark.parametrize("x", ["values", "draws"])
def test_curves_go_through_the_points(x):
    found = compare({"p": PRODUCT}, ["importance"], {"n": [1, 4, 16]})
    ax = Figure().subplots()
    assert draw_comparison(found, ax, x) is ax
    (curve,) = lines(ax)
    assert curve == [(getattr(point, x), point.tv.lo) for point in found.points]
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_what_costs_nothing_and_what_is_not_known_have_a_place():
    points = (
        Point("a", "none", "base", TV(0.5, 0.5, "exact"), 4.0, 0.0),
        Point("a", "low", "b", TV(0.0, 1e-9, "certified"), 4.0, 8.0),
        Point("a", "bar", "c", TV(0.1, 0.3, "estimated", 0.99), 4.0, 8.0),
    )
    ax = draw_comparison(Comparison(points))
    assert ax.get_xscale() == "symlog"
    none, low, bar, interval = sorted(lines(ax), key=lambda curve: (len(curve), curve))[:1] + [
        curve for curve in lines(ax) if curve[0][0] == 8.0
    ]
    assert none == [(0.0, 0.5)]
    assert low == [(8.0, pytest.approx(0.2 / 3))]  # at the foot: its own height would hide the others
    assert bar == [(8.0, pytest.approx(0.2))]
    assert interval == [(8.0, 0.1), (8.0, 0.3)]
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1
    assert "hollow: at most" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_legend_names_series_and_instances_once():
    found = compare({"$a$": PRODUCT, "b": PRODUCT}, ["base", "importance"], {"n": [1, 4]})
    figure = comparison_figure(found)
    (below,) = figure.legends
    texts = below.get_texts()
    assert [text.get_text() for text in texts] == ["base", "importance, n = 1 to 4", "$a$", "b"]
    assert not any(text.get_parse_math() for text in texts)
    assert all(panel.get_legend() is None for panel in figure.axes)


def test_many_of_all_are_drawn(tmp_path):
    vary = {"n": [1, 2], "particles": [1, 2], "pool": [1, 2]}
    specs = ["importance", "smc", "sp-gsmc", "base", "best-of-n", "beam:width=2", "exact-guided", "sp-gsmc:pool=4"]
    found = compare({f"$instance {i}$": PRODUCT for i in range(5)}, specs, vary)
    save_figure(comparison_figure(found), tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_the_left_panel_is_of_values_and_the_right_one_of_draws():
    found = compare({"p": PRODUCT}, ["importance"], {"n": [1, 4, 16]})
    left, right = comparison_figure(found).axes
    assert lines(left) == [[(point.values, point.tv.lo) for point in found.points]]
    assert lines(right) == [[(point.draws, point.tv.lo) for point in found.points]]
    assert (left.get_xlabel(), right.get_xlabel()) == ("values asked for one output", "prefixes drawn for one output")
