"""The page of guidance shows the laws that its sliders choose."""

import pytest

from treesim import GuidedSMC, family
from treesim.demos import guidance

LABELS = {"adversarial": "V̂ the worst found", "random-sign": "V̂ off at random"}


def test_every_state_has_the_distances_of_its_offers():
    chosen = []

    def some(places):
        chosen.extend([place for place in places if place[0] == 2][::7])
        return chosen

    page = guidance.page(seed=0, track=some)
    shares = page.sliders[1].values
    assert {mh for _, _, mh in chosen} == set(page.sliders[2].values)
    largest = 0.0
    for (horizon, share, mh), state in zip(chosen, page.states, strict=True):
        for kind, label in LABELS.items():
            curve = next(curve for curve in state.panels[1] if curve.label == f"{label}, H = {mh} (exact)")
            assert [x for x, _ in curve.points] == list(shares)
            instance = family("dirichlet", horizon=horizon, perturbation=kind, epsilon=share / horizon, seed=0)
            exact = GuidedSMC(mh=mh).law(instance).tv(instance.target).hi
            assert dict(curve.points)[share] == pytest.approx(exact, abs=1e-12)
            largest = max(largest, exact if mh > 1 else 0.0)
    assert largest > 0.01
