"""Mean squares are unbiased, against every pool; bounds are bounds; the choice of children is tested."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from tests.logs import every_outcome, log_of, rational
from tests.treesim.measure.test_weights import CASES, taken
from treesim import family
from treesim.measure.intervals import Bootstrap
from treesim.measure.residuals import bellman_error_lower, by_step, choice_score, exponent, ratio_seen, squares
from treesim.measure.simulation import guided_log
from treesim.measure.weights import Steps, steps_of


def boot(runs, seed=0):
    return Bootstrap(runs, np.random.default_rng(seed))


@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize("name", ["uneven", "binary"])
def test_the_mean_square_is_unbiased_and_the_plug_in_is_not(name, pool):
    instance = CASES[name]
    outcomes, (value, children) = every_outcome(instance, pool), rational(instance)
    steps = steps_of(log_of(instance, outcomes))
    prob = np.array([float(run.prob) for run in outcomes])
    unbiased, plug_in = (of.reshape(len(prob), -1) for of in squares(steps))
    for t in range(instance.horizon):
        visits = defaultdict(float)
        for run in outcomes:
            visits[run.nodes[t]] += float(run.prob)
        rho = {v: float(sum(p * value[c] for c, p in children[v]) / value[v]) for v in visits}
        expected = sum(mass * (rho[v] - 1) ** 2 for v, mass in visits.items())
        assert prob @ unbiased[:, t] == pytest.approx(expected, abs=1e-12)
        assert prob @ plug_in[:, t] > expected + 1e-3 or name == "uneven"


def test_pools_of_one_have_no_mean_square_and_those_below_zero_an_infinite_one():
    log = guided_log(CASES["binary"], 1, 50, seed=1)
    steps = steps_of(log)
    assert np.isnan(squares(steps)[0]).all()
    assert all(np.isnan(each.estimate) for each in by_step(steps, squares(steps)[0], boot(50), 0.95))
    zeros = np.zeros(1, int)
    below = Steps(zeros, zeros, np.zeros(1), np.array([np.inf, 1.0]), np.array([0, 2]))
    assert np.isinf(squares(below)[0]).all() and bellman_error_lower(below, boot(2), 0.95) == np.inf
    assert by_step(below, squares(below)[0], boot(2), 0.95)[0].lo == np.inf
    assert ratio_seen(below.ratio) == np.inf and ratio_seen(np.array([0.5, 1.0])) == 2.0


def test_steps_of_some_runs_are_averaged_over_those():
    log = guided_log(CASES["uneven"], 3, 40, seed=2)
    longer = guided_log(family("dirichlet", horizon=3, seed=2), 3, 20, seed=4)
    from tests.treesim.measure.test_weights import joined

    both = joined(log, longer, 40)
    steps = steps_of(both)
    pairs = squares(steps)[0]
    found = by_step(steps, pairs, boot(60), 0.95)
    assert len(found) == 3
    for t in range(3):
        mine = pairs[steps.position == t]
        assert found[t].estimate == pytest.approx(mine.mean())
        assert found[t].lo <= found[t].estimate <= found[t].hi
    assert len(pairs[steps.position == 2]) == 20


def test_the_bound_on_the_supremum_sees_errors_of_either_sign():
    for sign, epsilon in (("constant-up", 0.4), ("constant-down", 0.4)):
        instance = family("dirichlet", horizon=3, perturbation=sign, epsilon=epsilon, seed=1)
        log = guided_log(instance, 4, 2000, seed=1)
        assert 0.32 < bellman_error_lower(steps_of(log), boot(2000), 0.999) <= epsilon
    exact = family("dirichlet", horizon=3, seed=1)
    assert bellman_error_lower(steps_of(guided_log(exact, 4, 2000, seed=1)), boot(2000), 0.95) < 0.06


def test_the_choice_of_children_is_that_of_the_log_or_is_told():
    instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.2, seed=1)
    scores = []
    for seed in range(400):
        log = guided_log(instance, 4, 30, seed=seed)
        scores.append(choice_score(steps_of(log), log.kept))
    # Mean and variance of 400 nearly normal scores: 5 standard errors, false alarms below 1e-6.
    assert abs(np.mean(scores)) < 0.25 and abs(np.std(scores) - 1) < 0.18
    log = guided_log(instance, 4, 200, seed=1)
    steps = steps_of(log)
    best = np.array([np.argmax(part) for part in np.split(log.log_pool, log.pool_start[1:-1])])
    assert choice_score(steps, best) > 8
    assert choice_score(steps, np.zeros_like(best)) < -8


def test_a_trend_is_found_and_its_interval_holds_it():
    rng = np.random.default_rng(3)
    runs, horizon, hits = 100, 12, 0
    x = np.tile(np.arange(1, horizon + 1), runs).astype(float)
    run = np.repeat(np.arange(runs), horizon)
    for seed in range(300):
        # Errors of a run go together, and are as large as what is fitted: many are negative.
        own = rng.normal(size=runs)[run]
        y = x**-0.7 * (1 + own + rng.normal(size=len(x)))
        found = exponent(x, y, run, boot(runs, seed), 0.95)
        hits += found.lo <= -0.7 <= found.hi
    # Fewer than 265 of 300 are a false alarm in 10^6 at level 0.95.
    assert hits >= 265
    exact = exponent(x, 3 * x**1.5, run, boot(runs), 0.95)
    assert exact.estimate == pytest.approx(1.5)
    assert exponent(x, -y, run, boot(runs), 0.95) is None
    assert exponent(np.ones(3), np.ones(3), run[:3], boot(1), 0.9) is None


def test_the_order_of_runs_and_children_does_not_matter():
    log = guided_log(CASES["binary"], 3, 30, seed=5)
    shuffled = taken(log, np.random.default_rng(0).permutation(30).tolist())
    turned = replace(log, log_pool=log.log_pool.reshape(-1, 3)[:, ::-1].ravel(), kept=2 - log.kept)
    for other in (shuffled, turned):
        mine, theirs = (np.sort(squares(steps_of(each))[0]) for each in (log, other))
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)
