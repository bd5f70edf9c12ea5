"""Averages beyond the supremum, against rational arithmetic, enumeration, laws and unrolled trellises."""

import math

import numpy as np
import pytest
from hypothesis import given

from tests import naive
from treesim import GuidedSMC, Instance, Scaled, Tree, Trellis, family, unroll
from treesim.graphs.guidance import Guidance, guidance, normal_tv
from treesim.graphs.values import audit
from treesim.hard_instances.discoveries.average_case import random_instances
from treesim.laws.divergences import path_divergences
from treesim.laws.walks import GuidedSteps
from treesim.testing.strategies import instances, tame_numbers, trellis_instances

FIELDS = ("tv_by_level", "kl_by_level", "mean_reference", "mean_target", "mean_guided", "centred_by_level")


def averages(instance: Instance) -> Guidance:
    return guidance(instance.graph, instance.value, instance.twist)


def random_instance(seed: int) -> Instance:
    """A random tree; a third of them with values, rewards among them, that are zero."""
    return list(random_instances(seed + 1))[seed]


def test_guidance_is_within_the_average_case_bound_on_600_random_trees():
    slack, zeros = [], 0
    for seed, instance in enumerate(random_instances(600)):
        tv = GuidedSMC().law(instance).tv(instance.target).hi
        bound = averages(instance).average_case_bound
        assert tv <= bound + 1e-13, seed
        zeros += instance.audit.bellman_error == math.inf
        if tv > 1e-3:
            slack.append(bound / tv)
    assert min(slack) < 1.0 + 1e-12 and np.median(slack) < 2.0 and len(slack) > 400 and zeros > 60


@given(instances(tame_numbers))
def test_distances_by_level_are_the_rational_ones(instance):
    expected = naive.average_case_bound(instance.graph, naive.fractions(instance.value.to_float()))
    found = averages(instance)
    np.testing.assert_allclose(found.tv_by_level, [0.0, *map(float, expected)], rtol=1e-12, atol=1e-15)
    assert found.average_case_bound == pytest.approx(float(sum(expected)), rel=1e-12, abs=1e-14)


@given(instances())
def test_kl_is_that_of_the_laws(instance):
    found = averages(instance).kl_target_to_guided
    expected = instance.target.kl(GuidedSMC().law(instance))
    assert found == expected == math.inf or found == pytest.approx(expected, rel=1e-11, abs=1e-12)


@given(trellis_instances())
def test_a_trellis_has_the_averages_of_its_tree(instance):
    found, expected = averages(instance), averages(unroll(instance))
    for field in FIELDS:
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-11, atol=1e-13)
    assert found.average_case_bound == pytest.approx(expected.average_case_bound, rel=1e-11, abs=1e-13)
    assert found.log_residual_sd == pytest.approx(expected.log_residual_sd, rel=1e-8, abs=1e-7, nan_ok=True)


@pytest.mark.parametrize("seed", [1, 4, 5, 8])
def test_sums_and_means_of_log_residuals_by_listing_paths(seed):
    instance = random_instance(seed)
    tree, found = instance.graph, averages(instance)
    value, twist = instance.value.to_float(), instance.twist.to_float()
    ahead = np.array([sum(float(p) * value[c] for c, p in naive.children(tree, v)) for v in naive.inner_nodes(tree)])
    log_rho = np.log(ahead / value[: len(ahead)])
    law = GuidedSMC().law(instance).prob.to_float()
    sums = np.array([log_rho[tree.path(leaf)[1:-1]].sum() for leaf in range(tree.n_leaves)])
    target = instance.target.prob.to_float()
    spread = math.sqrt(target @ (sums - target @ sums) ** 2)
    assert found.log_residual_sd == pytest.approx(spread, rel=1e-11)
    # pi~/pi^ is exp(S) up to a constant.
    tilted = law * np.exp(sums)
    np.testing.assert_allclose(tilted / tilted.sum(), target, rtol=1e-11)
    for t in range(tree.horizon):
        nodes = [tree.path(leaf)[t] for leaf in range(tree.n_leaves)]
        size = np.abs(log_rho[nodes])
        assert found.mean_reference[t] == pytest.approx(instance.reference.prob.to_float() @ size, rel=1e-11)
        assert found.mean_target[t] == pytest.approx(target @ size, rel=1e-11)
        assert found.mean_guided[t] == pytest.approx(law @ size, rel=1e-11)
        half = np.ptp(log_rho[nodes]) / 2
        assert found.centred_by_level[t] == pytest.approx(math.expm1(half), rel=1e-11, abs=1e-14)
    assert found.centred_error == found.centred_by_level.max()
    assert twist[0] > 0 and found.mean_guided.sum() != pytest.approx(found.mean_target.sum(), rel=1e-3)


def test_a_constant_per_level_changes_nothing_but_the_plain_means():
    instance = family("dirichlet", horizon=6, perturbation="log-normal:sigma=0.4", seed=3)
    factor = np.repeat([1.0, 7.0, 1e-200, 0.3, 1e250, 2.0, 1.0], np.diff(instance.graph.level_ptr))
    other = guidance(instance.graph, instance.value * Scaled.from_float(factor), instance.twist)
    found = averages(instance)
    for field in ("tv_by_level", "kl_by_level", "centred_by_level"):
        np.testing.assert_allclose(getattr(other, field), getattr(found, field), rtol=1e-10, atol=1e-14)
    assert other.log_residual_sd == pytest.approx(found.log_residual_sd, rel=1e-12)
    assert other.mean_target[1] > 2 * found.mean_target[1]
    centred = audit(instance.graph, _centred(instance), instance.twist)
    assert centred.bellman_error == pytest.approx(found.centred_error, rel=1e-12)
    assert found.centred_error < 0.9 * instance.audit.bellman_error


def _centred(instance: Instance) -> Scaled:
    """V^ times the constants that bring the middle of log rho to zero, from the last level up."""
    graph, log_value = instance.graph, instance.value.log()
    shift = 0.0
    for t in reversed(range(graph.horizon)):
        layer, ahead = graph.layer(t), log_value[graph.level(t + 1)]
        log_rho = np.log(np.add.reduceat(layer.prob * np.exp(ahead), layer.ptr[:-1] - layer.ptr[0]))
        log_rho -= log_value[graph.level(t)]
        shift = (log_rho.min() + log_rho.max()) / 2
        log_value[graph.level(t)] += shift
    return Scaled.from_log(log_value)


@pytest.mark.parametrize("horizon", [50, 1200])
def test_long_trellises_agree_with_the_divergence_of_walks(horizon):
    instance = family("markov", horizon=horizon, perturbation="log-uniform", epsilon="2/T")
    found = averages(instance)
    steps = GuidedSteps(instance.graph, instance.value), GuidedSteps(instance.graph, instance.twist)
    assert found.kl_target_to_guided == pytest.approx(path_divergences(*steps)[0], rel=1e-6)
    assert found.log_residual_sd**2 / 2 == pytest.approx(found.kl_target_to_guided, rel=0.02)
    tv = GuidedSMC().law(instance).tv(instance.target, width=1e-4)
    assert found.predicted_tv == normal_tv(found.kl_target_to_guided) == pytest.approx(tv.mid, rel=0.01)
    assert tv.hi < 0.6 * found.average_case_bound
    np.testing.assert_allclose(found.mean_target, instance.audit.mean_target, rtol=0.1)


def test_values_far_outside_floats_count_like_others():
    # pi_ref of 2,000 steps of probability 1e-300 is no float, and the reward that makes up for it neither.
    layers = [np.array([[1e-300, 1.0 - 1e-300]])] + [np.array([[1e-300, 1.0 - 1e-300], [0.0, 1.0]])] * 5
    trellis = Trellis.from_layers(layers)
    log_value = np.zeros(trellis.n_nodes)
    for t in range(1, 7):
        log_value[trellis.level(t)] = [t * 690.0 + (0.1 if 0 < t < 6 else 0.0), 0.0]
    instance = Instance(trellis, Scaled.from_log(log_value))
    found = averages(instance)
    tree = averages(unroll(instance))
    np.testing.assert_allclose(found.tv_by_level, tree.tv_by_level, rtol=1e-12)
    assert found.average_case_bound == pytest.approx(GuidedSMC().law(instance).tv(instance.target).mid, rel=0.5)
    assert 0.001 < found.average_case_bound < 1.0


def test_what_never_gets_a_value_is_told_apart():
    tree = Tree.complete(2, 2)
    # V^ of both prefixes of length 1 is zero: guidance goes by pi_ref, and B says nothing.
    blind = guidance(tree, Scaled.from_float([1, 0, 0, 1, 2, 3, 6]), Scaled.from_float([3, 1.5, 4.5, 1, 2, 3, 6]))
    assert blind.average_case_bound == 1.0 and math.isfinite(blind.kl_target_to_guided)
    assert blind.mean_target[1] == math.inf and math.isnan(blind.log_residual_sd)
    assert blind.centred_by_level.tolist() == [math.inf, math.inf]
    # One of them: guidance never goes there, the target does.
    lost = guidance(tree, Scaled.from_float([1, 0, 2, 1, 2, 3, 6]), Scaled.from_float([3, 1.5, 4.5, 1, 2, 3, 6]))
    assert lost.kl_target_to_guided == math.inf and lost.predicted_tv == 1.0
    assert lost.average_case_bound == pytest.approx(0.25)
    assert lost.mean_guided[1] == pytest.approx(math.log(2.25)) and lost.mean_reference[1] == math.inf


def test_normal_log_ratios_have_the_predicted_distance():
    # Laws N(0, 1) and N(m, 1): KL = m^2 / 2 and TV = erf(m / sqrt(8)).
    for shift in (0.01, 0.5, 3.0):
        assert normal_tv(shift**2 / 2) == pytest.approx(math.erf(shift / math.sqrt(8)), rel=1e-14)


def test_documents_have_every_number():
    document = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.2).inspect().document()["guidance"]
    assert set(document) == {
        "average_case_bound", "kl_target_to_guided", "predicted_tv", "log_residual_sd", "centred_error", "by_level",
    }  # fmt: skip
    by_level = document["by_level"]
    assert sum(by_level["tv"]) == pytest.approx(document["average_case_bound"])
    assert sum(by_level["kl"]) == pytest.approx(document["kl_target_to_guided"])
    assert max(by_level["centred"]) == document["centred_error"]
    # Up or down by the same factor everywhere; the guided law, the target and pi_ref see the same errors.
    size = math.log(1.2)
    for name in ("mean_log_reference", "mean_log_target", "mean_log_guided"):
        assert by_level[name] == pytest.approx([size] * 3)
