"""Laws and costs of users' samplers from all their runs, and what is said where that cannot be."""

import copy
import itertools
import math
import random
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from tests import naive
from tests import plain_samplers as plain
from tests.shapes import trellis
from treesim import (
    Instance,
    LeafLaw,
    NoExactLaw,
    OracleError,
    Prefix,
    Scaled,
    SpecError,
    Tree,
    estimate,
    exact_law,
    family,
    sampler,
    unroll,
)
from treesim.empirical.measure import measure
from treesim.laws.enclosed import EnclosedLaw
from treesim.samplers import user as user_module
from treesim.samplers.base import Cost
from treesim.samplers.exact_law import expected_runs
from treesim.testing.strategies import instances, tame_numbers

INSTANCE = family("dirichlet", horizon=3, perturbation="log-normal:sigma=0.7", seed=3)


@settings(max_examples=30)
@given(instances(tame_numbers, max_leaves=4, max_horizon=3))
def test_laws_are_those_of_rational_arithmetic(instance):
    tree = instance.graph
    value, reward = (naive.fractions(scaled.to_float()) for scaled in (instance.value, instance.reward))
    for mine, expected in (
        (plain.Base(), naive.reference(tree)),
        (plain.Guided(), naive.guided(tree, value)),
        (plain.Pool(2), naive.pooled(tree, value, 2)),
        (plain.Importance(3), naive.weighted_pick(naive.reference(tree), reward, 3)),
    ):
        found = exact_law(mine, instance)
        total = sum(abs(Fraction(p) - q) for p, q in zip(found.law.prob.to_float().tolist(), expected, strict=True))
        assert float(total) / 2 < 1e-13
        assert found.missing == 0.0


def test_the_law_of_the_cost_is_that_of_the_tries():
    """Rejection until success: geometric, and known but for rounding though nothing bounds it."""
    instance = family("product", horizon=1, ratio=3.0)
    largest = float(instance.reward.to_float().max())

    class Stubborn:
        def simulate(self, oracle, rng):
            while True:
                path = plain.drawn(oracle)
                if rng.random() * largest < oracle.value(path):
                    return path

    found = exact_law(Stubborn, instance)
    accept = instance.reference.expected(instance.reward) / largest
    assert found.is_complete
    assert found.law.tv(instance.target).hi < 1e-12
    for tries in (1, 2, 5, 20):
        assert found.cost.at_most(value_queries=tries) == pytest.approx(1.0 - (1.0 - accept) ** tries, abs=1e-12)
        assert found.cost.at_most(reference_draws=tries) == found.cost.at_most(value_queries=tries)
    assert found.cost.mean.value_queries == pytest.approx(1.0 / accept, rel=1e-10)
    assert found.cost.prob.sum() == pytest.approx(1.0, abs=1e-14)
    assert found.cost.value_queries.tolist() == sorted(found.cost.value_queries.tolist())


def test_output_and_cost_come_from_the_same_runs():
    """A sampler that asks twice on one side: its cost is a coin."""

    def sided(oracle, rng):
        child = oracle.draw(oracle.root)
        for _ in range(1 + child.choices[0]):
            oracle.value(child)
        return plain.drawn(oracle, child)

    found = exact_law(sided, INSTANCE)
    p = float(INSTANCE.graph.layer(0).prob[1])
    assert found.cost.value_queries.tolist() == [1, 2]
    assert found.cost.prob.tolist() == pytest.approx([1 - p, p], abs=1e-15)
    assert found.cost.mean.value_queries == pytest.approx(1 + p)


def test_nothing_is_an_outcome_on_trees_and_trellises():
    def sometimes(oracle, rng):
        path = plain.drawn(oracle)
        return path if rng.random() < 0.75 else None

    found = exact_law(sometimes, INSTANCE)
    assert found.law.failure == pytest.approx(0.25, abs=1e-15)
    assert found.law.tv(INSTANCE.reference).mid == pytest.approx(0.25, abs=1e-14)
    other = trellis(3, horizon=3, nodes=2, edges=2)
    law = exact_law(sometimes, other).law
    assert law.failure == pytest.approx(0.25, abs=1e-15)
    assert law.tv(other.reference).mid == pytest.approx(0.25, abs=1e-14)
    assert law.kl(other.target) == law.chi2(other.target) == math.inf


def test_on_a_trellis_it_is_the_law_of_the_unrolled_tree():
    instance = trellis(5, horizon=3, nodes=2, edges=2)
    plainer = unroll(instance)
    for mine in (plain.Guided(), plain.Importance(2), plain.SMC(2)):
        own, other = exact_law(mine, instance).law, exact_law(mine, plainer).law
        assert own.tv(instance.target).kind == "exact"
        assert own.tv(instance.target).mid == pytest.approx(other.tv(plainer.target).mid, abs=1e-13)
        assert own.expected(instance.reward) == pytest.approx(other.expected(plainer.reward), rel=1e-13)


@pytest.mark.parametrize("budget", [1, 10, 100, 500, 1000])
def test_a_budget_leaves_an_interval_that_holds_the_distance(budget):
    whole = exact_law(plain.Importance(3), INSTANCE)
    found = exact_law(plain.Importance(3), INSTANCE, budget)
    assert found.runs == budget
    assert not found.is_complete
    assert isinstance(found.law, EnclosedLaw)
    tv, exact = found.law.tv(INSTANCE.target), whole.law.tv(INSTANCE.target).mid
    assert tv.kind == "certified"
    assert tv.lo <= exact <= tv.hi <= tv.lo + found.missing + 3e-12
    assert found.law.kl(INSTANCE.target) is found.law.chi2(INSTANCE.target) is None
    assert found.law.expected(INSTANCE.reward) is None
    assert found.cost.prob.sum() == pytest.approx(1.0 - found.missing, abs=1e-13)


def test_the_ends_of_the_interval_are_met():
    """Mass that is missing may lie where it does most good, or most harm."""
    target = INSTANCE.target.prob.to_float()
    known = np.full(8, 0.1)
    tv = EnclosedLaw(LeafLaw(Scaled.from_float(known)), 0.2).tv(INSTANCE.target)

    def distance(extra, failure=0.0):
        return 0.5 * (np.abs(known + extra - target).sum() + failure)

    short = np.maximum(target - known, 0.0)
    assert tv.lo == pytest.approx(distance(0.2 * short / short.sum()), abs=1e-11)
    assert tv.hi == pytest.approx(distance(0.0, failure=0.2), abs=1e-11)


def test_it_is_what_a_users_sampler_is_measured_by():
    mine, twin = sampler(plain.Importance(2)), sampler("importance:n=2")
    found, exact = measure(mine, INSTANCE), measure(twin, INSTANCE)
    assert found.tv.kind == "exact"
    assert found.tv.mid == pytest.approx(exact.tv.mid, abs=1e-13)
    assert found.kl == pytest.approx(exact.kl, abs=1e-12)
    assert found.kl_from_target == pytest.approx(exact.kl_from_target, abs=1e-12)
    assert found.expected_reward == pytest.approx(exact.expected_reward, rel=1e-13)
    assert found.cost == exact.cost


def test_what_is_too_much_is_estimated_as_ever():
    mine = sampler(plain.Importance(16))
    with pytest.raises(NoExactLaw, match=r"about [0-9.e+]+ runs, and 1000 leave 100\.0% of it open; treesim\.exact"):
        mine.law(INSTANCE)
    found = measure(mine, INSTANCE, runs=400, seed=2)
    assert found.tv == estimate(mine, INSTANCE, 400, 2).tv
    assert found.tv.kind == "estimated"
    assert found.cost.value_queries == 16


def test_a_law_that_is_nearly_known_is_certified(monkeypatch):
    monkeypatch.setattr(user_module, "BUDGET", 200)
    rare = 0.001

    def mostly(oracle, rng):
        path = plain.drawn(oracle)
        while rng.random() < rare:
            path = plain.Importance(3).simulate(oracle, rng)
        return path

    tv = measure(mostly, INSTANCE).tv
    assert tv.kind == "certified"
    assert 0 < tv.hi - tv.lo < rare
    drawn = sampler(mostly).simulate(INSTANCE, 200, seed=0).reference_draws
    assert sampler(mostly).cost(INSTANCE).reference_draws == drawn / 200
    monkeypatch.setattr(user_module, "TRIAL", 5)
    with pytest.raises(NoExactLaw, match=r"and 5 leave [0-9.]+% of it open; treesim\.exact_law"):
        sampler(mostly).law(INSTANCE)


def test_the_cost_is_told_before():
    assert expected_runs(plain.Importance(2), INSTANCE) == 128
    assert 1e18 < expected_runs(plain.Importance(20), INSTANCE) < 1e20


def test_a_law_is_worked_out_once():
    runs = []

    def counted(oracle, rng):
        runs.append(0)
        return plain.drawn(oracle)

    mine = sampler(counted)
    mine.law(INSTANCE)
    once = len(runs)
    mine.law(INSTANCE)
    mine.cost(INSTANCE)
    assert len(runs) == once < 1_000


def test_what_runs_leave_in_an_object_reaches_no_other():
    class Alternates:
        turn = 0

        def simulate(self, oracle, rng):
            self.turn += 1
            return plain.drawn(oracle) if self.turn % 2 else None

    assert exact_law(Alternates, INSTANCE).law.failure == 0.0
    assert exact_law(Alternates(), INSTANCE).law.failure == 0.0


GENERATOR = np.random.default_rng(3)


def hidden(oracle, rng):
    path = oracle.root
    while path.level < oracle.horizon:
        path = oracle.draw(path) if GENERATOR.random() < 0.5 else oracle.children(path)[rng.integers(2)][0]
    return path


def test_another_generator_is_noticed():
    with pytest.raises(NoExactLaw, match="something besides rng and the oracle decides"):
        exact_law(hidden, INSTANCE)
    assert measure(hidden, INSTANCE, runs=100).tv.kind == "estimated"


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (lambda rng: rng.normal(), "normal"),
        (lambda rng: rng.dirichlet([1, 1]), "dirichlet"),
        (lambda rng: rng.bytes(2), "bytes"),
    ],
)
def test_what_cannot_be_enumerated_is_told_by_name_and_place(draw, name):
    def mine(oracle, rng):
        draw(rng)
        return plain.drawn(oracle)

    with pytest.raises(NoExactLaw, match=rf"^rng\.{name} cannot be enumerated \(test_enumeration\.py, line \d+\)$"):
        exact_law(mine, INSTANCE)
    with pytest.raises(NoExactLaw, match=name):
        sampler(mine).law(INSTANCE)
    assert measure(mine, INSTANCE, runs=100).tv.kind == "estimated"


def test_the_oracle_keeps_its_rules_and_its_ledger():
    def guess(oracle, rng):
        return oracle.value(Prefix((0, 0), 0, (0, 0)))

    def further(oracle, rng):
        return oracle.draw(plain.drawn(oracle))

    def makes_up(oracle, rng):
        return Prefix((0, 0, 0), 0, (0, 0, 0))

    def short(oracle, rng):
        return oracle.draw(oracle.root)

    for wrong, message in (
        (guess, "was never reached: draw it or list it before asking its value"),
        (further, "is complete: it has no children"),
        (makes_up, "was never reached: draw it or list it before returning it"),
        (short, "expected a complete prefix or None"),
    ):
        with pytest.raises(OracleError, match=message):
            exact_law(wrong, INSTANCE)

    def looks(oracle, rng):
        child = oracle.draw(oracle.root)
        oracle.children(child)
        assert math.isclose(oracle.value(child), math.exp(oracle.log_value(child)))
        oracle.value(oracle.root)
        assert oracle.reference_draws.tolist() == [0, 1, 2, 0]
        assert oracle.value_queries.tolist() == [1, 2, 0, 0]
        return plain.drawn(oracle, child)

    found = exact_law(looks, INSTANCE)
    assert (found.cost.mean.reference_draws, found.cost.mean.value_queries) == (5.0, 3.0)
    with pytest.raises(OracleError, match="was never reached"):
        # What another run has looked up is not reached in this one.
        exact_law(lambda oracle, rng: further_than_drawn(oracle), INSTANCE)


def further_than_drawn(oracle):
    child = oracle.draw(oracle.root)
    sibling = Prefix((0,), 0, (0,))
    if child == sibling:
        oracle.children(child)
        return plain.drawn(oracle, child)
    return oracle.draw(sibling)


def test_children_of_probability_zero_are_never_drawn_or_listed():
    tree = Tree(np.array([0, 1, 4]), np.array([0, 3]), np.array([0.25, 0.0, 0.75]))
    instance = Instance(tree, Scaled.from_float(np.array([1.0, 1.0, 5.0, 2.0])))
    assert exact_law(plain.Base(), instance).law.prob.to_float().tolist() == [0.25, 0.0, 0.75]
    assert exact_law(plain.Guided(), instance).runs == 2


def test_a_failure_that_rounding_alone_can_cause_is_none():
    """Cumulated probabilities that end a little below one, and an index beyond them."""
    weights = np.array([0.1] * 3 + [0.7])
    weights[-1] -= 4e-15

    def mine(oracle, rng):
        path = plain.drawn(oracle)
        return (path, path, path, path)[int(np.searchsorted(np.cumsum(weights), rng.random(), side="right"))]

    found = exact_law(mine, INSTANCE)
    assert found.is_complete
    assert 0.0 < found.missing < 1e-13
    assert found.law.tv(INSTANCE.reference).hi < 1e-13

    def fails(oracle, rng):
        return plain.drawn(oracle) if rng.random() < 1.0 - 1e-9 else 1 / 0

    with pytest.raises(SpecError, match="ZeroDivisionError"):
        exact_law(fails, INSTANCE)


def test_what_is_no_sampler_of_a_users_is_told():
    with pytest.raises(SpecError, match=r"'importance' is a sampler of treesim's, whose law\(instance\) is exact"):
        exact_law("importance:n=2", INSTANCE)
    with pytest.raises(SpecError, match="exact_law wants an Instance, not a Tree"):
        exact_law(plain.Base(), INSTANCE.graph)
    with pytest.raises(SpecError, match="budget is 0, expected at least 1"):
        exact_law(plain.Base(), INSTANCE, 0)


def test_masses_add_up_without_losing_digits():
    """Half a million runs of three outcomes, against integers."""
    source, n = random.Random(0), 9
    masses = [Fraction(source.randrange(1, 2**20)) for _ in range(3)]
    prob = [float(mass / sum(masses)) for mass in masses]
    instance = Instance(
        Tree(np.array([0, 1, 4]), np.array([0, 3]), np.array(prob)), Scaled.from_float(np.array([1.0, 1.0, 2.0, 3.0]))
    )

    def last(oracle, rng):
        return [oracle.draw(oracle.root) for _ in range(n)][-1]

    found = exact_law(last, instance)
    exact = [Fraction(p) for p in instance.graph.edge_prob.tolist()]
    rest = sum(exact) ** (n - 1)
    assert found.runs == 3**n
    for p, q in zip(found.law.prob.to_float().tolist(), exact, strict=True):
        assert abs(Fraction(p) - q * rest) < Fraction(1, 10**15)


def test_a_sampler_of_several_draws_is_enumerated_by_its_branches():
    """All ordered pools and picks, once each."""
    outcomes = defaultdict(int)

    def mine(oracle, rng):
        pool = [plain.drawn(oracle).node for _ in range(2)]
        i = int(rng.integers(2))
        outcomes[*pool, i] += 1
        return None

    exact_law(mine, INSTANCE)
    assert outcomes == dict.fromkeys(itertools.product(range(8), range(8), range(2)), 1)


def test_a_prefix_made_by_hand_goes_on_where_the_run_has_been():
    """As with the oracle of runs: what counts are the choices, whoever wrote them down."""

    def by_hand(oracle, rng):
        children = [child for child, _ in oracle.children(oracle.root)]
        copied = copy.deepcopy(children[rng.integers(2)])
        assert oracle.value(copied) == oracle.value(children[copied.choices[0]])
        again = oracle.draw(Prefix((*copied.choices,), copied.node, copied.edges))
        return oracle.draw(again._replace(choices=again.choices))

    found = exact_law(by_hand, INSTANCE)
    assert found.law.prob.to_float().sum() == pytest.approx(1.0, abs=1e-14)
    assert found.runs == 8
    assert found.cost.mean == Cost(4.0, 2.0)


@pytest.mark.parametrize("look", [lambda prefix: prefix, lambda prefix: Prefix(*prefix)])
def test_what_another_run_reached_is_unknown(look):
    """Prefixes are shared between runs; who reached them is not."""
    stolen = []

    def thief(oracle, rng):
        first, second = (oracle.draw(oracle.root) for _ in range(2))
        if first.choices != second.choices:
            stolen.append(first)
        if stolen and stolen[0].choices not in (first.choices, second.choices):
            oracle.draw(look(stolen[0]))
        return oracle.draw(oracle.draw(first))

    with pytest.raises(OracleError, match=r"prefix \(\d,\) was never reached: draw it or list it before going on"):
        exact_law(thief, INSTANCE)
