"""Selection: the rule against rationals and exhaustive rounding, its law against simulation, its bounds against LPs."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.statistics import fits
from treesim import GuidedSMC, Instance, LeafLaw, NoExactLaw, Scaled, SpecError, Tree, family, sampler, unroll
from treesim.kernels.selection import select_rounded
from treesim.laws.pools import chance_within
from treesim.laws.selection import (
    Selection,
    best_rate,
    elevated,
    favoured,
    is_rule,
    least_paths,
    programmed_rule,
    selected_law,
    selection,
    worst_error,
)
from treesim.testing.strategies import instances

INSTANCE = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.3, seed=2)


def naive_kept(q, weight, bound, h):
    """All N-tuples of outcomes and all ways to round their weights."""
    high, low, paths = bound, 1 / bound, len(h) - 1
    law = [Fraction(0)] * len(q)
    for drawn in itertools.product(range(len(q)), repeat=paths):
        for up in itertools.product([False, True], repeat=paths):
            chance = naive.product(q[i] for i in drawn)
            for i, rises in zip(drawn, up, strict=True):
                share = (weight[i] - low) / (high - low)
                chance *= share if rises else 1 - share
            s = sum(up)
            for i, rises in zip(drawn, up, strict=True):
                if rises:
                    law[i] += chance * h[s] / s
                else:
                    law[i] += chance * (1 - h[s]) / (paths - s)
    return law


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 12)), min_size=2, max_size=3), st.integers(2, 4))
@settings(max_examples=40)
def test_the_law_of_a_rule_is_that_of_rounding_all_weights(outcomes, paths):
    bound = Fraction(2)
    total = sum(mass for mass, _ in outcomes)
    q = [Fraction(mass, total) for mass, _ in outcomes]
    weight = [Fraction(1, 2) + Fraction(place, 8) for _, place in outcomes]
    rule = selection(paths, math.log(2.0))
    law = naive_kept(q, weight, bound, naive.fractions(rule.high_chance))
    mean = sum(a * b for a, b in zip(q, weight, strict=True))
    target = [a * b / mean for a, b in zip(q, weight, strict=True)]
    found = selected_law(
        *(LeafLaw(Scaled.from_float([float(x) for x in p])) for p in (q, target)), rule, math.log(float(mean))
    )
    np.testing.assert_allclose(found.prob.to_float(), [float(x) for x in law], rtol=1e-9, atol=1e-12)


def chebyshev_shrinkage(degree, bound, mean):
    """T_n(z(m)) / T_n(z(0)) by the recurrence, in rationals."""
    low, high = 1 / bound, bound

    def at(z):
        before, here = Fraction(1), z
        for _ in range(degree - 1):
            before, here = here, 2 * z * here - before
        return here if degree else before

    return at((2 * mean - low - high) / (high - low)) / at(-(low + high) / (high - low))


@pytest.mark.parametrize(
    ("bound", "paths"), [(Fraction(3, 2), 2), (Fraction(3, 2), 7), (Fraction(2), 4), (Fraction(5, 2), 12)]
)
def test_the_closed_form_is_chebyshevs(bound, paths):
    rule = selection(paths, math.log(bound))
    assert rule.degree == paths - 1
    for place in (Fraction(0), Fraction(1, 7), Fraction(1, 2), Fraction(1)):
        mean = 1 / bound + place * (bound - 1 / bound)
        expected = float(chebyshev_shrinkage(paths - 1, bound, mean))
        assert rule.shrinkage(math.log(mean)) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(st.floats(0.02, 3.0), st.integers(2, 24), st.floats(-1.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_the_coefficients_of_a_rule_give_its_shrinkage(log_bound, paths, place):
    rule = selection(paths, log_bound)
    assert (rule.high_chance >= 0).all()
    assert (rule.high_chance <= 1).all()
    assert rule.high_chance[0] == 0.0
    assert rule.high_chance[-1] == 1.0
    low = math.exp(-2 * log_bound)
    log_mean = place * log_bound
    up = (math.exp(log_mean - log_bound) - low) / (1 - low)
    high, other = rule.kept(up)
    assert up * high + (1 - up) * other == pytest.approx(1.0, rel=1e-12)
    assert rule.shrinkage(log_mean) == pytest.approx((other - low * high) / (1 - low), abs=1e-12 / (1 - low))


def test_which_paths_are_enough_for_the_closed_form():
    """Corner tests in rationals gave these: k = 2 from 4 paths on, 2.5 from 12, e from 24, none from 3 on."""
    assert [least_paths(math.log(k)) for k in (1.1, 1.284, 1.5, 1.65, 2.0, 2.5, math.e)] == [2, 2, 2, 2, 4, 12, 24]
    assert [least_paths(math.log(k)) for k in (3.0, 5.0)] == [None, None]
    assert selection(3, math.log(2.0)).degree is None
    assert selection(11, math.log(2.5)).degree is None
    assert selection(12, math.log(2.5)).degree == 11
    assert selection(12, math.log(2.5)).remark is None
    assert selection(11, math.log(2.5)).remark == (
        "k = 2.5: 11 paths are too few for Chebyshev's own rule (12 paths would be enough); "
        "the rule is a linear program's"
    )
    assert "no N is enough from k = 3 on" in selection(8, math.log(5.0)).remark
    assert "the rule is a Chebyshev polynomial's of degree 76" in selection(300, math.log(10.0)).remark


@pytest.mark.parametrize("k", [1.1, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("paths", [12, 13])
def test_the_worst_error_is_between_the_bound_and_four_times_it(k, paths):
    rho = (k - 1) / (k + 1)
    worst = selection(paths, math.log(k)).worst
    assert rho**paths / 2 <= worst <= 2 * rho**paths / (1 + rho ** (2 * paths - 2)) * (1 + 1e-9)


# N = 8: what a linear program over the coefficients of d and q, another formulation, found.
@pytest.mark.parametrize(("k", "worst"), [(2.0, 8.95e-5), (math.e, 2.7e-3), (5.0, 0.233)])
def test_the_linear_program_finds_the_best_rule(k, worst):
    low = k**-2
    found = worst_error(programmed_rule(8, low), low)
    assert found == pytest.approx(worst, rel=0.01)
    assert found <= selection(8, math.log(k)).worst
    # Whoever need not return one of the draws does better, and not better than any polynomial.
    free = worst_error(programmed_rule(8, low, returns_a_draw=False), low)
    assert ((k - 1) / (k + 1)) ** 8 / 2 * 0.999 <= free < found


@pytest.mark.parametrize(("k", "off"), [(4.0, 0.02), (5.0, 0.06)])
def test_beyond_three_the_rate_is_that_of_the_tangent(k, off):
    """The programs' errors fall at the exponent that the three-lines theorem allows, not at log 1/rho."""
    low = k**-2
    errors = {n: worst_error(programmed_rule(n, low, returns_a_draw=False), low) for n in (24, 40)}
    slope = math.log(errors[24] / errors[40]) / 16
    rate, unbounded = best_rate(math.log(k)), math.log((k + 1) / (k - 1))
    assert rate < 0.9 * unbounded
    assert slope <= rate <= slope * (1 + off)
    # Chebyshev's polynomial of a lower degree comes near it with many paths: theta N less a few.
    rule = selection(400, math.log(k))
    assert rule.degree is not None
    assert best_rate(math.log(3.0)) == pytest.approx(math.log(2.0), rel=1e-12)


def test_elevation_does_not_change_the_polynomial():
    x = np.linspace(0, 1, 9)
    for degree, to in ((0, 3), (3, 3), (5, 12)):
        coefficient, basis = elevated(degree, to), np.array([math.comb(to, j) for j in range(to + 1)])
        values = [(coefficient * basis * t ** np.arange(to + 1) * (1 - t) ** np.arange(to, -1, -1)).sum() for t in x]
        expected = (-1) ** degree * np.cos(degree * np.arccos(2 * x - 1))
        np.testing.assert_allclose(values, expected, atol=1e-12)


def test_a_rule_for_many_paths_and_a_wide_bound_leaves_some_aside():
    few, many = selection(64, math.log(10.0)), selection(80, math.log(10.0))
    assert few.degree is None
    assert many.worst == few.worst
    assert is_rule(many.high_chance)
    assert worst_error(many.high_chance, 0.01) == pytest.approx(few.worst, rel=3e-3)


@pytest.mark.parametrize("log_bound", [0.0, 1e-9, 700.0])
def test_extreme_bounds(log_bound):
    rule = selection(5, log_bound)
    assert is_rule(rule.high_chance)
    assert 0.0 <= rule.worst <= 1.0


def test_what_cannot_be_selected_is_refused():
    with pytest.raises(SpecError, match="there are 1001 paths to select from, expected at most 1000"):
        selection(1001, 0.5)
    with pytest.raises(SpecError, match="expected a finite bound"):
        selection(4, math.inf)


@given(instances(), st.integers(2, 9), st.floats(1.0, 1.5))
@settings(max_examples=60, deadline=None)
def test_selection_shrinks_the_distance_and_nothing_else(instance, paths, slack):
    if not math.isfinite(instance.audit.bellman_error) or instance.audit.bellman_error > 1e3:
        return
    bound = slack * (1 + instance.audit.bellman_error) ** (instance.horizon - 1)
    kind = GuidedSMC(chebyshev=paths, bound=bound)
    rule = kind.rule(instance)
    p, q = (law.prob.to_float() for law in (instance.target, GuidedSMC().law(instance)))
    gap = kind.law(instance).prob.to_float() - p
    share = float((gap * (q - p)).sum() / max(((q - p) ** 2).sum(), 1e-300))
    np.testing.assert_allclose(gap, share * (q - p), atol=1e-13)
    assert 0.5 * np.abs(gap).sum() <= rule.worst * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize(
    "spec", ["chebyshev=2", "chebyshev=5", "chebyshev=3,bound=4", "chebyshev=4,pool=3", "chebyshev=3,pool=3,bound=1.5"]
)
def test_simulated_selection_has_its_law(spec):
    kind = sampler(f"sp-gsmc:{spec}")
    law = kind.law(INSTANCE)
    assert law.prob.to_float().sum() == pytest.approx(1.0, abs=1e-12)
    draws = kind.simulate(INSTANCE, 200_000, seed=5)
    assert fits(draws, law)
    if kind.bound != 1.5:
        # One that corrects nothing would be noticed; with a pool this bound is hardly ever kept.
        assert not fits(draws, GuidedSMC(pool=kind.pool).law(INSTANCE))
    assert draws.value_queries / 200_000 == pytest.approx(kind.cost(INSTANCE).value_queries, rel=1e-9)


def test_a_pools_law_is_that_of_all_its_draws():
    """Every ordered pool of two walks of one step each, and every rounding, in rationals: noise does not matter."""
    prob, value = [Fraction(1, 4), Fraction(3, 4)], [Fraction(3, 2), Fraction(7, 8)]
    tree = Tree.complete(2, 1, policy=[0.25, 0.75])
    for root, bound in ((Fraction(1), 2.0), (Fraction(5, 4), 1.1)):
        instance = Instance(tree, Scaled.from_float([float(root), 1.5, 0.875]))
        kind = GuidedSMC(pool=2, chebyshev=2, bound=bound)
        rule = kind.rule(instance)
        h = naive.fractions(rule.high_chance)
        high, low = Fraction(float(np.exp(rule.log_bound))), Fraction(float(np.exp(-rule.log_bound)))
        walks = []
        for a, b in itertools.product(range(2), repeat=2):
            mean = (value[a] + value[b]) / 2
            for kept in (a, b):
                walks.append((kept, prob[a] * prob[b] * value[kept] / (2 * mean), mean / root))
        law = [Fraction(0)] * 2
        outside = Fraction(0)
        for (x, p, r), (y, q, s) in itertools.product(walks, repeat=2):
            if not all(float(low) - 1e-9 <= w <= float(high) + 1e-9 for w in (r, s)):
                law[x] += p * q
                outside += p * q
                continue
            u, v = ((w - low) / (high - low) for w in (r, s))
            law[x] += p * q * u * v * h[2] / 2 + p * q * (1 - u) * (1 - v) / 2
            law[y] += p * q * u * v * h[2] / 2 + p * q * (1 - u) * (1 - v) / 2
            for up, down, chance in ((x, y, u * (1 - v)), (y, x, v * (1 - u))):
                law[up] += p * q * chance * h[1]
                law[down] += p * q * chance * (1 - h[1])
        np.testing.assert_allclose(kind.law(instance).prob.to_float(), [float(x) for x in law], atol=1e-12)
        assert 1 - chance_within(tree, instance.value, 2, rule.log_bound) ** 2 == pytest.approx(
            float(outside), abs=1e-12
        )
        assert (outside > 0) == (bound == 1.1)


def test_on_a_trellis_the_law_is_that_of_the_unrolled_tree():
    trellis = family("markov", horizon=4, states=2, perturbation="random-sign", epsilon=0.4, seed=3)
    tree = unroll(trellis)
    for spec in [*(f"chebyshev={n}" for n in range(2, 12)), "chebyshev=6,bound=9"]:
        kind = sampler(f"sp-gsmc:{spec}")
        law, expected = kind.law(trellis), kind.law(tree)
        tv = law.tv(trellis.target)
        assert tv.kind in ("exact", "certified")
        assert tv.lo - 1e-12 <= expected.tv(tree.target).lo <= tv.hi + 1e-12
        assert law.chi2(trellis.target) == pytest.approx(expected.chi2(tree.target), rel=1e-9)
        assert law.expected(trellis.reward) == pytest.approx(expected.expected(tree.reward), rel=1e-9)
    # The sign of what is left changes with N.
    shares = [sampler(f"sp-gsmc:chebyshev={n}").law(trellis).share for n in range(2, 12)]
    assert min(shares) < 0 < max(shares)
    with pytest.raises(NoExactLaw, match="a corrected pool has an exact law on trees"):
        GuidedSMC(pool=3, chebyshev=3).law(trellis)


def test_an_understated_bound_is_an_error_and_a_sufficient_one_is_not():
    instance = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.3")
    with pytest.raises(SpecError, match=r"bound is 1\.1, but weights of guided paths are up to a factor of 1\.78791"):
        GuidedSMC(chebyshev=4, bound=1.1).law(instance)
    with pytest.raises(SpecError, match=r"bound is 1\.78, but"):
        GuidedSMC(chebyshev=4, bound=1.78).simulate(instance, 10, seed=0)
    # Nearer than with what the Bellman error promises, (1 + epsilon)^3 = 9.8.
    near, audited = (GuidedSMC(chebyshev=4, bound=b) for b in (1.79, 0.0))
    assert near.law(instance).tv(instance.target) < audited.law(instance).tv(instance.target)
    chain = family("markov", horizon=12, perturbation="random-sign", epsilon=0.2, seed=1)
    with pytest.raises(SpecError, match=r"bound is 1\.01, but weights"):
        GuidedSMC(chebyshev=4, bound=1.01).law(chain)
    falls = Instance(Tree.complete(2, 2), Scaled.from_float([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(SpecError, match="needs a finite Bellman error"):
        GuidedSMC(chebyshev=4).law(falls)


def test_the_bound_is_that_of_the_bellman_error():
    """T - 1 factors with the exact normaliser; with a pool T of them, and pool means within 1 / (4 T)."""
    exact, pool = (GuidedSMC(pool=m, chebyshev=4).rule(INSTANCE).log_bound for m in (0, 3))
    assert INSTANCE.audit.bellman_error == pytest.approx(0.3)
    assert exact == pytest.approx(2 * math.log(1.3), rel=1e-12)
    assert pool == pytest.approx(3 * math.log(1.3 * 12 / 11), rel=1e-12)
    assert GuidedSMC(chebyshev=4, bound=5.0).rule(INSTANCE).log_bound == pytest.approx(math.log(5.0))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("chebyshev=2,mh=2", "mh=2 and chebyshev=2 are given, expected at most one correction"),
        ("chebyshev=2,reject=2", "reject=2 and chebyshev=2 are given"),
        ("chebyshev=0", "chebyshev is 0, expected at least 1"),
        ("bound=2", "bound is 2, expected a finite number of at least 1, beside chebyshev=N"),
        ("chebyshev=2,bound=0.5", r"bound is 0\.5"),
        ("chebyshev=2,bound=inf", "bound is inf"),
    ],
)
def test_parameters_that_do_not_go_together(spec, message):
    with pytest.raises(SpecError, match=message):
        sampler(f"sp-gsmc:{spec}")


def test_the_kernel_keeps_the_first_where_a_weight_is_beyond():
    rng, out = np.random.default_rng(0), np.empty(4, np.int64)
    log_weight = np.array([[0.0, 0.6, 0.0], [0.0, 0.1, -0.6], [0.0, np.nan, 0.0], [-0.5, -0.5, 0.5]])
    rule = selection(3, 0.5)
    assert select_rounded(log_weight, rule.log_bound, 1e-9, rule.high_chance, rng, out) == 3
    assert (out[:3] == 0).all()


def test_favoured_is_what_the_target_gives_to_high_weights():
    assert favoured(np.array([0.5]), 0.25)[0] == pytest.approx(0.8)
    assert isinstance(selection(2, 0.1), Selection)
