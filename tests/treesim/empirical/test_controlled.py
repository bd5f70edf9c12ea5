"""Runs with V* as a control variate: without bias, and far nearer to the law than the same runs without it."""

import numpy as np
import pytest
from scipy import stats

from treesim import SMC, Instance, Scaled, Tree, family, sampler
from treesim.empirical.controlled import controlled_margin, controlled_runs, is_controlled
from treesim.empirical.estimation import estimate

INSTANCE = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)
# Five standard errors: a false alarm in 1.7 million.
FAR = 5.0


def dead_ends() -> Instance:
    """A tree where a third of the rewards are zero, and V^ above none but some of them."""
    rng = np.random.default_rng(5)
    tree = Tree.complete(3, 3)
    value = np.exp(rng.normal(size=tree.n_nodes))
    value[tree.leaves] *= rng.random(tree.n_leaves) > 0.35
    value[tree.leaves][:3] = 0.0
    value[13:16] = 0.0
    value[[4]] = 0.0
    return Instance(tree, Scaled.from_float(value))


def with_powers() -> Instance:
    """V^ and V* beyond the range of floats, near each other."""
    wild = Scaled.from_log(np.linspace(-700.0, 700.0, INSTANCE.graph.n_leaves))
    value = INSTANCE.value.log() + np.random.default_rng(1).normal(size=INSTANCE.graph.n_nodes)
    twist = Instance(INSTANCE.graph, Scaled.from_log(np.append(value[: -len(wild)], wild.log()))).twist.log()
    noise = 0.5 * np.random.default_rng(2).normal(size=len(twist))
    noise[INSTANCE.graph.leaves] = 0.0
    return Instance(INSTANCE.graph, Scaled.from_log(twist + noise))


def sets(instance) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.random(instance.graph.n_leaves) < 0.5 for _ in range(4)]


@pytest.mark.parametrize("instance", [INSTANCE, dead_ends(), with_powers()], ids=["plain", "dead ends", "powers"])
@pytest.mark.parametrize("kind", [SMC(2), SMC(5), SMC(3, proposal="optimal")])
def test_controlled_runs_have_the_mean_of_the_exact_law(instance, kind):
    assert is_controlled(kind, instance)
    exact = kind.law(instance).prob.to_float()
    for key, members in enumerate(sets(instance)):
        found = controlled_runs(kind, instance, 20_000, key, 1, members)
        assert found.mean.sum() == pytest.approx(1.0, abs=1e-9)
        assert found.mean[members].sum() == pytest.approx(found.inside.mean(), abs=1e-9)
        error = max(float(found.inside.std()), 1e-12) / np.sqrt(len(found.inside))
        assert abs(found.inside.mean() - exact[members].sum()) < FAR * error


@pytest.mark.parametrize(
    "spec",
    [
        "smc:particles=4,resampling=systematic",
        "smc:particles=4,resampling=residual,threshold=0.5",
        "smc:particles=5,resampling=stratified,threshold=0.7",
        "smc:particles=4,proposal=pool,pool=2",
        "smc:particles=1",
    ],
)
@pytest.mark.parametrize("instance", [INSTANCE, dead_ends()], ids=["plain", "dead ends"])
def test_controlled_or_not_runs_have_the_same_mean_with_any_resampling(spec, instance):
    kind = sampler(spec)
    for key, members in enumerate(sets(instance)):
        found = controlled_runs(kind, instance, 20_000, key, 2, members, members)
        # The two of one run are compared: their difference has mean zero.
        apart = found.inside - found.plain_inside
        assert abs(apart.mean()) < FAR * float(apart.std()) / np.sqrt(len(apart)) + 1e-12
        assert found.plain[members].sum() == pytest.approx(found.plain_inside.mean(), abs=1e-9)


def test_controlled_the_law_is_told_by_a_twentieth_of_the_runs():
    instance = family("dirichlet", horizon=7, perturbation="random-sign", epsilon="0.5/T", seed=1)
    law = SMC(2).law(instance).prob.to_float()
    members = law > instance.target.prob.to_float()
    found = controlled_runs(SMC(16), instance, 4_000, 0, 1, members, members)
    assert 20 * found.inside.var() < found.plain_inside.var()


@pytest.mark.parametrize("kind", [SMC(2), SMC(5), SMC(16), SMC(4, proposal="optimal")])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_cover_the_exact_tv_at_their_level(kind, level):
    instance = family("dirichlet", horizon=3, perturbation="log-normal:sigma=1", seed=4)
    exact, repeats = kind.law(instance).tv(instance.target).lo, 120
    found = [estimate(kind, instance, n=400, seed=seed, level=level).tv for seed in range(repeats)]
    missed = sum(not tv.lo <= exact <= tv.hi for tv in found)
    # More misses than this have a chance below 10^-7 if the level is kept.
    assert missed <= stats.binom.isf(1e-7, repeats, 1 - level)


@pytest.mark.parametrize(
    ("spec", "horizon", "perturbation", "width"),
    [
        ("smc:particles=16,resampling=systematic", 12, "random-sign", 0.03),
        ("smc:particles=8,resampling=systematic", 8, "random-sign", 0.0168),
        ("smc:particles=8", 6, "random-sign", 0.0163),
        ("smc:particles=8", 10, "log-normal:sigma=0.7", 0.0324),
    ],
)
def test_intervals_of_4000_runs_are_narrow(spec, horizon, perturbation, width):
    """A fifth of what conditional laws give with the sum of standard errors above them."""
    epsilon = {"epsilon": "0.5/T"} if perturbation == "random-sign" else {}
    instance = family("dirichlet", horizon=horizon, perturbation=perturbation, seed=1, **epsilon)
    assert estimate(sampler(spec), instance, n=4_000).tv.width < width


def test_where_values_are_zero_on_the_way_of_the_target_runs_are_not_controlled():
    value = INSTANCE.value.to_float().copy()
    value[1] = 0.0
    blind = Instance(INSTANCE.graph, Scaled.from_float(value))
    assert not is_controlled(SMC(2), blind)
    assert not is_controlled(SMC(2, final="race"), INSTANCE)
    assert not is_controlled(sampler("sp-gsmc"), INSTANCE)
    assert not is_controlled(SMC(2), family("markov", horizon=4, states=2))
    far = np.append(np.ones(1), np.exp(np.array([-350.0, 350.0])))
    tree = Instance(Tree.complete(2, 2), Scaled.from_float(np.append(far, np.ones(4))))
    assert not is_controlled(SMC(2), tree)


def test_another_target_is_compared_with_as_one_is():
    other = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3).reference
    exact = SMC(4).law(INSTANCE).tv(other).lo
    tv = estimate(SMC(4), INSTANCE, n=4_000, target=other).tv
    assert tv.lo <= exact <= tv.hi < tv.lo + 0.05


def test_margins_are_of_the_deviation_and_the_range():
    values = np.array([0.0] * 30 + [1.0] * 10)
    expected = np.sqrt(2 * values.var(ddof=1) * 3.0 / 50) + 3.0 / 50
    assert controlled_margin(values, 50, 3.0) == pytest.approx(expected)
