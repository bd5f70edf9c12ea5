"""The page of guidance shows the laws that its sliders choose."""

import itertools

import pytest

from treesim import GuidedSMC, family
from treesim.demos import guidance


def test_every_state_has_the_distances_of_its_offers():
    page = guidance.page(seed=0, track=lambda places: list(places)[:60])
    horizon, shares, offers = (slider.values for slider in page.sliders)
    places = list(itertools.product(horizon, shares, offers))
    assert len(page.states) == 60
    for (t, share, mh), state in list(zip(places, page.states, strict=False))[::7]:
        curve = next(curve for curve in state.panels[1] if curve.label.startswith("V̂ off at random"))
        assert f"H = {mh} " in curve.label
        assert [x for x, _ in curve.points] == list(shares)
        instance = family("dirichlet", horizon=t, perturbation="random-sign", epsilon=share / t, seed=0)
        exact = GuidedSMC(mh=mh).law(instance).tv(instance.target).hi
        assert dict(curve.points)[share] == pytest.approx(exact, abs=1e-12)
