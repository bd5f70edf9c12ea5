"""Plans: what they guarantee holds, costs no more than they say, and is tight where a worst instance is known."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom

from treesim import GuidedSMC, Instance, NoExactLaw, Scaled, SpecError, Tree, family, sampler
from treesim.runtime.search import first
from treesim.theory.bounds import factory_cost, leaf_walk_bound, leaf_walk_size
from treesim.theory.planning import NOT_GUARANTEED, plan, plan_for
from treesim.theory.pools import (
    least_good_pool,
    least_pool,
    log_good_bound,
    log_good_range,
    log_pool_failure,
    log_runs_failure,
    pool_step_bound,
)

# Pools and chains larger than this take long, or have no law at all.
LARGEST = 20_000


def small(name):
    """Whether a spec's law takes no time on three steps."""
    numbers = [int(number) for number in re.findall(r"=(\d+)\b", name)]
    return max(numbers, default=0) <= LARGEST and not ("pool" in name and ("mh" in name or "bound" in name))


def test_what_is_guaranteed_holds_on_random_instances():
    checked = Counter()
    for seed in range(12):
        epsilon, delta = (0.02, 0.1, 0.4)[seed % 3], (0.02, 0.3)[seed % 2]
        perturbation = ("random-sign", "log-uniform", "adversarial:starts=4")[seed % 3]
        instance = family("dirichlet", horizon=1 + seed % 3, perturbation=perturbation, epsilon=epsilon, seed=seed)
        for method in plan_for(instance, delta).methods:
            if method.tv is None or not small(method.spec):
                continue
            assert method.tv <= delta
            kind = sampler(method.spec)
            try:
                tv = kind.law(instance).tv(instance.target)
            except NoExactLaw:
                continue
            assert tv.lo <= method.tv + 1e-12, (seed, method)
            cost = kind.cost(instance)
            assert max(cost.reference_draws, cost.value_queries - 2) <= method.cost * (1 + 1e-9), (seed, method)
            checked[method.spec.partition("=")[0]] += 1
    assert set(checked) == {
        "sp-gsmc", "sp-gsmc:mh", "sp-gsmc:reject", "sp-gsmc:chebyshev", "sp-gsmc:pool", "exact-guided", "vgb:steps",
        "race:n", "importance:n", "smc:particles",
    }, checked  # fmt: skip
    assert min(checked.values()) >= 2
    steep = family("uniform", horizon=1, branching=40, reward="sparse:share=0.05,floor=0.01", seed=2)
    (few,) = (m for m in plan_for(steep, 0.1).methods if m.spec.startswith("smc"))
    assert sampler(few.spec.replace("smc:particles", "importance:n")).law(steep).tv(steep.target) <= 0.1
    assert sampler("importance:n=10").law(steep).tv(steep.target) > 0.1


def test_pools_with_a_correction_keep_their_promise():
    """Small pools and large delta, so that the law of path and pools can be listed."""
    checked = 0
    instances = [family("product", horizon=2, ratio=ratio) for ratio in (1.1, 1.3, 1.5)]
    instances += [family("sharpest-guidance", horizon=2, epsilon=epsilon) for epsilon in (0.1, 0.3)]
    for instance in instances:
        for delta in (0.15, 0.3):
            for method in plan_for(instance, delta).methods:
                if method.spec.startswith("sp-gsmc:pool") and ("mh" in method.spec or "bound" in method.spec):
                    assert sampler(method.spec).law(instance).tv(instance.target).lo <= method.tv <= delta
                    checked += 1
    assert checked >= 12


def test_guarantees_are_tight_where_the_worst_instance_is_known():
    instance = family("sharpest-guidance", horizon=6, epsilon=0.03)
    (guided,) = (m for m in plan_for(instance, 0.2).methods if m.spec == "sp-gsmc")
    assert guided.tv == pytest.approx(GuidedSMC().law(instance).tv(instance.target).lo, rel=1e-9)

    # Unknown roots: the least N that is enough on the worst of them, against what is planned for all.
    horizon, epsilon, delta = 6, 0.15, 0.02
    roots = [family("unknown-root", horizon=horizon, epsilon=epsilon, share=p) for p in np.geomspace(0.01, 0.99, 25)]

    def worst(name, n):
        return max(sampler(f"sp-gsmc:{name}={n}").law(root).tv(root.target).hi for root in roots)

    planned = dict(
        m.spec.split("=") for m in plan(horizon, epsilon, 1 + epsilon, delta).methods if m.spec.count("=") == 1
    )
    needed = {name: first(lambda n, name=name: worst(name, n) <= delta) for name in ("mh", "chebyshev")}
    assert 0.5 * int(planned["sp-gsmc:mh"]) < needed["mh"] <= int(planned["sp-gsmc:mh"])
    assert int(planned["sp-gsmc:chebyshev"]) - 2 <= needed["chebyshev"] <= int(planned["sp-gsmc:chebyshev"])


def test_lower_bounds_stand_below_every_guarantee():
    for horizon, epsilon, bound, delta in ((20, 0.01, 2.0, 0.05), (10, 0.05, 1.5, 0.01)):
        found = plan(horizon, epsilon, bound, delta)
        for method in found.methods:
            if method.cost is not None and method.asks == "draws":
                assert method.cost >= found.draws_at_least
            assert (method.cost is None) == (method.tv is None)
    assert plan(30, 0.2, 3.0, 0.3).values_at_least == pytest.approx(1.2**20 / 6)
    assert plan(30, 0.2, 3.0, 0.5).values_at_least is None
    # Values of children within a factor L have no mean beyond it.
    capped, plain = (plan(30, epsilon, 1.125, 0.3).methods for epsilon in (9.0, 0.125))
    assert capped == plain


def test_paths_without_the_value_are_those_of_its_range():
    largest = (1.5 * 1.1) ** 3
    planned = dict(
        m.spec.split("=") for m in plan(3, 0.1, 1.5, 0.1).methods if m.spec.startswith(("race", "importance"))
    )
    n, many = int(planned["race:n"]), int(planned["importance:n"])
    assert (1 - 1 / largest) ** n <= 0.1 < (1 - 1 / largest) ** (n - 1)
    assert (largest - 1) / (largest + many - 1) <= 0.1 < (largest - 1) / (largest + many - 2)


def test_which_is_cheapest():
    exact = plan(12, 0.0, 2.0, 0.05)
    assert exact.cheapest("probabilities").cost == 12 and exact.cheapest("draws").spec.endswith("select=race")
    assert exact.cheapest().asks == "draws"  # B is not known
    known = plan(12, 0.0, 2.0, 0.05, branching=3)
    assert known.cheapest().asks == "probabilities" and known.cheapest().cost == 36
    many = plan(12, 0.0, 2.0, 0.05, branching=50_000)
    assert many.cheapest().asks == "draws" and many.cheapest("probabilities").cost == 600_000
    # Without L nothing that draws is guaranteed, and of nothing there is no cheapest.
    unbounded = plan(12, 0.01)
    assert unbounded.cheapest("draws") is None and unbounded.cheapest("probabilities") is not None
    assert all(m.remark for m in unbounded.methods if m.tv is None)
    assert {"best-of-n", "beam", "particle-gibbs"} <= set(NOT_GUARANTEED)


def test_numbers_beyond_floats_are_no_error():
    for horizon, error, ratio in ((3, 1e300, 1e300), (10**6, 0.5, 2.0), (10**9, 1e-12, 1.0 + 1e-12), (2, 0.0, 1e308)):
        found = plan(horizon, error, ratio, 0.1)
        assert all(method.remark for method in found.methods if method.tv is None)
        assert all(0 <= method.tv <= 0.1 and method.cost > 0 for method in found.methods if method.tv is not None)


def test_wrong_numbers_are_named():
    for wrong, text in (
        ({"horizon": 0}, "horizon is 0"), ({"bellman_error": -0.1}, "bellman_error is -0.1"),
        ({"bellman_error": math.inf}, "bellman_error is inf"), ({"ratio_bound": 0.5}, "ratio_bound is 0.5"),
        ({"delta": 1.0}, "delta is 1"), ({"branching": 0}, "branching is 0"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=text):
            plan(**{"horizon": 4, "bellman_error": 0.1} | wrong)
    hidden = Instance(Tree([0, 1, 3], [0, 2], [0.5, 0.5]), Scaled.from_float([0.0, 1.0, 1.0]))
    with pytest.raises(SpecError, match="Bellman error of the instance is infinite"):
        plan_for(hidden)


def test_one_step_of_a_pool_is_as_near_as_promised():
    rng = np.random.default_rng(0)
    tightest = {"weight": 0.0, "race": 0.0}
    for _ in range(60):
        prob, value = rng.dirichlet(np.ones(2)), rng.uniform(0.1, 4.0, 2)
        instance = Instance(Tree([0, 1, 3], [0, 2], prob), Scaled.from_float([1.0, *value]))
        largest = float(value.max() / (prob @ value))
        pool = int(rng.integers(1, 12))
        for rule, most in tightest.items():
            tv = GuidedSMC(pool=pool, select=rule).law(instance).tv(instance.target)
            bound = pool_step_bound(pool, largest, by_race=rule == "race")
            assert tv.lo <= bound + 1e-12
            tightest[rule] = max(most, tv.lo / max(bound, 1e-9))
    assert all(0.4 < most <= 1.0 for most in tightest.values()), tightest


def test_least_pools_are_least():
    for by_race in (False, True):
        for horizon, largest, slack in ((10, 2.0, 0.05), (3, 1.2, 0.3), (40, 5.0, 0.01)):
            pool = least_pool(horizon, largest, slack, by_race)

            def off(m, horizon=horizon, largest=largest, by_race=by_race):
                return 1 - (1 - pool_step_bound(m, largest, by_race)) ** horizon

            assert off(pool) <= slack * (1 + 1e-9) and (pool == 1 or off(pool - 1) > slack)
    assert least_pool(10, 1.0, 0.01, by_race=True) == 1


def test_pools_fail_no_more_often_than_promised():
    tightest = 0.0
    for p in (0.02, 0.2, 0.5, 0.9):
        for low, high in ((0.5, 1.2), (0.9, 1.1), (0.2, 3.0)):
            mean = p * high + (1 - p) * low
            largest = max(high / mean, mean / low)
            for pool in (20, 200, 2000):
                for error in (0.02, 0.1, 0.4):
                    k = np.arange(pool + 1)
                    average = (k * high + (pool - k) * low) / pool / mean
                    exact = binom.pmf(k, pool, p)[np.abs(average - 1) > error].sum()
                    bound = math.exp(log_pool_failure(pool, largest, error))
                    assert exact <= bound + 1e-12
                    tightest = max(tightest, exact / max(bound, 1e-300))
                    # With one child of the path's own, either of the two.
                    for own in (low, high):
                        j = np.arange(pool)
                        average = (j * high + (pool - 1 - j) * low + own) / pool / mean
                        exact = binom.pmf(j, pool - 1, p)[np.abs(average - 1) > error].sum()
                        assert exact <= math.exp(log_pool_failure(pool, largest, error, has_own=True)) + 1e-12
    assert tightest > 0.1
    assert log_pool_failure(10, 1.0, 0.1) == -math.inf
    # A pool in which the path's own child alone is too much.
    assert math.exp(log_pool_failure(10, 3.0, 0.1, has_own=True)) == pytest.approx(2.0)


def test_failures_of_runs_add_up():
    ours, targets = log_pool_failure(300, 1.5, 0.2), log_pool_failure(300, 1.5, 0.2, has_own=True)
    assert math.exp(log_runs_failure(7, 300, 1.5, 0.2, paths=5)) == pytest.approx(
        7 * (5 * math.exp(ours) + math.exp(targets))
    )
    pool = least_good_pool(7, 1.5, 0.2, paths=5, failure=0.01)
    assert log_runs_failure(7, pool, 1.5, 0.2, 5) <= math.log(0.01) < log_runs_failure(7, pool - 1, 1.5, 0.2, 5)
    assert log_good_range(5, 0.1, 0.2) == pytest.approx(8 * math.log(1.1) + 5 * math.log(1.2 / 0.8))
    assert log_good_bound(5, 0.1, 0.2) == pytest.approx(5 * math.log(1.1 / 0.8))


def test_leaves_of_a_walk_come_as_near_as_promised():
    tightest = 0.0
    for seed in range(12):
        epsilon = (0.05, 0.3, 1.0)[seed % 3]
        kind = ("random-sign", "constant-up", "adversarial:starts=4", "log-uniform")[seed % 4]
        instance = family("dirichlet", horizon=2 + seed % 4, branching=2, perturbation=kind, epsilon=epsilon, seed=seed)
        error, horizon = instance.audit.bellman_error, instance.horizon
        size = leaf_walk_size(horizon, error)
        for leaf in (1, 2, 5, 20):
            walk = sampler(f"vgb:steps=0,stop=leaf,leaf={leaf}")
            tv = walk.law(instance).tv(instance.target).hi
            assert tv <= leaf_walk_bound(leaf, horizon, error) + 1e-12
            tightest = max(tightest, tv / leaf_walk_bound(leaf, horizon, error))
            # Twice S steps a leaf, S times that from the root; a step asks for a node's children.
            assert walk.cost(instance).value_queries <= leaf * 2 * size**2 * 2 + 1
    assert tightest > 0.02
    assert leaf_walk_size(5, 0.0) == 5.0 and leaf_walk_size(5, 1e-9) == pytest.approx(5.0)
    assert leaf_walk_size(3, 0.5) == pytest.approx(1 + 1.5 + 2.25)
    assert leaf_walk_bound(3, 3, 0.5) == pytest.approx(math.sqrt(3.75) / 2 * (1 - 1 / 9.5) ** 2)


def test_the_exact_sampler_costs_no_more_than_planned():
    for seed in range(6):
        instance = family("dirichlet", horizon=2 + seed, perturbation="random-sign", epsilon=(0.02, 0.3)[seed % 2],
                          branching=2, seed=seed)  # fmt: skip
        audit = instance.audit
        spent = sampler("exact-guided").cost(instance).value_queries
        assert 0.2 * spent < spent <= factory_cost(instance.horizon, audit.bellman_error, audit.ratio_bound)
