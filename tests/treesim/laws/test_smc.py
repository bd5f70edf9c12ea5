"""The exact law of SMC against every ordered population, on trees and trellises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import naive
from tests.shapes import trellis
from treesim import SMC, Instance, NoExactLaw, PathListLaw, Scaled, Tree, Trellis, family, sampler, unroll
from treesim.kernels.smc_counts import binomial_step, keep_one
from treesim.laws.particle_kinds import kinds_of
from treesim.laws.smc_chain import CountChain
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


def pairs_law(instance) -> np.ndarray:
    """The law of every leaf for two particles, from the matrix of the probabilities of all ordered pairs."""
    graph, value = instance.graph, instance.value.to_float()
    pair = np.ones((1, 1))
    for t in range(graph.horizon):
        step = np.zeros((graph.n_level(t), graph.n_level(t + 1)))
        step[graph.layer(t).sources(), np.arange(graph.n_level(t + 1))] = graph.layer(t).prob
        pair = step.T @ pair @ step
        weight = value[graph.level(t + 1)] / value[graph.level(t)][graph.layer(t).sources()]
        share = weight[:, None] / (weight[:, None] + weight)
        if t + 1 < graph.horizon:
            ahead, behind = share, share.T
            stay = np.diag((pair * ahead**2).sum(axis=1) + (pair * behind**2).sum(axis=0))
            pair = stay + pair * ahead * behind + (pair * ahead * behind).T
    return (pair * share).sum(axis=1) + (pair * share.T).sum(axis=0)


@pytest.mark.parametrize("horizon", [2, 5, 9])
def test_two_particles_one_by_one_are_a_chain_of_ordered_pairs(horizon):
    instance = family("dirichlet", horizon=horizon, perturbation="log-normal:sigma=0.7", seed=3)
    found = SMC(2).law(instance).prob.to_float()
    np.testing.assert_allclose(found, pairs_law(instance), rtol=1e-12)


@pytest.mark.parametrize(("branching", "horizon", "particles"), [(2, 3, 5), (3, 3, 3), (4, 2, 4), (2, 1, 6)])
@pytest.mark.parametrize("proposal", ["reference", "optimal"])
def test_followed_one_by_one_populations_are_as_likely_as_between_all_multisets(
    branching, horizon, particles, proposal
):
    instance = family(
        "dirichlet", branching=branching, horizon=horizon, perturbation="log-normal:sigma=0.7", seed=particles
    )
    single, dense = one_by_one(instance, particles, proposal)
    np.testing.assert_allclose(single, dense, rtol=1e-12)


@given(instances(max_leaves=5), st.sampled_from(["reference", "optimal"]), st.integers(2, 3))
@settings(max_examples=60)
def test_one_by_one_zeros_and_huge_numbers_are_what_they_are_between_all_multisets(instance, proposal, particles):
    single, dense = one_by_one(instance, particles, proposal)
    np.testing.assert_allclose(single, dense, rtol=1e-9, atol=1e-13)


def one_by_one(instance, particles, proposal) -> tuple[np.ndarray, np.ndarray]:
    """The laws of the kind of the output on a tree, by either kind of step throughout."""
    kinds = list(kinds_of(SMC(particles, proposal=proposal).mechanism(instance)))
    return OneByOne(kinds, particles, is_tree=True).leaf_law(), CountChain(kinds, particles).leaf_law()


class OneByOne(CountChain):
    """Steps that follow populations one by one wherever that is possible."""

    def _dense_work(self, t):
        return 1e300


def test_four_particles_on_a_tree_of_341_nodes_have_an_exact_law():
    instance = family("dirichlet", branching=4, horizon=4, perturbation="log-normal:sigma=0.7", seed=3)
    law = SMC(4).law(instance)
    assert instance.graph.n_nodes == 341
    assert law.prob.to_float().sum() == pytest.approx(1.0, abs=1e-12)
    # 2 * 10^5 runs: means of the reward and of its logarithm, within five standard errors (false alarms: 6e-7 each).
    leaf = SMC(4).simulate(instance, 200_000, seed=1).leaf
    prob = law.prob.to_float()
    for seen in (instance.reward.to_float(), instance.reward.log()):
        mean = float(prob @ seen)
        error = np.sqrt((prob @ seen**2 - mean**2) / len(leaf))
        assert abs(seen[leaf].mean() - mean) < 5 * error


def test_a_hidden_prefix_given_as_a_tree_has_the_law_of_its_trellis():
    tree, chain = (family("hidden-prefix", horizon=15, form=form) for form in ("tree", "trellis"))
    law, expected = (SMC(256).law(one) for one in (tree, chain))
    assert law.tv(tree.target).kind == "exact"
    assert law.tv(tree.target).lo == pytest.approx(expected.tv(chain.target).lo, rel=1e-12)
    good = int(np.argmax(tree.reward.to_float()))
    on_the_way = expected.expected(Scaled.from_float([1.0, 0.0]))
    assert law.prob.to_float()[good] == pytest.approx(on_the_way, rel=1e-12)


def test_sixteen_particles_have_an_exact_law_where_a_tree_of_4096_leaves_merges():
    """V^ = phi = 1 + the number of ones, up to three: so many kinds there are."""
    ones = [np.minimum(2, [node.bit_count() for node in range(2**t)]) for t in range(13)]
    tree = Instance(Tree.complete(2, 12), Scaled.from_float(1.0 + np.concatenate(ones)))
    law = SMC(16).law(tree)
    assert law.tv(tree.target).kind == "exact"
    assert law.prob.to_float().sum() == pytest.approx(1.0, abs=1e-12)
    leaf = SMC(16).simulate(tree, 40_000, seed=1).leaf
    prob, reward = law.prob.to_float(), tree.reward.to_float()
    error = np.sqrt((prob @ reward**2 - (prob @ reward) ** 2) / len(leaf))
    assert abs(reward[leaf].mean() - prob @ reward) < 5 * error


def test_what_is_refused_is_told_by_what_it_costs_when_merged():
    with pytest.raises(NoExactLaw, match=r"prefixes of equal future merged \(\d+ kinds of particles, .* multisets"):
        SMC(16).law(family("dirichlet", horizon=12, perturbation="log-normal:sigma=0.7", seed=3))
