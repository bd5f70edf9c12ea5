"""What is measured is what the law says, each under its name."""

import pytest

from treesim import GuidedSMC, Importance, family, sampler
from treesim.empirical.estimation import estimate
from treesim.empirical.measure import measure
from treesim.laws.density_ratio import Effort

TREE = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)
CHAIN = family("markov", horizon=30, perturbation="log-uniform", epsilon="1/T", seed=2)


@pytest.mark.parametrize("instance", [TREE, CHAIN], ids=["tree", "trellis"])
def test_a_measurement_has_the_figures_of_the_law(instance):
    found, law, target = measure(GuidedSMC(), instance), GuidedSMC().law(instance), instance.target
    assert found.tv == law.tv(target)
    assert (found.kl, found.kl_from_target, found.chi2) == (law.kl(target), target.kl(law), law.chi2(target))
    assert found.kl != found.kl_from_target
    assert found.expected_reward == law.expected(instance.reward)
    assert found.cost == GuidedSMC().cost(instance)
    document = found.document()
    assert document["tv"] == found.tv.document()
    assert [document[name] for name in ("kl", "kl_from_target", "chi2")] == [
        found.kl, found.kl_from_target, found.chi2
    ]  # fmt: skip


def test_effort_runs_and_seed_are_those_that_are_given():
    wide = measure(GuidedSMC(), CHAIN, Effort(1e-2, 1e9)).tv
    assert 1e-6 < wide.hi - wide.lo <= 1e-2
    kind = sampler("smc:particles=40,resampling=systematic")
    found = measure(kind, TREE, runs=300, seed=7)
    assert found.tv == estimate(kind, TREE, 300, 7).tv
    assert found.tv != estimate(kind, TREE, 300, 0).tv
    assert (found.kl, found.kl_from_target, found.chi2) == (None, None, None)


def test_another_target_is_measured_to():
    other = Importance(4).law(TREE)
    assert measure(GuidedSMC(), TREE, target=Importance(4).law).tv == GuidedSMC().law(TREE).tv(other)
