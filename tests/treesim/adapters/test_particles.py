"""The library particles on trees; it needs numpy 1, so `libraries.py` beside this file runs these in their own
environment."""

import numpy as np
import pytest

from treesim import family, sampler
from treesim.adapters import library
from treesim.testing import goodness_of_fit

pytest.importorskip(
    "particles", reason="particles is not installed: it needs numpy 1; see tests/treesim/adapters/libraries.py"
)

INSTANCE = family("uniform", horizon=3, reward="gaussian:beta=1", seed=0)
SMALLEST = family("product", horizon=2, ratio=3.0)


@pytest.mark.parametrize(
    ("resampling", "threshold"),
    [*((scheme, 1.0) for scheme in ("multinomial", "residual", "stratified", "systematic", "ssp", "killing")),
     ("systematic", 0.5)],
)  # fmt: skip
def test_every_scheme_comes_to_the_target(resampling, threshold):
    kind = library("particles").sampler(f"smc:particles=64,resampling={resampling},threshold={threshold}")
    assert goodness_of_fit(kind.simulate(INSTANCE, 600, seed=1), INSTANCE.target).passed


def test_multinomial_resampling_has_our_exact_law():
    kind = library("particles").sampler("smc:particles=3,resampling=multinomial,threshold=1.0")
    draws = kind.simulate(SMALLEST, 6_000, seed=1)
    assert goodness_of_fit(draws, sampler("smc:particles=3").law(SMALLEST)).passed
    assert not goodness_of_fit(draws, SMALLEST.target).passed


def test_quasi_monte_carlo_comes_to_the_target():
    draws = library("particles").sampler("sqmc:particles=64").simulate(INSTANCE, 1_000, seed=1)
    assert goodness_of_fit(draws, INSTANCE.target).passed


def test_particle_gibbs_needs_shuffled_ancestors():
    """Two steps, two particles: with the library's sorted ancestors a sweep is off; shuffled ones have our law."""
    law = sampler("particle-gibbs:particles=2,sweeps=4").law(SMALLEST)
    spec = "particle-gibbs:particles=2,sweeps=4,ancestors="
    shuffled, plain = (
        library("particles").sampler(spec + ancestors).simulate(SMALLEST, runs, seed=1)
        for ancestors, runs in (("shuffled", 5_000), ("sorted", 20_000))
    )
    assert goodness_of_fit(shuffled, law).passed
    assert not goodness_of_fit(plain, law).passed


def test_the_reference_particle_keeps_the_ancestor_that_was_replaced():
    """A potential that reads `xp` weighs the reference by another particle's past."""
    law = sampler("particle-gibbs:particles=3,sweeps=4").law(SMALLEST)
    spec = "particle-gibbs:particles=3,sweeps=4,ancestors=shuffled,potential="
    own, given = (
        library("particles").sampler(spec + potential).simulate(SMALLEST, runs, seed=1)
        for potential, runs in (("own", 4_000), ("given", 12_000))
    )
    assert goodness_of_fit(own, law).passed
    assert not goodness_of_fit(given, law).passed


def test_seeds_decide():
    kind = library("particles").sampler("smc:particles=8,resampling=ssp")
    first = kind.simulate(INSTANCE, 30, seed=1).leaf
    assert (kind.simulate(INSTANCE, 30, seed=1).leaf == first).all()
    assert (kind.simulate(INSTANCE, 30, seed=2).leaf != first).any()
    assert np.unique(first).size > 1
