"""ASAp, CARS and AWRS: what is drawn under a constraint, against conditional laws and all orders of tries."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.treesim.zoo.brute import first_leaf, independent, same, values
from treesim import Instance, Scaled, Tree, exact_law
from treesim.samplers.choices import Choices
from treesim.samplers.lazy_generator import LazyGenerator
from treesim.testing.strategies import instances
from treesim.zoo.awrs import valid_draw

# Half of all values are zero.
holes = instances(st.sampled_from([0.0, 0.0, 1.0, 3.0]), max_leaves=6, max_horizon=3)
small_holes = instances(st.sampled_from([0.0, 0.0, 1.0, 3.0]), max_leaves=4, max_horizon=3)


def conditional(instance):
    """pi_ref given that V^ > 0 from level 1 on, and how likely that is."""
    tree, value = instance.graph, values(instance)
    mass = {0: Fraction(1)}
    for v in naive.inner_nodes(tree):
        for c, p in naive.children(tree, v):
            mass[c] = mass[v] * p * (value[c] > 0)
    law = [mass[v] for v in range(first_leaf(instance), tree.n_nodes)]
    return (naive.normalised(law) if any(law) else law), sum(law)


@given(holes)
def test_cars_draws_from_the_conditional_law(instance):
    law, valid = conditional(instance)
    same("cars", instance, law, failure=Fraction(valid == 0))


@given(holes)
def test_cars_never_fails_twice_at_a_prefix(instance):
    """So that it lists each inner prefix once at the most, and asks each value once."""
    cost = exact_law("cars", instance).cost
    assert cost.value_queries.max() <= instance.graph.n_nodes - 1
    assert (cost.value_queries == cost.reference_draws).all()


def asap(instance, samples):
    """Paths by probabilities times what is known ahead; the table of what is known goes with each sequence of paths."""
    tree, value = instance.graph, values(instance)
    law = [Fraction(0)] * tree.n_leaves
    lost = []

    def follow(done, ahead, way, chance):
        v = way[-1]
        if v >= first_leaf(instance) or not any(p * ahead.get(c, value[c] > 0) for c, p in naive.children(tree, v)):
            known = dict(ahead)
            for u in reversed(way if v < first_leaf(instance) else way[:-1]):
                known |= {c: known.get(c, Fraction(value[c] > 0)) for c, _ in naive.children(tree, u)}
                known[u] = sum(p * known[c] for c, p in naive.children(tree, u))
            if known[0] == 0:
                lost.append(chance)
            elif v < first_leaf(instance) or done + 1 < samples:
                follow(done + (v >= first_leaf(instance)), known, [0], chance)
            else:
                law[v - first_leaf(instance)] += chance
            return
        weights = [p * ahead.get(c, Fraction(value[c] > 0)) for c, p in naive.children(tree, v)]
        for (c, _), share in zip(naive.children(tree, v), naive.normalised(weights), strict=True):
            if share:
                follow(done, ahead, [*way, c], chance * share)

    follow(0, {}, [0], Fraction(1))
    return law, sum(lost, Fraction(0))


@given(small_holes)
def test_asap_is_what_earlier_paths_make_of_it(instance):
    for samples in (1, 2, 3):
        same(f"asap:samples={samples}", instance, *asap(instance, samples))


def test_asap_begins_masked_and_tends_to_the_conditional_law():
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 0.9, 0.1, 0.5, 0.5])
    instance = Instance(tree, Scaled.from_float([1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]))
    law, _ = conditional(instance)
    same("asap:samples=1", instance, [Fraction(0), Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)])
    assert float(law[1]) == pytest.approx(1 / 11)
    far = [
        sum(abs(exact_law(f"asap:samples={m}", instance).law.prob.to_float() - np.array(law, float)))
        for m in (1, 2, 4, 8)
    ]
    assert np.all(np.diff(far) < 0.0)
    # Only while the left was never met is anything unknown.
    assert far[-1] < 0.01


def orders(prob, flags):
    """(thing, estimate) of all orders of tries without replacement."""
    law = defaultdict(Fraction)
    for order in itertools.permutations(range(len(prob))):
        chance, left, estimate, done = Fraction(1), sum(prob), Fraction(1), None
        for place, i in enumerate(order):
            share = prob[i] / left
            chance, left = chance * share, left - prob[i]
            if done is None and flags[i]:
                nothing_valid_next = place + 1 < len(order) and not flags[order[place + 1]]
                done = i, estimate * (share if nothing_valid_next else 1)
            estimate *= 1 - share
        law[done or (order[-1], Fraction(0))] += chance
    return law


flagged = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=5)


@given(flagged)
def test_valid_draws_are_those_of_all_orders_and_properly_weighted(things):
    weights, flags = zip(*things, strict=True)
    prob = naive.normalised([Fraction(weight) for weight in weights])
    law = defaultdict(float)
    for run in Choices().runs(
        lambda choices: valid_draw([float(p) for p in prob], flags.__getitem__, LazyGenerator(choices)), 10_000
    ):
        i, estimate = run.outcome
        law[i, round(estimate, 9)] += run.mass
    expected = defaultdict(float)
    for (i, estimate), chance in orders(prob, flags).items():
        expected[i, round(float(estimate), 9)] += float(chance)
    if any(flags):
        assert dict(law) == pytest.approx(dict(expected), abs=1e-12)
    for i, (p, flag) in enumerate(zip(prob, flags, strict=True)):
        assert sum(mass * w for (j, w), mass in law.items() if j == i) == pytest.approx(float(p) * flag, abs=1e-7)


@given(holes)
def test_one_particle_of_awrs_is_masked_decoding(instance):
    """It ends where all children are invalid."""
    tree, value = instance.graph, values(instance)

    def step(v, edges):
        weights = [p * (value[c] > 0) for c, p in edges]
        return naive.normalised(weights) if any(weights) else weights

    law = naive.walk_law(tree, step)
    same("awrs:particles=1", instance, law, failure=1 - sum(law))


def awrs(instance, n, threshold):
    tree, value = instance.graph, values(instance)
    law = [Fraction(0)] * tree.n_leaves

    def moves(v, weight):
        if not weight:
            return [((v, Fraction(0)), Fraction(1))]
        edges = [(c, p) for c, p in naive.children(tree, v) if p > 0]
        tries = orders(naive.normalised([p for _, p in edges]), [value[c] > 0 for c, _ in edges])
        before = value[v] if v else Fraction(1)
        return [((edges[i][0], weight * mass * value[edges[i][0]] / before), p) for (i, mass), p in tries.items()]

    def follow(t, cloud, chance):
        for steps in itertools.product(*(moves(v, w) for v, w in cloud)):
            here = chance * naive.product(p for _, p in steps)
            moved = [each for each, _ in steps]
            if not any(w for _, w in moved):
                continue
            share = naive.normalised([w for _, w in moved])
            if t == tree.horizon:
                for (v, _), each in zip(moved, share, strict=True):
                    if each:
                        law[v - first_leaf(instance)] += here * each
            elif 1 / sum(each * each for each in share) < threshold * n:
                for parents, q in independent(share):
                    if q:
                        follow(t + 1, [(moved[i][0], Fraction(1)) for i in parents], here * q)
            else:
                follow(t + 1, moved, here)

    follow(1, [(0, Fraction(1))] * n, Fraction(1))
    return law, 1 - sum(law)


@settings(max_examples=25)
@given(instances(st.sampled_from([0.0, 1.0, 3.0]), max_leaves=4, max_horizon=2))
def test_the_law_of_awrs_is_that_of_all_clouds(instance):
    for threshold in (0.0, 0.77, 2.0):
        law, failure = awrs(instance, 2, Fraction(threshold))
        same(f"awrs:particles=2,threshold={threshold}", instance, law, failure)


def test_dead_ends_are_what_particles_of_awrs_correct():
    """Masks lead into the left by half, though a tenth of it is valid."""
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 0.9, 0.1, 0.5, 0.5])
    instance = Instance(tree, Scaled.from_float([1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]))
    far = [exact_law(f"awrs:particles={n}", instance).law.tv(instance.target).mid for n in (1, 2, 3)]
    assert far[0] == pytest.approx(1 / 2 - 1 / 11)
    assert np.all(np.diff(far) < -0.01)
    assert math.isclose(exact_law("cars", instance).law.tv(instance.target).hi, 0.0, abs_tol=1e-11)
