import math

import pytest

from treesim import GuidedSMC, TreeError, bound_for, family
from treesim.hard_instances import sharpest_guidance


@pytest.mark.parametrize(
    ("horizon", "epsilon", "known"), [(4, 0.2, 0.26686217), (8, 0.1, 0.321738935), (12, 0.5, 0.97714221937)]
)
def test_guidance_meets_the_sharp_bound_on_the_worst_tree(horizon, epsilon, known):
    instance = sharpest_guidance(horizon, epsilon)
    tv = GuidedSMC().law(instance).tv(instance.target).hi
    assert tv == pytest.approx(known, abs=1e-8)
    assert tv == pytest.approx(math.tanh((horizon - 1) * math.log1p(epsilon) / 2), abs=1e-14)
    assert instance.audit.bellman_error == pytest.approx(epsilon, abs=1e-12)
    assert instance.audit.ratio_bound == pytest.approx(1 + epsilon, abs=1e-12)
    assert tv == pytest.approx(bound_for(GuidedSMC(), instance).sharp, abs=1e-12)


def test_it_holds_at_a_thousand_steps():
    instance = sharpest_guidance(1000, 1e-3)
    tv = GuidedSMC().law(instance).tv(instance.target).hi
    assert tv == pytest.approx(math.tanh(999 * math.log1p(1e-3) / 2), rel=1e-12)


def test_it_is_a_family():
    assert family("sharpest-guidance", horizon=3, epsilon=0.2).audit.bellman_error == pytest.approx(0.2)
    with pytest.raises(TreeError, match="horizon is 1, expected at least 2"):
        family("sharpest-guidance", horizon=1)


def test_the_adversary_finds_the_worst_values_by_itself():
    # On the two-path tree with the worst first step the adversary needs no more than signs.
    worst = sharpest_guidance(6, 0.3)
    from treesim import Instance, perturb
    from treesim.instances.perturbations import Adversarial

    value = perturb(worst.graph, worst.twist, Adversarial(), 0.3)
    found = Instance(worst.graph, value)
    assert GuidedSMC().law(found).tv(found.target).hi == pytest.approx(
        GuidedSMC().law(worst).tv(worst.target).hi, abs=1e-12
    )
