"""N-particle SMC: the exact law against every ordered population, simulation against the law, Z without bias."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import naive
from tests.statistics import fits
from treesim import SMC, Draws, Instance, NoExactLaw, PathListLaw, Scaled, SpecError, Trellis, family, sampler, unroll
from treesim.kernels.smc import Runs
from treesim.kernels.uniforms import state_of
from treesim.samplers import base, smc
from treesim.testing.strategies import instances, trellis_instances

INSTANCE = family("random-branching", horizon=4, branching=3, perturbation="log-normal:sigma=0.6", seed=9)
SMALL = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)


def bernoulli(particles: int, ratio: float) -> float:
    """Chance of a one at each step of the product model: E[K r / (K r + N - K)], K ~ Bin(N, 1/2)."""
    k = np.arange(particles + 1)
    return float((stats.binom.pmf(k, particles, 0.5) * k * ratio / (k * ratio + particles - k)).sum())


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


@pytest.mark.parametrize("particles", [1, 2, 5, 8])
def test_the_product_model_gives_independent_steps(particles):
    instance = family("product", horizon=4, ratio=1.7)
    one = bernoulli(particles, 1.7)
    ones = np.array([bin(x).count("1") for x in range(16)])
    found = SMC(particles).law(instance).prob.to_float()
    np.testing.assert_allclose(found, one**ones * (1 - one) ** (4 - ones), rtol=1e-12)


def test_one_particle_with_the_optimal_proposal_is_guidance():
    guided = sampler("sp-gsmc").law(INSTANCE).prob.to_float()
    np.testing.assert_allclose(SMC(1, proposal="optimal").law(INSTANCE).prob.to_float(), guided, rtol=1e-12)


@pytest.mark.parametrize("spec", ["smc:particles=2", "smc:particles=5", "smc:particles=4,proposal=optimal"])
def test_simulation_follows_the_law(spec):
    law = sampler(spec).law(SMALL)
    assert fits(sampler(spec).simulate(SMALL, 150_000, seed=1), law)


def test_paths_on_a_trellis_follow_the_law_of_the_unrolled_tree():
    instance = family("markov", horizon=4, states=2, perturbation="log-normal:sigma=0.7", seed=3)
    plain = unroll(instance)
    place = {tuple(plain.graph.choices(leaf)): leaf for leaf in range(plain.graph.n_leaves)}
    draws = SMC(3).simulate(instance, 60_000, seed=2)
    leaf = np.array([place[tuple(draws.choices(instance.graph, i))] for i in range(60_000)])
    assert fits(Draws(leaf, None, 0, 0), SMC(3).law(plain))


@given(trellis_instances(max_edges=3, max_horizon=3), st.sampled_from(["reference", "optimal"]), st.integers(1, 3))
@settings(max_examples=60)
def test_the_law_of_every_path_of_a_trellis_is_that_of_its_leaf(instance, proposal, particles):
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


def test_the_least_number_of_particles_on_the_product_model():
    """For TV <= 0.02 with r = 1 + 2 c / T, c = 1/2: the reference table, T up to 2^256 leaves."""
    least = []
    for horizon in (8, 16, 32, 64, 128, 256):
        instance = family("product", horizon=horizon, ratio=1 + 1 / horizon)
        least.append(next(n for n in range(1, 9) if SMC(n).law(instance).tv(instance.target).hi <= 0.02))
    assert least == [4, 3, 2, 2, 1, 1]


@pytest.mark.parametrize("particles", [2, 16, 4096])
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


def _wrong_weight(where, is_optimal, apart, here, *rest):
    """Forgets to divide by the parent's value."""
    here.value[:] = 1.0
    return smc_propose(where, is_optimal, apart, here, *rest)


def _off_by_one(child, below, *rest):
    here = rest[6]
    smc_resample(child, below, *rest)
    if rest[0] > 0:
        here.place[:] = np.take_along_axis(below.place, (here.origin + 1) % below.size[:, None], axis=1)


def _uniform_pick(runs, state, out):
    in_use = np.arange(runs.place.shape[1]) < runs.size[:, None]
    upto = np.where(in_use, runs.members, 0).cumsum(axis=1)
    drawn = np.random.default_rng(state).integers(0, upto[:, -1])
    out[:] = (upto <= drawn[:, None]).sum(axis=1)


smc_propose, smc_resample = smc.propose, smc.resample


@pytest.mark.parametrize(
    ("room", "kernel", "bug"),
    [
        (smc, "propose", _wrong_weight),
        (smc, "resample", _off_by_one),
        (base, "pick_run", _uniform_pick),
    ],
)
def test_a_planted_bug_is_caught(room, kernel, bug, monkeypatch):
    law = SMC(4).law(SMALL)
    monkeypatch.setattr(room, kernel, bug)
    assert not fits(SMC(4).simulate(SMALL, 150_000, seed=1), law)


@pytest.mark.parametrize("resampling", ["multinomial", "residual", "stratified", "systematic"])
@pytest.mark.parametrize("threshold", [1.0, 0.5])
@pytest.mark.parametrize("proposal", ["reference", "optimal", "pool"])
def test_z_times_the_output_has_no_bias(resampling, threshold, proposal):
    """E[Z^ 1{output = x}] = pi_ref(x) phi(x) at every leaf, for every way to propose and to resample."""
    n = 40_000
    draws = SMC(6, resampling, threshold, proposal, 3 if proposal == "pool" else 0).simulate(SMALL, n, seed=7)
    z = np.exp(draws.log_partition)
    exact = SMALL.reference.prob.to_float() * SMALL.reward.to_float()
    leaves = np.argsort(exact)[-6:]
    hits = z[:, None] * (draws.leaf[:, None] == leaves)
    scores = (hits.mean(axis=0) - exact[leaves]) / (hits.std(axis=0) / math.sqrt(n))
    total = (z.mean() - exact.sum()) / (z.std() / math.sqrt(n))
    # 168 scores in all: 6.2 standard errors are a false alarm in 10^7.
    assert np.abs(scores).max() < 6.2
    assert abs(total) < 6.2


def _offspring(scheme, members, weight, n, rng, pin=-1) -> np.ndarray:
    """How often each run is an ancestor, in each of `n` resamplings."""
    below, here = (Runs.room(n, members.sum()) for _ in range(2))
    below.size[:] = len(members)
    below.members[:, : len(members)], below.weight[:, : len(members)] = members, weight
    room = [np.empty(n) for _ in range(3)]
    empty, pins = np.empty(0, np.int32), np.full(n, pin)
    smc.resample(empty, below, np.inf, smc.SCHEMES[scheme], False, *room, here, pins, state_of(rng), rng)
    in_use = np.arange(members.sum()) < here.size[:, None]
    if pin >= 0:
        assert (np.take_along_axis(here.origin, pins[:, None], axis=1) == pin).all()
    copies = np.zeros((n, len(members)), np.int64)
    np.add.at(copies, (np.arange(n)[:, None], here.origin), np.where(in_use, here.members, 0))
    return copies


@pytest.mark.parametrize("scheme", ["multinomial", "residual", "stratified", "systematic"])
@pytest.mark.parametrize("pin", [1, 2, 4])
def test_resampling_with_a_pinned_particle_is_resampling_given_that_it_survives(scheme, pin):
    """Counts given a tagged ancestor have the law of counts, reweighed by how many have that ancestor."""
    members, weight = np.array([1, 1, 2, 1, 1]), np.array([0.4, 0.15, 1.15, 0.0, 1.25])
    weight *= 6 / (members @ weight)
    n, rng = 60_000, np.random.default_rng(pin)
    plain = _offspring(scheme, members, weight, n, rng)
    given = _offspring(scheme, members, weight, n, rng, pin)
    assert (given[:, pin] >= 1).all()
    for k in range(len(members)):
        for count in range(1, 5):
            weighed = plain[:, pin] * (plain[:, k] == count) / (members[pin] * weight[pin])
            hits = (given[:, k] == count).astype(float)
            error = math.sqrt((weighed.var() + hits.var() + 1 / n) / n)
            # 240 scores in all: 6.3 standard errors are a false alarm in 10^7.
            assert abs(weighed.mean() - hits.mean()) < 6.3 * error


@pytest.mark.parametrize("scheme", ["multinomial", "residual", "stratified", "systematic"])
def test_resampling_keeps_the_mean(scheme):
    rng = np.random.default_rng(0)
    members = np.array([1, 1, 2, 1, 1, 3, 1])
    weight = np.array([0.0, 0.3, 1.15, 0.0, 1.25, 0.7, 0.0])
    weight *= 10 / (members @ weight)
    n = 40_000
    copies = _offspring(scheme, members, weight, n, rng)
    weight *= members
    error = (copies.mean(axis=0) - weight) / np.maximum(copies.std(axis=0), 1e-9) * math.sqrt(n)
    assert np.abs(error[copies.std(axis=0) > 0]).max() < 5.7
    assert (copies[:, weight == 0] == 0).all()
    assert (copies.sum(axis=1) == 10).all()
    spread = copies - np.floor(weight)
    if scheme == "systematic":
        assert ((spread >= 0) & (spread <= 1)).all()
    if scheme == "residual":
        assert (copies >= members * np.floor(weight / members)).all()
    if scheme == "stratified":
        assert (np.abs(copies - weight) < 2).all()
    if scheme == "multinomial":
        np.testing.assert_allclose(copies.var(axis=0), weight * (1 - weight / 10), rtol=0.05, atol=1e-9)


def test_populations_without_weight_go_on_and_say_that_z_is_zero():
    instance = family("uniform", horizon=5, reward="sparse:share=0.02", seed=1)
    draws = SMC(1).simulate(instance, 2_000, seed=0)
    assert np.isneginf(draws.log_partition).any()
    assert fits(draws, instance.reference)


def test_simulation_has_the_same_bits_for_any_number_of_threads(monkeypatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("TREESIM_THREADS", threads)
        found.append(SMC(16, "systematic").simulate(INSTANCE, 5_000, seed=5))
    assert np.array_equal(found[0].leaf, found[1].leaf)
    assert np.array_equal(found[0].log_partition, found[1].log_partition)


def test_costs_count_the_children_asked_for():
    draws = SMC(4, proposal="optimal").simulate(INSTANCE, 30_000, seed=2)
    expected = SMC(4, proposal="optimal").cost(INSTANCE).value_queries
    assert draws.value_queries / 30_000 == pytest.approx(expected, rel=0.2)
    assert SMC(4).cost(SMALL).value_queries == 16
    assert SMC(4, proposal="pool", pool=3).cost(SMALL).value_queries == 48
    assert SMC(4, proposal="optimal").cost(SMALL).value_queries == 32


def test_laws_that_are_out_of_reach_say_what_they_would_cost():
    with pytest.raises(NoExactLaw, match=r"the exact law of smc:particles=64 takes .* operations"):
        SMC(64).law(SMALL)
    with pytest.raises(NoExactLaw, match="multinomial resampling at every step"):
        SMC(4, "systematic").law(SMALL)
    with pytest.raises(NoExactLaw, match="paths or more through"):
        SMC(8).law(family("markov", horizon=40, states=2))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"particles": 0}, "particles is 0"),
        ({"particles": 2, "resampling": "lottery"}, "resampling is 'lottery'"),
        ({"particles": 2, "threshold": 1.5}, "threshold is 1.5"),
        ({"particles": 2, "proposal": "pool"}, "expected pool=M for proposal=pool"),
        ({"particles": 2, "pool": 4}, "expected pool=M for proposal=pool"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(SpecError, match=message):
        SMC(**parameters)
