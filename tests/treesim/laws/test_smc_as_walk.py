"""Where all nodes offer the same weights, SMC is a walk of independent steps."""

import numpy as np
import pytest
from scipy import stats

from treesim import SMC, family
from treesim.laws.smc_as_walk import _same_offers


def bernoulli(particles: int, ratio: float) -> float:
    """Chance of a one at each step of the product model: E[K r / (K r + N - K)], K ~ Bin(N, 1/2)."""
    k = np.arange(particles + 1)
    return float((stats.binom.pmf(k, particles, 0.5) * k * ratio / (k * ratio + particles - k)).sum())


@pytest.mark.parametrize("particles", [1, 2, 5, 8])
def test_the_product_model_gives_independent_steps(particles):
    instance = family("product", horizon=4, ratio=1.7)
    one = bernoulli(particles, 1.7)
    ones = np.array([bin(x).count("1") for x in range(16)])
    found = SMC(particles).law(instance).prob.to_float()
    np.testing.assert_allclose(found, one**ones * (1 - one) ** (4 - ones), rtol=1e-12)


def test_the_least_number_of_particles_on_the_product_model():
    """For TV <= 0.02 with r = 1 + 2 c / T, c = 1/2: the reference table, T up to 2^256 leaves."""
    least = []
    for horizon in (8, 16, 32, 64, 128, 256):
        instance = family("product", horizon=horizon, ratio=1 + 1 / horizon)
        least.append(next(n for n in range(1, 9) if SMC(n).law(instance).tv(instance.target).hi <= 0.02))
    assert least == [4, 3, 2, 2, 1, 1]


def test_offers_that_differ_by_more_than_rounding_are_two():
    ptr, prob = np.array([0, 2, 4]), np.array([0.5, 0.5, 0.5, 0.5])
    weights, chances, place = _same_offers(ptr, prob, np.array([0.0, 1e-9, 1e-9, 0.0]), 1e-13)
    assert (weights.tolist(), chances.tolist(), place.tolist()) == ([0.0, 1e-9], [0.5, 0.5], [0, 1, 1, 0])
    weights, chances, place = _same_offers(ptr, prob, np.array([0.0, 1e-14, 0.0, 0.0]), 1e-13)
    assert (weights.tolist(), chances.tolist(), place.tolist()) == ([0.0], [1.0], [0, 0, 0, 0])
    # Chances are compared with the rarest offer, not with one.
    rare = np.array([1e-12, 1.0, 1.1e-12, 1.0])
    assert _same_offers(ptr, rare, np.array([5.0, 0.0, 5.0, 0.0]), 1e-13) is None
