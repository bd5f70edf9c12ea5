"""The demo's curves are the laws that they are called by, and what its page says of them holds."""

import math

import numpy as np
import pytest

from treesim import Importance, Instance, SoftBestOfN, exact_law, family, optimal_twist
from treesim.empirical.measure import measure
from treesim.hard_instances import over_optimisation as story
from treesim.hard_instances.proxy import best_of_n_true_reward, proxy
from treesim.zoo.inference_time_pessimism import InferenceTimePessimism


@pytest.fixture(scope="module")
def told():
    return story.run(horizon=8, share=1 / 64)


def leaves(instance):
    """pi_ref, true reward and proxy of every string."""
    true = instance.outcomes.true_reward.to_float()
    return instance.reference.prob.to_float(), true, instance.log_reward / instance.parameters["strength"]


def about(mass, instance):
    reference, true, proxy = leaves(instance)
    alive = mass > 0
    kl = float((mass[alive] * np.log(mass[alive] / reference[alive])).sum())
    return pytest.approx((kl, float(mass @ true), float(mass @ proxy)), abs=1e-9)


def test_curves_are_the_samplers_they_name(told):
    for name, kind in (("importance", Importance), ("soft best-of-N", lambda n: SoftBestOfN(n, 0.25))):
        for point in told.curve(name)[::4]:
            mass = kind(int(point.size)).law(told.instance).prob.to_float()
            assert (point.kl, point.true, point.proxy) == about(mass, told.instance)
    for point in told.curve("best-of-N"):
        worth = measure(f"best-of-n:n={point.size}", told.instance, votes=()).worth
        assert (point.kl, point.true) == pytest.approx((worth.kl.mid, worth.true_reward.mid), abs=1e-12)
        assert abs(point.true - best_of_n_true_reward(point.size, 1 / 64)) <= 0.5 / 256 + 1e-12


def test_targets_are_tilts_of_pi_ref_and_pessimism_a_linear_density_of_mean_one(told):
    reference, _, proxy = leaves(told.instance)
    for point in told.curve("targets")[::3]:
        weight = reference * np.exp(point.size * (proxy - proxy.max()))
        assert (point.kl, point.true, point.proxy) == about(weight / weight.sum(), told.instance)
    for point in told.curve("pessimism")[::3]:
        low, high = proxy.min() - point.size, proxy.max()
        for _ in range(200):
            offset = (low + high) / 2
            mean = float(reference @ np.maximum(proxy - offset, 0.0)) / point.size
            low, high = (offset, high) if mean > 1 else (low, offset)
        mass = reference * np.maximum(proxy - offset, 0.0) / point.size
        assert (point.kl, point.true, point.proxy) == about(mass / mass.sum(), told.instance)


def test_a_cap_ties_overrated_strings_with_good_ones(told):
    """Many draws end at the mean true reward of all strings that reach the cap."""
    _, true, proxy = leaves(told.instance)
    last = told.curve("capped best-of-N")[-1]
    assert last.true == pytest.approx(true[proxy >= story.CAP].mean(), abs=1e-9)
    assert last.proxy == pytest.approx(proxy[proxy >= story.CAP].mean(), abs=1e-9)


def test_more_search_ends_at_the_overrated_strings_or_at_the_target(told):
    end = {name: told.curve(name)[-1].true for name in ("best-of-N", "importance", "guided pool")}
    assert end["best-of-N"] < 1 / 64
    assert end["importance"] == pytest.approx(told.target_true, abs=1e-3)
    assert end["guided pool"] == pytest.approx(told.target_true, abs=2e-3)
    assert told.target_true == pytest.approx(measure("sp-gsmc", told.instance, votes=()).worth.true_reward.mid)
    assert told.best("pessimism").true > told.best("best-of-N").true


def test_corrections_end_at_the_target_of_the_proxy(told):
    distances = [each.tv for each in told.corrections]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.1 > 0.01 > distances[-1]
    assert abs(told.corrections[-1].true - told.target_true) < 0.01 < abs(told.corrections[0].true - told.target_true)


def test_every_state_of_the_page_is_an_instance_of_the_family():
    page = story.page(track=lambda places: list(places)[::11])
    shares, sizes, levels = (slider.values for slider in page.sliders)
    assert math.prod(map(len, (shares, sizes, levels))) == 24
    chosen = [(share, size, level) for share in shares for size in sizes for level in levels][::11]
    for (share, size, level), state in zip(chosen, page.states, strict=True):
        instance = family("proxy", horizon=8, share=share, error=f"constant:size={size}", depth=level)
        curve = next(curve for curve in state.panels[0] if curve.label == "best-of-N (exact)")
        exact = measure("best-of-n:n=16", instance, votes=()).worth.true_reward.mid
        assert dict(curve.points)[16] == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(("n", "beta"), [(1, 0.5), (2, 0.1), (2, 1.0), (3, 0.3)])
def test_pessimism_of_some_draws_is_that_of_the_sampler_within_its_error(n, beta):
    """All runs of the sampler whose reward is the proxy; false alarms 6e-7 each, at five standard errors."""
    world = proxy(3, share=1 / 8, seed=2)
    reward = np.maximum(world.log_reward / world.parameters["strength"], 0.0)
    seen = Instance(world.graph, optimal_twist(world.graph, np.log(np.maximum(reward, 1e-300))))
    law = exact_law(InferenceTimePessimism(n, beta), seen).law.prob.to_float()
    expected = float(law @ world.outcomes.true_reward.to_float())
    found = story.pessimistic_draws(world, n, beta, 40_000)
    assert found.error < 0.002
    assert abs(found.true - expected) < 5 * found.error


def test_pessimism_of_many_draws_is_near_the_law_that_it_aims_at(told):
    best = told.best("pessimism")
    assert abs(told.pessimism[-1].true - best.true) < 0.02
    assert told.pessimism[0].true == pytest.approx(0.5, abs=5 * told.pessimism[0].error)
    assert [each.n for each in told.pessimism] == list(story.DRAWN)
