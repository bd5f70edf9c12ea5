"""Intervals of means over runs, against a plain bootstrap; Chernoff's bound, against binomial tails."""

import numpy as np
import pytest
from scipy import stats

from treesim.measure import intervals
from treesim.measure.intervals import Bootstrap, chernoff_upper


def plainly(x, y, level, seed, resamples):
    """Bootstrap-t of sum x / sum y over runs, a resample at a time."""
    n, seen = len(x), Bootstrap(len(x), np.random.default_rng(seed))
    rng = np.random.default_rng(seen._seed)
    mean = x.sum() / y.sum()
    error = np.sqrt(((x - mean * y) ** 2).sum()) / y.sum()
    students = []
    for row in rng.integers(0, n, (resamples, n)):
        a, b = x[row], y[row]
        again = a.sum() / b.sum()
        students.append((again - mean) / (np.sqrt(((a - again * b) ** 2).sum()) / b.sum()))
    students.sort()
    off = (x - mean * y) / y.sum()
    below, above = 2 * max(0.0, -off.min()), 2 * max(0.0, off.max())
    low, high = (round(share * (resamples - 1)) for share in ((1 + level) / 2, (1 - level) / 2))
    return mean - students[low] * error - below, mean - students[high] * error + above


def test_intervals_are_those_of_a_plain_bootstrap():
    rng = np.random.default_rng(1)
    x, y = rng.exponential(size=50), rng.integers(1, 4, 50).astype(float)
    boot = Bootstrap(50, np.random.default_rng(7))
    found = boot.means(np.zeros(50, int), np.arange(50), x, y).intervals(0.9)[0]
    low, high = plainly(x, y, 0.9, 7, boot.resamples)
    assert (found.estimate, found.lo, found.hi) == pytest.approx((x.sum() / y.sum(), low, high))


def test_what_a_run_says_of_one_quantity_adds_up():
    """Twice the same run is no second run."""
    x = np.random.default_rng(2).normal(size=40)
    once = Bootstrap(40, np.random.default_rng(0)).of_runs(x).intervals(0.95)[0]
    run = np.repeat(np.arange(40), 2)
    means = Bootstrap(40, np.random.default_rng(0)).means(np.zeros(80, int), run, np.repeat(x, 2), np.ones(80))
    assert (once.lo, once.hi) == pytest.approx((means.intervals(0.95)[0].lo, means.intervals(0.95)[0].hi))


def test_resamples_that_do_not_fit_at_once_are_the_same_every_time(monkeypatch):
    x = np.random.default_rng(2).normal(size=40)
    monkeypatch.setattr(intervals, "_CHUNK", 40 * 7)
    boot = Bootstrap(40, np.random.default_rng(0))
    first, second = boot.of_runs(x).intervals(0.95)[0], boot.of_runs(x).intervals(0.95)[0]
    assert first == second and first.lo < first.estimate < first.hi


def test_what_never_varies_has_an_interval_of_no_width():
    found = Bootstrap(30, np.random.default_rng(0)).of_runs(np.full(30, 0.1)).intervals(0.95)[0]
    assert found.lo == found.hi == pytest.approx(0.1)


@pytest.mark.parametrize("law", ["normal", "skewed", "rare"])
def test_intervals_cover(law):
    """300 logs of 60 runs; fewer than 265 hits are a false alarm in 10^6 at level 0.95."""
    rng, hits = np.random.default_rng(4), 0
    for seed in range(300):
        x = {"normal": rng.normal(size=60), "skewed": rng.exponential(size=60) ** 1.5,
             "rare": (rng.random(60) < 0.05).astype(float)}[law]  # fmt: skip
        mean = {"normal": 0.0, "skewed": 1.3293403881791372, "rare": 0.05}[law]
        found = Bootstrap(60, np.random.default_rng(seed)).of_runs(x).intervals(0.95)[0]
        # Where nothing rare was seen there is no width, and no miss of the tail can be told.
        hits += found.lo <= mean <= found.hi or (law == "rare" and not x.any())
    assert hits >= 265


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_chernoff_holds_for_coins(p):
    """Exactly: the probability that the bound falls below p is at most the risk."""
    n, risk = 80, 0.05
    bounds = np.array([chernoff_upper(k / n, np.log(1 / risk) / n) for k in range(n + 1)])
    assert (np.diff(bounds) >= 0).all() and bounds[-1] == 1.0
    missed = stats.binom.pmf(np.arange(n + 1), n, p)[bounds < p].sum()
    assert missed <= risk
    assert p < 0.1 or missed > risk / 60, "no bound of this kind is so careful"
