"""Potentials of edges against rational arithmetic, and against the unrolled tree, which has none."""

import dataclasses
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from treesim import Instance, Scaled, Tree, TreeError, Trellis, family, merge, optimal_twist, unroll
from treesim.graphs.potentials import live_reach, path_potential, with_potentials, without_potentials
from treesim.testing.strategies import weighted_instances, wild_numbers

CHAIN = Trellis.markov([[0.9, 0.1], [0.2, 0.8]], horizon=3)


def paths(graph):
    """The edges of all paths, in the order of the leaves of the unrolled tree."""
    edges, at = np.zeros((1, 0), np.int32), np.zeros(1, np.int64)
    for t in range(graph.horizon):
        layer = graph.layer(t)
        edge = layer.edges_of(at)
        edges = np.hstack([np.repeat(edges, np.diff(layer.ptr)[at], axis=0), edge[:, None].astype(np.int32)])
        at = layer.ends(edge)
    return edges


def log_fraction(x):
    return math.log(x.numerator) - math.log(x.denominator) if x else -math.inf


@given(weighted_instances(wild_numbers))
def test_twist_is_the_rational_one(instance):
    graph = instance.graph
    reward = [Fraction(float(m)) * Fraction(2) ** int(e) for m, e in zip(*instance.reward.numbers, strict=True)]
    expected = [log_fraction(x) for level in naive.weighted_twist(graph, reward) for x in level]
    np.testing.assert_allclose(instance.twist.log(), expected, rtol=1e-14, atol=1e-12)


@given(weighted_instances(wild_numbers))
def test_unrolled_it_is_a_tree_without_potentials_and_the_audit_is_the_same(instance):
    tree = unroll(instance)
    assert isinstance(tree.graph, Tree)
    own, other = instance.audit, tree.audit
    assert own.log_partition == pytest.approx(other.log_partition, rel=1e-14, abs=1e-12)
    assert own.bellman_error == pytest.approx(other.bellman_error, rel=1e-11, abs=1e-12)
    assert own.log_ratio_bound == pytest.approx(other.log_ratio_bound, rel=1e-12, abs=1e-12)
    for name in ("sup", "mean_reference", "mean_target"):
        np.testing.assert_allclose(getattr(own, name), getattr(other, name), rtol=1e-11, atol=1e-12, err_msg=name)


@given(weighted_instances())
def test_averages_of_guidance_are_those_of_the_unrolled_tree(instance):
    tree = unroll(instance)
    own, other = instance.guidance, tree.guidance
    # A prefix without reward ahead has residual 1 on the tree, and none on the trellis: what is centred has less range.
    assert (own.centred_by_level <= other.centred_by_level + 1e-12).all()
    centred = [] if (tree.value.mantissa > 0).all() else ["centred_by_level"]
    for name in {field.name for field in dataclasses.fields(own)}.difference(centred):
        np.testing.assert_allclose(getattr(own, name), getattr(other, name), rtol=1e-10, atol=1e-10, err_msg=name)


@given(weighted_instances(wild_numbers, max_horizon=3), st.integers(0, 2**32))
@settings(max_examples=50)
def test_the_reward_of_a_path_is_that_of_its_leaf_on_the_unrolled_tree(instance, seed):
    edges = paths(instance.graph)
    ends = instance.graph.layer(instance.graph.horizon - 1).ends(edges[:, -1].astype(np.int64))
    found, expected = instance.path_reward(ends, edges), unroll(instance).reward
    np.testing.assert_array_equal(found.mantissa > 0, expected.mantissa > 0)
    np.testing.assert_allclose(found.log(), expected.log(), rtol=1e-14, atol=1e-12)
    assert np.array_equal(path_potential(without_potentials(instance.graph), edges).to_float(), np.ones(len(edges)))


def test_potentials_of_one_change_nothing():
    instance = family("markov", horizon=6, states=3, perturbation="random-sign", epsilon=0.3, seed=2)
    ones = with_potentials(instance.graph, [np.zeros(len(instance.graph.layer(t).prob)) for t in range(6)])
    same = Instance(ones, instance.value)
    assert same.twist.equals(instance.twist)
    assert same.audit.bellman_error == instance.audit.bellman_error
    assert same.target.tv(instance.target).hi <= 1e-12
    assert without_potentials(ones).same_as(instance.graph) and not ones.same_as(instance.graph)
    assert without_potentials(instance.graph) is instance.graph


def test_ways_of_potential_zero_are_no_ways():
    dead = with_potentials(CHAIN, [np.log([1.0, 2.0]), np.array([0.0, -np.inf, -np.inf, 0.0]), np.zeros(4)])
    assert [(mass > 0).tolist() for mass in live_reach(dead)] == [[True], [True, True], [True, True]]
    assert live_reach(dead)[2] == pytest.approx([0.45, 0.4])
    assert live_reach(CHAIN) is CHAIN.reach
    value = optimal_twist(dead, np.zeros(2))
    assert value.to_float()[:3] == pytest.approx([1.25, 0.9, 0.8])


def test_layers_are_stored_once_where_their_potentials_repeat():
    chain = Trellis.markov([[0.9, 0.1], [0.2, 0.8]], horizon=500)
    first, step = np.zeros(2), np.log([1.0, 2.0, 3.0, 4.0])
    weighted = with_potentials(chain, [first, *[step.copy() for _ in range(499)]])
    assert len(weighted.layers) == len(weighted.potentials) == 2
    alternating = with_potentials(chain, [first, *[step * (t % 2) for t in range(499)]])
    assert len(alternating.layers) == 3 and alternating.order[:4].tolist() == [0, 1, 2, 1]
    assert alternating.potential(2).to_float() == pytest.approx([1.0, 2.0, 3.0, 4.0])


def test_what_is_no_potential_is_told():
    with pytest.raises(TreeError, match="potentials of 2 steps, expected one for each of 3"):
        with_potentials(CHAIN, [np.zeros(2), np.zeros(4)])
    with pytest.raises(TreeError, match=r"potentials of \[2, 3\] edges, layer by layer"):
        with_potentials(CHAIN, [np.zeros(2), np.zeros(3), np.zeros(3)])
    with pytest.raises(TreeError, match="of the potentials of step 1 the log of number 2 is nan"):
        with_potentials(CHAIN, [np.zeros(2), np.array([0.0, 0.0, np.nan, 0.0]), np.zeros(4)])
    with pytest.raises(TreeError, match="layer by layer"):
        Trellis(CHAIN.level_ptr, CHAIN.layers, CHAIN.order, potentials=[Scaled.from_float([1.0])])


def test_potentials_cannot_be_written_to_and_survive_copies():
    given = np.zeros(4)
    weighted = with_potentials(CHAIN, [np.zeros(2), given, given])
    given[:] = 7.0
    assert weighted.potential(1).log().tolist() == [0.0] * 4
    with pytest.raises(ValueError, match="read-only"):
        weighted.potential(1).mantissa[0] = 2.0
    assert pickle.loads(pickle.dumps(weighted)).same_as(weighted)


@given(weighted_instances())
@settings(max_examples=50)
def test_merging_loses_nothing_and_unrolls_to_the_same_tree(instance):
    merged, report = merge(instance)
    assert report.tv_bound == 0.0
    assert merged.graph.n_nodes <= instance.graph.n_nodes
    tree, other = unroll(instance), unroll(merged)
    assert np.array_equal(tree.graph.edge_prob, other.graph.edge_prob)
    np.testing.assert_allclose(tree.value.log(), other.value.log(), rtol=1e-14, atol=1e-12)


def test_merging_tells_potentials_apart_and_bounds_what_its_tolerance_moves():
    layers = [np.array([[0.5, 0.5]]), np.array([[0.5, 0.5], [0.5, 0.5]])]
    chain = Trellis.from_layers(layers)
    shifts = np.array([0.1, 0.7, 0.1, 0.7 + 1e-6])
    weighted = with_potentials(chain, [np.zeros(2), shifts])
    instance = Instance(weighted, optimal_twist(weighted, np.zeros(2)))
    apart, _ = merge(instance)
    assert apart.graph.n_level(1) == 2
    swapped = with_potentials(chain, [np.zeros(2), np.array([0.1, 0.7, 0.7, 0.1])])
    alike = Instance(swapped, optimal_twist(swapped, np.zeros(2)))  # the same V* in both places, by other ways
    assert merge(alike)[0].graph.n_level(1) == 2
    together, report = merge(instance, tolerance=1e-3)
    assert together.graph.n_level(1) == 1
    tv = unroll(together).target.tv(unroll(instance).target).hi
    assert 0 < tv <= report.tv_bound < 2e-6
