import numpy as np
import pytest

from treesim import FAMILIES, SpecError, TreesimError, family


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
