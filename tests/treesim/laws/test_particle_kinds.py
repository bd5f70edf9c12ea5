"""Prefixes that are the same to SMC: merged, the law is that of the tree, path by path."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.shapes import trellis
from treesim import SMC, Instance, Scaled, Tree, family, unroll
from treesim.laws.particle_kinds import kinds_of, merged_kinds, n_paths, ways_of
from treesim.laws.smc_chain import CountChain
from treesim.testing.strategies import instances, trellis_instances


def merged_law(instance, particles, proposal="reference", by_race=False):
    """The law of every leaf of a tree from the chain of merged kinds, however many there are."""
    found = merged_kinds(SMC(particles, proposal=proposal).mechanism(instance))
    ways = ways_of(instance.graph, found)
    law = np.zeros(instance.graph.n_leaves)
    law[ways.end] = CountChain(found.kinds, particles, by_race).way_law(ways)[ways.way] * ways.share
    return law


def rescaled(instance, seed):
    """The tree with V^ below each child of the root times a factor of its own: the ratios below stay."""
    graph, factor = instance.graph, np.random.default_rng(seed).choice([1.0, 2.0, 5.0], instance.graph.n_level(1))
    value = instance.value.to_float().copy()
    above = np.arange(graph.n_level(1))
    for t in range(1, graph.horizon + 1):
        value[graph.level(t)] *= factor[above]
        if t < graph.horizon:
            above = np.repeat(above, np.diff(graph.layer(t).ptr))
    return Instance(graph, Scaled.from_float(value))


@given(instances(max_leaves=4), st.sampled_from(["reference", "optimal"]), st.integers(1, 2))
@settings(max_examples=60)
def test_merged_the_law_is_that_of_every_ordered_population(instance, proposal, particles):
    exact = naive.smc(instance.graph, naive.fractions(instance.value.to_float()), particles, proposal)
    np.testing.assert_allclose(
        merged_law(instance, particles, proposal), [float(x) for x in exact], rtol=1e-9, atol=1e-13
    )


@given(trellis_instances(max_edges=2, max_horizon=3), st.integers(0, 9))
@settings(max_examples=60)
def test_merged_futures_have_the_law_of_every_ordered_population_in_fractions(instance, seed):
    tree = rescaled(unroll(instance), seed)
    exact = naive.smc(tree.graph, naive.fractions(tree.value.to_float()), 2, "reference")
    np.testing.assert_allclose(merged_law(tree, 2), [float(x) for x in exact], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("particles", [2, 3, 4])
@pytest.mark.parametrize("proposal", ["reference", "optimal"])
@pytest.mark.parametrize("by_race", [False, True])
def test_merged_the_law_is_that_of_all_nodes_apart(particles, proposal, by_race):
    merged = 0
    for seed in range(8):
        tree = rescaled(unroll(trellis(seed, horizon=3, nodes=2, edges=2)), seed)
        plain = list(kinds_of(SMC(particles, proposal=proposal).mechanism(tree)))
        apart = CountChain(plain, particles, by_race)
        expected = np.zeros(tree.graph.n_leaves)
        expected[plain[-1].node] = apart.leaf_law()
        np.testing.assert_allclose(merged_law(tree, particles, proposal, by_race), expected, rtol=1e-12, atol=1e-15)
        found = merged_kinds(SMC(particles, proposal=proposal).mechanism(tree)).kinds
        merged += sum(len(kinds.node) for kinds in found) < sum(len(kinds.node) for kinds in plain)
    assert merged >= 6, merged


def test_wrong_prefixes_of_uneven_futures_are_one():
    """32 words below a root of three children: V^ = 1 until they end, whatever pi_ref does."""
    instance = family("hidden-prefix", horizon=10, epsilon=0.55, depth=6, branching=3, form="tree", seed=2)
    assert len(np.unique(instance.graph.edge_prob[:40])) > 3
    found = merged_kinds(SMC(2).mechanism(instance))
    assert max(len(kinds.node) for kinds in found.kinds) == 2
    assert n_paths(instance.graph, found) == instance.graph.n_leaves


def test_what_differs_in_probabilities_or_in_weights_alone_stays_apart():
    """Four nodes of level 1: equal, equal but for V^, of other probabilities, of other weights."""
    tree = Tree(
        np.array([0, 1, 5, 13]), np.array([0, 4, 6, 8, 10, 12]), np.array([0.25] * 4 + [0.5] * 4 + [0.4, 0.6] * 2)
    )
    value = np.array([1, 1, 2, 1, 1, 1, 3, 2, 6, 1, 3, 1, 3.5])
    found = merged_kinds(SMC(2).mechanism(Instance(tree, Scaled.from_float(value))))
    # The node of V^ = 2 has the future of the first, and another weight.
    assert found.kinds[1].parents == 3
    assert found.edge_kind[0].tolist() in ([0, 1, 2, 3], [2, 3, 0, 1], [0, 1, 3, 2], [2, 3, 1, 0], [3, 2, 0, 1])
    assert len(found.kinds[0].node) == 4
    assert len(np.unique(found.kinds[0].node[found.edge_kind[0][:2]])) == 1
    np.testing.assert_allclose(found.edge_share[0], 1.0)


def test_more_multisets_than_may_be_are_told_by_the_number_of_kinds():
    instance = family("dirichlet", horizon=5, perturbation="log-normal:sigma=0.7", seed=3)
    assert merged_kinds(SMC(4).mechanism(instance), particles=4, most=1e3) == 16
