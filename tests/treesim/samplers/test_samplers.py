from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.statistics import fits
from treesim import (
    SAMPLERS,
    Base,
    BeamSearch,
    BestOfN,
    GuidedSMC,
    Importance,
    Instance,
    Scaled,
    SoftBestOfN,
    SpecError,
    Tree,
    family,
    optimal_twist,
    sampler,
)
from treesim.laws.law import walk_law
from treesim.laws.walks import PoolSteps
from treesim.samplers import UserSampler
from treesim.samplers.base import BLOCK_EDGES
from treesim.spec import spell
from treesim.testing.strategies import instances

SPECS = [
    "base",
    "best-of-n:n=5",
    "soft-best-of-n:n=5,temperature=0.4",
    "importance:n=5",
    "rejection:budget=4",
    "rejection:budget=4,slack=1.5,fallback=base",
    "rejection:budget=2,fallback=fail",
    "beam:width=2",
    "beam:width=3,score=value",
    "sp-gsmc",
    "sp-gsmc:pool=1",
    "sp-gsmc:pool=4",
    "sp-gsmc:mh=3",
    "sp-gsmc:reject=3",
    "sp-gsmc:pool=2,mh=3",
    "sp-gsmc:pool=3,select=race",
    "race:n=5",
    "vgb:steps=9,momentum=true",
    "vgb:steps=0,stop=leaf,leaf=3,momentum=true",
    "vgb:steps=9",
    "vgb:steps=0,stop=first-leaf",
    "random-suffix:steps=3",
    "smc:particles=1",
    "smc:particles=2",
    "smc:particles=2,proposal=optimal",
    "particle-gibbs:particles=2,sweeps=2",
]


def close(law, exact, failure=0.0):
    np.testing.assert_allclose(law.prob.to_float(), [float(x) for x in exact], rtol=2e-12, atol=1e-290)
    assert law.failure == pytest.approx(float(failure), abs=1e-14)


def rational(instance):
    return naive.reference(instance.graph), naive.fractions(instance.reward.to_float())


@given(instances(), st.integers(1, 3))
@settings(max_examples=40)
def test_selection_laws_are_the_rational_ones(instance, n):
    prob, reward = rational(instance)
    close(Base().law(instance), prob)
    close(BestOfN(n).law(instance), naive.best_of(prob, reward, n))
    close(Importance(n).law(instance), naive.weighted_pick(prob, reward, n))
    close(SoftBestOfN(n, temperature=1.0).law(instance), naive.weighted_pick(prob, reward, n))


@given(instances(), st.integers(1, 3))
@settings(max_examples=25)
def test_soft_best_of_n_at_temperature_a_half_weighs_by_the_square(instance, n):
    prob, reward = rational(instance)
    close(SoftBestOfN(n, temperature=0.5).law(instance), naive.weighted_pick(prob, [r * r for r in reward], n))


@given(instances(), st.integers(1, 3))
@settings(max_examples=40)
def test_guided_laws_are_the_rational_ones(instance, pool):
    value = naive.fractions(instance.value.to_float())
    close(GuidedSMC().law(instance), naive.guided(instance.graph, value))
    exact = naive.pooled(instance.graph, value, pool)
    close(GuidedSMC(pool).law(instance), exact)
    close(walk_law(PoolSteps(instance.graph, instance.value, pool, by_quadrature=True)), exact)


@given(instances(), st.integers(1, 4))
@settings(max_examples=60)
def test_beam_search_finds_what_the_naive_search_finds(instance, width):
    value = naive.fractions(instance.value.to_float())
    for score in ("target", "value"):
        exact = naive.beam(instance.graph, value, width, score)
        found = int(np.argmax(BeamSearch(width, score).law(instance).prob.to_float()))
        assert exact is None or found == exact


@given(instances(), st.sampled_from(SPECS))
@settings(max_examples=100)
def test_every_law_is_a_distribution(instance, spec):
    law = sampler(spec).law(instance)
    assert law.prob.to_float().sum() + law.failure == pytest.approx(1.0, abs=1e-12)
    assert law.tv(instance.target).kind == "exact"


INSTANCE = family("random-branching", horizon=4, branching=3, stop=0.1, perturbation="log-normal:sigma=0.7", seed=9)
SPARSE = family("dirichlet", horizon=4, branching=2, reward="sparse:share=0.2", perturbation="exact", seed=3)


@cache
def drawn(spec, instance):
    """200,000 outputs, of which several tests look at the leaves or at the cost."""
    return sampler(spec).simulate(instance, 200_000, seed=1)


@pytest.mark.parametrize("instance", [INSTANCE, SPARSE], ids=["random", "sparse"])
@pytest.mark.parametrize("spec", SPECS)
def test_simulation_follows_the_exact_law(spec, instance):
    assert fits(drawn(spec, instance), sampler(spec).law(instance))


@pytest.mark.parametrize(
    ("simulated", "claimed"),
    [
        ("importance:n=5", "importance:n=6"),
        ("importance:n=5", "soft-best-of-n:n=5,temperature=0.95"),
        ("best-of-n:n=5", "best-of-n:n=6"),
        ("sp-gsmc", "sp-gsmc:pool=24"),
        ("sp-gsmc:pool=4", "sp-gsmc:pool=5"),
        ("rejection:budget=4", "rejection:budget=5"),
        ("rejection:budget=4,slack=1.1", "rejection:budget=4"),
        ("base", "importance:n=2"),
    ],
)
def test_the_fit_test_catches_a_law_that_is_slightly_off(simulated, claimed):
    assert not fits(drawn(simulated, INSTANCE), sampler(claimed).law(INSTANCE))


@pytest.mark.parametrize("instance", [INSTANCE, SPARSE], ids=["random", "sparse"])
@pytest.mark.parametrize("spec", SPECS)
def test_simulated_cost_is_the_expected_cost(spec, instance):
    draws, cost = drawn(spec, instance), sampler(spec).cost(instance)
    n = len(draws.leaf)
    # A draw costs at most 60 here: the mean of n is within 0.05 of its expectation far beyond six sigma
    # of what the budgets and branchings of these specs allow.
    assert draws.reference_draws / n == pytest.approx(cost.reference_draws, rel=0.02)
    assert draws.value_queries / n == pytest.approx(cost.value_queries, rel=0.02)


@pytest.mark.parametrize("spec", SPECS)
def test_any_number_of_threads_gives_the_same_leaves(spec, monkeypatch):
    chosen, leaves = sampler(spec), []
    # Two blocks and a bit.
    n = 2 * chosen.block_size(INSTANCE) + 1
    for threads in ("1", "2"):
        monkeypatch.setenv("TREESIM_THREADS", threads)
        leaves.append(chosen.simulate(INSTANCE, n, seed=5).leaf)
    assert np.array_equal(*leaves)
    assert not np.array_equal(leaves[0][:1000], chosen.simulate(INSTANCE, 1000, seed=6).leaf) or "beam" in spec


def test_guidance_is_exact_on_the_product_model_at_any_error():
    instance = family("product", horizon=10, ratio=1.2)
    assert GuidedSMC().law(instance).tv(instance.target).hi < 1e-14
    bits = 1.2 / 2.2
    ones = np.array([bin(leaf).count("1") for leaf in range(2**10)])
    np.testing.assert_allclose(instance.target.prob.to_float(), bits**ones * (1 - bits) ** (10 - ones), rtol=1e-12)


def test_a_pool_on_the_product_model_gives_independent_bits():
    instance = family("product", horizon=6, ratio=3.0)
    pool = 5
    counts = np.arange(pool + 1)
    binomial = np.array([1, 5, 10, 10, 5, 1]) / 32
    q = (binomial * counts * 3.0 / (counts * 3.0 + pool - counts)).sum()
    ones = np.array([bin(leaf).count("1") for leaf in range(2**6)])
    expected = q**ones * (1 - q) ** (6 - ones)
    np.testing.assert_allclose(GuidedSMC(pool).law(instance).prob.to_float(), expected, rtol=1e-13)


def test_large_pools_approach_the_exact_normaliser():
    exact = GuidedSMC().law(INSTANCE)
    tv = [GuidedSMC(pool).law(INSTANCE).tv(exact).hi for pool in (8, 80, 800, 8000)]
    assert tv == sorted(tv, reverse=True)
    assert tv[2] / tv[3] == pytest.approx(10, rel=0.05)


def test_soft_best_of_n_goes_from_best_of_n_to_base():
    cold, hot = SoftBestOfN(8, temperature=1e-4).law(INSTANCE), SoftBestOfN(8, temperature=1e6).law(INSTANCE)
    assert cold.tv(BestOfN(8).law(INSTANCE)).hi < 1e-12
    assert hot.tv(INSTANCE.reference).hi < 1e-5


def test_guidance_takes_reference_steps_where_no_value_is_left():
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 0.25, 0.75, 0.5, 0.5])
    twist = optimal_twist(tree, [-np.inf, -np.inf, 0.0, 0.0])
    spoiled = Instance(tree, type(twist).from_float([1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]))
    np.testing.assert_allclose(GuidedSMC().law(spoiled).prob.to_float(), [0.25, 0.75, 0.0, 0.0])


def test_a_beam_as_wide_as_the_tree_finds_the_mode():
    for seed in range(5):
        instance = family("dirichlet", horizon=5, perturbation="log-normal:sigma=2", seed=seed)
        law = BeamSearch(width=32).law(instance)
        assert law.tv(instance.target).hi == pytest.approx(1 - instance.target.prob.to_float().max(), abs=1e-12)


def test_importance_beats_best_of_n_in_the_long_run():
    tv = {cls: cls(10_000).law(INSTANCE).tv(INSTANCE.target).hi for cls in (Importance, BestOfN)}
    assert tv[Importance] < 1e-3 < 0.5 < tv[BestOfN]


@pytest.mark.parametrize("spec", SPECS)
def test_specs_survive_the_round_trip(spec):
    assert spell(sampler(spec)) == spec
    assert sampler(spell(sampler(spec))) == sampler(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("greedy", "unknown sampler 'greedy', expected one of: base, best-of-n"),
        ("importance", "sampler 'importance' needs n, such as importance:n=16"),
        ("importance:m=3", "has no parameter 'm'; its parameters: n"),
        ("importance:n=many", "n of importance is 'many', expected a whole number"),
        ("importance:n=0", "n is 0, expected at least 1"),
        ("importance:n", "expected n=VALUE, once"),
        ("importance:n=1,n=2", "expected n=VALUE, once"),
        ("soft-best-of-n:n=4,temperature=0", "temperature is 0.0, expected a number above 0"),
        ("soft-best-of-n:n=4,temperature=nan", "temperature is nan"),
        ("rejection:budget=4,fallback=pray", "fallback is 'pray', expected one of: last, base, fail"),
        ("rejection:budget=4,slack=0.5", "slack is 0.5, expected at least 1"),
        ("beam:width=2,score=luck", "score is 'luck'"),
        ("sp-gsmc:pool=-1", "pool is -1, expected at least 0"),
        ("base:n=2", "sampler 'base' has no parameter 'n'; its parameters: none"),
    ],
)
def test_bad_specs_are_refused(spec, message):
    with pytest.raises(SpecError, match=message.replace("(", r"\(").replace("+", r"\+")):
        sampler(spec)


def test_bad_simulations_are_refused():
    with pytest.raises(SpecError, match="n is 0"):
        Base().simulate(INSTANCE, 0, seed=0)


def test_every_sampler_is_tested():
    # The exact sampler refuses instances with values of zero: test_exact.py has its own.
    # What is plain Python is tested in the zoo.
    built_in = {name for name, kind in SAMPLERS.items() if not issubclass(kind, UserSampler)}
    assert {spec.partition(":")[0] for spec in SPECS} == built_in - {"exact-guided"}


def test_a_block_keeps_no_more_edges_than_are_allowed():
    long = family("markov", horizon=1000, states=2)
    for spec in ("base", "importance:n=4"):
        size, draws = sampler(spec).block_size(long), sampler(spec).draws_per_output(long)
        assert size * draws * 1000 <= BLOCK_EDGES < 2 * (size + 1) * draws * 1000


def test_a_beam_looks_at_what_pi_ref_can_draw():
    tree = Tree.complete(2, 2, policy=[1.0, 0.0, 0.5, 0.5, 0.5, 0.5])
    instance = Instance(tree, optimal_twist(tree, np.zeros(4)))
    assert BeamSearch(5).cost(instance).value_queries == 3
    assert BeamSearch(5).simulate(instance, 7, seed=0).value_queries == 21


def test_the_choices_of_an_output_lead_to_its_leaf():
    instance = family("markov", horizon=5, states=3, seed=1)
    draws = sampler("base").simulate(instance, 40, seed=1)
    assert len(set(draws.leaf.tolist())) == 3
    assert [instance.graph.follow(draws.choices(instance.graph, i)) for i in range(40)] == draws.leaf.tolist()


UNITS = [
    "best-of-n:n=5", "soft-best-of-n:n=5,temperature=0.4", "importance:n=5", "rejection:budget=4", "beam:width=2",
    "sp-gsmc", "sp-gsmc:pool=3", "sp-gsmc:mh=3", "sp-gsmc:reject=3", "sp-gsmc:pool=3,mh=3", "smc:particles=4",
    "smc:particles=4,proposal=optimal", "smc:particles=4,proposal=pool,pool=3", "smc:particles=4,threshold=0.5",
    "smc:particles=4,proposal=pool,pool=3,threshold=0.5", "particle-gibbs:particles=3,sweeps=2", "exact-guided",
    "vgb:steps=20", "random-suffix:steps=3",
]  # fmt: skip


@pytest.mark.parametrize("spec", UNITS)
@pytest.mark.parametrize("shift", [-1000.0, 255 * np.log(2), 50_000.0])
@pytest.mark.parametrize("branching", [2, 3])
def test_the_unit_of_values_does_not_matter(spec, shift, branching):
    """Also where values lie on both sides of the end of a float's plain range: the same draws, but for rounding."""
    plain = family("dirichlet", horizon=3, branching=branching, perturbation="log-normal:sigma=0.5", seed=4)
    shifted = Instance(plain.graph, Scaled.from_log(plain.value.log() + shift))
    n = 50 if spec == "exact-guided" else 400
    a, b = (sampler(spec).simulate(instance, n, seed=2) for instance in (plain, shifted))
    assert np.mean(a.leaf == b.leaf) > 0.99
    if a.log_partition is not None:
        np.testing.assert_allclose(
            np.sort(b.log_partition - shift)[20:-20], np.sort(a.log_partition)[20:-20], atol=1e-6
        )
    if spec != "exact-guided" and "smc:" not in spec:
        one, other = (sampler(spec).law(instance).prob.to_float() for instance in (plain, shifted))
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-12)
