"""What is done to instances whose edges carry potentials, against the same done to the unrolled tree; and refusals."""

import numpy as np
import pytest

from treesim import Instance, LearningError, MeasureError, Scaled, family, learn, sampler, unroll, with_potentials
from treesim.empirical.measure import measure, target_of
from treesim.empirical.outcomes import worth_of_law
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import optimal_twist
from treesim.instances.path_states import Count, split
from treesim.instances.perturbations import PERTURBATIONS, perturb
from treesim.laws.pools import good_event
from treesim.measure.simulation import reference_log
from treesim.theory.verification import verify

NOISY = {"perturbation": "random-sign", "epsilon": 0.3, "seed": 3}
WEIGHTED = family("markov", horizon=4, states=2, reward="additive", **NOISY)
TREE = unroll(WEIGHTED)


def test_another_target_on_the_same_trellis_is_as_far_as_on_the_tree():
    """With potentials or without, on either side."""
    plain = family("markov", horizon=4, states=2, seed=3)
    for one, other in ((WEIGHTED, plain), (plain, WEIGHTED)):
        found = measure("sp-gsmc", one, target=target_of(other)).tv
        expected = measure("sp-gsmc", unroll(one), target=target_of(unroll(other))).tv.lo
        assert found.lo - 1e-12 <= expected <= found.hi + 1e-12
        assert found.hi < found.lo + 2e-6


def test_rollouts_count_potentials():
    """The mean of 4,000 continuations of each node: within 6 of their standard errors, which are below a tenth."""
    kind = PERTURBATIONS["rollouts"](k=4000)
    found = perturb(WEIGHTED.graph, WEIGHTED.twist, kind, seed=1)
    inner = slice(0, WEIGHTED.graph.leaves.start)
    assert np.abs(found.log() - WEIGHTED.twist.log())[inner].max() < 0.3
    bare = np.log(np.ones(WEIGHTED.graph.n_nodes))
    assert np.abs(bare - WEIGHTED.twist.log())[inner].max() > 0.5


def test_a_cap_on_ratios_is_kept():
    least = family("markov", horizon=4, states=2, reward="additive", seed=3).audit.ratio_bound
    capped = perturb(WEIGHTED.graph, WEIGHTED.twist, PERTURBATIONS["random-sign"](), 0.05, 1.2 * least, 3)
    found = Instance(WEIGHTED.graph, capped).audit
    assert found.ratio_bound <= 1.2 * least * (1 + 1e-12)
    assert found.bellman_error == pytest.approx(0.05, abs=1e-12)
    # Ratios are near one where a potential makes up for each fall of V.
    graph = with_potentials(WEIGHTED.graph, [np.full(len(WEIGHTED.graph.layer(t).prob), 5.0) for t in range(4)])
    twist = optimal_twist(graph, np.zeros(graph.n_leaves))
    tight = perturb(graph, twist, PERTURBATIONS["random-sign"](), 0.05, 1.2, 3)
    assert Instance(graph, tight).audit.ratio_bound <= 1.2 * (1 + 1e-12)


def test_a_trellis_that_is_split_keeps_its_potentials():
    finer, _ = split(WEIGHTED, [Count("count:1", 1)])
    assert finer.graph.n_nodes > WEIGHTED.graph.n_nodes
    assert finer.audit.log_partition == pytest.approx(WEIGHTED.audit.log_partition, abs=1e-13)
    np.testing.assert_allclose(unroll(finer).log_reward, TREE.log_reward, rtol=1e-12, atol=1e-13)


def test_the_good_event_of_pools_is_that_of_the_tree():
    own, other = (good_event(each.graph, each.value, pool=6, error=0.5) for each in (WEIGHTED, TREE))
    assert own == pytest.approx(other, rel=1e-12)
    assert 0.01 < own < 0.99


def test_theorems_hold_and_are_measured_as_on_the_tree():
    found, expected = (
        {(check.theorem, check.claim): check for check in verify(each) if check.theorem != "race"}
        for each in (WEIGHTED, TREE)
    )
    # Counts of particles are fewer on a trellis: its law may be known for more of them.
    both = found.keys() & expected.keys()
    assert len(both) > 7
    assert all(check.holds for check in found.values())
    for key, check in ((key, found[key]) for key in both):
        assert check.measured == pytest.approx(expected[key].measured, rel=1e-5, abs=1e-6), key


def test_what_outputs_are_worth_is_left_out_where_the_leaf_does_not_tell():
    named = WEIGHTED.with_outcomes(["yes", "no"], correct="yes", true_reward=[1.0, 0.0])
    law = sampler("sp-gsmc").law(named)
    worth = worth_of_law(law, named, votes=(3,))
    assert worth.accuracy.mid == pytest.approx(float(law.prob.to_float()[0]))
    assert worth.true_reward.mid == pytest.approx(worth.accuracy.mid)
    assert worth.majority[3].mid > 0
    assert worth.proxy_reward is worth.win_rate is worth.weighted[3] is None


def test_losses_and_logs_refuse_potentials():
    with pytest.raises(LearningError, match="what losses learn from is known where the end of a path tells its reward"):
        learn(WEIGHTED)
    with pytest.raises(MeasureError, match="what a log records of a path is known where"):
        reference_log(WEIGHTED, runs=10)


def test_potentials_far_beyond_floats_cancel():
    """exp(+-700) at each of 50 steps, one after the other: what is left is the plain chain."""
    chain = Trellis.markov([[0.9, 0.1], [0.2, 0.8]], horizon=50)
    swing = [np.full(len(chain.layer(t).prob), 700.0 * (-1) ** t) for t in range(50)]
    graph = with_potentials(chain, swing)
    reward = np.array([0.0, 1.0])
    instance, plain = (Instance(each, optimal_twist(each, reward)) for each in (graph, chain))
    assert instance.audit.log_partition == pytest.approx(plain.audit.log_partition, abs=1e-10)
    assert instance.audit.log_ratio_bound == pytest.approx(plain.audit.log_ratio_bound + 0.0, abs=1e-9)
    assert instance.target.tv(plain.target).hi < 1e-9
    draws = [sampler("smc:particles=4").simulate(each, 50, seed=1) for each in (instance, plain)]
    np.testing.assert_allclose(draws[0].log_partition, draws[1].log_partition, rtol=0, atol=1e-9)
    assert np.array_equal(draws[0].edges, draws[1].edges)
    assert isinstance(instance.twist, Scaled)
