"""Figures show the numbers that were computed, and user text as it is."""

import networkx as nx
import numpy as np
import pytest
from matplotlib.figure import Figure

from treesim import SMC, TV, diagnose, family, instance_from_graph
from treesim.empirical.identification import identify_law
from treesim.figures import (
    draw_bellman_error,
    draw_curves,
    draw_exponents,
    draw_frequencies,
    draw_graph,
    draw_health,
    draw_sizes,
    draw_value_profile,
    instance_figure,
    save_figure,
    scaling_figure,
)
from treesim.samplers import sampler
from treesim.studies.experiment import Experiment
from treesim.studies.scaling import Need, fit

INSTANCE = family("dirichlet", horizon=4, perturbation="log-uniform", epsilon=0.3, seed=2)


def curves(ax):
    return {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}


def test_errors_are_those_of_the_audit():
    drawn = curves(draw_bellman_error(INSTANCE))
    audit = INSTANCE.audit
    assert (drawn["supremum"] == audit.sup).all()
    assert (drawn["mean under π̃"] == audit.mean_target).all()
    assert (drawn["mean under π_ref"] == audit.mean_reference).all()


def test_the_profile_is_relative_to_the_partition_function():
    drawn = curves(draw_value_profile(INSTANCE))
    twist, value = (drawn[f"{name}: mean and range over prefixes"] for name in ("V*", "V̂"))
    assert twist[0] == pytest.approx(0.0, abs=1e-12)
    level = INSTANCE.graph.level(2)
    assert value[2] == pytest.approx(INSTANCE.value[level].log().mean() - INSTANCE.audit.log_partition)


def test_axes_that_are_given_are_used_and_returned():
    ax = Figure().subplots()
    for draw in (draw_bellman_error, draw_value_profile, draw_graph):
        assert draw(INSTANCE, ax) is ax


def test_every_node_of_a_small_tree_is_drawn_in_the_colour_of_its_value():
    ax = draw_graph(INSTANCE)
    empty, alive = ax.collections[-2:]
    assert len(empty.get_offsets()) == 0
    assert np.allclose(alive.get_array(), INSTANCE.value.log() - INSTANCE.audit.log_partition)
    assert sum(len(lines.get_segments()) for lines in ax.collections[:-2]) == INSTANCE.graph.n_edges


def test_of_a_large_tree_the_leaves_of_largest_target_mass_are_drawn():
    instance = family("dirichlet", horizon=10, reward="gaussian:beta=2", seed=1)
    ax = draw_graph(instance)
    places = np.concatenate([points.get_offsets() for points in ax.collections[-2:]])
    assert (places[:, 1] == -10).sum() == 128
    mass = np.sort(instance.target.prob.to_float())[-128:].sum()
    assert f"({mass:.3g} of it)" in ax.get_title(loc="left")


def test_health_and_identification_show_what_was_found():
    found = diagnose(SMC(20), family("product", horizon=6, ratio=2.0))
    health = draw_health(found)
    assert [y.tolist() for y in curves(health).values()] == [found.ess.tolist(), found.ancestors.tolist()]
    assert all(line.get_xdata().tolist() == [1, 2, 3, 4, 5, 6] for line in health.lines)
    identified = identify_law(sampler("importance:n=2"), INSTANCE, runs=400, sizes=(2, 8))
    bars = draw_frequencies(identified).containers
    heights = [np.array([bar.get_height() for bar in group]) for group in bars]
    for drawn, law in zip(heights, (identified.target, identified.frequencies, identified.fitted), strict=True):
        assert (drawn == law).all()
    points = [line.get_ydata()[0] for line in draw_exponents(identified).lines[1:] if line.get_marker() == "o"]
    assert points == [each.estimate for each in identified.exponents if each.estimate is not None]
    line = draw_sizes(identified).containers[0].lines[0]
    assert line.get_xdata().tolist() == [2, 8]
    assert line.get_ydata() == pytest.approx([(row.tv.lo + row.tv.hi) / 2 for row in identified.rows])


def test_curves_are_those_of_the_experiment():
    points = [(1.0, 2.0), (10.0, 5.0)]
    ax = draw_curves(Experiment("why?", "so", "x", "y", {"a": points}, log_x=True))
    assert ax.lines[0].get_xydata().tolist() == [list(point) for point in points]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_files_are_those_of_matplotlib_at_150_dots_per_inch(tmp_path, monkeypatch, ending):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # a PDF holds its date
    ours, theirs = tmp_path / f"ours.{ending}", tmp_path / f"theirs.{ending}"
    figure, same = instance_figure(INSTANCE), instance_figure(INSTANCE)
    save_figure(figure, ours)
    same.savefig(theirs, dpi=150)
    assert ours.read_bytes() == theirs.read_bytes()
    assert figure.dpi == same.dpi


def test_user_text_is_never_read_as_mathematics(tmp_path):
    """Read as mathematics, the second and the third would be errors."""
    name = r"price $5 or $6, $\boxed{4}$, $\q$"
    graph = nx.DiGraph()
    graph.add_edge("", name, prob=0.5)
    graph.add_edge("", "b", prob=0.5)
    graph.nodes[name]["reward"] = graph.nodes["b"]["reward"] = 1.0
    instance = instance_from_graph(graph, source=name)
    save_figure(instance_figure(instance), tmp_path / "run$\\q$.svg")
    experiment = Experiment(name, name, name, name, {name: [(1.0, 2.0)]})
    save_figure(draw_curves(experiment).figure, tmp_path / "figure.png")


def test_growth_is_drawn_with_its_two_fits():
    rows = [
        Need(t, 0.1, f"smc:particles={n}", "particles", n, TV(0.1, 0.1, "exact"), float(n))
        for t, n in ((2, 3), (4, 7), (8, 12), (16, 31))
    ]
    fits = fit({row.horizon: row.least for row in rows})
    power, exponential = scaling_figure({"smc": rows}, {"smc": fits}, "product", 0.1).axes
    for panel in (power, exponential):
        assert panel.lines[0].get_xydata().tolist() == [[row.horizon, row.least] for row in rows]
    x, y = power.lines[1].get_data()
    assert (x[0], x[-1]) == (2, 16)
    np.testing.assert_allclose(y, np.exp(fits.power.intercept) * x**fits.power.exponent)
    x, y = exponential.lines[1].get_data()
    np.testing.assert_allclose(y, np.exp(fits.exponential.intercept + fits.exponential.exponent * x))
