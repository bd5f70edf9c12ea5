"""What a log tells, put together: from anybody's loop, of several prompts, and where it should not be believed."""

from dataclasses import replace

import numpy as np
import pytest

import treesim
from tests.treesim.measure.test_weights import CASES, joined, taken
from treesim import MeasureError, Oracle, family
from treesim.measure import measure_log
from treesim.measure.simulation import guided_log, reference_log

INSTANCE = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.2, seed=1)


def test_a_loop_of_ones_own_is_recorded_in_three_lines(tmp_path):
    """By the oracle, prefix by prefix: the same law of logs as the simulation, level by level."""
    rng, runs = np.random.default_rng(0), 400
    with treesim.measure.Recorder(tmp_path / "log.jsonl") as log:
        for run in range(runs):
            oracle = Oracle(INSTANCE, rng)
            prefix = oracle.root
            value = oracle.value(prefix)
            while prefix.level < oracle.horizon:
                pool = [oracle.draw(prefix) for _ in range(4)]
                values = np.array([oracle.value(child) for child in pool])
                kept = int(rng.choice(4, p=values / values.sum()))
                log.step(run, value, pool=values, kept=kept)
                prefix, value = pool[kept], values[kept]
    # Two intervals at this level that do not meet are a false alarm in 10^6, or rarer.
    mine = measure_log(tmp_path / "log.jsonl", level=0.999)
    theirs = measure_log(guided_log(INSTANCE, 4, 400, seed=5), level=0.999)
    for one, other in zip(mine.steps, theirs.steps, strict=True):
        assert one.visits == other.visits == runs
        for mine_of, theirs_of in ((one.mean_square, other.mean_square), (one.ratio, other.ratio)):
            assert mine_of.lo < theirs_of.hi and theirs_of.lo < mine_of.hi
    assert mine.tv_upper.estimate == pytest.approx(theirs.tv_upper.estimate, abs=0.06)
    assert abs(mine.choice_score) < 5 and mine.notes == ()


def test_several_prompts_double_the_bound_and_have_no_corrections():
    other = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.2, seed=2)
    one, two = guided_log(INSTANCE, 4, 100, seed=1), guided_log(other, 4, 100, seed=1)
    both = joined(one, two, 100)
    found = measure_log(both)
    assert found.roots == 2 and found.paths is found.acceptance is found.average_case_bound is None
    # V(root) is in R: runs of prompts of any worth are compared in units of it.
    shift = np.repeat([one.log_value[0], two.log_value[0]], 300)
    same_root = replace(
        both,
        log_value=both.log_value - shift,
        log_pool=both.log_pool - np.repeat(shift, 4),
    )
    alone = measure_log(same_root)
    assert alone.roots == 1 and alone.tv_upper.estimate == pytest.approx(found.tv_upper.estimate / 2)
    assert alone.tv_upper.hi < 1 and found.tv_upper.hi == pytest.approx(min(1.0, 2 * alone.tv_upper.hi))
    assert any("several prompts" in text for text in found.notes)
    # The mean over prompts of their TVs is what the bound is for.
    exact = [treesim.GuidedSMC(pool=4).law(each).tv(each.target).hi for each in (INSTANCE, other)]
    assert found.tv_upper.estimate > np.mean(exact)


def test_runs_of_different_lengths_have_a_trend():
    """Errors of 2 / T: the mean square goes like T^-2."""
    short, longer = (guided_log(family("sharpest-guidance", horizon=t, epsilon=2 / t), 8, 200) for t in (4, 8))
    found = measure_log(joined(short, longer, 200))
    assert [step.visits for step in found.steps] == [400] * 4 + [200] * 4
    assert found.trend_by_length.lo < -1.0 and found.trend_by_length.estimate < found.trend_by_length.hi
    assert measure_log(longer).trend_by_length is None


def test_another_rule_of_choice_is_told():
    log = guided_log(INSTANCE, 4, 300, seed=1)
    pools = log.log_pool.reshape(-1, 4)
    # Keep the best child, and let the next prefix be that one: of each step the choice alone.
    alone = replace(
        log, runs=list(range(900)), start=np.arange(901), kept=pools.argmax(axis=1), log_value=log.log_value
    )
    assert any("not kept in proportion to value" in text for text in measure_log(alone).notes)
    assert not any("proportion" in text for text in measure_log(log).notes)


def test_few_runs_and_few_that_count_are_told():
    found = measure_log(guided_log(INSTANCE, 4, 5, seed=1))
    assert any("5 runs are few" in text for text in found.notes)
    wild = family("dirichlet", horizon=8, perturbation="log-normal:sigma=2", seed=1)
    found = measure_log(guided_log(wild, 2, 100, seed=1))
    assert found.ess.estimate < 30 and any("has not seen their tail" in text for text in found.notes)
    assert found.tv_upper.hi > 0.8


def test_pools_of_zeros_and_rewards_of_zero_are_measured():
    instance = family("dirichlet", horizon=3, reward="sparse:share=0.3", seed=3)
    found = measure_log(guided_log(instance, 2, 200, seed=1))
    assert np.isneginf(found.log_weight).any() and found.ratio_bound_seen == np.inf
    assert found.tv_upper.hi >= treesim.GuidedSMC(pool=2).law(instance).tv(instance.target).hi
    traces = measure_log(reference_log(instance, 200, seed=1))
    assert traces.bellman_error_lower <= 1e-6 and traces.ratio_bound_seen == np.inf
    assert found.document()["ess"] > 0
    nothing = measure_log(replace(guided_log(instance, 2, 30), log_pool=np.full(180, -np.inf)))
    assert nothing.tv_upper.hi == 1.0 and nothing.ess is None and nothing.document()["ess"] is None


def test_a_value_that_is_zero_where_it_should_not_be_is_an_infinite_error():
    from tests.treesim.measure.test_weights import BINARY, instance_of

    found = measure_log(guided_log(instance_of(BINARY, [1, 0, 1, 4, 4, 1, 3]), 2, 100, seed=1))
    assert found.bellman_error_lower == np.inf and any("along which values are above 0" in text for text in found.notes)


def test_a_root_of_value_zero_is_a_unit_like_any_other():
    log = guided_log(CASES["binary"], 3, 50, seed=1)
    zero = replace(log, log_value=np.where(log.position == 0, -np.inf, log.log_value))
    assert measure_log(zero).tv_upper.hi == pytest.approx(measure_log(log).tv_upper.hi)
    assert measure_log(zero).bellman_error_lower == np.inf


def test_very_small_values_are_those_of_another_unit():
    for log in (guided_log(INSTANCE, 3, 60, seed=1), reference_log(INSTANCE, 60, seed=1)):
        far = replace(log, log_value=log.log_value - 5000.0, log_pool=log.log_pool - 5000.0)
        one, other = measure_log(log), measure_log(far)
        assert other.bellman_error_lower == pytest.approx(one.bellman_error_lower)
        assert other.ratio_bound_seen == pytest.approx(one.ratio_bound_seen)
        if log.is_guided:
            assert other.tv_upper.hi == pytest.approx(one.tv_upper.hi)
        else:
            assert other.calibration.mean_error_lower == pytest.approx(one.calibration.mean_error_lower)
            assert other.calibration.log_unit < -4900


def test_the_same_seed_says_the_same():
    log = guided_log(INSTANCE, 3, 60, seed=1)
    one, again, other = (measure_log(log, seed=seed).document() for seed in (0, 0, 1))
    assert one == again != other


def test_what_cannot_be_measured():
    log = guided_log(INSTANCE, 3, 20, seed=1)
    with pytest.raises(MeasureError, match="one run"):
        measure_log(taken(log, [3]))
    with pytest.raises(MeasureError, match="delta is 1, expected a number between 0 and 1"):
        measure_log(log, delta=1.0)
    with pytest.raises(MeasureError, match="level is 0"):
        measure_log(log, level=0.0)
    traces = reference_log(INSTANCE, 20)
    with pytest.raises(MeasureError, match="no run of two steps"):
        measure_log(replace(traces, start=np.arange(81), runs=list(range(80))))
    with pytest.raises(MeasureError, match="expected at least one of each"):
        guided_log(INSTANCE, 0, 5)
