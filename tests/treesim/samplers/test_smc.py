"""N-particle SMC: simulation against the law, Z without bias."""

import math

import numpy as np
import pytest

from tests.statistics import fits
from treesim import SMC, Draws, Instance, Scaled, SpecError, Tree, family, sampler, unroll
from treesim.samplers import smc

INSTANCE = family("random-branching", horizon=4, branching=3, perturbation="log-normal:sigma=0.6", seed=9)


SMALL = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)


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


def _wrong_weight(where, here, *rest):
    """Forgets to divide by the parent's value."""
    here.value[:] = 1.0
    return smc_propose(where, here, *rest)


def _off_by_one(child, below, *rest):
    here = rest[5]
    smc_resample(child, below, *rest)
    if rest[0] > 0:
        here.place[:] = np.take_along_axis(below.place, (here.origin + 1) % below.size[:, None], axis=1)


def _uniform_pick(runs, state, out):
    in_use = np.arange(runs.place.shape[1]) < runs.size[:, None]
    upto = np.where(in_use, runs.members, 0).cumsum(axis=1)
    drawn = np.random.default_rng(state).integers(0, upto[:, -1])
    out[:] = (upto <= drawn[:, None]).sum(axis=1)


PAIRS = ("reference", True)
smc_propose, smc_resample = smc.PROPOSALS[PAIRS], smc.resample


@pytest.mark.parametrize(
    ("kernel", "bug"), [("propose", _wrong_weight), ("resample", _off_by_one), ("pick_run", _uniform_pick)]
)
def test_a_planted_bug_is_caught(kernel, bug, monkeypatch):
    law = SMC(4).law(SMALL)
    if kernel == "propose":
        monkeypatch.setitem(smc.PROPOSALS, PAIRS, bug)
    else:
        monkeypatch.setattr(smc, kernel, bug)
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


@pytest.mark.parametrize("power", [65, 100])
@pytest.mark.parametrize("proposal", ["reference", "optimal"])
def test_chances_and_values_whose_product_is_no_float_are_kept(proposal, power):
    """The one child of value is drawn with probability 1e-300, and worth 2^-65, or 2^-100."""
    tree = Tree.complete(2, 1, policy=[1e-300, 1.0])
    instance = Instance(tree, Scaled.from_float([1.0, 2.0**-power, 0.0]))
    draws = SMC(3, proposal=proposal).simulate(instance, 20, seed=0)
    if proposal == "optimal":
        assert (draws.leaf == 0).all()
        np.testing.assert_allclose(draws.log_partition, math.log(1e-300) - power * math.log(2), rtol=1e-14)
    else:
        assert np.isneginf(draws.log_partition).all()


def test_weights_of_steps_with_tiny_chances_are_compared_as_they_are():
    """Two nodes, each of whose live children has a tiny chance: 1e-300 below the one, 1e-200 below the other."""
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 1e-300, 1.0, 1e-200, 1.0])
    instance = Instance(tree, Scaled.from_float([1.0, 1.0, 1.0, 2.0**-100, 0.0, 2.0**-100, 0.0]))
    kind = SMC(6, proposal="optimal")
    # The first node is left only where all six are there, after one step and resampling.
    first = sum(math.comb(6, k) / 2**6 * (k / 6) ** 6 for k in range(7))
    assert kind.law(instance).prob.to_float().tolist() == pytest.approx([first, 0.0, 1 - first, 0.0])
    draws = kind.simulate(instance, 20_000, seed=1)
    assert fits(draws, kind.law(instance))
    exact = instance.audit.log_partition
    top = draws.log_partition.max()
    mean = top + math.log(np.exp(draws.log_partition - top).mean())
    assert mean == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("proposal", ["reference", "optimal"])
def test_large_runs_split_by_the_chances_of_their_children(proposal):
    """200 particles at the root: above 48 a binomial draw."""
    instance = Instance(Tree.complete(2, 1, policy=[0.2, 0.8]), Scaled.from_float([1.4, 3.0, 1.0]))
    chance = 0.2 if proposal == "reference" else 0.6 / 1.4
    clouds = SMC(200, proposal=proposal).clouds(instance, 500, np.random.default_rng(0), apart=False)
    members = np.where(clouds._in_use, clouds.last.members[:, : clouds._width], 0)
    share = (members * (clouds.leaf == 0)).sum() / (500 * 200)
    assert share == pytest.approx(chance, abs=5.7 * math.sqrt(chance * (1 - chance) / 100_000))


@pytest.mark.parametrize(
    ("kind", "each"),
    [
        (SMC(4), 4), (SMC(4, proposal="pool", pool=3), 12), (SMC(4, proposal="optimal"), 8), (SMC(1), 1),
    ],
)  # fmt: skip
def test_runs_spend_what_they_should(kind, each):
    draws = kind.simulate(SMALL, 50, seed=1)
    assert draws.reference_draws == draws.value_queries == 50 * 4 * each


@pytest.mark.parametrize("branching", [2, 3])
def test_children_that_pi_ref_cannot_draw_are_not_read(branching):
    tree = Tree.complete(branching, 2, policy=[0.0, *[1 / (branching - 1)] * (branching - 1)])
    instance = Instance(tree, Scaled.from_float(np.ones(tree.n_nodes)))
    kind = SMC(5, proposal="optimal")
    assert kind.simulate(instance, 10, seed=0).value_queries == 10 * 2 * 5 * (branching - 1)
    assert kind.cost(instance).value_queries == 2 * 5 * (branching - 1)


@pytest.mark.parametrize("proposal", ["reference", "pool"])
def test_without_resampling_only_the_rewards_count_however_far_values_swing_on_the_way(proposal):
    """Below one child of the root values fall by 1e-100 and rise again; a pool of one draws by pi_ref."""
    value = Scaled.from_float([1.0, 1.0, 1e-100, 0.5, 1.5, 1.0, 3.0])
    instance = Instance(Tree.complete(2, 2), value)
    kind = SMC(8, threshold=0.01, proposal=proposal, pool=int(proposal == "pool"))
    clouds = kind.clouds(instance, 200, np.random.default_rng(0), keeps_ancestry=True)
    assert (np.array([ess for ess, _ in clouds.seen[:1]]) < 7.9).mean() > 0.9
    members = np.where(clouds._in_use, clouds.last.members[:, : clouds._width], 0)
    mean = (members * instance.reward.to_float()[clouds.leaf]).sum(axis=1) / 8
    np.testing.assert_allclose(np.exp(clouds.log_partition), mean, rtol=1e-12)
