from dataclasses import dataclass
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from tests.statistics import fits
from treesim import (
    Oracle,
    OracleError,
    Prefix,
    SpecError,
    TreesimError,
    estimate,
    family,
    register_sampler,
    sampler,
    unroll,
)
from treesim.samplers import SAMPLERS

INSTANCE = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.7", seed=3)


@dataclass
class Pool:
    """SP-gSMC with a pool, again, through the oracle."""

    size: int = 3

    def simulate(self, oracle, rng):
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            pool = [oracle.draw(prefix) for _ in range(self.size)]
            weights = np.array([oracle.value(child) for child in pool])
            prefix = pool[rng.choice(self.size, p=weights / weights.sum())]
        return prefix


class Guided:
    """SP-gSMC with the exact normaliser, again."""

    def simulate(self, oracle, rng):
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            children, prob = zip(*oracle.children(prefix), strict=True)
            weights = np.array(prob) * [oracle.value(child) for child in children]
            prefix = children[rng.choice(len(children), p=weights / weights.sum())]
        return prefix


@pytest.mark.parametrize(
    ("kind", "spec", "twin"), [(Pool, "mine:size=2", "sp-gsmc:pool=2"), (Guided, "mine", "sp-gsmc")]
)
def test_a_user_sampler_has_the_law_and_the_cost_of_its_built_in_twin(kind, spec, twin):
    register_sampler("mine")(kind)
    draws = sampler(spec).simulate(INSTANCE, 4_000, seed=1)
    assert fits(draws, sampler(twin).law(INSTANCE))
    assert draws.reference_draws / 4_000 == pytest.approx(sampler(twin).cost(INSTANCE).reference_draws)
    assert draws.value_queries / 4_000 == pytest.approx(sampler(twin).cost(INSTANCE).value_queries)
    assert sampler(spec).cost(INSTANCE).value_queries == pytest.approx(sampler(twin).cost(INSTANCE).value_queries)
    exact = sampler(twin).law(INSTANCE).tv(INSTANCE.target).lo
    tv = estimate(sampler(spec), INSTANCE, n=2_000).tv
    assert tv.lo <= exact <= tv.hi


def test_on_a_trellis_too():
    instance = family("markov", horizon=3, states=2, perturbation="log-normal:sigma=0.7", seed=3)
    register_sampler("mine")(Guided)
    draws = sampler("mine").simulate(instance, 6_000, seed=1)
    plain = unroll(instance)
    place = {tuple(plain.graph.choices(leaf)): leaf for leaf in range(plain.graph.n_leaves)}
    leaf = np.array([place[tuple(draws.choices(instance.graph, i))] for i in range(6_000)])
    law = sampler("sp-gsmc").law(plain)
    assert fits(type(draws)(leaf, None, 0, 0), law)


def test_the_ledger_counts_level_by_level():
    oracle = Oracle(INSTANCE, np.random.default_rng(0))
    child = oracle.draw(oracle.root)
    oracle.children(child)
    oracle.value(child)
    oracle.log_value(child)
    oracle.value(oracle.root)
    assert oracle.reference_draws.tolist() == [0, 1, 2, 0, 0]
    assert oracle.value_queries.tolist() == [1, 2, 0, 0, 0]


def test_values_are_those_of_the_instance():
    oracle = Oracle(INSTANCE, np.random.default_rng(0))
    log_value = INSTANCE.value.log()
    for child, prob in oracle.children(oracle.root):
        assert oracle.log_value(child) == pytest.approx(log_value[1 + child.node], abs=1e-13)
        assert prob == INSTANCE.graph.layer(0).prob[child.node]


def test_guessing_is_an_error():
    oracle = Oracle(INSTANCE, np.random.default_rng(0))
    guess = Prefix((0, 1), 1, (0, 1))
    for question in (oracle.value, oracle.draw, oracle.children):
        with pytest.raises(OracleError, match=r"prefix \(0, 1\) was never reached"):
            question(guess)
    complete = oracle.root
    while complete.level < 4:
        complete = oracle.draw(complete)
    with pytest.raises(OracleError, match="is complete: it has no children"):
        oracle.draw(complete)


def simulate_with(method):
    register_sampler("mine")(type("Mine", (), {"simulate": method}))
    return sampler("mine").simulate(INSTANCE, 3, seed=0)


def test_what_a_sampler_may_not_return_is_refused():
    with pytest.raises(OracleError, match="expected a complete prefix or None"):
        simulate_with(lambda self, oracle, rng: oracle.root)


def test_a_guessed_output_is_refused():
    with pytest.raises(OracleError, match="was never reached"):
        simulate_with(lambda self, oracle, rng: Prefix((0, 0, 0, 0), 0, (0, 0, 0, 0)))


def test_returning_nothing_is_a_failure_of_the_run():
    assert (simulate_with(lambda self, oracle, rng: None).leaf == -1).all()


def test_an_exception_of_the_sampler_is_told_with_its_name():
    with pytest.raises(SpecError, match="sampler 'mine' failed: ZeroDivisionError"):
        simulate_with(lambda self, oracle, rng: 1 / 0)


def test_classes_of_another_form_are_refused():
    with pytest.raises(SpecError, match=r"no method simulate\(oracle, rng\)"):
        register_sampler("mine")(type("Mine", (), {}))
    with pytest.raises(SpecError, match="built-in sampler named 'base'"):
        register_sampler("base")(Guided)

    @dataclass
    class Listy:
        sizes: list

        def simulate(self, oracle, rng):
            return None

    with pytest.raises(SpecError, match="parameter 'sizes' of sampler 'mine'"):
        register_sampler("mine")(Listy)


def test_a_sampler_that_a_package_offers_is_found_by_name(monkeypatch):
    point = EntryPoint("offered", "tests.treesim.samplers.test_oracle:Pool", "treesim.samplers")
    monkeypatch.setattr(SAMPLERS, "_offers", {"offered": point})
    assert sampler("offered:size=5").size == 5
    with pytest.raises(TreesimError, match=r"unknown sampler 'other', expected one of: base, .*offered"):
        sampler("other")
