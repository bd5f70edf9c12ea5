"""Classes, objects and functions of users' stand wherever a sampler does."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.treesim.zoo.brute import SPECS as ZOO
from treesim import (
    SAMPLERS,
    OracleError,
    Prefix,
    SpecError,
    TreesimError,
    diagnose,
    estimate,
    family,
    register_sampler,
    sampler,
)
from treesim.empirical.identification import identify_law
from treesim.empirical.measure import distance, measure
from treesim.runtime.user_code import digest
from treesim.samplers import Base, Importance
from treesim.testing import check_sampler

INSTANCE = family("dirichlet", horizon=3, seed=1)


@dataclass
class Mine:
    """Importance resampling of n draws, written against the oracle."""

    n: int = 16

    def simulate(self, oracle, rng):
        pool = []
        for _ in range(self.n):
            prefix = oracle.root
            while prefix.level < oracle.horizon:
                prefix = oracle.draw(prefix)
            pool.append(prefix)
        weights = np.array([oracle.value(prefix) for prefix in pool])
        return pool[rng.choice(self.n, p=weights / weights.sum())]


def reference(oracle, rng):
    prefix = oracle.root
    while prefix.level < oracle.horizon:
        prefix = oracle.draw(prefix)
    return prefix


@pytest.fixture
def registered():
    register_sampler("mine-test")(Mine)
    yield "mine-test:n=2"
    del SAMPLERS["mine-test"]


def test_class_object_and_spec_draw_the_same(registered):
    spec, thing = (estimate(given, INSTANCE, n=400, seed=3) for given in (registered, Mine(n=2)))
    assert spec.tv == thing.tv
    assert estimate(Mine, INSTANCE, n=100).tv == estimate(Mine(), INSTANCE, n=100).tv
    exact = Importance(2).law(INSTANCE).tv(INSTANCE.target)
    assert thing.tv.lo <= exact.mid <= thing.tv.hi


def test_everything_that_takes_a_sampler_takes_a_users(registered):
    assert check_sampler(Mine(2), INSTANCE, "importance:n=2", n=2000).passed
    assert check_sampler(Mine, INSTANCE, "importance:n=16", n=500).passed
    assert check_sampler(registered, INSTANCE, "importance:n=2", n=500).passed
    assert check_sampler("importance:n=2", INSTANCE, "importance:n=2").passed
    assert check_sampler(Importance(2), INSTANCE, "importance:n=2").passed
    with pytest.raises(AssertionError, match="do not agree"):
        check_sampler(Mine(1), INSTANCE, n=2000)
    assert measure(Mine(2), INSTANCE, runs=100).sampler == "Mine(n=2)"
    assert measure(Mine(2), INSTANCE, runs=100).cost.reference_draws == 6
    assert distance("base", INSTANCE) == distance(Base(), INSTANCE) == distance(Base, INSTANCE)
    assert identify_law(Mine(32), INSTANCE, runs=500).candidates[0].name == "target"
    assert [row.size for row in identify_law(Mine, INSTANCE, runs=100, sizes=[2, 4]).rows] == [2, 4]
    assert diagnose(Mine(2), INSTANCE).verdict == ("nothing inside this sampler to look at",)


def test_a_function_of_the_oracle_is_a_sampler():
    assert check_sampler(sampler(reference), INSTANCE, "reference", n=2000).passed
    assert measure(reference, INSTANCE, runs=100).sampler == "reference"


def test_what_a_run_leaves_in_an_object_does_not_reach_the_user():
    class Counting:
        runs = 0

        def simulate(self, oracle, rng):
            self.runs += 1
            return reference(oracle, rng)

    counting = Counting()
    assert (
        sampler(counting).simulate(INSTANCE, 5, seed=0).leaf == sampler(counting).simulate(INSTANCE, 5, 0).leaf
    ).all()
    assert counting.runs == 0


def test_an_object_that_cannot_be_copied_is_one_sentence():
    class Single:
        def __copy__(self):
            raise TypeError("there is one of me")

        def simulate(self, oracle, rng):
            return None

    with pytest.raises(SpecError, match="'Single' cannot be made: TypeError: there is one of me"):
        sampler(Single()).simulate(INSTANCE, 1, 0)


def test_what_is_no_sampler_is_told_what_one_is():
    for thing in (7, None, [reference]):
        with pytest.raises(SpecError, match=r"is no sampler, expected a spec, or a class or object with simulate"):
            sampler(thing)
        with pytest.raises(SpecError, match=r"expected draw\(n, rng\), a spec, or a class or object"):
            check_sampler(thing, INSTANCE)
    with pytest.raises(SpecError, match=r"no method simulate\(oracle, rng\)"):
        estimate(int, INSTANCE)
    with pytest.raises(SpecError, match="needs n"):
        sampler(Importance)


@pytest.mark.parametrize("kind", list(SAMPLERS))
def test_a_sampler_says_that_it_wants_an_instance(kind):
    spec = {"best-of-n": "n", "soft-best-of-n": "n", "importance": "n", "race": "n", "rejection": "budget",
            "beam": "width", "smc": "particles", "vgb": "steps", "random-suffix": "steps"}  # fmt: skip
    text = f"{kind}:particles=2,sweeps=1" if kind == "particle-gibbs" else kind
    if kind in spec:
        text = f"{kind}:{spec[kind]}=4" + (",temperature=1" if kind == "soft-best-of-n" else "")
    made = sampler(ZOO.get(kind, text))
    for ask, name in ((made.law, "law"), (made.cost, "cost"), (lambda tree: made.simulate(tree, 2, 0), "simulate")):
        with pytest.raises(SpecError, match=rf"^{kind}.{name} wants an Instance, not a Tree; Instance\(tree, value\)"):
            ask(INSTANCE.graph)
    with pytest.raises(SpecError, match=r"wants an Instance, not a str; load\(path\) reads one"):
        made.law("a.safetensors")


@pytest.mark.parametrize("what", [estimate, check_sampler, measure, identify_law, diagnose])
def test_so_does_what_asks_it(what):
    with pytest.raises(SpecError, match="wants an Instance, not a Tree"):
        what(Base(), INSTANCE.graph)


class Other(Base):
    """A base policy that claims another law."""

    def law(self, instance):
        return instance.target


def test_kinds_of_samplers_are_told_apart_by_the_code_of_their_laws():
    assert digest([Other]) != ""
    assert digest([Base]) == ""
    with pytest.raises(SpecError, match="wants an Instance"):
        Other().law(INSTANCE.graph)


def test_errors_say_where_in_the_users_code_they_came_up():
    def divides(oracle, rng):
        return 1 / 0

    def guesses(oracle, rng):
        return oracle.value(Prefix((0, 0), 0, (0, 0)))

    def overflows(oracle, rng):
        return np.random.default_rng("x")

    first = divides.__code__.co_firstlineno
    with pytest.raises(
        SpecError, match=rf"'divides' failed: ZeroDiv.*zero \(test_user\.py, line {first + 1}\)$"
    ) as caught:
        sampler(divides).simulate(INSTANCE, 1, 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(OracleError, match=rf"was never reached.* \(test_user\.py, line {first + 4}\)$"):
        sampler(guesses).simulate(INSTANCE, 1, 0)
    with pytest.raises(SpecError, match=rf"\(test_user\.py, line {first + 7}\)$"):
        sampler(overflows).simulate(INSTANCE, 1, 0)


PLACES = {
    "horizon": [lambda x: family("uniform", horizon=x), lambda x: family("markov", horizon=x),
                lambda x: family("hidden-prefix", horizon=x), lambda x: family("ngram", horizon=x, contains="a")],
    "n": [Importance, lambda x: Base().simulate(INSTANCE, x, 0), lambda x: estimate(Base(), INSTANCE, n=x)],
    "seed": [lambda x: family("uniform", horizon=2, seed=x), lambda x: Base().simulate(INSTANCE, 2, x)],
    "branching": [lambda x: family("dirichlet", horizon=2, branching=x)],
    "particles": [lambda x: sampler("smc:particles=4").__class__(particles=x)],
}  # fmt: skip


@pytest.mark.parametrize(("name", "make"), [(name, make) for name, makes in PLACES.items() for make in makes])
def test_what_should_be_whole_is_told_off_by_name(name, make):
    for value in (4.0, np.float64(4.0), "4", None):
        with pytest.raises(TreesimError, match=rf"^{name} is {value!s}|{name} is '4'") as caught:
            make(value)
        assert "a whole number" in str(caught.value)


def test_a_complete_prefix_that_was_never_reached_is_no_output():
    def guess(oracle, rng):
        return Prefix((0, 0, 0), 0, (0, 0, 0))

    with pytest.raises(OracleError, match=r"prefix \(0, 0, 0\) was never reached: .* before returning it"):
        sampler(guess).simulate(INSTANCE, 1, seed=0)


def test_what_is_returned_wrongly_says_whose_it_is():
    class Short:
        def simulate(self, oracle, rng):
            return oracle.root

    class Called:
        def __call__(self, oracle, rng):
            return Prefix([0, 0, 0], 0, (0, 0, 0))

    def guess(oracle, rng):
        return Prefix((0, 0, 0), 0, (0, 0, 0))

    first = Short.simulate.__code__.co_firstlineno
    for thing, line, message in (
        (Short, first, "sampler 'Short' returned Prefix.*, expected a complete prefix or None"),
        (Short(), first, "sampler 'Short' returned Prefix.*, expected a complete prefix or None"),
        (Called(), first + 4, "sampler 'Called' returned .*, expected a complete prefix or None"),
        (guess, first + 7, r"prefix \(0, 0, 0\) was never reached: .* before returning it"),
    ):
        with pytest.raises(OracleError, match=rf"^{message} \(test_user\.py, line {line}\)$"):
            sampler(thing).simulate(INSTANCE, 1, seed=0)

    def other_leaf(n, rng):
        return [INSTANCE.graph.n_leaves] * n

    with pytest.raises(SpecError, match=rf"returned leaf .* \(test_user\.py, line {first + 20}\)$"):
        check_sampler(other_leaf, INSTANCE, n=10)
