"""genlm-control and llamppl on trees; they bring PyTorch, so `libraries.py` beside this file runs these in their own
environment."""

import pytest

from treesim import family
from treesim.adapters import library
from treesim.testing import goodness_of_fit

INSTANCE = family("uniform", horizon=3, reward="gaussian:beta=1", seed=0)


@pytest.mark.parametrize("resampling", ["multinomial", "systematic"])
def test_genlm_control_comes_to_the_target(resampling):
    pytest.importorskip(
        "genlm.control", reason="genlm-control is not installed; see tests/treesim/adapters/libraries.py"
    )
    kind = library("genlm-control").sampler(f"smc:particles=32,resampling={resampling}")
    assert goodness_of_fit(kind.simulate(INSTANCE, 400, seed=1), INSTANCE.target).passed


@pytest.mark.parametrize("guide", ["score", "twist"])
def test_llamppl_comes_to_the_target(guide):
    pytest.importorskip("llamppl", reason="llamppl is not installed; see tests/treesim/adapters/libraries.py")
    kind = library("llamppl").sampler(f"smc:particles=64,guide={guide}")
    assert goodness_of_fit(kind.simulate(INSTANCE, 1_000, seed=1), INSTANCE.target).passed


def test_llamppl_undoes_a_twist_that_comes_just_before_the_end():
    pytest.importorskip("llamppl", reason="llamppl is not installed; see tests/treesim/adapters/libraries.py")
    draws = library("llamppl").sampler("smc:particles=64,guide=terminal-twist").simulate(INSTANCE, 1_000, seed=1)
    assert not goodness_of_fit(draws, INSTANCE.target).passed
    assert goodness_of_fit(draws, INSTANCE.reference).passed
