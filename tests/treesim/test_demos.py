import math

import pytest

from treesim import BestOfN, Importance, demos, family


def test_least_draws_is_the_least():
    instance = family("uniform", horizon=6, branching=2, reward="right-steps:penalty=300", seed=1)
    for kind in (BestOfN, Importance):
        least = demos.least_draws(kind, instance, 0.1)
        tv = [kind(n).law(instance).tv(instance.target).hi for n in range(1, least + 1)]
        assert tv[-1] <= 0.1 < min(tv[:-1])


def test_a_tv_that_best_of_n_never_reaches_is_none():
    instance = family("uniform", horizon=3, reward="gaussian", seed=0)
    assert demos.least_draws(BestOfN, instance, 0.001) is None


def test_blowup_doubles_with_every_step_and_guidance_stays():
    rows = list(demos.blowup([3, 4, 5, 6]))
    # Two of four continuations are right: the chance of a right sequence is 2^-T, so N = ln(1/0.1) 2^T, or more.
    assert demos.growth_per_step(rows, lambda row: row.importance) == pytest.approx(2.0, rel=0.03)
    for row in rows:
        assert row.importance >= row.best_of_n >= math.log(10) * 2**row.horizon * 0.75
        assert row.guided_tv <= row.guided_bound < math.tanh(1 / 8)
        assert row.guided_queries == pytest.approx(4 * row.horizon)
        assert row.steps_drawn(row.importance) == row.importance * row.horizon


def test_growth_needs_two_points():
    assert demos.growth_per_step(list(demos.blowup([2])), lambda row: row.importance) is None
