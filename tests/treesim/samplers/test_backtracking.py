"""Backtracking: the law against dense transition matrices, in rationals where that is quick."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.statistics import fits
from treesim import (
    Backtracking,
    Instance,
    NoExactLaw,
    Scaled,
    SpecError,
    Tree,
    family,
    optimal_twist,
    sampler,
    spectral_gap,
    stationary_law,
)
from treesim.samplers.backtracking import moves_of, visits_of
from treesim.testing.strategies import instances

INSTANCE = family("random-branching", horizon=3, branching=3, perturbation="log-normal:sigma=0.6", seed=9)


def backtracking_matrix(tree, value, lazy=True):
    """The definition: odds pi_ref(c|v) V(c) for a child, V(v) for the parent; who has no odds stays."""
    matrix = [[Fraction(0)] * tree.n_nodes for _ in range(tree.n_nodes)]
    parent = {c: v for v in naive.inner_nodes(tree) for c, _ in naive.children(tree, v)}
    for v in range(tree.n_nodes):
        odds = {c: p * value[c] for c, p in naive.children(tree, v)} if v < len(tree.edge_ptr) - 1 else {}
        if v:
            odds[parent[v]] = value[v]
        total = sum(odds.values())
        stay = Fraction(1, 2) if lazy else Fraction(0)
        matrix[v][v] += stay if total else Fraction(1)
        for u, odd in odds.items():
            if total:
                matrix[v][u] += (1 - stay) * odd / total
    return matrix


@given(instances(max_leaves=5), st.integers(0, 5))
@settings(max_examples=60)
def test_backtracking_is_its_transition_matrix(instance, steps):
    tree = instance.graph
    value = naive.fractions(instance.value.to_float())
    matrix = backtracking_matrix(tree, value)
    law = [Fraction(1)] + [Fraction(0)] * tree.n_edges
    for _ in range(steps):
        law = [sum(law[v] * matrix[v][u] for v in range(tree.n_nodes)) for u in range(tree.n_nodes)]
    found = Backtracking(steps).law(instance)
    exact = [float(x) for x in law[tree.leaves]]
    np.testing.assert_allclose(found.prob.to_float(), exact, rtol=1e-9, atol=1e-14)
    assert found.failure == pytest.approx(1 - sum(exact), abs=1e-12)


def dense(instance, lazy=True):
    matrix = backtracking_matrix(instance.graph, naive.fractions(instance.value.to_float()), lazy)
    return np.array([[float(x) for x in row] for row in matrix])


def test_the_first_leaf_is_that_of_the_absorbing_chain():
    matrix, tree = dense(INSTANCE, lazy=False), INSTANCE.graph
    inner = tree.leaves.start
    fundamental = np.linalg.inv(np.eye(inner) - matrix[:inner, :inner])
    law = (fundamental @ matrix[:inner, inner:])[0]
    found = Backtracking(0, "first-leaf").law(INSTANCE)
    np.testing.assert_allclose(found.prob.to_float(), law, rtol=1e-10)
    np.testing.assert_allclose(visits_of(INSTANCE, False).expected_visits(1), fundamental[0], rtol=1e-10)


def momentum_matrix(tree, value):
    """The definition: states look down, then up; at a leaf nothing is below, at the root nothing above."""
    n = tree.n_nodes
    matrix = [[Fraction(0)] * 2 * n for _ in range(2 * n)]
    parent = {c: v for v in naive.inner_nodes(tree) for c, _ in naive.children(tree, v)}
    for v in range(n):
        flows = {c: p * value[c] for c, p in naive.children(tree, v)} if v < len(tree.edge_ptr) - 1 else {}
        ahead, own = sum(flows.values()), value[v] if v else Fraction(0)
        most = max(ahead, own)
        if not most:
            matrix[v][v] = matrix[n + v][n + v] = Fraction(1)
            continue
        for c, flow in flows.items():
            matrix[v][c] = flow / most
        matrix[v][n + v] = max(own - ahead, Fraction(0)) / most
        matrix[n + v][v] = max(ahead - own, Fraction(0)) / most
        if v:
            matrix[n + v][n + parent[v]] = own / most
    return matrix


@given(instances(max_leaves=5), st.integers(0, 6))
@settings(max_examples=60)
def test_momentum_is_its_transition_matrix(instance, steps):
    tree = instance.graph
    matrix = momentum_matrix(tree, naive.fractions(instance.value.to_float()))
    law = [Fraction(1)] + [Fraction(0)] * (2 * tree.n_nodes - 1)
    for _ in range(steps):
        law = [sum(law[v] * matrix[v][u] for v in range(len(law))) for u in range(len(law))]
    found = Backtracking(steps, momentum=True).law(instance)
    leaves = range(tree.leaves.start, tree.leaves.stop)
    exact = [float(law[x] + law[tree.n_nodes + x]) for x in leaves]
    np.testing.assert_allclose(found.prob.to_float(), exact, rtol=1e-9, atol=1e-14)
    assert found.failure == pytest.approx(1 - sum(exact), abs=1e-12)


@pytest.mark.parametrize("momentum", [False, True])
def test_leaves_and_visits_are_those_of_the_chain(momentum):
    """Leaf by leaf: absorb at arrivals at leaves, go on from there; arrivals are occupancies less turns."""
    tree, value = INSTANCE.graph, naive.fractions(INSTANCE.value.to_float())
    given = momentum_matrix(tree, value) if momentum else backtracking_matrix(tree, value, lazy=False)
    matrix = np.array([[float(x) for x in row] for row in given])
    n, inner = tree.n_nodes, tree.leaves.start
    leaves = np.arange(inner, n)
    rest = np.setdiff1d(np.arange(len(matrix)), leaves)
    fundamental = np.linalg.inv(np.eye(len(rest)) - matrix[np.ix_(rest, rest)])
    to_leaves = fundamental @ matrix[np.ix_(rest, leaves)]
    occupied, total, visits = fundamental[0], np.zeros(inner), visits_of(INSTANCE, momentum)
    law = to_leaves[0]
    for leaf in range(1, 6):
        spent = np.zeros(len(matrix))
        spent[rest] = occupied
        total += spent[:inner]
        if momentum:
            nodes = np.arange(inner)
            total += spent[n + nodes] * (1 - matrix[n + nodes, nodes]) - spent[nodes] * matrix[nodes, n + nodes]
        np.testing.assert_allclose(np.exp(visits.law(leaf)), law, rtol=1e-9)
        np.testing.assert_allclose(visits.expected_visits(leaf), total, rtol=1e-9)
        onward = (law @ matrix[leaves])[rest]
        occupied, law = onward @ fundamental, onward @ to_leaves


def test_the_stationary_law_with_momentum():
    matrix = np.array([[float(x) for x in row] for row in momentum_matrix(
        INSTANCE.graph, naive.fractions(INSTANCE.value.to_float()))])  # fmt: skip
    mass = stationary_law(INSTANCE, momentum=True)
    both = np.concatenate([mass, mass]) / 2
    np.testing.assert_allclose(both @ matrix, both, atol=1e-15)
    leaves = mass[INSTANCE.graph.leaves]
    np.testing.assert_allclose(leaves / leaves.sum(), INSTANCE.target.prob.to_float(), rtol=1e-11)


def test_momentum_turns_by_the_bellman_error():
    """Looking down it turns by (1 - b)_+, looking up by (1 - 1/b)_+: one of the two, |1 - b| / max(1, b)."""
    goes_up, turns_up, down = moves_of(INSTANCE).turns
    value, tree = INSTANCE.value.to_float(), INSTANCE.graph
    for v in range(1, tree.leaves.start):
        children = range(tree.edge_ptr[v], tree.edge_ptr[v + 1])
        b = sum(tree.edge_prob[e] * value[e + 1] for e in children) / value[v]
        turning = turns_up[v] + (1 - goes_up[v])
        assert turning == pytest.approx(abs(1 - b) / max(1, b), rel=1e-12)
        epsilon = max(b, 1 / b) - 1
        assert turning == pytest.approx(epsilon / (1 + epsilon), rel=1e-12)
        assert turns_up[v] + sum(down[e] for e in children) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("size", "plain", "momentum"),
    [  # Moves and TV of the first and the eighth leaf; complete binary tree, T = 10, V^ = V* (1 + e)^(+-1).
        (0.5, (120, 0.101, 278, 0.023), (33, 0.152, 191, 0.006)),
        (0.1, (102, 0.023, 244, 0.0054), (14.5, 0.048, 156, 1.3e-5)),
        (0.0, (100, 0.0, 240, 0.0), (10, 0.0, 150, 0.0)),
    ],
)
def test_how_near_the_first_and_the_eighth_leaf_are(size, plain, momentum):
    """What a prototype found on a tree of its own, turns aside: times within 5 %, distances within half of them."""
    rng, tree = np.random.default_rng(1), Tree.complete(2, 10)
    value = optimal_twist(tree, rng.normal(size=tree.n_leaves)).to_float().copy()
    inner = slice(0, tree.leaves.start)
    value[inner] *= (1 + size) ** rng.choice([-1.0, 1.0], tree.leaves.start)
    instance = Instance(tree, Scaled.from_float(value))
    for with_momentum, (first, near, eighth, nearer) in ((False, plain), (True, momentum)):
        for leaf, moves, tv in ((1, first, near), (8, eighth, nearer)):
            # Between leaves the walk moves once more: up from the leaf.
            found = visits_of(instance, with_momentum).expected_visits(leaf).sum() + leaf - 1
            assert found == pytest.approx(moves, rel=0.05)
            law = Backtracking(0, "leaf", leaf, with_momentum).law(instance)
            assert law.tv(instance.target).lo == pytest.approx(tv, rel=0.5, abs=1e-12)


def test_where_no_leaf_can_be_reached_the_walk_returns_nothing():
    tree = Tree.complete(2, 2)
    instance = Instance(tree, Scaled.from_float(np.array([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])))
    sampler = Backtracking(0, "first-leaf")
    assert sampler.law(instance).failure == 1.0
    assert (sampler.simulate(instance, 5, seed=0).leaf == -1).all()
    assert sampler.cost(instance).value_queries == 0.0


def test_with_the_optimal_twist_the_first_leaf_has_the_law_of_the_target():
    instance = family("dirichlet", horizon=8, branching=2, seed=4)
    assert Backtracking(0, "first-leaf").law(instance).tv(instance.target).lo < 1e-13


def test_the_stationary_law_is_stationary_and_its_leaves_are_the_target_whatever_the_value():
    matrix, mass = dense(INSTANCE), stationary_law(INSTANCE)
    np.testing.assert_allclose(mass @ matrix, mass, atol=1e-15)
    leaves = mass[INSTANCE.graph.leaves]
    np.testing.assert_allclose(leaves / leaves.sum(), INSTANCE.target.prob.to_float(), rtol=1e-11)
    flow = mass[:, None] * matrix
    np.testing.assert_allclose(flow, flow.T, atol=1e-16)


def test_the_spectral_gap_is_that_of_the_matrix():
    eigenvalues = np.sort(np.linalg.eigvals(dense(INSTANCE)).real)
    assert spectral_gap(INSTANCE) == pytest.approx(1 - eigenvalues[-2], rel=1e-9)


def test_many_steps_leave_the_target_among_the_leaves():
    law = Backtracking(4_000).law(INSTANCE)
    leaves = law.prob.to_float()
    np.testing.assert_allclose(leaves / leaves.sum(), INSTANCE.target.prob.to_float(), rtol=1e-8)


SPECS = [
    "vgb:steps=12", "vgb:steps=0,stop=first-leaf", "vgb:steps=0,stop=leaf,leaf=3", "vgb:steps=12,momentum=true",
    "vgb:steps=0,stop=first-leaf,momentum=true", "vgb:steps=0,stop=leaf,leaf=3,momentum=true",
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_simulated_walks_have_their_law(spec):
    kind = sampler(spec)
    assert fits(kind.simulate(INSTANCE, 100_000, seed=5), kind.law(INSTANCE))


@pytest.mark.parametrize("spec", SPECS)
def test_costs_are_what_simulation_spends(spec):
    n = 100_000
    draws = sampler(spec).simulate(INSTANCE, n, seed=3)
    cost = sampler(spec).cost(INSTANCE)
    assert draws.reference_draws / n == pytest.approx(cost.reference_draws, rel=0.02)
    assert draws.value_queries / n == pytest.approx(cost.value_queries, rel=0.02)


def test_what_needs_a_tree_says_so():
    trellis = family("markov", horizon=4)
    with pytest.raises(NoExactLaw, match="vgb walks on the prefixes of a tree"):
        Backtracking(3).law(trellis)
    with pytest.raises(NoExactLaw, match="expected at most 2048"):
        spectral_gap(family("uniform", horizon=12))


@pytest.mark.parametrize("momentum", [False, True])
@pytest.mark.parametrize("size", [1e-3, 1e-16, 1e-200, 1e-300])
def test_the_first_leaf_is_reached_however_small_its_value(size, momentum):
    """Root, one child of value 1, two leaves of value x and 3 x: b = 2 x, and (1 + b) / b visits of both nodes; with
    momentum 1 / b."""
    tree = Tree(np.array([0, 1, 2, 4]), np.array([0, 1, 3]), np.array([1.0, 0.5, 0.5]))
    instance = Instance(tree, Scaled.from_float([1.0, 1.0, size, 3 * size]))
    kind = Backtracking(0, stop="first-leaf", momentum=momentum)
    law = kind.law(instance)
    assert law.failure == 0.0
    np.testing.assert_allclose(law.prob.to_float(), [0.25, 0.75], rtol=1e-12)
    visits = (1 if momentum else 1 + 2 * size) / (2 * size)
    assert kind.cost(instance).value_queries == pytest.approx(3 * visits, rel=1e-9)
    if size < 1e-10:
        with pytest.raises(SpecError, match="values until it reaches a leaf, expected at most 1e"):
            kind.simulate(instance, 1, seed=0)


def test_children_that_cannot_be_drawn_are_not_asked_for():
    tree = Tree.complete(3, 1, policy=[0.5, 0.5, 0.0])
    instance = Instance(tree, Scaled.from_float([1.0, 1.0, 1.0, 5.0]))
    assert Backtracking(0, stop="first-leaf").cost(instance).value_queries == 2.0
    assert Backtracking(0, stop="first-leaf").simulate(instance, 10, seed=0).value_queries == 20


def test_a_root_without_a_live_child_asks_at_every_move():
    tree = Tree.complete(2, 2, policy=[1.0, 0.0])
    instance = Instance(tree, Scaled.from_float([1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]))
    kind = Backtracking(7)
    assert kind.law(instance).failure == 1.0
    assert kind.cost(instance).value_queries == 3.5
    draws = kind.simulate(instance, 20_000, seed=1)
    assert draws.value_queries / 20_000 == pytest.approx(3.5, abs=0.06)
