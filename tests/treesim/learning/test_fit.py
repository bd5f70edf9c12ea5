"""Learned values: what each loss recovers, and how fast from samples."""

import math

import numpy as np
import pytest

from treesim import (
    GuidedSMC,
    Instance,
    LearningError,
    Scaled,
    SpecError,
    Tree,
    family,
    learn,
    optimal_twist,
    register_feature,
    unroll,
)  # fmt: skip
from treesim.learning import FEATURES, features_of
from treesim.learning.losses import LOSSES

IDENTIFIED = (
    "ctl", "poisson", "sixo", "soft-rl", "soft-rl:gradient=full", "returns", "cross-entropy", "nado", "nado:penalty=5",
)  # fmt: skip
RICH = "level,suffix:2,count:1"


def labels(seed: int = 0, horizon: int = 4) -> Instance:
    """A random tree with rewards in (0, 1]."""
    tree = Tree.random(horizon, 3, seed=seed)
    reward = np.random.default_rng(seed).uniform(0.02, 1.0, tree.n_leaves)
    return Instance(tree, optimal_twist(tree, Scaled.from_float(reward)))


def guided_tv(instance: Instance) -> float:
    return GuidedSMC().law(instance).tv(instance.target, width=1e-4).hi


def inner_log_values(instance: Instance) -> np.ndarray:
    return instance.value.log()[1 : instance.graph.leaves.start]


@pytest.mark.parametrize("loss", IDENTIFIED)
@pytest.mark.parametrize("paths", ["reference", "target"])
def test_a_table_recovers_the_optimal_twist(loss, paths):
    instance = labels()
    learned = learn(instance, loss, "node", paths=paths, ridge=1e-13)
    assert learned.is_converged
    np.testing.assert_allclose(learned.instance.value.log(), instance.twist.log(), atol=1e-5)
    assert learned.instance.audit.bellman_error < 1e-5


@pytest.mark.parametrize("loss", ["step", "path-consistency"])
def test_losses_of_the_guided_law_recover_it_and_not_the_twist(loss):
    instance = labels()
    learned = learn(instance, loss, "node")
    assert guided_tv(learned.instance) < 1e-6
    # Any factor that the children of a node share is free.
    assert learned.instance.audit.bellman_error > 0.1
    assert guided_tv(learn(instance, loss, "level").instance) > 0.05


def test_logs_of_returns_are_learned_as_their_mean_and_not_as_the_twist():
    instance = labels()
    tree, law = instance.graph, instance.reference.prob.to_float()
    learned = learn(instance, "log-returns", "node", ridge=1e-13)
    for v in range(1, tree.leaves.start):
        below = [leaf for leaf in range(tree.n_leaves) if v in tree.path(leaf)]
        mean = law[below] @ instance.log_reward[below] / law[below].sum()
        assert learned.instance.value.log()[v] == pytest.approx(mean, abs=1e-5)
    # By Jensen's inequality it is lower.
    assert (inner_log_values(learned.instance) < instance.twist.log()[1 : tree.leaves.start] + 1e-9).all()
    assert learned.instance.audit.bellman_error > 0.3


@pytest.mark.parametrize("features", [RICH, "level*suffix:2", "level,level*count:1"])
@pytest.mark.parametrize("samples", [None, 400])
def test_contrastive_twist_learning_is_poisson_regression(features, samples):
    instance = family("dirichlet", horizon=7, seed=2)
    ridge = 1e-12 if samples is None else 1e-9
    ctl, poisson = (learn(instance, loss, features, samples, ridge=ridge, seed=5) for loss in ("ctl", "poisson"))
    gap = inner_log_values(ctl.instance) - inner_log_values(poisson.instance)
    if samples is None:
        assert np.abs(gap).max() < 1e-8
    else:
        assert np.abs(gap).max() < 1e-4
    assert ctl.instance.audit.bellman_error > 0.5


def test_classes_of_a_level_learn_their_mean():
    instance = family("dirichlet", horizon=6, seed=1)
    tree, features = instance.graph, features_of(instance, "level*suffix:2")
    reach, twist = np.concatenate(instance.graph.reach), instance.twist.to_float()
    row = features.matrix.toarray().argmax(axis=1)
    for loss in ("ctl", "poisson"):
        learned = learn(instance, loss, features, ridge=1e-13)
        for column in range(len(features.columns)):
            nodes = 1 + np.flatnonzero(row == column)
            mean = reach[nodes] @ twist[nodes] / reach[nodes].sum()
            np.testing.assert_allclose(learned.instance.value.to_float()[nodes], mean, rtol=1e-7)
    assert len(features.columns) == 2 + 4 * 4 and tree.n_nodes == 127


@pytest.mark.parametrize(("value", "features"), [("automaton", ""), ("suffix:length=1", "*suffix:1")])
def test_partial_values_of_a_constraint_are_learned_by_classes(value, features):
    settings = {"horizon": 6, "order": 2, "tokens": 6, "contains": ("te",), "violation": 0.01}
    instance = family("ngram", **settings)
    expected = family("ngram", value=value, **settings)
    learned = learn(instance, "poisson", f"level*automaton{features}", ridge=1e-13).instance
    seen = np.concatenate([*instance.graph.reach[1:]]) > 0
    gap = inner_log_values(learned) - inner_log_values(expected)
    assert np.abs(gap[seen]).max() < 1e-6
    assert learned.value[learned.graph.leaves].equals(instance.reward)


@pytest.mark.parametrize("loss", ["ctl", "soft-rl", "soft-rl:gradient=full", "path-consistency", "step", "sixo"])
def test_a_trellis_that_is_split_learns_what_its_tree_learns(loss):
    chain = family("markov", horizon=6, states=3, seed=4)
    tree = unroll(chain)
    on_trellis = learn(chain, loss, "level,suffix:1,count:2", split=True)
    on_tree = learn(tree, loss, "level,suffix:1,count:2")
    assert on_trellis.columns == on_tree.columns
    assert on_trellis.objective == pytest.approx(on_tree.objective, rel=1e-9)
    assert on_trellis.instance.guidance.kl_target_to_guided == pytest.approx(
        on_tree.instance.guidance.kl_target_to_guided, rel=1e-6
    )
    assert guided_tv(on_trellis.instance) == pytest.approx(guided_tv(on_tree.instance), abs=1e-4)


@pytest.mark.parametrize(("loss", "slowest", "fastest"), [("ctl", -0.65, -0.35), ("sixo", -0.65, -0.35)])
def test_what_is_learned_from_paths_nears_the_truth_like_their_root(loss, slowest, fastest):
    instance = family("product", horizon=12, ratio=1.3, form="trellis")
    sizes = (100, 400, 1_600, 6_400)
    found = [
        np.median([guided_tv(learn(instance, loss, "one,time,count:1", n, seed=s).instance) for s in range(9)])
        for n in sizes
    ]
    power = np.polyfit(np.log(sizes), np.log(found), 1)[0]
    assert slowest < power < fastest, found
    assert learn(instance, loss, "one,time,count:1").instance.audit.bellman_error < 1e-4


def test_one_seed_gives_one_value():
    instance = labels()
    first, same, other = (learn(instance, "ctl", "level,suffix:1", 60, seed=seed).weights for seed in (1, 1, 2))
    assert first.tolist() == same.tolist() != other.tolist()


def test_the_loss_of_least_bellman_error_is_not_that_of_least_distance():
    instance = family("counting-chain", horizon=16, growth="diffusive")
    step, consistent = (learn(instance, loss, "suffix:1").instance for loss in ("step", "soft-rl"))
    assert guided_tv(step) < 0.2 * guided_tv(consistent)
    assert step.audit.mean_target.mean() > 1.2 * consistent.audit.mean_target.mean()
    assert step.guidance.average_case_bound > 2 * consistent.guidance.average_case_bound


def test_what_is_learned_is_told():
    told = []
    instance = family("dirichlet", horizon=6)
    learned = learn(
        instance, "soft-rl:gradient=full", RICH, samples=300, paths="target", ridge=1e-6, report=told.append
    )
    assert learned.samples == 300 and learned.loss == "soft-rl:gradient=full"
    assert told and all(text.startswith("iteration ") for text in told)
    assert learned.instance.parameters["loss"] == "soft-rl:gradient=full"
    assert learned.instance.parameters["features"] == RICH
    assert (learned.instance.parameters["samples"], learned.instance.parameters["paths"]) == (300, "target")
    document = learned.document()
    assert document["weights"].keys() == set(learned.columns)
    assert learned.instance.value[learned.instance.graph.leaves].equals(instance.reward)
    root = learned.instance.audit
    assert root.sup[0] == pytest.approx(0.0, abs=1e-12)


def test_a_search_that_is_cut_short_says_so():
    learned = learn(family("dirichlet", horizon=6), "ctl", RICH, iterations=2)
    assert not learned.is_converged and learned.slope > 1e-7 and learned.iterations == 2


def test_a_ridge_holds_weights_down():
    instance = family("dirichlet", horizon=6)
    loose, tight = (learn(instance, "ctl", "suffix:2", ridge=ridge).weights for ridge in (1e-9, 10.0))
    assert np.abs(tight).max() < 0.1 * np.abs(loose).max()


def test_impossible_wishes_are_refused():
    instance = family("dirichlet", horizon=3)
    with pytest.raises(SpecError, match="unknown loss 'mse', expected one of: ctl, poisson"):
        learn(instance, "mse")
    with pytest.raises(SpecError, match="ridge is -1, expected at least 0"):
        learn(instance, ridge=-1)
    with pytest.raises(SpecError, match="samples is 0, expected at least 1"):
        learn(instance, samples=0)
    with pytest.raises(SpecError, match="iterations is 0, expected at least 1"):
        learn(instance, iterations=0)
    assert set(LOSSES) >= {"ctl", "step"} and issubclass(LearningError, Exception)


def test_a_search_that_runs_away_is_stopped():
    # Weights of y on x that grow at every repetition.
    instance = family("dirichlet", horizon=12, seed=3)
    growing = np.linspace(1.0, 40.0, instance.graph.n_nodes) ** 2
    odd = np.stack([growing * np.sin(np.arange(len(growing))), growing], axis=1)
    try:
        learned = learn(instance, "soft-rl", odd, iterations=400)
    except LearningError as error:
        assert "ran away: after" in str(error)
    else:
        assert math.isfinite(learned.objective)


def test_functions_of_a_prefix_are_features():
    instance = family("dirichlet", horizon=5)

    def ones(prefix):
        return [1.0, sum(prefix)]

    by_function = learn(instance, "poisson", ["time", ones])
    by_name = learn(instance, "poisson", "time,one,count:1")
    np.testing.assert_allclose(by_function.instance.value.log(), by_name.instance.value.log(), atol=1e-7)
    assert by_function.columns == ["time", "ones:0", "ones:1"]
    register_feature("ones")(ones)
    try:
        assert learn(instance, "poisson", "time,ones").weights.tolist() == by_function.weights.tolist()
    finally:
        del FEATURES["ones"]
