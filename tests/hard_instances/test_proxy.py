"""The family `proxy`: what is overrated, and the closed form of best-of-N."""

import math

import numpy as np
import pytest

from treesim import RewardError, SpecError, family
from treesim.empirical.measure import measure
from treesim.hard_instances.proxy import best_n, best_of_n_true_reward, proxy


def parts(instance):
    """True reward and error of every string."""
    true = instance.outcomes.true_reward.to_float()
    return true, instance.log_reward / instance.parameters["strength"] - true


def true_mean(spec, instance):
    return measure(spec, instance, votes=()).worth.true_reward.mid


def test_true_rewards_are_a_grid_in_an_order_of_the_seed():
    first, second = (parts(proxy(horizon=6, seed=seed))[0] for seed in (0, 1))
    assert sorted(first) == sorted(second) == [(i + 0.5) / 64 for i in range(64)]
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("hits", ["worst", "random"])
@pytest.mark.parametrize("error", ["constant:size=2", "normal:size=0.5", "student-t:size=1,df=1.5"])
def test_a_share_of_prefixes_is_overrated_and_all_below_alike(hits, error):
    instance = proxy(horizon=8, share=0.1, depth=5, error=error, hits=hits, seed=3)
    true, errors = parts(instance)
    by_prefix = errors.reshape(32, 8)
    np.testing.assert_allclose(by_prefix, by_prefix[:, :1] * np.ones(8), atol=1e-12)
    overrated = by_prefix[:, 0] > 1e-12
    assert overrated.sum() == 3
    worst = np.isin(np.arange(32), np.argsort(true.reshape(32, 8).mean(axis=1))[:3])
    assert (overrated == worst).all() == (hits == "worst")
    if error.startswith("constant"):
        np.testing.assert_allclose(by_prefix[overrated], 2.0, atol=1e-12)
    else:
        assert len(set(by_prefix[overrated, 0].round(9))) == 3


def test_the_value_is_the_optimal_twist_and_samplers_see_the_proxy():
    instance = family("proxy", horizon=7, strength=2.0, seed=5)
    assert instance.audit.bellman_error < 1e-12
    true, errors = parts(instance)
    weight = np.exp(2.0 * (true + errors))
    np.testing.assert_allclose(instance.target.prob.to_float(), weight / weight.sum(), rtol=1e-12)


@pytest.mark.parametrize("overrated", [1, 8, 64])
def test_best_of_n_has_its_closed_form(overrated):
    """Against the exact law, to half a string; and against the sum over ranks, to rounding."""
    horizon, strings = 10, 1024
    share = overrated / strings
    instance = proxy(horizon, share=share)
    true = (np.arange(strings) + 0.5) / strings
    by_rank = np.concatenate([true[overrated:], true[:overrated]])
    for n in (1, 2, 5, 30, 200, 5000):
        exact = true_mean(f"best-of-n:n={n}", instance)
        top = (np.arange(1, strings + 1) / strings) ** n
        assert exact == pytest.approx(float(np.diff(top, prepend=0.0) @ by_rank), abs=1e-12)
        assert abs(exact - best_of_n_true_reward(n, share)) <= 0.5 / strings + 1e-12


def test_the_best_n_is_the_best_and_about_one_over_the_root_of_the_share():
    for share in (0.5, 0.25, 0.1, 0.02, 1e-3, 1e-5):
        every = [best_of_n_true_reward(n, share) for n in range(1, 5000)]
        assert best_n(share) == 1 + int(np.argmax(every))
    for share in (1e-4, 1e-6):
        assert best_n(share) * math.sqrt(share) == pytest.approx(1.0, abs=0.02)
    instance = proxy(horizon=10, share=8 / 1024)
    by_n = {n: true_mean(f"best-of-n:n={n}", instance) for n in range(1, 40)}
    assert max(by_n, key=by_n.get) == best_n(8 / 1024)


def test_more_draws_are_more_proxy_and_in_the_end_less_truth():
    instance = proxy(horizon=9)
    found = [measure(f"best-of-n:n={n}", instance, votes=()).worth for n in (1, 8, 64, 4096)]
    seen = [each.proxy_reward.mid for each in found]
    assert seen == sorted(seen)
    truth = [each.true_reward.mid for each in found]
    assert truth[1] > truth[0] > truth[3]
    assert found[3].true_win_rate.mid < 0.05 < 0.95 < found[3].win_rate.mid


def test_without_errors_the_proxy_is_the_truth():
    instance = proxy(horizon=8, error="constant:size=0")
    assert true_mean("best-of-n:n=9", instance) == pytest.approx(9 / 10, abs=0.5 / 256)
    found = measure("best-of-n:n=9", instance, votes=()).worth
    assert found.win_rate.mid == pytest.approx(found.true_win_rate.mid, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"share": 0.0}, RewardError, "share is 0.0, expected a number between 0 and 1"),
        ({"depth": 7}, RewardError, "depth is 7, expected a level from 1 to 6"),
        ({"hits": "best"}, SpecError, "hits is 'best', expected one of: worst, random"),
        ({"error": "cauchy"}, SpecError, "unknown error 'cauchy', expected one of: constant, normal, student-t"),
        ({"error": "constant:size=-1"}, SpecError, "size is -1"),
        ({"strength": 0.0}, SpecError, "strength is 0.0, expected a number above 0"),
    ],
)
def test_wrong_parameters_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        proxy(**{"horizon": 6, **changes})


def test_a_best_n_has_to_be_there():
    with pytest.raises(RewardError, match=r"share is 0\.6, expected a number from 0 to 1/2"):
        best_n(0.6)
