"""Algorithm 2: pools + Metropolis-Hastings, against every ordered pool in rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.statistics import fits
from treesim import GuidedSMC, Instance, NoExactLaw, Scaled, Tree, family, merge
from treesim.laws.pools import algorithm_2_law, good_event
from treesim.testing.strategies import instances


def algorithm_2(instance, pool, steps):
    return algorithm_2_law(instance.graph, instance.value, instance.audit.log_partition, pool, steps)


def by_every_ordered_pool(instance, pool, steps) -> bool:
    """Compare with every ordered pool; whether there is more than one weight."""
    value = naive.fractions(instance.value.to_float())
    atoms = naive.pooled_walks(instance.graph, value, pool)
    if len(atoms) > 60:
        return False
    masses = naive.metropolis(list(atoms.values()), [weight for _, weight in atoms], steps)
    law = [Fraction(0)] * instance.graph.n_leaves
    for (leaf, _), mass in zip(atoms, masses, strict=True):
        law[leaf] += mass
    found = algorithm_2(instance, pool, steps).prob.to_float()
    np.testing.assert_allclose(found, [float(x) for x in law], rtol=1e-9, atol=1e-13)
    return len({weight for _, weight in atoms}) > 2


@given(instances(max_leaves=4), st.integers(1, 2), st.sampled_from([1, 2, 4]))
@settings(max_examples=60)
def test_the_law_is_that_of_every_ordered_pool(instance, pool, steps):
    by_every_ordered_pool(instance, pool, steps)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("pool", [1, 2, 3])
def test_the_law_is_that_of_every_ordered_pool_where_weights_differ(pool, steps):
    checked = 0
    for seed in range(6):
        tree = Tree.random(horizon=2, branching=2, seed=seed)
        value = np.exp(np.random.default_rng(seed).normal(size=tree.n_nodes))
        checked += by_every_ordered_pool(Instance(tree, Scaled.from_float(value)), pool, steps)
    assert checked > 3, checked


def test_a_child_that_cannot_be_drawn_does_not_matter_whatever_its_value():
    tree = Tree(np.array([0, 1, 4, 7]), np.array([0, 3, 4, 5, 6]), np.array([0.0, 0.5, 0.5, 1.0, 1.0, 1.0]))
    instance = Instance(tree, Scaled.from_float(np.array([0.0, 1e304, 1e-304, 0.0, 0.0, 1.0, 0.0])))
    assert algorithm_2(instance, 1, 2).prob.to_float().tolist() == [0.0, 0.75, 0.25]


def test_one_walk_is_the_pool_alone():
    instance = family("random-branching", horizon=3, perturbation="log-normal:sigma=0.5", seed=2)
    alone = GuidedSMC(pool=3).law(instance).prob.to_float()
    np.testing.assert_allclose(algorithm_2(instance, 3, 1).prob.to_float(), alone, rtol=1e-11)


def test_many_walks_reach_the_target_at_any_pool_and_any_value():
    instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=1", seed=5)
    for pool in (1, 2, 5):
        assert GuidedSMC(pool=pool, mh=10**9).law(instance).tv(instance.target).lo < 1e-12


@pytest.mark.parametrize("spec", [(2, 2), (3, 5)])
def test_simulation_follows_the_law(spec):
    instance = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)
    sampler = GuidedSMC(pool=spec[0], mh=spec[1])
    assert fits(sampler.simulate(instance, 100_000, seed=4), sampler.law(instance))
    assert sampler.cost(instance).reference_draws == spec[0] * spec[1] * 4


def test_an_inverted_acceptance_ratio_would_be_caught(monkeypatch):
    instance = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)
    walk = GuidedSMC._walk

    def inverted(self, *arguments):
        paths, log_ratio, reads = walk(self, *arguments)
        return paths, -log_ratio, reads

    law = GuidedSMC(pool=3, mh=5).law(instance)
    monkeypatch.setattr(GuidedSMC, "_walk", inverted)
    assert not fits(GuidedSMC(pool=3, mh=5).simulate(instance, 100_000, seed=4), law)


@pytest.mark.parametrize(("horizon", "pool", "steps", "expected"), [(3, 64, 9, 0.99934236), (8, 512, 13, 0.99821820)])
def test_the_good_event_has_the_known_probability(horizon, pool, steps, expected):
    instance = family("product", horizon=horizon, ratio=1.4)
    assert good_event(instance.graph, instance.value, pool, 1 / (4 * horizon), steps) == pytest.approx(
        expected, abs=5e-9
    )


def test_the_good_event_is_that_of_simulated_pools():
    instance = family("dirichlet", horizon=2, branching=3, perturbation="log-normal:sigma=0.3", seed=1)
    graph, value = instance.graph, instance.value.to_float()
    rng, hits, n = np.random.default_rng(0), 0, 4_000
    for _ in range(n):
        v, good = 0, True
        for _ in range(2):
            kids = np.arange(graph.edge_ptr[v], graph.edge_ptr[v + 1]) + 1
            prob = graph.edge_prob[kids - 1]
            pool = rng.choice(kids, 10, p=prob / prob.sum())
            good &= abs(value[pool].mean() / (prob @ value[kids]) - 1) <= 0.3
            v = rng.choice(pool, p=value[pool] / value[pool].sum())
        hits += good
    exact = good_event(instance.graph, instance.value, 10, 0.3)
    # 5.3 standard errors: a false alarm in 10^7.
    assert abs(hits / n - exact) < 5.3 * np.sqrt(exact * (1 - exact) / n)
    assert 0.1 < exact < 0.9


def test_what_is_too_large_is_refused_before_it_is_tried():
    with pytest.raises(NoExactLaw, match=r"sp-gsmc:pool=200,mh=4 has over .* pairs of path and weight"):
        GuidedSMC(pool=200, mh=4).law(family("dirichlet", horizon=9, seed=1))
    merged, _ = merge(family("product", horizon=4))
    with pytest.raises(NoExactLaw, match="on trees; unroll"):
        GuidedSMC(pool=2, mh=2).law(merged)
