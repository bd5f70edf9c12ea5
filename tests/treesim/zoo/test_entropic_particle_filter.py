"""The entropic particle filter against the library that has it, run by run, and alone."""

import pytest
from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import same, small_instances
from treesim import SpecError, exact_law, family
from treesim.zoo.entropic_particle_filter import EntropicParticleFilter

INSTANCE = family("dirichlet", horizon=3, perturbation="log-normal:sigma=1", seed=5)


@pytest.mark.parametrize("select", ["argmax", "sample"])
@pytest.mark.parametrize(
    ("particles", "threshold", "early"), [(2, 0.9, 0.5), (2, 0.9, 0.3), (2, 0.0, 0.9), (3, 0.9, 0.9)]
)
def test_its_law_is_that_of_its_hub(particles, threshold, early, select):
    """All runs of the library's own code; its odds of scores are V^, and it takes one step more than it is told."""
    pytest.importorskip("its_hub")
    from its_hub.core.algorithms.particle_gibbs import EntropicParticleFiltering as Theirs

    from treesim.adapters.its_hub import REWARDS, EntropicParticleFiltering

    class Same(EntropicParticleFiltering):
        def algorithm(self, steps, text):
            made = Theirs(steps, REWARDS["value"](text), select, ess_threshold=threshold, early_phase=early)
            made.max_steps = text.oracle.horizon
            return made

    instance = INSTANCE if particles == 2 else family("dirichlet", horizon=2, perturbation="log-normal:sigma=2", seed=5)
    theirs = exact_law(Same(particles=particles), instance)
    ours = exact_law(EntropicParticleFilter(particles, threshold, early, select), instance)
    assert ours.is_complete and theirs.is_complete
    assert ours.law.tv(theirs.law).hi < 1e-6


def test_annealing_is_switched_on_and_off():
    """So that the comparison above is one of both branches."""
    on, late, never = (
        exact_law(EntropicParticleFilter(2, threshold, early), INSTANCE).law
        for threshold, early in ((0.9, 0.5), (0.9, 0.3), (0.0, 0.9))
    )
    assert on.tv(late).lo > 1e-3
    assert late.tv(never).hi < 1e-12


@settings(max_examples=20)
@given(small_instances)
def test_one_particle_is_pi_ref(instance):
    same("entropic-particle-filter:particles=1", instance, naive.reference(instance.graph))


def test_an_early_phase_is_a_share():
    with pytest.raises(SpecError, match=r"early is 1.5, expected a share of the tokens, from 0 to 1"):
        EntropicParticleFilter(2, early=1.5)
