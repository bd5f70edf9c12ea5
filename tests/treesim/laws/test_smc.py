"""The exact law of SMC against every ordered population, on trees and trellises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import naive
from tests.shapes import trellis
from treesim import SMC, Instance, NoExactLaw, PathListLaw, Scaled, Trellis, family, sampler, unroll
from treesim.kernels.smc_counts import binomial_step, keep_one
from treesim.testing.strategies import instances, trellis_instances

INSTANCE = family("random-branching", horizon=4, branching=3, perturbation="log-normal:sigma=0.6", seed=9)


SMALL = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)


@given(instances(max_leaves=4), st.sampled_from(["reference", "optimal"]), st.integers(1, 2))
@settings(max_examples=60)
def test_the_law_is_that_of_every_ordered_population(instance, proposal, particles):
    exact = naive.smc(instance.graph, naive.fractions(instance.value.to_float()), particles, proposal)
    found = SMC(particles, proposal=proposal).law(instance).prob.to_float()
    np.testing.assert_allclose(found, [float(x) for x in exact], rtol=1e-9, atol=1e-13)


def test_three_particles_too():
    instance = family("dirichlet", horizon=2, perturbation="log-normal:sigma=1", seed=4)
    exact = naive.smc(instance.graph, naive.fractions(instance.value.to_float()), 3, "reference")
    np.testing.assert_allclose(SMC(3).law(instance).prob.to_float(), [float(x) for x in exact], rtol=1e-11)


def test_one_particle_with_the_optimal_proposal_is_guidance():
    guided = sampler("sp-gsmc").law(INSTANCE).prob.to_float()
    np.testing.assert_allclose(SMC(1, proposal="optimal").law(INSTANCE).prob.to_float(), guided, rtol=1e-12)


@given(trellis_instances(max_edges=3, max_horizon=3), st.sampled_from(["reference", "optimal"]), st.integers(1, 3))
@settings(max_examples=60)
def test_the_law_of_every_path_of_a_trellis_is_that_of_its_leaf(instance, proposal, particles):
    same_on_the_tree(instance, proposal, particles)


@pytest.mark.parametrize("particles", [2, 3])
@pytest.mark.parametrize("proposal", ["reference", "optimal"])
def test_laws_that_are_listed_path_by_path_are_those_of_the_tree(proposal, particles):
    listed = sum(same_on_the_tree(trellis(seed, nodes=2), proposal, particles) for seed in range(12))
    assert listed > 8, listed


def same_on_the_tree(instance, proposal, particles) -> bool:
    """Compare the law on a trellis with that on its tree; whether it is listed path by path."""
    plain = unroll(instance)
    place = {tuple(plain.graph.choices(leaf)): leaf for leaf in range(plain.graph.n_leaves)}
    law, expected = (SMC(particles, proposal=proposal).law(one) for one in (instance, plain))
    assert law.tv(instance.target).lo == pytest.approx(expected.tv(plain.target).lo, abs=1e-11)
    np.testing.assert_allclose(law.expected(instance.reward), expected.expected(plain.reward), rtol=1e-9, atol=1e-13)
    if isinstance(law, PathListLaw):
        found = np.zeros(plain.graph.n_leaves)
        found[[place[tuple(instance.graph.choices(path))] for path in law.edges]] = law.prob.to_float()
        np.testing.assert_allclose(found, expected.prob.to_float(), rtol=1e-9, atol=1e-13)
        if not (plain.target.prob.to_float()[expected.prob.to_float() == 0] > 0).any():
            assert law.kl(instance.target) == pytest.approx(expected.kl(plain.target), rel=1e-6, abs=1e-9)
    return isinstance(law, PathListLaw)


@pytest.mark.parametrize("particles", [2, 16, 1024])
def test_two_kinds_are_a_chain_of_binomials(particles):
    """One hidden node of level 2 among four, boosted on the next step: particles on it, off it."""
    trellis = Trellis.from_layers([[[0.5, 0.5]], [[0.5, 0.5], [0.0, 1.0]], np.eye(2), np.eye(2)])
    value = Scaled.from_float(np.array([1, 1, 1, 1, 1, 2, 0.5, 4, 0.25]))
    n = np.arange(particles + 1)
    kept = n * 2 / (n * 2 + (particles - n) / 2)
    mass = stats.binom.pmf(n, particles, 0.5)
    for rho in (n / particles / 2, n / particles, kept):
        mass = mass @ stats.binom.pmf(n, particles, rho[:, None])
    law = SMC(particles).law(Instance(trellis, value))
    assert law.expected(Scaled.from_float([1.0, 0.0])) == pytest.approx(float(mass @ kept), rel=1e-11)


def test_laws_that_are_out_of_reach_say_what_they_would_cost():
    with pytest.raises(NoExactLaw, match=r"the exact law of smc:particles=64 takes .* operations"):
        SMC(64).law(SMALL)
    with pytest.raises(NoExactLaw, match="multinomial resampling at every step"):
        SMC(4, "systematic").law(SMALL)
    with pytest.raises(NoExactLaw, match="paths or more through"):
        SMC(8).law(family("markov", horizon=40, states=2))


@pytest.mark.parametrize("size", [1, 5, 300])
def test_binomial_steps_keep_their_digits_out_to_the_tails(size):
    rho = np.array([[0.2, 0.8], [0.0, 1.0], [0.999, 0.001], [1.0, 0.0]])
    for s in range(4):
        mass, out = np.zeros((1, 4)), np.zeros((1, size + 1))
        mass[0, s] = 1.0
        binomial_step(rho, mass, size, out)
        np.testing.assert_allclose(
            out[0], stats.binom.pmf(np.arange(size + 1), size, rho[s, 0]), rtol=1e-11, atol=2e-18
        )


def test_among_nothing_but_zeros_the_one_beside_them_is_as_likely_as_each():
    rho, kept = np.array([[0.25, 0.75]]), np.zeros((1, 2))
    nothing = np.full(2, -np.inf)
    keep_one(0, 1, rho, nothing, 3.0, -np.inf, True, kept)
    np.testing.assert_allclose(kept, [[0.25 * 0.75, 0.75 * 0.75]])
    keep_one(0, 1, rho, nothing, 3.0, -np.inf, False, kept)
    np.testing.assert_allclose(kept, rho)
    # Beside one that weighs something all zeros lose.
    keep_one(0, 1, rho, nothing, 3.0, 0.0, True, kept)
    assert kept.tolist() == [[0.0, 0.0]]
