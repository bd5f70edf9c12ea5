"""The exact guided sampler: its law is the target, its expected cost what the factory's walk says, and bounds are
checked."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

from tests.statistics import fits
from treesim import ExactGuided, GuidedSMC, SpecError, family, sampler
from treesim.samplers import exact_guided
from treesim.samplers.bernoulli_factory import expected_flips
from treesim.samplers.draws import Paths
from treesim.testing.strategies import bounded_instances

INSTANCE = family("dirichlet", horizon=4, branching=3, perturbation="log-uniform", epsilon=0.3, seed=2)
LONG = family("markov", horizon=8, states=2, perturbation="random-sign", epsilon="0.5/T", seed=1)


@pytest.mark.parametrize(("p", "scale", "gap"), [(0.2, 2.0, 0.2), (0.1, 3.0, 0.5), (0.6, 1.3, 0.2), (0.3, 0.8, 0.2)])
def test_expected_flips_solve_the_first_step_equations(p, scale, gap):
    """All places of six thresholds at once, by a linear system: an independent route."""
    if scale <= 1:
        assert expected_flips([p], scale, gap).tolist() == [scale]
        return
    top = 1_500
    flips, factor, slack = np.zeros(top + 1), [scale], [gap]
    for _ in range(5):
        factor.append(factor[-1] * (1 + slack[-1] / 2))
        slack.append(slack[-1] / 2)
    for c, s in zip(reversed(factor), reversed(slack), strict=True):
        limit = math.ceil(4.6 / s)
        if limit > top:
            continue
        below = np.arange(1, limit)
        jump = (1 - 1 / c) * (1 / c) ** np.arange(top)
        system, known = np.eye(limit - 1), np.ones(limit - 1)
        beyond = flips * (1 + s / 2) ** -np.arange(top + 1.0)
        for i in below:
            if i > 1:
                system[i - 1, i - 2] -= p
            reach = np.arange(i, top + 1)
            chance = (1 - p) * jump[: len(reach)]
            inner = reach < limit
            system[i - 1, reach[inner] - 1] -= chance[inner]
            known[i - 1] += chance[~inner] @ beyond[reach[~inner]]
        flips = beyond
        flips[1:limit] = np.linalg.solve(system, known)
        flips[0] = 0.0
    assert expected_flips([p], scale, gap)[0] == pytest.approx(flips[1], rel=2e-3)
    assert flips[1] <= 9.5 * scale / gap


@pytest.mark.parametrize("instance", [INSTANCE, LONG], ids=["tree", "trellis"])
def test_draws_follow_the_target_and_cost_what_is_expected(instance):
    runs = [ExactGuided().simulate(instance, 250, seed) for seed in range(2, 22)]
    assert fits(np.concatenate([run.leaf for run in runs]), instance.target)
    cost = ExactGuided().cost(instance)
    means = [run.reference_draws / 250 for run in runs]
    error = np.std(means) / math.sqrt(20)
    assert abs(np.mean(means) - cost.reference_draws) < 6 * error < 0.2 * cost.reference_draws
    assert all(run.value_queries == run.reference_draws + 250 for run in runs)


@given(bounded_instances(epsilon=0.4, ratio=3.0, max_leaves=6))
@settings(max_examples=25)
def test_on_random_instances_with_stated_bounds(instance):
    kind = ExactGuided(epsilon=0.4, ratio_bound=3.0)
    assert fits(kind.simulate(instance, 2_000, seed=1), instance.target)
    horizon = instance.graph.horizon
    rounds = math.e * 1.4 ** (2 * (horizon - 1))
    most = rounds * horizon * (3.0 * 1.4 + 9.5 * 3.0 * (horizon + 1))
    assert kind.cost(instance).reference_draws <= most


def test_guidance_alone_would_be_caught(monkeypatch):
    """Without the factory the sampler is plain guidance."""
    monkeypatch.setattr(exact_guided, "factory_step", lambda *arguments: arguments[-2].fill(True) or 0)
    draws = ExactGuided().simulate(INSTANCE, 10_000, seed=1)
    assert not fits(draws, INSTANCE.target)
    assert fits(draws, GuidedSMC().law(INSTANCE))


def test_understated_bounds_are_errors():
    with pytest.raises(SpecError, match=r"epsilon is 0.2, but the instance has 0.3; expected at least that"):
        sampler("exact-guided:epsilon=0.2").simulate(INSTANCE, 10, seed=0)
    with pytest.raises(SpecError, match=r"ratio_bound is 1.1, but the instance has"):
        sampler("exact-guided:ratio_bound=1.1").law(INSTANCE)
    with pytest.raises(SpecError, match="needs a finite Bellman error and a finite L"):
        ExactGuided().cost(family("uniform", horizon=3, reward="sparse:share=0.3", seed=1))
    with pytest.raises(SpecError, match="expected at most 1 - gap"):
        expected_flips([0.5], 2.0, 0.1)


def test_the_cost_is_quadratic_where_the_error_is_small():
    """O(L T^2), L = 1.5: with a perfect value the whole cost is in the factory's gap, 1/T."""
    costs = [ExactGuided().cost(family("perfect-value", horizon=t, ratio=3.0)).value_queries for t in (100, 200, 400)]
    growth = np.diff(np.log(costs)) / math.log(2)
    assert (np.abs(growth - 2.0) < 0.02).all()


def test_exact_steps_below_the_first_bound_need_no_factory():
    """L <= (1 + epsilon)(1 + 1/T): one flip at most, and the cost is linear in T."""
    costs = [
        ExactGuided().cost(family("product", horizon=t, ratio=1.0 + 1.0 / t, form="trellis")).value_queries
        for t in (100, 200)
    ]
    assert costs[1] / costs[0] == pytest.approx(2.0, abs=0.02)


def test_attempts_after_the_last_output_are_not_counted(monkeypatch):
    """Every third attempt succeeds, at leaves 0, 3, 6, ...; attempt k makes k + 1 draws."""
    rounds = []

    def attempts(self, instance, n, rng):
        rounds.append(n)
        return Paths(np.arange(n), None), np.arange(n) % 3 == 0, np.arange(1, n + 1)

    monkeypatch.setattr(ExactGuided, "_attempts", attempts)
    monkeypatch.setattr(exact_guided, "SMALLEST_ROUND", 6)
    few = ExactGuided().block(INSTANCE, 2, np.random.default_rng(0))
    assert (few.leaf.tolist(), few.reference_draws, few.value_queries) == ([0, 3], 1 + 2 + 3 + 4, 12)
    many = ExactGuided().block(INSTANCE, 12, np.random.default_rng(0))
    assert rounds == [6, 12, 8, 6, 6, 6]
    assert many.leaf.tolist() == [0, 3, 6, 9, 0, 3, 6, 0, 3, 0, 3, 0]
    assert many.reference_draws == 78 + 36 + 21 + 21 + 1


def test_work_without_end_is_refused_with_its_size():
    instance = family("dirichlet", horizon=10, perturbation="random-sign", epsilon=1.9, seed=0)
    cost = ExactGuided().cost(instance).value_queries
    assert cost > 1e8
    message = f"exact-guided asks for {cost:.2g} values for one output, expected at most 1e+08".replace("+", r"\+")
    with pytest.raises(SpecError, match=message):
        ExactGuided().simulate(instance, 1, seed=0)
    assert ExactGuided().law(instance).tv(instance.target).hi == 0.0


def test_a_success_too_rare_for_floats_costs_infinity():
    instance = family("markov", horizon=2000, perturbation="constant-up", epsilon=3.0)
    assert ExactGuided().cost(instance).value_queries == math.inf
    with pytest.raises(SpecError, match="asks for inf values"):
        ExactGuided().simulate(instance, 1, seed=0)


def test_coins_that_need_no_factory_cost_what_is_expected():
    """L below (1 + epsilon)(1 + 1/T): the scale of the coin is below one, and it is tossed so often only."""
    instance = family("product", horizon=4, ratio=1.05)
    kind, n = ExactGuided(), 40_000
    assert kind._factory(instance)[1] < 1.0
    drawn = kind.simulate(instance, n, seed=1).reference_draws / n
    assert drawn == pytest.approx(kind.cost(instance).reference_draws, rel=0.01)
