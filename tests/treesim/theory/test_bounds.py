import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import BestOfN, GuidedSMC, Instance, bound_for, guidance_bound, perturb
from treesim.instances.perturbations import RandomSign
from treesim.testing.strategies import bounded_instances, instances


@given(instances())
@settings(max_examples=200)
def test_guidance_never_exceeds_the_sharp_bound(instance):
    bound = bound_for(GuidedSMC(), instance)
    tv = GuidedSMC().law(instance).tv(instance.target).hi
    if instance.audit.bellman_error < 1e300:
        assert tv <= bound.sharp + 1e-12


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_guidance_with_small_errors_comes_near_the_sharp_bound_and_stays_below(epsilon):
    shares = []

    @given(bounded_instances(epsilon=epsilon), st.integers(0, 2**32))
    @settings(max_examples=100)
    def check(instance, seed):
        # Signs on top of what hypothesis draws, which is mostly no error at all.
        tree = instance.graph
        value = perturb(tree, instance.twist, RandomSign(), epsilon, seed=seed)
        for each in (instance, Instance(tree, value)):
            tv, bound = GuidedSMC().law(each).tv(each.target).hi, bound_for(GuidedSMC(), each)
            assert tv <= bound.sharp + 1e-12
            shares.append(tv / bound.sharp if bound.sharp else 0.0)

    check()
    assert sum(share > 0.1 for share in shares) > 40, sorted(shares)


@given(st.integers(1, 200), st.floats(0, 10))
def test_the_sharp_bound_is_at_least_four_times_below_the_papers(horizon, epsilon):
    bound = guidance_bound(horizon, epsilon)
    assert bound.sharp <= bound.value / 4 + 1e-15
    assert bound.sharp <= 1


def test_one_step_of_guidance_is_exact():
    assert guidance_bound(1, 5.0).sharp == 0


def test_samplers_without_a_theorem_have_no_bound(request):
    from treesim import family

    instance = family("product", horizon=3)
    assert bound_for(BestOfN(4), instance) is None
    assert bound_for(GuidedSMC(pool=4), instance) is None
    assert bound_for(GuidedSMC(), instance).value == pytest.approx(2 * 3 * 0.1)
