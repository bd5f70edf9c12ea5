"""Figures of logs show the numbers that were measured."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from treesim import MeasureError, family
from treesim.figures import draw_drift, draw_mean_square, draw_reliability, draw_weights, measurement_figure
from treesim.measure import measure_log
from treesim.measure.simulation import guided_log, reference_log

INSTANCE = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.2, seed=1)
GUIDED = measure_log(guided_log(INSTANCE, 4, 100, seed=1))
TRACES = measure_log(reference_log(INSTANCE, 200, seed=1))


def test_mean_squares_and_their_intervals_are_drawn():
    ax = draw_mean_square(GUIDED)
    points, (bars,), _ = *ax.containers[0][:1], ax.containers[0][2], None
    rows = [row.mean_square for row in GUIDED.steps]
    assert points.get_ydata().tolist() == [row.estimate for row in rows]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, [[row.lo, row.hi] for row in rows])
    assert [row.plug_in for row in GUIDED.steps] in [list(line.get_ydata()) for line in ax.lines]


def test_weights_are_drawn_in_ascending_order():
    line = draw_weights(GUIDED).lines[0]
    weight = np.exp(GUIDED.log_weight)
    np.testing.assert_allclose(line.get_ydata(), np.sort(weight / weight.mean()))


def test_cells_are_drawn_by_step():
    ax = draw_reliability(TRACES)
    for container, step in zip(ax.containers, range(3), strict=True):
        mine = [cell for cell in TRACES.calibration.cells if cell.step == step]
        assert container[0].get_xdata().tolist() == [cell.value for cell in mine]
        assert container[0].get_ydata().tolist() == [cell.following for cell in mine]
    drift = draw_drift(TRACES).containers[0][0]
    assert drift.get_ydata().tolist() == [row.drift.estimate for row in TRACES.steps]


def test_axes_that_are_given_are_used_and_the_wrong_kind_is_refused():
    ax = Figure().subplots()
    assert draw_mean_square(GUIDED, ax) is ax and draw_weights(GUIDED, ax) is ax
    assert draw_reliability(TRACES, ax) is ax and draw_drift(TRACES, ax) is ax
    assert len(measurement_figure(GUIDED).axes) == len(measurement_figure(TRACES).axes) == 2
    with pytest.raises(MeasureError, match="have no weights"):
        draw_weights(TRACES)
    with pytest.raises(MeasureError, match="no reliability diagram"):
        draw_reliability(GUIDED)
