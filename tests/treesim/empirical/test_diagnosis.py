import numpy as np
import pytest

from treesim import SMC, GuidedSMC, Importance, ParticleGibbs, diagnose, family
from treesim.empirical.diagnosis import genealogy
from treesim.hard_instances import sharpest_guidance
from treesim.runtime.seeds import Stream, generator
from treesim.samplers.particle_gibbs import transition

SHORT = family("product", horizon=3, ratio=1.5)


def test_weights_and_ancestors_are_those_of_the_runs():
    clouds = SMC(5).clouds(SHORT, 50, np.random.default_rng(0), keeps_ancestry=True, apart=True)
    for run in range(50):
        parents, alive = genealogy(clouds, run)
        survivors = {tuple(np.flatnonzero(row)) for row in alive[-1:]}
        assert survivors == {(0, 1, 2, 3, 4)}
        for t in (1, 0):
            assert set(np.flatnonzero(alive[t])) == {parents[t + 1, i] for i in np.flatnonzero(alive[t + 1])}
    # After the last step the weights are those that the population still has.
    squares = (clouds.weight**2).sum(axis=1)
    np.testing.assert_allclose(clouds.seen[-1][0], 25 / squares, rtol=1e-12)
    np.testing.assert_allclose(clouds.seen[-1][1], clouds.weight.max(axis=1))


def test_equal_weights_are_healthy():
    found = diagnose(SMC(8, "systematic"), family("product", horizon=4, ratio=1.0))
    np.testing.assert_allclose(found.ess, 1.0)
    np.testing.assert_allclose(found.ancestors, 1.0)
    assert found.log_partition_spread == pytest.approx(0.0, abs=1e-12)
    assert found.verdict == ("neither weight degeneracy nor particle collapse",)


@pytest.mark.parametrize(
    ("sampler", "instance", "failure"),
    [
        (SMC(100), family("product", horizon=100, ratio=1.1), "particle collapse"),
        (SMC(50), family("uniform", horizon=2, branching=30, reward="gaussian:beta=0.05"), "weight degeneracy"),
        (SMC(2), family("uniform", horizon=6, reward="sparse:share=0.02"), "extinction"),
    ],
)
def test_failures_are_called_by_their_names(sampler, instance, failure):
    assert any(line.startswith(failure) for line in diagnose(sampler, instance).verdict)


def test_a_chain_that_does_not_move_is_told_from_one_that_does():
    good = family("dirichlet", horizon=6, perturbation="random-sign", epsilon=0.05)
    assert diagnose(GuidedSMC(mh=10), good, n=500).acceptance > 0.9
    found = diagnose(GuidedSMC(mh=1_000), sharpest_guidance(horizon=10, epsilon=0.5), n=100)
    assert found.acceptance < 0.1
    assert found.verdict[0].startswith("stuck chain")


def test_the_acceptance_rate_of_one_step_is_the_exact_one():
    instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=1", seed=2)
    q, p = GuidedSMC().law(instance).prob.to_float(), instance.target.prob.to_float()
    ratio = p / q
    exact = (q[:, None] * q * np.minimum(1.0, ratio / ratio[:, None])).sum()
    n = 200_000
    found = diagnose(GuidedSMC(mh=2), instance, n=n).acceptance
    # 5.3 standard errors: a false alarm in 10^7.
    assert abs(found - exact) < 5.3 * np.sqrt(exact * (1 - exact) / n)


def test_sweeps_of_particle_gibbs_that_keep_the_path_are_counted():
    instance = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.5", seed=1)
    rows = transition(instance, 3, "reference")
    n = 40_000
    exact = float(1 - (SMC(3).law(instance).prob.to_float() * np.diag(rows)).sum())
    found = diagnose(ParticleGibbs(3, 1), instance, n=n)
    # 5.3 standard errors: a false alarm in 10^7.
    assert abs(found.acceptance - exact) < 5.3 * np.sqrt(exact * (1 - exact) / n)
    assert found.ess.shape == (4,)
    steep = family("uniform", horizon=2, branching=30, reward="gaussian:beta=0.02")
    assert any(line.startswith("stuck chain") for line in diagnose(ParticleGibbs(2, 20), steep, n=100).verdict)


def test_other_samplers_have_nothing_inside_to_look_at():
    assert diagnose(Importance(4), SHORT).verdict == ("nothing inside this sampler to look at",)


def test_trellises_too():
    found = diagnose(
        SMC(16, "stratified", 0.5), family("markov", horizon=30, perturbation="log-normal:sigma=0.5"), n=20
    )
    assert found.ess.shape == found.ancestors.shape == (30,)
    assert (np.diff(found.ancestors) >= 0).all()


def test_what_is_said_of_the_population_are_means_over_its_runs():
    found = diagnose(SMC(5), SHORT, n=40, seed=3)
    clouds = SMC(5).clouds(SHORT, 40, generator(3, Stream.DIAGNOSIS), keeps_ancestry=True, apart=True)
    np.testing.assert_allclose(found.ess, [ess.mean() / 5 for ess, _ in clouds.seen], rtol=1e-12)
    np.testing.assert_allclose(found.weight_range, [largest.mean() for _, largest in clouds.seen], rtol=1e-12)
    assert found.log_partition_spread == pytest.approx(float(np.std(clouds.log_partition)), rel=1e-12)
    assert found.extinct == 0.0
