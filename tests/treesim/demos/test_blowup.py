import math

import pytest

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
