"""Experiments put the numbers on the axes that they name."""

import pytest

from treesim import GuidedSMC, family
from treesim.studies.experiments import tokens


def test_pools_stand_where_their_cost_is():
    found = tokens(horizon=2, branching=3)
    instance = family("dirichlet", horizon=2, branching=3, perturbation="random-sign", epsilon=0.05, seed=0)
    points = {size: GuidedSMC(pool=size) for size in (1, 2, 4, 8, 16, 32, 64, 128, 256)}
    assert found.curves["a pool of M"] == [
        (2.0 * size, pytest.approx(kind.law(instance).tv(instance.target).hi)) for size, kind in points.items()
    ]
    assert found.curves["all tokens of each step"][0][0] == pytest.approx(6.0)
