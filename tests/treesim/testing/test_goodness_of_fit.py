"""The verdict: its false-alarm rate, its power, and what it says."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from treesim import Instance, LeafLaw, Scaled, Tree, family, sampler
from treesim.errors import SpecError, TreeError
from treesim.testing import MISSED, check_sampler, goodness_of_fit, leaves
from treesim.testing.goodness_of_fit import _entropy_tail
from treesim.testing.strategies import bounded_instances, instances

INSTANCE = family("dirichlet", horizon=3, perturbation="log-normal:sigma=0.5", seed=1)


def drawing(spec, instance=INSTANCE, seed=1):
    return lambda n, rng: sampler(spec).simulate(instance, n, seed)


def compositions(n, cells):
    for bars in itertools.combinations(range(n + cells - 1), cells - 1):
        edges = [-1, *bars, n + cells - 1]
        yield np.diff(edges) - 1


@pytest.mark.parametrize("prob", [[0.5, 0.5], [0.2, 0.3, 0.5], [0.01, 0.09, 0.3, 0.6], [0.25, 0.75, 0.0]])
@pytest.mark.parametrize("n", [1, 5, 20])
def test_false_alarms_are_no_more_frequent_than_alpha(prob, n):
    """All samples of n draws, weighed by their exact probability: P(p <= a) <= a."""
    law = LeafLaw(Scaled.from_float(prob))
    found = []
    for count in compositions(n, len(prob)):
        chance = math.factorial(n) * math.prod(p**k / math.factorial(int(k)) for p, k in zip(prob, count, strict=True))
        if chance > 0:
            found.append((goodness_of_fit(np.repeat(np.arange(len(prob)), count), law).p_value, chance))
    for alpha in {p for p, _ in found}:
        assert sum(chance for p, chance in found if p <= alpha) <= alpha * (1 + 1e-12)


def test_the_stated_power_holds():
    """A law exactly as far as is stated is caught in all of 200 tries (99% each, at the least)."""
    n, target = 2_000, INSTANCE.target.prob.to_float()
    catches = check_sampler(drawing("sp-gsmc"), INSTANCE, "sp-gsmc", n=n).catches
    rng = np.random.default_rng(0)
    away = rng.dirichlet(np.ones(len(target)))
    law = target + catches * (away - target) / (0.5 * np.abs(away - target).sum())
    assert (law > 0).all() and 0.5 * np.abs(law - target).sum() == pytest.approx(catches)
    missed = sum(
        goodness_of_fit(rng.choice(len(law), n, p=law), INSTANCE.target, graph=INSTANCE.graph).passed
        for _ in range(200)
    )
    assert missed <= 200 * MISSED


@pytest.mark.parametrize("spec", ["sp-gsmc", "importance:n=4", "smc:particles=3", "rejection:budget=2"])
def test_samplers_pass_against_their_own_law_and_fail_against_the_target(spec):
    assert check_sampler(drawing(spec), INSTANCE, spec).passed
    with pytest.raises(AssertionError, match="do not agree with the law"):
        check_sampler(drawing(spec), INSTANCE, n=100_000)


def test_the_message_names_what_is_off():
    wrong = INSTANCE.target.prob.to_float().copy()
    rich, poor = int(wrong.argmax()), int(wrong.argmin())
    moved = 0.2 * wrong[rich]
    wrong[rich] -= moved
    wrong[poor] += moved
    with pytest.raises(AssertionError) as caught:
        check_sampler(lambda n, rng: rng.choice(len(wrong), n, p=wrong), INSTANCE, n=50_000)
    text = str(caught.value)
    for leaf in (rich, poor):
        assert f"leaf {leaf} {'-'.join(map(str, INSTANCE.graph.choices(leaf)))}: drawn" in text
    assert text.count("  leaf") == 2 and "prefix" in text and "caught with probability 0.99" in text


def test_outputs_may_be_paths_numbers_or_nothing():
    rng = np.random.default_rng(0)
    leaf = rng.choice(INSTANCE.graph.n_leaves, 100)
    paths = [INSTANCE.graph.choices(int(x)) for x in leaf]
    assert (leaves(paths, INSTANCE) == leaf).all()
    assert leaves([None, 2], INSTANCE).tolist() == [-1, 2]
    verdict = goodness_of_fit(np.array([-1] * 50 + [0] * 50), INSTANCE.target)
    assert not verdict.passed and "nothing: drawn 50 times, expected 0.0" in str(verdict)


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        ([8], SpecError, "returned leaf 8, expected -1 to 7"),
        ([(0, 1)], SpecError, "returned 2 steps, expected 3"),
        ([(0, 1, 2)], TreeError, "takes child 2 at step 2, expected 0 to 1"),
    ],
)
def test_wrong_outputs_are_named(outputs, error, message):
    with pytest.raises(error, match=message):
        leaves(outputs, INSTANCE)


def test_wrong_targets_and_counts_are_named():
    with pytest.raises(SpecError, match="probabilities of the target sum to 8, expected 1"):
        check_sampler(drawing("base"), INSTANCE, np.ones(8))
    with pytest.raises(SpecError, match="returned 3 outputs, expected 20000"):
        check_sampler(lambda n, rng: [0, 1, 2], INSTANCE)
    with pytest.raises(SpecError, match="alpha is 2"):
        check_sampler(drawing("base"), INSTANCE, alpha=2.0)
    with pytest.raises(SpecError, match="unknown sampler 'luck'"):
        check_sampler(drawing("base"), INSTANCE, "luck")


@given(instances(max_leaves=5), st.integers(0, 3))
def test_exact_draws_pass_on_any_instance(instance, seed):
    assert check_sampler(drawing("rejection:budget=1000000", instance, seed), instance, instance.target, n=200).n == 200


@given(bounded_instances(epsilon=0.25, ratio=2.0, max_leaves=12))
def test_bounded_instances_keep_their_bounds(instance: Instance):
    graph = instance.graph
    assert isinstance(graph, Tree)
    assert instance.audit.bellman_error <= 0.25 + 1e-12
    value = instance.value.to_float()
    for node in range(graph.n_nodes - graph.n_leaves):
        children = value[graph.edge_ptr[node] + 1 : graph.edge_ptr[node + 1] + 1]
        assert (children / value[node] <= 2.0 + 1e-12).all() and (value[node] / children <= 2.0 + 1e-12).all()


def test_bounds_that_contradict_each_other_are_refused():
    with pytest.raises(SpecError, match="expected epsilon >= 0 and ratio >= 1"):
        find(bounded_instances(epsilon=0.5, ratio=1.2), lambda _: True)


def test_the_plugin_gives_instances_and_the_check(treesim_instances, treesim_instance, treesim_check):
    assert treesim_instance in treesim_instances.values()
    guided = sampler("sp-gsmc")
    assert treesim_check(lambda n, rng: guided.simulate(treesim_instance, n, 0), treesim_instance, "sp-gsmc").passed


def test_the_p_value_is_three_times_the_least_of_three_bounds():
    """On two leaves without a tree: Chernoff's bound for each of 3 events, the entropy's, McDiarmid's."""
    n, heads, p = 1_000, 620, 0.5
    verdict = goodness_of_fit(np.repeat([0, 1], [n - heads, heads]), LeafLaw(Scaled.from_float([1 - p, p])))
    share = heads / n
    entropy = share * math.log(share / p) + (1 - share) * math.log((1 - share) / (1 - p))
    chernoff = 2 * 3 * math.exp(-n * entropy)
    agrawal = math.exp(1 - n * entropy) * n * entropy
    tv, floor = abs(share - p), math.sqrt(p * (1 - p) / n)
    mcdiarmid = math.exp(-2 * n * (tv - floor) ** 2)
    assert verdict.p_value == pytest.approx(3 * min(chernoff, agrawal, mcdiarmid), rel=1e-9)
    assert (verdict.tv, verdict.floor) == pytest.approx((tv, floor))
    spread = math.sqrt(math.log(3 / 1e-6) / (2 * n)) + math.sqrt(math.log(100) / (2 * n))
    assert verdict.catches == pytest.approx(floor + spread)


@pytest.mark.parametrize(("cells", "observed"), [(2, 0.5), (40, 0.5)])
def test_each_of_the_bounds_is_the_least_somewhere(cells, observed):
    """A single event is caught by Chernoff's bound, many small shifts by the entropy's."""
    n = 100_000
    law = np.full(cells, 1 / cells)
    off = law * np.where(np.arange(cells) % 2, 1 + observed / 10, 1 - observed / 10)
    count = np.round(n * off / off.sum()).astype(int)
    verdict = goodness_of_fit(np.repeat(np.arange(cells), count), LeafLaw(Scaled.from_float(law)))
    total = count.sum()
    entropy = float((count * np.log(count / total / law)).sum())
    free = cells - 1
    assert verdict.p_value <= 3 * math.exp(free - entropy + free * math.log(entropy / free)) * (1 + 1e-9)


def test_the_bound_on_the_entropy_is_the_formula():
    assert _entropy_tail(10.0, 4) == pytest.approx(math.exp(3 - 10 + 3 * math.log(10 / 3)), rel=1e-14)
    assert _entropy_tail(3.0, 4) == 1.0
    # Of a coin: sup over s of exp(-s e) / (1 - s).
    s = np.linspace(0, 1, 100_001)[:-1]
    assert _entropy_tail(5.0, 2) == pytest.approx((np.exp(-5 * s) / (1 - s)).min(), rel=1e-6)


@pytest.mark.parametrize("seed", [0, 4])
def test_a_spec_is_drawn_from_with_the_seed_that_is_given(seed):
    draws = sampler("sp-gsmc").simulate(INSTANCE, 500, seed)
    expected = goodness_of_fit(draws, sampler("sp-gsmc").law(INSTANCE), graph=INSTANCE.graph)
    assert check_sampler("sp-gsmc", INSTANCE, "sp-gsmc", n=500, seed=seed) == expected
