"""Least parameters against closed forms and tables, fits against data of known growth."""

import math

import numpy as np
import pytest
from scipy import stats

from treesim import SMC, Importance, NoExactLaw, SpecError, family, need, sampler
from treesim.empirical.measure import distance
from treesim.laws.density_ratio import Effort
from treesim.studies import scaling
from treesim.studies.scaling import STUDENT, fit, instance_at, least, scale, varying


def test_the_table_of_the_product_model():
    rows = list(scale("product", "smc", [8, 16, 32, 64, 128, 256], delta=0.02, epsilon="0.5/T"))
    assert [row.least for row in rows] == [4, 3, 2, 2, 1, 1]
    for row in rows:
        assert row.parameter == "particles"
        assert row.epsilon == pytest.approx(0.5 / row.horizon, rel=1e-9)
        assert row.queries == row.least * row.horizon
        assert row.tv.hi <= 0.02


def test_without_a_good_value_draws_grow_exponentially_and_with_one_they_do_not():
    rows = scale("uniform", "importance", [2, 4, 6, 8], 0.1, reward="right-steps:right=1,penalty=100")
    counts = {row.horizon: row.least for row in rows}
    assert fit(counts).verdict == "exponential"
    assert fit(counts).exponential.exponent == pytest.approx(math.log(2), rel=0.03)
    needed = {row.horizon: row.least for row in scale("perfect-value", "smc", [20, 40, 60, 80], 0.1)}
    found = fit(needed)
    assert found.verdict == "power"
    assert found.power.low <= 0.5 <= found.power.high


def test_the_least_is_the_least():
    instance = family("dirichlet", horizon=5, seed=4)
    n = next(row.least for row in scale("dirichlet", "importance", [5], 0.05, seed=4))
    tv = [Importance(k).law(instance).tv(instance.target).hi for k in range(1, n + 1)]
    assert tv[-1] <= 0.05 < min(tv[:-1])
    for bound in (1, 5, 8, 9, 100, 12345):
        assert least(lambda n, bound=bound: n >= bound) == bound
    assert least(lambda n: False, largest=1000) is None


def test_what_never_reaches_delta_is_none_and_keeps_the_last_tv():
    # best-of-N never samples from the target: it ends at the best leaf.
    row = next(scale("dirichlet", "best-of-n", [4], delta=0.01))
    assert row.least is None and row.queries is None
    assert row.tv.lo > 0.5


def test_where_there_is_no_law_runs_estimate():
    row = next(scale("dirichlet", "smc:resampling=systematic", [4], 0.3, runs=4_000, epsilon="0.2"))
    assert row.tv.kind == "estimated"
    instance = instance_at("dirichlet", 4, "0.2", 0)
    assert distance(SMC(row.least, "systematic"), instance, runs=4_000).hi <= 0.3
    assert instance.audit.bellman_error == pytest.approx(0.2)
    hidden = instance_at("hidden-prefix", 9, "0.5", 0)
    assert hidden.audit.bellman_error == pytest.approx(0.5)


def test_fits_know_powers_from_exponentials():
    horizons = (4, 8, 16, 32, 64)
    rng = np.random.default_rng(0)
    noise = dict(zip(horizons, np.exp(rng.normal(0, 0.05, 5)), strict=True))
    power = fit({t: 7 * t**0.5 * noise[t] for t in horizons})
    assert power.verdict == "power" and power.power.low < 0.5 < power.power.high
    exponential = fit({t: math.exp(0.2 * t) * noise[t] for t in horizons})
    assert exponential.verdict == "exponential" and exponential.exponential.low < 0.2 < exponential.exponential.high
    assert fit(dict.fromkeys(horizons, 3)).verdict == "constant"
    assert fit({8: 4, 16: 3}) is None
    assert fit({8: 10, 9: 12, 10: 11.5}).verdict == "undecided"


def test_bad_questions_are_refused():
    with pytest.raises(SpecError, match=r"delta is 1\.5"):
        next(scale("product", "smc", [4], 1.5))
    with pytest.raises(SpecError, match="has no parameter 'n'"):
        varying("smc", "n")
    with pytest.raises(SpecError, match="no parameter that must be given"):
        varying("sp-gsmc", None)
    with pytest.raises(SpecError, match="unknown sampler 'luck'"):
        varying("luck", None)


def test_intervals_of_slopes_are_students():
    for freedom in range(1, len(STUDENT)):
        assert STUDENT[freedom] == pytest.approx(stats.t.ppf(0.975, freedom), abs=6e-4)
    for n in (5, 12, 16, 40):
        horizons = np.arange(4, 4 + n)
        counts = np.exp(0.7 * np.log(horizons) + np.random.default_rng(n).normal(0, 0.1, n))
        power = fit(dict(zip(horizons.tolist(), counts.tolist(), strict=True))).power
        line = stats.linregress(np.log(horizons), np.log(counts))
        assert power.exponent == pytest.approx(line.slope)
        assert power.high - power.exponent == pytest.approx(stats.t.ppf(0.975, n - 2) * line.stderr, rel=2e-3)
        assert power.exponent - power.low == pytest.approx(power.high - power.exponent)
        assert power.intercept == pytest.approx(line.intercept)
        rest = np.log(counts) - line.intercept - line.slope * np.log(horizons)
        assert power.aic == pytest.approx(n * math.log((rest**2).mean()) + 6)


def test_what_an_instance_needs_is_what_its_family_needs_there():
    instance = family("product", horizon=16, epsilon="0.5/T")
    assert need(instance, "smc", 0.02) == next(scale("product", "smc", [16], 0.02, epsilon="0.5/T"))


@pytest.mark.parametrize(
    ("spec", "vary"), [("importance", None), ("rejection", "budget"), ("sp-gsmc", "pool"), ("sp-gsmc", "mh"),
                       ("sp-gsmc:mh=2", "pool"), ("random-suffix", "steps")]
)  # fmt: skip
def test_particles_paths_pools_and_steps_can_be_asked_for(spec, vary):
    instance = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.05, seed=2)
    tried = {}
    found = need(instance, spec, 0.05, vary, tried=lambda n, tv: tried.update({n: tv}))
    assert found.tv.hi <= 0.05
    assert found.tv == sampler(found.sampler).law(instance).tv(instance.target)
    assert found.queries == sampler(found.sampler).cost(instance).value_queries
    assert tried[found.least] == found.tv
    assert all(tv.hi > 0.05 for n, tv in tried.items() if n < found.least)


def test_no_size_beyond_the_largest_is_tried():
    instance = family("dirichlet", horizon=4)
    tried = []
    assert need(instance, "best-of-n", 0.01, largest=100, tried=lambda n, tv: tried.append(n)).least is None
    assert max(tried) == 100
    assert need(instance, "importance", 0.02, largest=3).least is None
    for largest in (1, 3, 8, 9, 31):
        assert least(lambda n: False, largest) is None
        assert least(lambda n, largest=largest: n >= largest, largest) == largest


def test_a_certified_need_is_as_near_as_asked():
    instance = family("markov", horizon=60, perturbation="log-uniform", epsilon="1/T")
    found = need(instance, "sp-gsmc", 0.01, "mh", effort=Effort(1e-4))
    assert found.tv.kind == "certified"
    assert 0 < found.tv.hi - found.tv.lo <= 1e-4


def test_what_cannot_grow_is_refused():
    instance = family("product", horizon=3)
    with pytest.raises(SpecError, match="particles varies, and 'smc:particles=8' gives it; leave it out"):
        need(instance, "smc:particles=8", 0.1)
    with pytest.raises(SpecError, match="temperature of 'soft-best-of-n' is no whole number"):
        need(instance, "soft-best-of-n:n=3", 0.1, "temperature")
    with pytest.raises(SpecError, match="delta is 0"):
        need(instance, "smc", 0.0)
    with pytest.raises(NoExactLaw, match="vgb walks on the prefixes of a tree"):
        need(family("markov", horizon=40), "vgb", 0.1)


def test_needs_have_the_runs_and_the_seed_that_are_given(monkeypatch):
    asked = []
    monkeypatch.setattr(scaling, "need", lambda instance, *rest: asked.append((instance.seed, *rest)))
    list(scale("dirichlet", "smc", [2, 3], 0.1, seed=7, runs=300))
    assert asked == [(7, "smc", 0.1, "particles", 300, 7)] * 2
