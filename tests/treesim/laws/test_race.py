"""The race: its law against rational enumeration and against Metropolis-Hastings, and against importance resampling."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.statistics import fits
from treesim import SMC, GuidedSMC, Importance, LeafLaw, Race, Scaled, SpecError, family, sampler
from treesim.kernels.race import race_by_log
from treesim.laws.corrected import corrected_law
from treesim.testing.strategies import instances

INSTANCE = family("random-branching", horizon=3, branching=3, perturbation="log-normal:sigma=0.6", seed=9)
weights = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=5)


def naive_race(prob, weight, draws):
    """N int_w^inf G(s)^(N-1) s^-2 ds times p w: G = a - b / s between neighbouring weights, in rationals."""
    zero = sum(p for p, w in zip(prob, weight, strict=True) if not w)
    knots = sorted({w for w in weight if w})
    law = []
    for p, w in zip(prob, weight, strict=True):
        if not w:
            law.append(p * zero ** (draws - 1))
            continue
        total = Fraction(0)
        for low, high in zip(knots, [*knots[1:], None], strict=True):
            if low < w:
                continue
            a = sum(x for x, v in zip(prob, weight, strict=True) if v <= low)
            b = sum(x * v for x, v in zip(prob, weight, strict=True) if v <= low)
            ends = [a - b / low, a - b / high if high else a]
            total += (ends[1] ** draws - ends[0] ** draws) / b
        law.append(p * w * total)
    return law


@given(weights, st.integers(1, 12))
@settings(max_examples=100)
def test_the_law_of_a_race(outcomes, draws):
    total = sum(mass for mass, _ in outcomes)
    prob = [Fraction(mass, total) for mass, _ in outcomes]
    weight = [Fraction(w) for _, w in outcomes]
    log_h = np.empty(len(prob))
    with np.errstate(divide="ignore"):
        race_by_log(np.array([float(p) for p in prob]), np.log([float(w) for w in weight]), float(draws), log_h)
    found = np.array([float(p) for p in prob]) * np.exp(log_h)
    np.testing.assert_allclose(found, [float(x) for x in naive_race(prob, weight, draws)], rtol=1e-11, atol=1e-300)
    assert found.sum() == pytest.approx(1.0, rel=1e-12)


@given(instances(), st.integers(1, 40))
@settings(max_examples=100)
def test_a_race_is_metropolis_hastings_in_one_round(instance, draws):
    race = Race(draws).law(instance)
    chain = corrected_law(LeafLaw(instance.reference.prob), instance.target, draws)
    # Values that are 10^200 apart have logs of 500, and digits to match.
    largest = float(np.abs(instance.log_reward[np.isfinite(instance.log_reward)]).max())
    assert race.tv(chain).hi < 1e-14 * max(1.0, largest / 50)


@given(instances(), st.integers(2, 30))
@settings(max_examples=150)
def test_a_race_is_never_farther_than_importance_resampling(instance, draws):
    race, resampling = (kind(draws).law(instance) for kind in (Race, Importance))
    for divergence in (
        lambda law: law.tv(instance.target).hi,
        lambda law: law.kl(instance.target),
        lambda law: law.chi2(instance.target),
    ):
        near, far = divergence(race), divergence(resampling)
        assert near <= far * (1 + 1e-9) + 1e-13


@pytest.mark.parametrize(
    "spec",
    ["race:n=1", "race:n=4", "sp-gsmc:pool=3,select=race", "smc:particles=3,final=race",
     "smc:particles=2,final=race,proposal=optimal"],
)  # fmt: skip
def test_simulated_races_have_their_law(spec):
    kind = sampler(spec)
    law = kind.law(INSTANCE)
    assert law.prob.to_float().sum() == pytest.approx(1.0, abs=1e-12)
    draws = kind.simulate(INSTANCE, 200_000, seed=4)
    assert fits(draws, law)
    assert draws.value_queries / 200_000 == pytest.approx(kind.cost(INSTANCE).value_queries, rel=0.01)
    by_weight = {"race:n=1": None, "race:n=4": "importance:n=4"}.get(
        spec, spec.replace(",select=race", "").replace(",final=race", "")
    )
    if by_weight:
        assert not fits(draws, sampler(by_weight).law(INSTANCE))


def test_a_race_at_the_end_of_smc_that_never_resamples_is_a_race_of_whole_paths():
    never = SMC(6, threshold=1e-9, final="race")
    assert fits(never.simulate(INSTANCE, 200_000, seed=8), Race(6).law(INSTANCE))
    members = SMC(64, threshold=1e-9, final="race")
    assert fits(members.simulate(INSTANCE, 50_000, seed=8), Race(64).law(INSTANCE))


def test_where_the_counts_do_not_matter_smc_with_a_race_is_a_walk():
    """Independent bits: one of N kept by weight at every step but the last, by a race there."""
    instance = family("product", horizon=3, ratio=2.0)
    trellis = family("product", horizon=40, ratio=1.2)
    law = SMC(3, final="race").law(instance)
    assert fits(SMC(3, final="race").simulate(instance, 200_000, seed=2), law)
    assert SMC(3, final="race").law(trellis).tv(trellis.target) < SMC(3).law(trellis).tv(trellis.target)


def test_a_race_on_a_trellis_is_followed_path_by_path():
    chain = family("markov", horizon=4, states=2, perturbation="random-sign", epsilon=0.5)
    kind = SMC(3, final="race")
    law = kind.law(chain)
    assert law.prob.to_float().sum() == pytest.approx(1.0, abs=1e-12)
    assert law.tv(chain.target).lo < SMC(3).law(chain).tv(chain.target).lo
    draws = kind.simulate(chain, 200_000, seed=6)
    index = {tuple(path): i for i, path in enumerate(law.edges.tolist())}
    seen = np.bincount([index[tuple(path)] for path in draws.edges.tolist()], minlength=len(index)) / 200_000
    # Sum of |seen - law| / 2 is near sqrt(k / (2 pi n)): 16 paths, below 0.02 with a false alarm rarer than 1e-9.
    assert 0.5 * np.abs(seen - law.prob.to_float()).sum() < 0.01


def test_far_and_tiny_values_race_too():
    log_h = np.empty(3)
    race_by_log(np.array([0.2, 0.3, 0.5]), np.array([-3000.0, 0.0, 2000.0]), 4.0, log_h)
    # The heaviest is kept wherever it is drawn, the next where it is not and a draw of its own is there.
    assert math.exp(log_h[2]) * 0.5 == pytest.approx(1 - 0.5**4, rel=1e-12)
    assert math.exp(log_h[1]) * 0.3 == pytest.approx(0.5**4 - 0.2**4, rel=1e-12)
    assert math.exp(log_h[0]) * 0.2 == pytest.approx(0.2**4, rel=1e-12)
    tiny = family("dirichlet", horizon=3, seed=1)
    scaled = type(tiny)(tiny.graph, tiny.value * Scaled.from_log(np.array([-5000.0])))
    a, b = (GuidedSMC(pool=4, select="race").law(i).prob.to_float() for i in (tiny, scaled))
    np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sp-gsmc:select=race", "select=race stands beside pool=0, expected pool=M alone"),
        ("sp-gsmc:pool=2,mh=3,select=race", "select=race stands beside mh=3"),
        ("sp-gsmc:pool=2,select=best", "select is 'best', expected one of: weight, race"),
        ("smc:particles=2,final=best", "final is 'best', expected one of: weight, race"),
        ("race:n=0", "n is 0, expected at least 1"),
    ],
)
def test_parameters_of_races(spec, message):
    with pytest.raises(SpecError, match=message):
        sampler(spec)
