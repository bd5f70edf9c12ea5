import numpy as np
import pytest
from scipy import stats

from treesim import SMC, Importance, Rejection, SpecError, family
from treesim.estimation import estimate

INSTANCE = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)


@pytest.mark.parametrize("sampler", [SMC(2), SMC(5), Importance(3), SMC(4, proposal="optimal")])
def test_intervals_cover_the_exact_tv_at_their_level(sampler):
    exact = sampler.law(INSTANCE).tv(INSTANCE.target).lo
    level, repeats = 0.9, 120
    missed = sum(
        not tv.lo <= exact <= tv.hi
        for seed in range(repeats)
        if (tv := estimate(sampler, INSTANCE, n=600, seed=seed, level=level).tv)
    )
    # More misses than this have a chance below 10^-7 if the level is kept.
    assert missed <= stats.binom.isf(1e-7, repeats, 1 - level)


def test_intervals_narrow_around_the_exact_tv():
    exact = SMC(3).law(INSTANCE).tv(INSTANCE.target).lo
    wide, narrow = (estimate(SMC(3), INSTANCE, n=n).tv for n in (1_000, 100_000))
    assert narrow.lo <= exact <= narrow.hi
    assert narrow.hi - narrow.lo < 0.02 < wide.hi - wide.lo
    assert narrow.kind == "estimated"
    assert narrow.level == 0.99


def test_a_sampler_that_is_exact_is_not_found_wrong():
    instance = family("dirichlet", horizon=4, seed=3)
    tv = estimate(SMC(1, proposal="optimal"), instance, n=50_000).tv
    assert tv.lo == 0.0
    assert tv.hi < 0.03


def test_the_expected_reward_is_estimated_too():
    exact = SMC(3).law(INSTANCE).expected(INSTANCE.reward)
    assert estimate(SMC(3), INSTANCE, n=200_000).expected_reward == pytest.approx(exact, rel=0.01)


def test_runs_that_return_nothing_count_against_the_sampler():
    sampler = Rejection(1, fallback="fail")
    exact = sampler.law(INSTANCE).tv(INSTANCE.target).lo
    tv = estimate(sampler, INSTANCE, n=50_000).tv
    assert tv.hi >= exact / 2


def test_on_a_trellis_runs_bound_from_below_only():
    tv = estimate(SMC(2), family("markov", horizon=30, perturbation="log-normal:sigma=1", seed=1), n=20_000).tv
    assert 0 < tv.lo < tv.hi == 1.0


def test_the_same_bits_for_any_number_of_threads(monkeypatch):
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("TREESIM_THREADS", threads)
        found.append(estimate(SMC(8), INSTANCE, n=20_000, seed=3))
    assert found[0] == found[1]


def test_too_few_runs_are_refused():
    with pytest.raises(SpecError, match="at least 20 runs"):
        estimate(SMC(2), INSTANCE, n=3)
    assert np.isfinite(estimate(SMC(2), INSTANCE, n=20).tv.hi)
