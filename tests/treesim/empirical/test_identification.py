"""The audit of a sampler: it names the law, fits the exponents, and its intervals hold."""

import math

import numpy as np
import pytest
from scipy import stats

from treesim import SpecError, family, sampler, unroll
from treesim.empirical import identification
from treesim.empirical.identification import NONE, fit_exponents, identify_law, log_values, tilted, tv_interval

INSTANCE = family("uniform", horizon=3, reward="gaussian:beta=1", seed=0)


@pytest.mark.parametrize(
    ("spec", "name", "exponents"),
    [
        ("sp-gsmc", "target", (0, 0, 1)),
        ("base", "pi_ref, untilted", (0, 0, 0)),
        ("best-of-n:n=4000", "argmax of the reward", None),
        ("best-of-n:n=4", NONE, None),
    ],
)
def test_known_laws_are_named(spec, name, exponents):
    kind = sampler(spec)
    sizes = (getattr(kind, "n", 1),)
    found = identify_law(kind, INSTANCE, runs=3_000, sizes=sizes)
    assert found.candidates[0].name == name and found.candidates[0].probability > 0.99
    assert sum(candidate.probability for candidate in found.candidates) == pytest.approx(1.0)
    if exponents is not None:
        assert all(each.low < a < each.high for each, a in zip(found.exponents, exponents, strict=True))


@pytest.mark.parametrize("exponents", [(0.0, 0.0, 1.0), (1.0, 1.0, 2.0), (-0.5, 0.3, 0.8)])
def test_the_fit_finds_the_exponents_of_expected_counts(exponents):
    law = tilted(INSTANCE, log_values(INSTANCE), np.array(exponents))
    found, _ = fit_exponents(law * 1e6, INSTANCE, log_values(INSTANCE))
    np.testing.assert_allclose(found, exponents, atol=1e-6)


def test_intervals_of_exponents_hold_as_often_as_they_say():
    """99% intervals of three exponents in 200 audits: 14 misses or fewer, but in one of 10^3 suites by chance."""
    features, missed = log_values(INSTANCE), 0
    true = np.array([0.2, 0.5, 1.5])
    law = tilted(INSTANCE, features, true)
    rng = np.random.default_rng(0)
    for _ in range(200):
        count = np.bincount(rng.choice(len(law), 2_000, p=law), minlength=len(law))
        found, information = fit_exponents(count, INSTANCE, features)
        margin = 2.5758 * np.sqrt(np.diag(np.linalg.inv(2_000 * information)))
        missed += int((np.abs(found - true) > margin).sum())
    assert missed <= 14


def test_the_tv_interval_holds():
    law, other = INSTANCE.target.prob.to_float(), INSTANCE.reference.prob.to_float()
    rng, true = np.random.default_rng(0), 0.5 * np.abs(law - other).sum()
    for n in (100, 1_000, 10_000):
        for _ in range(100):
            count = np.bincount(rng.choice(len(law), n, p=other), minlength=len(law))
            found = tv_interval(count, law, n)
            assert found.lo <= true <= found.hi


def test_values_that_do_not_vary_are_not_told():
    found = identify_law(sampler("sp-gsmc"), family("hidden-prefix", horizon=3, epsilon=1.0), runs=500)
    assert found.exponents[0].estimate is None
    assert found.exponents[2].estimate is not None


def test_trellises_and_too_few_runs_are_refused():
    markov = family("markov", horizon=3)
    with pytest.raises(SpecError, match="unroll the trellis first"):
        identify_law(sampler("base"), markov)
    assert identify_law(sampler("base"), unroll(markov), runs=200).runs == 200
    with pytest.raises(SpecError, match="runs is 5"):
        identify_law(sampler("base"), INSTANCE, runs=5)


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_the_tv_interval_is_that_of_the_formulas(level):
    count, law, n = np.array([30, 50, 0, 10]), np.array([0.25, 0.25, 0.5, 0.0]), 100
    observed = 0.5 * (np.abs(count / n - law).sum() + 0.1)  # ten runs returned nothing
    margin = math.sqrt(math.log(2 / (1 - level)) / (2 * n))
    tv = tv_interval(count, law, n, level)
    assert tv.lo == pytest.approx(observed - margin - 0.5 * math.sqrt((4 - 1) / n), abs=1e-15)
    assert tv.hi == pytest.approx(observed + margin, abs=1e-15)
    assert (tv.kind, tv.level) == ("estimated", level)


def test_intervals_of_exponents_are_at_the_level_that_is_said():
    assert pytest.approx(stats.norm.ppf(0.5 + identification.LEVEL / 2), abs=1e-12) == identification._QUANTILE
    identified = identify_law(sampler("sp-gsmc"), INSTANCE, runs=3_000)
    _, information = fit_exponents(np.round(3_000 * identified.frequencies).astype(int), INSTANCE, log_values(INSTANCE))
    margin = stats.norm.ppf(0.995) * np.sqrt(np.diag(np.linalg.inv(3_000 * information)))
    for each, half in zip(identified.exponents, margin, strict=True):
        assert each.high - each.estimate == pytest.approx(half, rel=1e-9)
        assert each.estimate - each.low == pytest.approx(half, rel=1e-9)


def test_the_floor_is_what_exact_draws_have():
    identified = identify_law(sampler("sp-gsmc"), INSTANCE, runs=3_000)
    target = INSTANCE.target.prob.to_float()
    rng = np.random.default_rng(1)
    seen = [0.5 * np.abs(rng.multinomial(3_000, target) / 3_000 - target).sum() for _ in range(400)]
    # E|X| <= sd, and sqrt(2 / pi) of it for the normal law.
    assert 0.75 * identified.floor < np.mean(seen) < identified.floor


def test_a_row_says_what_one_run_costs():
    rows = identify_law(sampler("importance:n=2"), INSTANCE, runs=200, sizes=(3, 5)).rows
    assert [(row.size, row.reference_draws, row.value_queries) for row in rows] == [(3, 9.0, 3.0), (5, 15.0, 5.0)]
    assert all(0 < row.seconds < 1 for row in rows)
