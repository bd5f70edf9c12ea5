"""its-hub's own samplers on trees: which of them draw from what, with the exact twist as reward model."""

import random

import numpy as np
import pytest

from treesim import family, sampler
from treesim.adapters import library
from treesim.empirical.identification import identify_law, log_values, tilted
from treesim.errors import SpecError
from treesim.testing import goodness_of_fit

pytest.importorskip("its_hub", reason="its-hub is not installed")

INSTANCE = family("uniform", horizon=3, reward="gaussian:beta=1", seed=0)
TARGET = INSTANCE.target.prob.to_float()


def its(spec):
    return library("its-hub").sampler(spec)


def distance(draws, law):
    return 0.5 * np.abs(np.bincount(draws.leaf, minlength=len(law)) / len(draws.leaf) - law).sum()


def test_the_particle_filter_counts_every_value_and_the_last_twice():
    found = identify_law(its("particle-filtering"), INSTANCE, runs=1_000, sizes=(32,))
    assert found.candidates[0].name == "pi_ref prod_t V_t, V_T once more"
    assert found.candidates[0].probability > 0.99
    assert found.rows[-1].tv.lo > 0.2
    for exponent, expected in zip(found.exponents, (1.0, 1.0, 2.0), strict=True):
        assert exponent.low < expected < exponent.high
    limit = tilted(INSTANCE, log_values(INSTANCE), np.array([1.0, 1.0, 2.0]))
    assert 0.5 * np.abs(found.frequencies - limit).sum() < 0.06


def test_other_scores_bring_it_to_the_target():
    draws = its("particle-filtering:particles=64,reward=ratio").simulate(INSTANCE, 400, seed=1)
    assert goodness_of_fit(draws, INSTANCE.target).passed
    before = its("particle-filtering:particles=32").simulate(INSTANCE, 150, seed=1)
    assert distance(before, TARGET) > 0.2 > 3 * distance(draws, TARGET)


@pytest.mark.parametrize("reward", ["value", "ratio"])
def test_prefixes_without_value_and_beyond_floats_are_scored(reward):
    sparse = family("uniform", horizon=4, reward="sparse:share=0.1", seed=2)
    draws = its(f"particle-filtering:particles=8,reward={reward}").simulate(sparse, 20, seed=0)
    assert (draws.leaf >= 0).all()
    # Scores saturate at odds of 1e7: later steps are told apart no more.
    steep = family("product", horizon=3, ratio=1e200)
    assert (its(f"particle-filtering:particles=32,reward={reward}").simulate(steep, 20, seed=0).leaf >= 4).all()


def test_argmax_selection_prefers_the_best_leaf():
    draws = its("particle-filtering:particles=32,selection=argmax").simulate(INSTANCE, 200, seed=1)
    assert (draws.leaf == TARGET.argmax()).mean() > TARGET.max() + 0.3


def test_one_particle_is_the_reference_policy():
    draws = its("particle-filtering:particles=1").simulate(INSTANCE, 1_000, seed=1)
    assert goodness_of_fit(draws, INSTANCE.reference).passed
    assert draws.reference_draws == 3 * 1_000


@pytest.mark.parametrize("n", [1, 2, 5])
def test_best_of_n_has_our_exact_law(n):
    draws = its(f"best-of-n:particles={n}").simulate(INSTANCE, 1_000, seed=2)
    assert goodness_of_fit(draws, sampler(f"best-of-n:n={n}").law(INSTANCE)).passed
    assert draws.reference_draws == 3 * n * 1_000


@pytest.mark.parametrize("spec", ["entropic-particle-filtering:particles=16", "particle-gibbs:particles=8,sweeps=3"])
def test_the_other_particle_methods_with_the_value_as_score_are_not_at_the_target(spec):
    draws = its(spec).simulate(INSTANCE, 400, seed=3)
    assert not goodness_of_fit(draws, INSTANCE.target).passed


def test_beam_search_finds_the_best_leaf():
    draws = its("beam-search:particles=64,width=8").simulate(INSTANCE, 100, seed=3)
    assert (draws.leaf == TARGET.argmax()).mean() > 0.9


def test_seeds_decide_and_the_global_generators_are_left_alone():
    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    leaf = its("particle-filtering:particles=4").simulate(INSTANCE, 50, seed=1).leaf
    assert (random.random(), np.random.random()) == expected
    assert (its("particle-filtering:particles=4").simulate(INSTANCE, 50, seed=1).leaf == leaf).all()
    assert (its("particle-filtering:particles=4").simulate(INSTANCE, 50, seed=2).leaf != leaf).any()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("luck", "unknown algorithm of its-hub 'luck'"),
        ("particle-filtering:selection=best", "selection is 'best', expected one of: sample, argmax"),
        ("particle-filtering:reward=odds", "reward is 'odds'"),
        ("beam-search:particles=6", "particles is 6, expected a multiple of the width, 4"),
    ],
)
def test_wrong_specs_are_one_line(spec, message):
    with pytest.raises(SpecError, match=message):
        its(spec).simulate(INSTANCE, 10, seed=0)
