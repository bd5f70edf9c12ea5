import dataclasses
import math

import pytest

from treesim import TV
from treesim.demos import blowup


def test_blowup_doubles_with_every_step_and_guidance_stays():
    rows = list(blowup.run([3, 4, 5, 6]))
    # Two of four continuations are right: the chance of a right sequence is 2^-T, so N = ln(1/0.1) 2^T, or more.
    assert blowup.growth_per_step(rows, lambda row: row.importance) == pytest.approx(2.0, rel=0.03)
    for row in rows:
        assert row.importance >= row.best_of_n >= math.log(10) * 2**row.horizon * 0.75
        assert row.guided.hi <= row.guided_bound < math.tanh(1 / 8)
        assert row.guided_queries == pytest.approx(4 * row.horizon)
        assert row.steps_drawn(row.importance) == row.importance * row.horizon


def test_growth_needs_two_points():
    assert blowup.growth_per_step(list(blowup.run([2])), lambda row: row.importance) is None


def test_the_figure_shows_what_was_found():
    row = blowup.Row(2, 3, 5, 0.125, TV(0.03, 0.04, "certified"), 0.07, 8.0)
    rows = [row, dataclasses.replace(row, horizon=4, best_of_n=None, importance=9, guided_bound=0.09)]
    compute, quality = blowup.figure(rows, 0.1).axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in (*compute.lines, *quality.lines[:1])}
    assert drawn["importance resampling"] == [[2, 10], [4, 36]]
    assert drawn["best-of-N"][0] == [2, 6] and math.isnan(drawn["best-of-N"][1][1])
    assert drawn["guided, one particle"] == [[2, 8], [4, 8]]
    assert drawn["largest possible (sharp 4.3)"] == [[2, 0.07], [4, 0.09]]
    assert quality.lines[1].get_xydata().tolist() == [[2, 0.04], [4, 0.04]]
    document = blowup.document(rows, 0.1, 0)
    assert document["growth_per_step"] == {
        "best_of_n": None, "importance": pytest.approx(math.sqrt(9 / 5)),
    }  # fmt: skip
