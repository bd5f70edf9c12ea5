"""Certified intervals contain the rational answer, shrink at second order, and close on a lattice."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import naive
from tests.shapes import trellis
from treesim import GuidedSMC, Instance, Layer, Scaled, Trellis, family, unroll
from treesim.kernels.density_ratio import edge_log_ratios
from treesim.laws import density_ratio
from treesim.laws.density_ratio import DensityRatio, Effort
from treesim.laws.law import WalkLaw
from treesim.laws.ratio_law import RatioLaw
from treesim.laws.walks import GuidedSteps, PoolSteps, ReferenceSteps
from treesim.testing.strategies import trellis_instances, trellises


def rational_pairs(instance: Instance) -> list[tuple[Fraction, Fraction]]:
    """(target, guided) probability of every path, from rational arithmetic on the unrolled tree."""
    tree = unroll(instance)
    value = naive.fractions(tree.value.to_float())
    target = naive.target(tree.graph, naive.fractions(tree.reward.to_float()))
    return list(zip(target, naive.guided(tree.graph, value), strict=True))


def shortfall(pairs, threshold: Fraction) -> Fraction:
    return sum((max(threshold * q - p, Fraction(0)) for p, q in pairs), Fraction(0))


def contains(interval, exact: Fraction) -> bool:
    return Fraction(interval[0]) <= exact <= Fraction(interval[1])


def check(instance: Instance, width: float) -> str:
    tv = GuidedSMC().law(instance).tv(instance.target, width=width)
    exact = shortfall(rational_pairs(instance), Fraction(1))
    if tv.kind == "exact":
        assert abs(Fraction(tv.lo) - exact) <= Fraction(1, 10**12)
    else:
        assert contains((tv.lo, tv.hi), exact)
        assert tv.hi - tv.lo <= width
    return tv.kind


@given(trellis_instances(max_horizon=4, max_edges=3), st.sampled_from([1e-2, 1e-4, 1e-7]))
@settings(max_examples=500)
def test_certified_intervals_contain_the_rational_answer(instance, width):
    check(instance, width)


@pytest.mark.long
@given(trellis_instances(), st.sampled_from([1e-1, 1e-3, 1e-6, 1e-9]))
@settings(max_examples=10_000)
def test_certified_intervals_contain_the_rational_answer_many_times(instance, width):
    check(instance, width)


@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-7])
def test_certified_intervals_contain_the_rational_answer_where_there_is_no_lattice(width):
    kinds = Counter(check(trellis(seed, horizon=4), width) for seed in range(40))
    assert kinds["certified"] > 20, kinds


@given(trellis_instances(max_horizon=4, max_edges=3), st.sampled_from([0.3, 0.05, 0.003]))
@settings(max_examples=150)
def test_every_grid_encloses_the_law_of_the_ratio(instance, step):
    encloses(instance, step, 1e-12)


@pytest.mark.parametrize("share", [1e-12, 0.05, 0.3])
@pytest.mark.parametrize("step", [0.3, 0.05, 0.003])
def test_a_grid_that_drops_thin_ends_encloses_the_law_too(step, share):
    dropped = [encloses(trellis(seed, horizon=4), step, share) for seed in range(25)]
    assert share < 0.1 or sum(mass > 0.01 for mass in dropped) > 10, dropped


def encloses(instance: Instance, step: float, share: float) -> float:
    """Whatever the grid step, and the share of mass that a node may drop, at every threshold; also where neither end is
    near the answer. The mass that was dropped."""
    law = GuidedSMC().law(instance)
    problem = law.problem(instance.target)
    problem.lattice = None
    ratio = problem._whole(step, share, None)
    pairs = rational_pairs(instance)
    for threshold in (0.25, 1.0, 3.0):
        assert contains(ratio.below(threshold), shortfall(pairs, Fraction(threshold)))
    low, high, _ = problem._close(step, share, None)
    assert contains((low - problem.rounding, high + problem.rounding), shortfall(pairs, Fraction(1)))
    for log_ratio in (-0.5, 0.1, 1.0):
        lowest, highest = ratio.cdf(log_ratio)
        exact = sum(q for p, q in pairs if p <= Fraction(math.exp(log_ratio)) * q)
        assert lowest - 1e-9 <= exact <= highest + 1e-9
    return ratio.dropped


@given(trellis_instances(max_horizon=4, max_edges=3))
@settings(max_examples=100)
def test_the_largest_ratio_is_the_rational_one(instance):
    pairs = rational_pairs(instance)
    largest = max(p / q for p, q in pairs if q > 0)
    found = math.exp(GuidedSMC().law(instance).log_largest_ratio(instance.target))
    assert found == pytest.approx(float(largest), rel=1e-12)


@given(trellises(max_horizon=4), st.data())
@settings(max_examples=60)
def test_the_distance_of_two_walks_is_that_of_their_path_laws(graph, data):
    values = [
        Scaled.from_float(
            np.array(data.draw(st.lists(st.floats(0.1, 10), min_size=graph.n_nodes, max_size=graph.n_nodes)))
        )
        for _ in range(2)
    ]
    a, b = GuidedSteps(graph, values[0]), PoolSteps(graph, values[1], 3)
    trees = [unroll(Instance(graph, value)) for value in values]
    p = naive.guided(trees[0].graph, naive.fractions(trees[0].value.to_float()))
    q = naive.pooled(trees[1].graph, naive.fractions(trees[1].value.to_float()), 3)
    exact = naive.tv(p, q)
    for one, other in ((a, b), (b, a)):
        tv = WalkLaw(one).tv(WalkLaw(other), width=1e-6)
        assert tv.lo - 1e-12 <= exact <= tv.hi + 1e-12


def test_the_width_shrinks_at_second_order():
    instance = family("markov", horizon=60, perturbation="log-uniform", epsilon="1/T", seed=4)
    problem = GuidedSMC().law(instance).problem(instance.target)
    gaps = []
    for step in (4e-3, 2e-3, 1e-3, 5e-4):
        low, high, _ = problem._close(step, 1e-16, None)
        gaps.append(high - low)
    orders = [math.log2(a / b) for a, b in itertools.pairwise(gaps)]
    assert all(1.6 < order < 2.4 for order in orders), (gaps, orders)


def two_point_chain(horizon: int, up: float) -> tuple[Trellis, Scaled, Scaled]:
    """One coin a step and no memory: two walks of density ratio prod (p/q)^(ones) ((1-p)/(1-q))^(zeros)."""
    layers = [Layer(np.array([0, 2]), np.array([0.5, 0.5]), np.array([0, 1], np.int32)),
              Layer(np.array([0, 2, 4]), np.full(4, 0.5), np.array([0, 1, 0, 1], np.int32))]  # fmt: skip
    graph = Trellis(np.cumsum([0, 1, *[2] * horizon]), layers, np.minimum(np.arange(horizon), 1))
    value = np.concatenate([[1.0], np.tile([1.0, up], horizon)])
    return graph, Scaled.from_float(value), Scaled.from_float(np.ones(graph.n_nodes))


@pytest.mark.parametrize("horizon", [10, 1000])
def test_a_lattice_of_two_points_gives_the_binomial_answer(horizon):
    up = 1.0 + 0.4 / math.sqrt(horizon)
    graph, value, flat = two_point_chain(horizon, up)
    p, q = WalkLaw(GuidedSteps(graph, value)), WalkLaw(ReferenceSteps(graph))
    k = np.arange(horizon + 1)
    exact = 0.5 * np.abs(stats.binom.pmf(k, horizon, up / (1 + up)) - stats.binom.pmf(k, horizon, 0.5)).sum()
    tv = q.tv(p)
    assert graph.log2_paths == pytest.approx(horizon)
    assert tv.lo == pytest.approx(exact, abs=1e-9)
    assert tv.hi - tv.lo < 1e-9
    problem = DensityRatio(p.steps, q.steps)
    assert problem.lattice == pytest.approx(math.log(up), rel=1e-9)
    assert problem.log_largest_ratio == pytest.approx(horizon * math.log(2 * up / (1 + up)), rel=1e-10)
    del flat


def test_steps_that_are_nearly_on_a_lattice_are_allowed_for():
    """Coins of odds that differ by 8e-12: they count as one step, and the interval has room for all of them."""
    horizon, up = 200, 1.03
    graph, _, _ = two_point_chain(horizon, up)
    odds = [up * (1 + 8e-12)] * horizon
    odds[-2] = up
    value = Scaled.from_float(np.concatenate([[1.0], *[[1.0, u] for u in odds]]))
    law, target = WalkLaw(ReferenceSteps(graph)), WalkLaw(GuidedSteps(graph, value))
    problem, tv = law.problem(target), law.tv(target, width=1e-6)
    one, odd = (Fraction(u) / (1 + Fraction(u)) for u in odds[-3:-1])
    flat = Fraction(1, 2**horizon)
    exact = sum(
        math.comb(horizon - 1, k) * max(Fraction(0), flat - one**k * (1 - one) ** (horizon - 1 - k) * last)
        for k in range(horizon)
        for last in (odd, 1 - odd)
    )
    assert problem.lattice is not None
    assert problem.lattice_error > 1e-10
    assert contains((tv.lo, tv.hi), exact)
    assert tv.kind == "certified"


def test_the_allowance_for_rounding_is_the_formula():
    graph, value, _ = two_point_chain(50, 1.2)
    p, q = GuidedSteps(graph, value), PoolSteps(graph, value, 3)
    unit = 2.0**-53
    assert p.relative_error == (2 + 8) * unit
    assert q.relative_error == (6 * 3 + 16) * unit
    assert PoolSteps(graph, value, 3, by_quadrature=True).relative_error == 1e-13
    problem = DensityRatio(p, q)
    # Two edges lead into a node; edges have errors of their own, twice: in the mass and in the ratio.
    a_step = 2 * (p.relative_error + q.relative_error) + unit * (2 * 2 + 4 * problem.largest_log + 16)
    assert problem.rounding == pytest.approx(2 * 50 * a_step + 64 * unit + problem.lattice_error, rel=1e-12)
    assert problem.largest_log >= np.abs(problem.gauge).max()


def test_the_product_model_of_a_thousand_steps_meets_its_closed_form():
    """2^1000 leaves; the pool of 2 keeps a one with probability 1/4 + r / (2 (1 + r)), step by step."""
    horizon, r = 1000, 1.05
    instance = family("product", horizon=horizon, ratio=r)
    assert instance.graph.log2_paths == pytest.approx(1000)
    target, pooled = r / (1 + r), 0.25 + r / (2 * (1 + r))
    k = np.arange(horizon + 1)
    exact = 0.5 * np.abs(stats.binom.pmf(k, horizon, target) - stats.binom.pmf(k, horizon, pooled)).sum()
    tv = GuidedSMC(pool=2).law(instance).tv(instance.target)
    assert tv.lo == pytest.approx(exact, abs=1e-9)
    assert tv.hi == pytest.approx(exact, abs=1e-9)
    guided = GuidedSMC().law(instance).tv(instance.target)
    assert guided.hi < 1e-9


def test_quantiles_enclose_those_of_the_binomial():
    graph, value, _ = two_point_chain(100, 1.1)
    law = WalkLaw(ReferenceSteps(graph)).ratio_law(WalkLaw(GuidedSteps(graph, value)), width=1e-9)
    step, start = math.log(1.1), 100 * math.log(2 / 2.1)
    for probability in (0.1, 0.5, 0.9):
        exact = start + step * stats.binom.ppf(probability, 100, 0.5)
        low, high = law.quantile(probability)
        assert low - 1e-6 <= exact <= high + 1e-6
        assert high - low < 0.2
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        law.quantile(1.0)


def test_a_budget_that_is_too_small_gives_a_wider_interval_that_still_contains_the_answer():
    instance = family("markov", horizon=50, perturbation="log-uniform", epsilon="1/T", seed=4)
    law = GuidedSMC().law(instance)
    fine = law.tv(instance.target, width=1e-8)
    coarse = law.tv(instance.target, width=1e-8, budget=1e5)
    assert fine.hi - fine.lo <= 1e-8 < coarse.hi - coarse.lo
    assert fine.wanted is None
    enough = law.tv(instance.target, width=1e-8, budget=3 * coarse.wanted)
    assert enough.hi - enough.lo <= 1e-8
    assert coarse.lo <= fine.lo
    assert fine.hi <= coarse.hi


def test_a_width_below_rounding_is_said_to_be_out_of_reach():
    instance = family("markov", horizon=8, perturbation="log-uniform", epsilon="1/T", seed=4)
    law = GuidedSMC().law(instance)
    rounding = law.problem(instance.target).rounding
    near = law.tv(instance.target, width=3 * rounding, budget=1e12)
    assert near.wanted is None
    assert near.hi - near.lo <= 3 * rounding
    below = law.tv(instance.target, width=rounding, budget=1e12)
    assert below.wanted == math.inf
    assert 1.999 * rounding <= below.hi - below.lo <= 4 * rounding
    # On a lattice there is nothing to refine.
    lattice = family("product", horizon=1000, ratio=1.001, form="trellis")
    found = GuidedSMC().law(lattice).tv(lattice.target, width=1e-13)
    assert found.kind == "certified"
    assert found.hi - found.lo > 1e-13
    assert found.wanted == math.inf
    assert GuidedSMC().law(lattice).tv(lattice.target, width=1e-9).wanted is None


def test_edges_that_are_not_kept_are_worked_out_again(monkeypatch):
    instance = family("markov", horizon=20, perturbation="log-uniform", epsilon="1/T", seed=4)
    found = []
    for most in (1 << 20, 40, 0):
        monkeypatch.setattr(density_ratio, "MOST_KEPT_EDGES", most)
        problem = GuidedSMC().law(instance).problem(instance.target)
        found.append((problem.rounding, problem.tv(Effort(1e-6))))
    assert found[0] == found[1] == found[2]


def test_progress_is_told_level_by_level():
    instance = family("markov", horizon=7, perturbation="random-sign", epsilon=0.1)
    seen = []
    GuidedSMC().law(instance).tv(instance.target, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(t, 7) for t in range(1, 8)]


def test_what_a_law_lacks_is_on_both_sides_of_its_bounds():
    law = RatioLaw(np.log([0.5, 1.5]), np.array([0.5, 0.5]), np.log([1.0]), np.array([1.0]), 0.01, 1e-3, 0)
    assert law.below(1.0) == (0.0, pytest.approx(0.25 + 0.01 + 1e-3))
    # Beyond one, slope and mass weigh as much as the threshold.
    assert law.below(4.0) == (pytest.approx(3.0 - 4e-3), pytest.approx(3.0 + 4 * 0.01 + 4e-3))


def test_ratios_of_edges_count_the_powers_of_both():
    p = Scaled(np.array([0.5, 0.5, 0.0, 0.0, 0.5]), np.array([-512, 0, 0, 0, 0], np.int32))
    q = Scaled(np.array([0.25, 0.25, 0.25, 0.0, 0.0]), np.array([-512, -512, 0, 0, 0], np.int32))
    found = np.empty(5)
    edge_log_ratios(p.numbers, q.numbers, found)
    np.testing.assert_allclose(found, [math.log(2), math.log(2) + 512 * math.log(2), -np.inf, np.nan, np.nan])


@pytest.mark.parametrize("budget", [1e5, 1e6, 1e7])
def test_no_more_moves_are_spent_than_the_budget_has(budget):
    instance = family("markov", horizon=50, perturbation="log-uniform", epsilon="1/T", seed=4)
    found = GuidedSMC().law(instance).problem(instance.target).tv(Effort(1e-9, budget))
    assert 0 < found.moves <= budget < found.wanted < math.inf
