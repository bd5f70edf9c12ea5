"""Every built-in law a third time: of the sampler as a user would write it, all runs of which are enumerated.

Not here: `exact-guided`, whose law is the target by its promise and whose Bernoulli factory runs without bound. SMC by
a pool, and the resamplings but multinomial, have no built-in law, so their simulations are compared.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import plain_samplers as plain
from tests.shapes import trellis
from tests.statistics import fits
from treesim import Instance, Scaled, exact_law, family, sampler
from treesim.testing.strategies import bounded_instances, instances, tame_numbers, trees

TOLERANCE = 1e-12
BUDGET = 200_000


def largest_reward(instance):
    return instance.reward.to_float()[instance.reference.prob.mantissa > 0].max()


def largest_weight(instance):
    """The largest pi_ref phi / guided law over the leaves that guidance reaches."""
    law = sampler("sp-gsmc").law(instance).prob.to_float()
    mass = instance.reference.prob.to_float() * instance.reward.to_float()
    return (mass[law > 0] / law[law > 0]).max(initial=0.0)


# The spec, its plain version, how many leaves and levels the trees have, and whether the two cost the same.
TWINS = {
    "base": (lambda instance: plain.Base(), 9, 4, True),
    "best-of-n:n=3": (lambda instance: plain.BestOfN(3), 5, 3, True),
    "soft-best-of-n:n=3,temperature=0.5": (lambda instance: plain.SoftBestOfN(3, 0.5), 5, 3, True),
    "importance:n=4": (lambda instance: plain.Importance(4), 4, 3, True),
    "race:n=3": (lambda instance: plain.Race(3), 4, 3, True),
    "rejection:budget=3": (lambda instance: plain.Rejection(3, largest_reward(instance)), 5, 3, True),
    "rejection:budget=2,slack=2,fallback=base": (
        lambda instance: plain.Rejection(2, 2 * largest_reward(instance), "base"), 5, 3, True
    ),
    "rejection:budget=3,slack=1.5,fallback=fail": (
        lambda instance: plain.Rejection(3, 1.5 * largest_reward(instance), "fail"), 5, 3, True
    ),
    "beam:width=2": (lambda instance: plain.Beam(2), 9, 4, True),
    "beam:width=3,score=value": (lambda instance: plain.Beam(3, "value"), 9, 4, True),
    "sp-gsmc": (lambda instance: plain.Guided(), 9, 4, True),
    "sp-gsmc:pool=3": (lambda instance: plain.Pool(3), 5, 2, True),
    "sp-gsmc:pool=3,select=race": (lambda instance: plain.Pool(3, "race"), 4, 2, True),
    "sp-gsmc:mh=3": (lambda instance: plain.Metropolis(3), 5, 3, True),
    "sp-gsmc:pool=2,mh=2": (lambda instance: plain.Metropolis(2, pool=2), 4, 2, True),
    "sp-gsmc:reject=3": (lambda instance: plain.GuidedRejection(3, largest_weight(instance)), 5, 3, True),
    "smc:particles=2": (lambda instance: plain.SMC(2), 5, 3, True),
    "smc:particles=3": (lambda instance: plain.SMC(3), 4, 2, True),
    "smc:particles=3,final=race": (lambda instance: plain.SMC(3, final="race"), 3, 2, True),
    "smc:particles=2,proposal=optimal": (lambda instance: plain.SMC(2, proposal="optimal"), 5, 3, False),
    "particle-gibbs:particles=2,sweeps=1": (lambda instance: plain.ParticleGibbs(2, 1), 3, 2, False),
    "particle-gibbs:particles=3,sweeps=1": (lambda instance: plain.ParticleGibbs(3, 1), 2, 2, False),
    "particle-gibbs:particles=2,sweeps=1,proposal=optimal": (
        lambda instance: plain.ParticleGibbs(2, 1, "optimal"), 3, 2, False
    ),
    "vgb:steps=7": (lambda instance: plain.Backtracking(7), 5, 3, True),
    "vgb:steps=8,momentum=true": (lambda instance: plain.Momentum(8), 5, 3, True),
    "random-suffix:steps=3": (lambda instance: plain.RandomSuffix(3), 5, 3, True),
}  # fmt: skip


def compare(spec, mine, instance, same_cost=True):
    kind, found = sampler(spec), exact_law(mine, instance, BUDGET)
    law = kind.law(instance)
    assert found.is_complete
    own, others = (np.append(each.prob.to_float(), each.failure) for each in (found.law, law))
    assert np.abs(own - others).max() <= TOLERANCE
    assert own.sum() == pytest.approx(1.0, abs=TOLERANCE)
    assert found.law.tv(instance.target).mid == pytest.approx(law.tv(instance.target).mid, abs=TOLERANCE)
    if same_cost:
        cost, mean = kind.cost(instance), found.cost.mean
        assert mean.reference_draws == pytest.approx(cost.reference_draws, rel=1e-12)
        assert mean.value_queries == pytest.approx(cost.value_queries, rel=1e-12)


@pytest.mark.parametrize("spec", TWINS)
@settings(max_examples=12)
@given(st.data())
def test_the_law_is_that_of_the_plain_version(spec, data):
    make, leaves, horizon, same_cost = TWINS[spec]
    instance = data.draw(instances(tame_numbers, max_leaves=leaves, max_horizon=horizon))
    compare(spec, make(instance), instance, same_cost)


@settings(max_examples=15)
@given(bounded_instances(0.3, max_leaves=4, max_horizon=3))
def test_chebyshev_selection_is_its_plain_version(instance):
    if instance.horizon == 1:
        return  # no weight is off, and there is nothing to select by
    for n in (2, 3):
        rule = sampler(f"sp-gsmc:chebyshev={n}").rule(instance)
        bound = float(np.exp(rule.log_bound))
        compare(f"sp-gsmc:chebyshev={n}", plain.Chebyshev(n, bound, tuple(rule.high_chance)), instance)


@pytest.mark.parametrize("momentum", [False, True])
@pytest.mark.parametrize("leaf", [1, 2])
def test_the_law_of_a_leaf_that_is_visited_encloses_what_is_known_of_it(momentum, leaf):
    """Walks of any length: a budget leaves something of them."""
    instance = family("dirichlet", horizon=2, branching=2, perturbation="log-normal:sigma=1", seed=1)
    found = exact_law((plain.Momentum if momentum else plain.Backtracking)(0, leaf), instance, 600)
    kind = sampler(f"vgb:steps=0,stop=leaf,leaf={leaf},momentum={str(momentum).lower()}")
    law = kind.law(instance)
    gap = law.prob.to_float() - found.law.known.prob.to_float()
    assert 1e-6 < found.missing < 0.5
    assert gap.min() >= -TOLERANCE
    assert gap.sum() == pytest.approx(found.missing, abs=TOLERANCE)
    tv = found.law.tv(instance.target)
    assert tv.kind == "certified"
    assert tv.hi - tv.lo == pytest.approx(found.missing, abs=1e-11)
    assert tv.lo <= law.tv(instance.target).mid <= tv.hi
    assert found.cost.mean.value_queries <= kind.cost(instance).value_queries


@pytest.mark.parametrize("spec", ["sp-gsmc", "smc:particles=2", "base"])
def test_on_a_trellis_it_is_known_path_by_path(spec):
    mine = {"sp-gsmc": plain.Guided(), "smc:particles=2": plain.SMC(2), "base": plain.Base()}[spec]
    for seed in range(4):
        instance = trellis(seed, horizon=3, nodes=2, edges=2)
        found, law = exact_law(mine, instance, BUDGET), sampler(spec).law(instance)
        own, exact = found.law.tv(instance.target), law.tv(instance.target, width=1e-9)
        assert own.kind == "exact"
        assert exact.lo - TOLERANCE <= own.mid <= exact.hi + TOLERANCE
        assert found.law.expected(instance.reward) == pytest.approx(law.expected(instance.reward), rel=1e-12)


@pytest.mark.parametrize(
    "spec",
    [
        "smc:particles=3,resampling=systematic", "smc:particles=3,resampling=stratified",
        "smc:particles=3,resampling=residual", "smc:particles=2,proposal=pool,pool=2",
        "smc:particles=3,threshold=0.8", "smc:particles=3,threshold=0.8,resampling=systematic",
    ],
)  # fmt: skip
def test_draws_of_samplers_without_a_law_fit_that_of_the_plain_version(spec):
    kind = sampler(spec)
    mine = plain.SMC(kind.particles, kind.resampling, kind.threshold, kind.proposal, kind.pool)
    instance = family("dirichlet", horizon=2, branching=2, perturbation="log-normal:sigma=1", seed=3)
    found = exact_law(mine, instance, BUDGET)
    assert found.is_complete
    assert fits(kind.simulate(instance, 400_000, seed=1), found.law)


def test_a_planted_bug_is_seen():
    """A weight that is off by 1e-10."""

    class Wrong(plain.Importance):
        def simulate(self, oracle, rng):
            pool = [plain.drawn(oracle) for _ in range(self.n)]
            return plain.pick(pool, [oracle.value(path) ** (1.0 + 1e-10) for path in pool], rng)

    instance = family("dirichlet", horizon=2, seed=1)
    compare("importance:n=4", plain.Importance(4), instance)
    with pytest.raises(AssertionError):
        compare("importance:n=4", Wrong(4), instance)


@settings(max_examples=25)
@given(trees(max_leaves=5), st.data())
def test_laws_of_wild_values_keep_their_digits(tree, data):
    """Values of exp(-700) to exp(700): products of probabilities leave the range of floats."""
    logs = data.draw(st.lists(st.floats(-300.0, 300.0), min_size=tree.n_nodes, max_size=tree.n_nodes))
    instance = Instance(tree, Scaled.from_log(np.array(logs)))
    law, found = sampler("sp-gsmc").law(instance), exact_law(plain.Guided(), instance).law
    np.testing.assert_allclose(found.prob.log(), law.prob.log(), rtol=1e-11, atol=1e-11)
