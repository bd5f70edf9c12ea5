"""Particle Gibbs: one sweep against every ordered population, pi~ stationary for every way to resample and propose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.statistics import FALSE_ALARM, fits
from treesim import SMC, Draws, LeafLaw, NoExactLaw, ParticleGibbs, Scaled, SpecError, family, sampler
from treesim.samplers import smc
from treesim.samplers.draws import draw_guided
from treesim.samplers.particle_gibbs import transition
from treesim.testing.strategies import instances

INSTANCE = family("random-branching", horizon=4, branching=3, perturbation="log-normal:sigma=0.6", seed=9)
SMALL = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)
LONG = family("markov", horizon=12, states=3, perturbation="log-normal:sigma=0.7", seed=3)


@given(instances(max_leaves=4), st.sampled_from(["reference", "optimal"]), st.integers(2, 3))
@settings(max_examples=40)
def test_a_sweep_is_that_of_every_ordered_population(instance, proposal, particles):
    tree, value = instance.graph, naive.fractions(instance.value.to_float())
    if particles == 3 and tree.horizon > 2:
        particles = 2
    rows = transition(instance, particles, proposal)
    proposed = SMC(1, proposal=proposal).law(instance).prob.to_float()
    for leaf in np.flatnonzero(proposed):
        pinned = tree.path(int(leaf))[1:]
        exact = naive.smc(tree, value, particles, proposal, pinned)
        np.testing.assert_allclose(rows[leaf], [float(x) for x in exact], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("particles", [2, 4])
@pytest.mark.parametrize("proposal", ["reference", "optimal"])
def test_the_target_is_stationary_and_the_chain_reversible(particles, proposal):
    target, rows = SMALL.target.prob.to_float(), transition(SMALL, particles, proposal)
    np.testing.assert_allclose(target @ rows, target, atol=1e-14)
    flow = target[:, None] * rows
    np.testing.assert_allclose(flow, flow.T, atol=1e-14)


def test_more_sweeps_and_more_particles_come_nearer():
    tv = [[ParticleGibbs(n, h).law(SMALL).tv(SMALL.target).lo for h in (0, 1, 2, 20)] for n in (2, 3, 4)]
    assert (np.diff(tv, axis=1) < 0).all()
    assert (np.diff(tv, axis=0) < 0).all()
    assert ParticleGibbs(4, 0).law(SMALL).prob.equals(SMC(4).law(SMALL).prob)


@pytest.mark.parametrize("spec", ["particle-gibbs:particles=2,sweeps=1", "particle-gibbs:particles=3,sweeps=3"])
def test_simulation_follows_the_law(spec):
    law = sampler(spec).law(SMALL)
    draws = sampler(spec).simulate(SMALL, 100_000, seed=1)
    assert fits(draws, law)
    cost = sampler(spec).cost(SMALL)
    assert draws.value_queries == 100_000 * cost.value_queries


def one_sweep(instance, kind: SMC, n: int, seed: int) -> Draws:
    """One sweep from exact draws of the target."""
    rng = np.random.default_rng(seed)
    start = draw_guided(instance.graph, instance.twist, n, rng)
    return kind.clouds(instance, n, rng, pinned=instance.graph.path_edges(*start)).draw()


@pytest.mark.parametrize("resampling", ["multinomial", "residual", "stratified", "systematic"])
@pytest.mark.parametrize("threshold", [1.0, 0.7])
@pytest.mark.parametrize("proposal", ["reference", "optimal", "pool"])
@pytest.mark.parametrize("instance", [SMALL, INSTANCE], ids=["binary", "any degree"])
def test_a_sweep_keeps_the_target(instance, resampling, threshold, proposal):
    kind = SMC(3, resampling, threshold, proposal, 3 if proposal == "pool" else 0)
    assert fits(one_sweep(instance, kind, 40_000, seed=2), instance.target)


def _saves_the_pinned_run_afterwards(child, below, least, scheme, log_z, ess, largest, here, pin, state, rng):
    """Resamples as if nothing were pinned, then puts the pinned run back where it died."""
    smc_resample(child, below, least, scheme, log_z, ess, largest, here, np.full_like(pin, -1), state, rng)
    for r, own in enumerate(pin):
        kept = np.flatnonzero(here.origin[r, : here.size[r]] == own)
        pin[r] = kept[0] if len(kept) else 0
        if not len(kept):
            here.place[r, 0], here.origin[r, 0], here.value[r, 0] = below.place[r, own], own, below.value[r, own]


def _keeps_the_weight_of_the_parent(where, here, *rest):
    here.value[:] = 1.0
    return smc_propose(where, here, *rest)


PAIRS = ("reference", True)
smc_propose, smc_resample = smc.PROPOSALS[PAIRS], smc.resample


@pytest.mark.parametrize(
    ("kernel", "bug"), [("resample", _saves_the_pinned_run_afterwards), ("propose", _keeps_the_weight_of_the_parent)]
)
def test_a_planted_bug_is_caught(kernel, bug, monkeypatch):
    assert fits(one_sweep(SMALL, SMC(3, "systematic"), 30_000, seed=2), SMALL.target)
    if kernel == "propose":
        monkeypatch.setitem(smc.PROPOSALS, PAIRS, bug)
    else:
        monkeypatch.setattr(smc, kernel, bug)
    assert not fits(one_sweep(SMALL, SMC(3, "systematic"), 30_000, seed=2), SMALL.target)


@pytest.mark.parametrize("resampling", ["multinomial", "residual", "stratified", "systematic"])
@pytest.mark.parametrize("proposal", ["reference", "optimal", "pool"])
def test_the_ratio_to_the_target_is_without_bias(resampling, proposal):
    """Against the frequencies of as many runs of SMC."""
    kind, n = SMC(4, resampling, 0.9, proposal, 3 if proposal == "pool" else 0), 40_000
    tree, rng = SMALL.graph, np.random.default_rng(5)
    target = SMALL.target.prob.to_float()
    drawn = np.bincount(kind.simulate(SMALL, n, seed=4).leaf, minlength=tree.n_leaves) / n
    leaves = np.argsort(target)[-5:]
    for leaf in leaves:
        runs = np.concatenate([kind.ratio(SMALL, tree.edges_to(np.array([leaf] * 100)), 1, rng) for _ in range(100)])
        found = target[leaf] * runs.mean()
        error = np.sqrt(target[leaf] ** 2 * runs.var() / len(runs) + drawn[leaf] / n)
        # 60 scores in all: 6.1 standard errors are a false alarm in 10^7.
        assert abs(found - drawn[leaf]) < 6.1 * error


def test_paths_of_a_trellis_keep_the_law_of_their_ends():
    rng, n = np.random.default_rng(3), 30_000
    kind = SMC(5, "stratified", 0.8)
    start = draw_guided(LONG.graph, LONG.twist, n, rng)
    draws = kind.clouds(LONG, n, rng, keeps_ancestry=True, pinned=LONG.graph.path_edges(*start)).draw()
    for t in (3, 8, 11):
        node = LONG.graph.layer(t).ends(draws.edges[:, t].astype(np.int64))
        before = LONG.graph.layer(t).ends(start.edges[:, t].astype(np.int64))
        expected = np.bincount(before, minlength=3) / n
        assert fits(Draws(node, None, 0, 0), LeafLaw(Scaled.from_float(expected)), FALSE_ALARM / 100)


def test_what_has_no_exact_law_says_so():
    with pytest.raises(NoExactLaw, match="exact law on trees"):
        ParticleGibbs(3, 2).law(LONG)
    with pytest.raises(NoExactLaw, match="multinomial resampling at every step"):
        ParticleGibbs(3, 2, "systematic").law(SMALL)
    with pytest.raises(NoExactLaw, match="particle-gibbs:particles=64"):
        ParticleGibbs(64, 2).law(SMALL)
    with pytest.raises(SpecError, match="particles is 1"):
        ParticleGibbs(1, 2)
    with pytest.raises(SpecError, match="threshold is 2"):
        ParticleGibbs(2, 2, threshold=2)
