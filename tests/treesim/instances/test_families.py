import numpy as np
import pytest

from treesim import FAMILIES, PerturbationError, SpecError, TreesimError, family


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_builds_from_a_horizon_alone_and_records_its_parameters(name):
    needed = {"ngram": {"contains": ("at",)}}.get(name, {})
    instance = family(name, horizon=5, seed=2, **needed)
    assert instance.family == name
    assert instance.seed == 2
    assert instance.parameters["horizon"] == 5
    again = family(name, seed=2, **instance.parameters)
    assert again.same_as(instance)


def test_the_product_model_takes_a_perturbation_of_its_twist():
    instance = family("product", horizon=6, ratio=3.0, perturbation="constant-down", epsilon=0.25)
    assert instance.audit.bellman_error == pytest.approx(0.25, abs=1e-12)
    plain = family("product", horizon=6, ratio=3.0)
    assert instance.reward.equals(plain.reward)


def test_a_product_ratio_below_one_is_allowed():
    assert family("product", horizon=3, ratio=0.5).audit.bellman_error == pytest.approx(1 / 3)


def test_reward_and_perturbation_have_streams_of_their_own():
    a = family("dirichlet", horizon=5, perturbation="random-sign", epsilon=0.1, seed=1)
    b = family("dirichlet", horizon=5, perturbation="log-normal", seed=1)
    assert np.array_equal(a.graph.edge_prob, b.graph.edge_prob)
    assert a.reward.equals(b.reward)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("forest", {}, "unknown family 'forest', expected one of: uniform"),
        ("uniform", {}, "family 'uniform' needs horizon"),
        ("uniform", {"horizon": 3, "ratio": 2.0}, "family 'uniform' has no parameter 'ratio'; its parameters: horizon"),
        ("product", {"horizon": 3, "ratio": -1.0}, "ratio is -1.0, expected a number above 0"),
        ("uniform", {"horizon": 3, "seed": -1}, "seed is -1"),
        ("uniform", {"horizon": 3, "reward": "praise"}, "unknown reward 'praise'"),
        ("uniform", {"horizon": 3, "perturbation": "noise"}, "unknown perturbation 'noise'"),
    ],
)
def test_bad_requests_are_refused(name, parameters, message):
    with pytest.raises(SpecError, match=message):
        family(name, **parameters)


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize("horizon", [10**9, 10**18])
def test_horizons_without_end_are_refused_before_anything_is_built(name, horizon):
    with pytest.raises(TreesimError, match=r"GiB|expected a number of at most"):
        family(name, horizon=horizon, **({"contains": ("at",)} if name == "ngram" else {}))


SHAPES = [
    ("uniform", {"horizon": 4}), ("uniform", {"branching": 3}),
    ("dirichlet", {"branching": 3}), ("dirichlet", {"concentration": 9.0}), ("dirichlet", {"seed": 2}),
    ("random-branching", {"branching": 2}), ("random-branching", {"concentration": 9.0}),
    ("random-branching", {"stop": 0.9}), ("random-branching", {"seed": 2}),
    ("markov", {"states": 2}), ("markov", {"order": 2}), ("markov", {"concentration": 9.0}), ("markov", {"seed": 2}),
    ("product", {"form": "trellis"}),
]  # fmt: skip
VALUES = [
    ({}, {"reward": "gaussian:beta=2"}), ({}, {"seed": 2}), ({}, {"perturbation": "log-normal"}),
    ({"perturbation": "random-sign", "epsilon": 0.1}, {"epsilon": 0.2}),
    ({"perturbation": "random-sign", "epsilon": 0.1}, {"seed": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change"), SHAPES, ids=str)
def test_every_parameter_of_a_shape_counts(name, change):
    plain, changed = (family(name, **{"horizon": 3, "seed": 1, **more}) for more in ({}, change))
    assert not plain.graph.same_as(changed.graph)


@pytest.mark.parametrize(("common", "change"), VALUES, ids=str)
@pytest.mark.parametrize("name", ["uniform", "dirichlet", "random-branching", "markov"])
def test_every_parameter_of_a_value_counts(name, common, change):
    plain, changed = (family(name, **{"horizon": 5, "seed": 1, **common, **more}) for more in ({}, change))
    assert not plain.value.equals(changed.value)


@pytest.mark.parametrize("name", ["uniform", "dirichlet", "random-branching", "markov", "product"])
def test_a_ratio_cap_that_cannot_be_kept_is_told(name):
    with pytest.raises(PerturbationError, match=r"epsilon 0\.1 and ratio cap 1\.001 conflict"):
        family(name, horizon=5, seed=1, perturbation="random-sign", epsilon=0.1, ratio_cap=1.001)


def test_the_error_of_the_product_model_is_the_one_that_is_given():
    assert family("product", horizon=3, epsilon=0.2).audit.bellman_error == pytest.approx(0.2, abs=1e-12)
    assert family("product", horizon=4, epsilon="0.4/T").audit.ratio_bound == pytest.approx(1.2, abs=1e-12)
