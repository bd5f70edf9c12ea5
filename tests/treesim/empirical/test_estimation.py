import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats

from treesim import (
    SMC,
    Importance,
    Instance,
    ParticleGibbs,
    RandomSuffix,
    Rejection,
    Scaled,
    SpecError,
    family,
    optimal_twist,
    register_sampler,
    sampler,
    unroll,
    with_potentials,
)
from treesim.empirical import controlled, estimation
from treesim.empirical.estimation import estimate
from treesim.samplers import Cost, Draws, Sampler

INSTANCE = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)


@pytest.mark.parametrize("sampler", [SMC(2), SMC(5), Importance(3), SMC(4, proposal="optimal")])
def test_intervals_cover_the_exact_tv_at_their_level(sampler):
    exact = sampler.law(INSTANCE).tv(INSTANCE.target).lo
    level, repeats = 0.9, 120
    missed = sum(
        not tv.lo <= exact <= tv.hi
        for seed in range(repeats)
        if (tv := estimate(sampler, INSTANCE, n=600, seed=seed, level=level).tv)
    )
    # More misses than this have a chance below 10^-7 if the level is kept.
    assert missed <= stats.binom.isf(1e-7, repeats, 1 - level)


def test_intervals_narrow_around_the_exact_tv():
    exact = SMC(3).law(INSTANCE).tv(INSTANCE.target).lo
    wide, narrow = (estimate(SMC(3), INSTANCE, n=n).tv for n in (1_000, 100_000))
    assert narrow.lo <= exact <= narrow.hi
    assert narrow.hi - narrow.lo < 0.02 < wide.hi - wide.lo
    assert narrow.kind == "estimated"
    assert narrow.level == 0.99


def test_a_sampler_that_is_exact_is_not_found_wrong():
    instance = family("dirichlet", horizon=4, seed=3)
    tv = estimate(SMC(1, proposal="optimal"), instance, n=50_000).tv
    assert tv.lo == 0.0
    assert tv.hi < 0.03


def test_the_expected_reward_is_estimated_too():
    exact = SMC(3).law(INSTANCE).expected(INSTANCE.reward)
    assert estimate(SMC(3), INSTANCE, n=200_000).expected_reward == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("budget", [1, 20, 200])
def test_runs_that_return_nothing_count_against_the_sampler(budget):
    sampler = Rejection(budget, slack=10.0, fallback="fail")
    exact = sampler.law(INSTANCE).tv(INSTANCE.target).lo
    tv = estimate(sampler, INSTANCE, n=50_000).tv
    assert tv.lo <= exact <= tv.hi < tv.lo + 0.05


def test_a_sampler_that_mostly_returns_nothing_is_far_from_the_target():
    class Mute:
        def simulate(self, oracle, rng):
            prefix = oracle.root
            while prefix.level < oracle.horizon:
                children, prob = zip(*oracle.children(prefix), strict=True)
                weights = np.array(prob) * [oracle.value(child) for child in children]
                prefix = children[rng.choice(len(children), p=weights / weights.sum())]
            return prefix if rng.random() < 0.1 else None

    register_sampler("mute")(Mute)
    exact = family("dirichlet", horizon=3, seed=3)
    tv = estimate(sampler("mute"), exact, n=4_000).tv
    assert tv.lo <= 0.9 <= tv.hi
    assert tv.lo > 0.8


SHORT = family("markov", horizon=5, states=2, perturbation="log-normal:sigma=1", seed=1)


@pytest.mark.parametrize("kind", [SMC(2), SMC(4, proposal="optimal")])
def test_on_a_trellis_intervals_cover_the_exact_tv_of_the_paths(kind, monkeypatch):
    monkeypatch.setattr(estimation, "MOST_UNROLLED", 0)
    exact = kind.law(SHORT).tv(SHORT.target).lo
    level, repeats = 0.9, 80
    missed = sum(
        not tv.lo <= exact <= tv.hi
        for seed in range(repeats)
        if (tv := estimate(kind, SHORT, n=2_000, seed=seed, level=level).tv)
    )
    assert missed <= stats.binom.isf(1e-7, repeats, 1 - level)
    wide, narrow = (estimate(kind, SHORT, n=n).tv for n in (2_000, 200_000))
    assert narrow.lo <= exact <= narrow.hi
    assert narrow.hi - narrow.lo < 0.12 < 0.25 < wide.hi - wide.lo


def test_a_trellis_of_few_paths_is_unrolled_and_controlled(monkeypatch):
    """Also with potentials, whose rewards the ends of paths do not tell."""
    chain = family("markov", horizon=5, states=2).graph
    graph = with_potentials(chain, [np.random.default_rng(1).normal(size=len(chain.layer(t).prob)) for t in range(5)])
    twist = optimal_twist(graph, np.zeros(graph.n_leaves))
    weighted = Instance(graph, twist * Scaled.from_log(0.3 * np.random.default_rng(2).normal(size=graph.n_nodes)))
    for instance in (SHORT, weighted):
        exact = SMC(4).law(instance).tv(instance.target)
        found = estimate(SMC(4), instance, n=20_000)
        assert found.tv.lo <= exact.lo <= exact.hi <= found.tv.hi < found.tv.lo + 0.03
        assert (found.expected_reward is None) == (instance is weighted)
        # Of other resampling no law is known: many more runs agree, and the general way is far wider.
        few, many = (estimate(SMC(4, "systematic"), instance, n=n, seed=n).tv for n in (4_000, 200_000))
        assert few.lo <= many.hi and many.lo <= few.hi and many.width < 0.2 * few.width
        monkeypatch.setattr(estimation, "MOST_UNROLLED", 31)
        assert estimate(SMC(4, "systematic"), instance, n=4_000).tv.width > 10 * few.width
        monkeypatch.undo()


def test_a_trellis_of_few_paths_is_unrolled_where_runs_are_many():
    """32 paths, for which 512 runs are enough."""
    kind = RandomSuffix(2)
    exact = kind.law(unroll(SHORT)).tv(unroll(SHORT).target).lo
    few, enough, many = (estimate(kind, SHORT, n=n).tv for n in (511, 512, 200_000))
    assert few.hi == 1.0 > enough.hi
    assert many.lo <= exact <= many.hi < many.lo + 0.03


def test_on_a_long_trellis_there_is_an_interval_too():
    instance = family("product", horizon=100, ratio=1.1)
    exact = SMC(4).law(instance).tv(instance.target)
    tv = estimate(SMC(4), instance, n=20_000).tv
    assert 0 < tv.lo <= exact.lo <= exact.hi <= tv.hi < 0.2
    chain = estimate(ParticleGibbs(4, 1, "systematic"), instance, n=20_000).tv
    assert chain.lo <= chain.hi < 0.25


def test_runs_of_other_samplers_bound_from_below_only():
    instance = family("markov", horizon=30, perturbation="log-normal:sigma=1", seed=1)
    assert estimate(RandomSuffix(1), instance, n=4_000).tv.hi == 1.0
    zero = Instance(instance.graph, Scaled.from_float(np.where(np.arange(len(instance.value)) == 1, 0.0, 1.0)))
    assert estimate(SMC(2), zero, n=400).tv.hi == 1.0


def test_the_same_bits_for_any_number_of_threads(monkeypatch):
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("TREESIM_THREADS", threads)
        found.append(estimate(SMC(8), INSTANCE, n=20_000, seed=3))
    assert found[0] == found[1]


def test_too_few_runs_are_refused():
    with pytest.raises(SpecError, match="at least 20 runs"):
        estimate(SMC(2), INSTANCE, n=3)
    assert np.isfinite(estimate(SMC(2), INSTANCE, n=20).tv.hi)


@dataclass(frozen=True)
class Fixed(Sampler):
    """Returns leaf 0 in a share of its runs, and leaf 1 in the others."""

    share: float = 1.0
    name: ClassVar[str] = "fixed"

    def law(self, instance):
        raise NotImplementedError

    def cost(self, instance):
        return Cost(1.0, 1.0)

    def block(self, instance, n, rng):
        return Draws((np.arange(n) >= round(self.share * n)).astype(np.int64), None, n, n)


def test_the_interval_of_a_sampler_that_always_returns_one_leaf_is_that_of_the_formulas():
    n, level = 1_000, 0.9
    target = INSTANCE.target.prob.to_float()
    tv = estimate(Fixed(), INSTANCE, n=n, level=level).tv
    # Four tails share the risk: two of the witness set, two of McDiarmid's inequality; no run differs from another.
    tails = math.log(4 / (1 - level))
    assert tv.lo == pytest.approx(1 - target[0] - 7 * tails / (3 * (n / 2 - 1)), abs=1e-12)
    assert tv.hi == pytest.approx(min(1.0, 1 - target[0] + math.sqrt(tails / (2 * n))), abs=1e-12)


def test_the_interval_widens_by_the_variance_between_runs():
    n, level = 1_000, 0.9
    instance = family("uniform", horizon=4)
    target = instance.target.prob.to_float()
    tv = estimate(Fixed(0.5), instance, n=n, level=level).tv
    tails = math.log(4 / (1 - level))
    gap = 1 - target[:2].sum()
    error = 0.5 * 2 * math.sqrt(0.25 / n)
    assert tv.lo == pytest.approx(gap - 7 * tails / (3 * (n / 2 - 1)), abs=1e-12)
    assert tv.hi == pytest.approx(min(1.0, gap + error + math.sqrt(tails / (2 * n))), abs=1e-12)


def test_learning_and_testing_share_no_random_numbers(monkeypatch):
    keys = []
    generator = estimation.generator
    for module in (estimation, controlled):
        monkeypatch.setattr(module, "generator", lambda *key: keys.append(key) or generator(*key))
    for kind, instance in ((SMC(3), INSTANCE), (Importance(3), INSTANCE), (SMC(3), SHORT)):
        keys.clear()
        estimate(kind, instance, n=2_000, seed=5)
        assert len(keys) == len(set(keys)) > 1
        assert {key[0] for key in keys} == {5}


def test_means_and_squares_are_those_of_the_law_of_each_run():
    """Particles of a run on one leaf add up before they are squared."""
    sampler, outcomes = SMC(6), INSTANCE.graph.n_leaves + 1
    found = estimation._conditional_laws(sampler, INSTANCE, 50, 0, 3)
    laws = []
    for leaf, weight in found.populations:
        for row in range(len(leaf)):
            laws.append(np.bincount(leaf[row], weight[row], outcomes))
    assert len(laws) == 50
    np.testing.assert_allclose(np.sum(laws, axis=1), 1.0)
    np.testing.assert_allclose(found.mean, np.mean(laws, axis=0), atol=1e-15)
    np.testing.assert_allclose(found.square, np.mean(np.square(laws), axis=0), atol=1e-15)
