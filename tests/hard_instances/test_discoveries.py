"""What decides the discoveries: their checks, and each statement on random instances."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from treesim import (
    SMC,
    Backtracking,
    ExactGuided,
    GuidedSMC,
    Importance,
    Instance,
    LeafLaw,
    Scaled,
    SpecError,
    Tree,
    family,
    optimal_twist,
)
from treesim.hard_instances.counting_ones import binomial_tv
from treesim.hard_instances.discoveries import DISCOVERIES, Discovery, demo
from treesim.hard_instances.discoveries.first_leaf import _given_a_leaf
from treesim.hard_instances.discoveries.log_not_loglog import two_points
from treesim.hard_instances.discoveries.perfect_value_particles import product_tv
from treesim.hard_instances.discoveries.single_or_many import resampled
from treesim.hard_instances.extinction import extinction, particles_to_survive, survival
from treesim.hard_instances.hidden_prefix import hidden_prefix, hidden_prefix_certificate
from treesim.laws.corrected import corrected_law
from treesim.studies.corrections import nearest
from treesim.studies.experiments import Experiment
from treesim.testing.strategies import bounded_instances, problems
from treesim.theory.bounds import guidance_bound
from treesim.theory.verification import Check


@pytest.mark.parametrize("name", DISCOVERIES)
def test_every_check_holds(name, discovered):
    found = DISCOVERIES[name]()
    assert found.name == name and found.checks and found.experiment.curves
    assert [check for check in found.checks if not check.holds] == []


@given(bounded_instances(epsilon=0.3, ratio=2.5, max_leaves=12))
def test_one_particle_is_within_the_threshold_on_random_trees(instance):
    x = (instance.graph.horizon - 1) * math.log1p(instance.audit.bellman_error)
    assert GuidedSMC().law(instance).tv(instance.target).hi <= math.tanh(x / 2) + 1e-12


@given(problems(st.floats(0.01, 100.0), max_leaves=12))
def test_the_first_leaf_has_the_law_of_the_target_for_the_optimal_twist(problem):
    tree, reward = problem
    instance = Instance(tree, optimal_twist(tree, np.log(reward)))
    law = Backtracking(0, stop="first-leaf").law(instance)
    assert law.tv(instance.target).hi < 1e-11


def test_a_wrong_value_moves_the_first_leaf():
    instance = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.5", seed=1)
    assert Backtracking(0, stop="first-leaf").law(instance).tv(instance.target).lo > 0.01


@given(st.floats(1.05, 20.0), st.floats(0.001, 0.5), st.integers(1, 12))
def test_two_point_weights_fall_by_the_closed_form(k, p, n):
    proposal, target = two_points(p, k)
    start = proposal.tv(target).hi
    expected = start * ((1 - p) * (1 - k**-2)) ** n
    assume(expected > 1e-9)
    assert corrected_law(proposal, target, n + 1).tv(target).hi == pytest.approx(expected, rel=1e-5)


def test_the_closed_form_is_that_of_a_tree_with_exact_guidance():
    """Two paths, p and 1 - p: guided paths offered to the chain have exactly these weights."""
    k, p, n = 2.0, 0.3, 4
    tree = Tree(np.array([0, 1, 3, 5]), np.array([0, 2, 3, 4]), np.array([p, 1 - p, 1.0, 1.0]))
    value = np.array([0.0, 0.0, 0.0, math.log(k), -math.log(k)])
    instance = Instance(tree, Scaled.from_log(value))
    start, end = (GuidedSMC(mh=h).law(instance).tv(instance.target).hi for h in (1, n + 1))
    assert end == pytest.approx(start * ((1 - p) * (1 - k**-2)) ** n, rel=1e-10)


@given(st.integers(1, 40), st.floats(0.05, 0.9), st.integers(1, 12))
@settings(max_examples=50)
def test_runs_survive_as_often_as_is_said(horizon, bad, particles):
    instance = extinction(horizon, bad)
    lost = 1 - survival(horizon, bad, particles)
    assert SMC(particles).law(instance).tv(instance.target).hi == pytest.approx(lost, abs=1e-9)


def test_particles_to_survive_is_least():
    for horizon, bad in ((10, 0.5), (1_000, 0.2), (10**6, 1 / math.log(10**6))):
        n = particles_to_survive(horizon, bad, 0.05)
        assert survival(horizon, bad, n) >= 0.95 > survival(horizon, bad, n - 1)


def test_extinction_with_a_floor_keeps_the_assumption():
    free, floored = extinction(8, 0.3), extinction(8, 0.3, floor=0.01)
    assert math.isinf(free.audit.ratio_bound) and math.isfinite(floored.audit.ratio_bound)
    assert floored.audit.bellman_error < 1e-12
    with pytest.raises(SpecError, match=r"bad is 1\.0 and floor 0"):
        extinction(3, 1.0)


@pytest.mark.parametrize(("horizon", "particles"), [(3, 2), (20, 7), (60, 30)])
def test_the_bits_of_smc_on_the_product_model_are_independent(horizon, particles):
    instance = family("product", horizon=horizon, ratio=3.0)
    assert SMC(particles).law(instance).tv(instance.target).hi == pytest.approx(
        product_tv(horizon, particles), abs=1e-10
    )
    assert binomial_tv(5, 0.75, 0.75) == 0.0


@pytest.mark.parametrize(("horizon", "particles"), [(1_000, 110), pytest.param(10_000, 346, marks=pytest.mark.long)])
def test_the_certified_law_of_smc_says_the_same_at_long_horizons(horizon, particles):
    instance = family("product", horizon=horizon, ratio=3.0)
    found = SMC(particles).law(instance).tv(instance.target, width=1e-4)
    assert found.lo <= product_tv(horizon, particles) <= found.hi <= 0.05


@pytest.mark.parametrize(("horizon", "epsilon", "branching", "depth"), [(12, 0.5, 4, 3), (18, 0.3, 3, 5)])
def test_prefixes_at_a_depth_of_their_own_are_as_certified(horizon, epsilon, branching, depth):
    instance = hidden_prefix(horizon, epsilon, branching, depth)
    found = hidden_prefix_certificate(horizon, epsilon, branching, depth)
    assert found.hidden == min(math.floor((1 + epsilon) ** (2 * (horizon - depth))), branching**depth)
    assert instance.audit.bellman_error == pytest.approx(epsilon) and found.target_mass >= 0.5
    assert found.disagreements(instance) == []
    assert found.queries > hidden_prefix_certificate(horizon, epsilon, branching).queries


def test_least_n_is_that_of_importance_resampling():

    x, delta, p = 1.0, 0.05, 0.25
    tree = Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([p, 1 - p]))
    instance = Instance(tree, Scaled.from_log(np.array([0.0, x, -x])))
    n = resampled(x, delta, p)
    near, far = (Importance(m).law(instance).tv(instance.target).hi for m in (n, n - 1))
    assert near <= delta < far


def test_an_exact_sampler_that_is_told_too_little_is_refused():
    instance = family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.2, seed=1)
    with pytest.raises(SpecError, match="the output would be biased"):
        ExactGuided(epsilon=0.1).cost(instance)


def test_the_map_of_the_nearest_has_both_kinds():
    """At small errors whole paths win, at large ones particles; momentum is always ahead of plain backtracking."""
    result = nearest(paths=4)
    won = result.figures
    assert won["Chebyshev selection, N = 4"] > 4 < won["SMC, N = 8"]
    assert sum(won.values()) == 24
    assert min(map(min, result.surface.z)) < 0 < max(map(max, result.surface.z))
    assert "at 24 of them" in result.answer


def test_given_a_leaf_a_law_is_normalised_without_its_failures():
    law, target = LeafLaw(Scaled.from_float([0.2, 0.2]), failure=0.6), LeafLaw(Scaled.from_float([0.25, 0.75]))
    assert _given_a_leaf(law, target) == pytest.approx(0.25)


def test_one_guided_particle_is_held_against_its_sharp_bound(discovered):
    rows = [check for check in DISCOVERIES["single-or-many"]().checks if check.claim == "TV of one guided particle"]
    for seed, check in enumerate(rows):
        instance = family("dirichlet", horizon=6, perturbation="adversarial", epsilon="1/T", seed=seed)
        assert check.bound == pytest.approx(guidance_bound(6, instance.audit.bellman_error).sharp, rel=1e-12)
        assert 0.5 < check.measured / check.bound <= 1.0


def test_the_demo_counts_the_checks_that_hold():
    found = Discovery("one", "It is so.", [Check("x", "a", 1.0, 2.0), Check("x", "b", 3.0, 2.0)],
                      Experiment("why?", "so", "x", "y", {"a": [(1.0, 2.0)]}))  # fmt: skip
    assert "1 of 2" in demo.words([found], Path())
    (row,) = demo.document([found], Path("f"), None)["rows"]
    assert (row["checks"], row["held"], row["figure"]) == (2, 1, "f/one.png")
