"""Calibrated: logs of instances whose truth is known, 300 of each; every interval covers, and no bound fails.

At level 0.95 fewer than 265 hits of 300 are a false alarm in 10^6 (binomial), wherever the level holds.
"""

from collections import Counter

import numpy as np
import pytest

from tests.treesim.measure.truth import guided_truth, traces_truth
from treesim import family
from treesim.measure import intervals, measure_log
from treesim.measure.simulation import guided_log, reference_log

LOGS, ENOUGH, SLACK = 300, 265, 1e-9
# What corrections need is tested elsewhere, and takes a linear program.
EASY = 0.9


@pytest.fixture(autouse=True)
def as_in_large_logs(monkeypatch):
    """As many resamples as those of the largest logs."""
    monkeypatch.setattr(intervals, "MOST_RESAMPLES", intervals.LEAST_RESAMPLES)


def covers(interval, truth):
    return interval.lo - SLACK <= truth <= interval.hi + SLACK


@pytest.mark.parametrize(
    ("name", "parameters", "pool", "runs"),
    [
        ("dirichlet", {"horizon": 3, "perturbation": "log-normal:sigma=0.5", "seed": 3}, 3, 120),
        ("sharpest-guidance", {"horizon": 4, "epsilon": 0.2}, 4, 80),
    ],
)
def test_intervals_of_guided_logs_cover_and_bounds_hold(name, parameters, pool, runs):
    instance = family(name, **parameters)
    truth, hits = guided_truth(instance, pool), Counter()
    for seed in range(LOGS):
        found = measure_log(guided_log(instance, pool, runs, seed=seed), seed=seed, delta=EASY)
        for row, square, rho in zip(found.steps, truth["mean_square"], truth["rho"], strict=True):
            hits[f"mean square, step {row.step}"] += covers(row.mean_square, square)
            hits[f"mean of rho, step {row.step}"] += covers(row.ratio, rho)
        hits["B"] += covers(found.average_case_bound, truth["B"])
        hits["ess"] += covers(found.ess, runs * truth["share"])
        hits["acceptance"] += covers(found.acceptance, truth["acceptance"])
        hits["epsilon"] += found.bellman_error_lower <= truth["epsilon"] + SLACK
        hits["E (1 - R/m)_+"] += found.tv_upper.hi >= truth["bound"]
        # What holds of every log.
        assert found.tv_upper.hi >= truth["tv"]
        assert found.ratio_bound_seen <= truth["L"] * (1 + SLACK)
    assert min(hits.values()) >= ENOUGH, hits


def test_intervals_of_traces_cover_and_bounds_hold():
    instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=0.5", seed=3)
    levels, hits, cells, asked = traces_truth(instance), Counter(), 0, 0
    error = sum((q * abs(ahead - v)).sum() for q, v, ahead in levels) / sum((q * v).sum() for q, v, _ in levels)
    for seed in range(LOGS):
        found = measure_log(reference_log(instance, 200, seed=seed), seed=seed)
        for row, (q, v, ahead) in zip(found.steps, levels, strict=True):
            hits[f"drift, step {row.step}"] += covers(row.drift, (q * (ahead - v)).sum())
        last = None
        for cell in found.calibration.cells:
            q, v, ahead = levels[cell.step]
            low = v >= cell.low * (1 - SLACK) if cell.step != last else v > cell.low * (1 + SLACK)
            inside = q * (low & (v <= cell.high * (1 + SLACK)))
            cells += covers(cell.drift, (inside * (ahead - v)).sum() / inside.sum())
            asked, last = asked + 1, cell.step
        hits["mean |rho - 1|"] += found.calibration.mean_error_lower <= error
        hits["epsilon"] += found.bellman_error_lower <= instance.audit.bellman_error
        assert found.ratio_bound_seen <= instance.audit.ratio_bound * (1 + SLACK)
    assert min(hits.values()) >= ENOUGH, hits
    # Cells of one log are not independent: no more than the rate is asked.
    assert cells >= 0.93 * asked


def test_a_value_that_is_right_is_not_said_to_be_wrong():
    """More than 13 of 60 bounds above zero are a false alarm in 10^6; signs that fit their own noise make it all."""
    exact = family("dirichlet", horizon=4, branching=3, seed=2)
    found = [measure_log(reference_log(exact, 150, seed=seed), seed=seed).calibration for seed in range(60)]
    assert sum(each.mean_error_lower > SLACK for each in found) <= 13


def test_where_chi_square_is_known_the_bound_on_tv_needs_no_luck():
    """Ten runs: the plug-in of chi square is often too small, the truth is not."""
    instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=0.5", seed=3)
    truth = guided_truth(instance, 3)
    held = [
        measure_log(guided_log(instance, 3, 10, seed=seed), delta=EASY, chi_square=truth["chi_square"]).tv_upper.hi
        >= truth["bound"]
        for seed in range(100)
    ]
    assert np.mean(held) == 1.0
