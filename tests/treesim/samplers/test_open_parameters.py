"""What may vary of specs, classes, objects and functions, and what needs and comparisons make of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from treesim import SAMPLERS, SMC, SpecError, compare, family, need, register_sampler, sampler
from treesim.empirical.measure import measure
from treesim.samplers import BestOfN, Importance
from treesim.samplers.open_parameters import open_sampler
from treesim.studies.compare import series

INSTANCE = family("dirichlet", horizon=2, perturbation="random-sign", epsilon=0.1, seed=3)


def reference(oracle, rng):
    prefix = oracle.root
    while prefix.level < oracle.horizon:
        prefix = oracle.draw(prefix)
    return prefix


@dataclass
class Best:
    """The best of n draws, of which it keeps what it was made with."""

    n: int
    extra: object = None
    share: float = 1.0
    seen: list = field(default_factory=list, init=False)

    def __post_init__(self):
        if self.n > 50:
            raise ValueError("too many")

    def simulate(self, oracle, rng):
        assert self.extra == "kept"
        return max((reference(oracle, rng) for _ in range(self.n)), key=oracle.value)


@dataclass
class BestClass:
    n: int = 1

    def simulate(self, oracle, rng):
        return max((reference(oracle, rng) for _ in range(self.n)), key=oracle.value)


@pytest.fixture
def registered():
    yield register_sampler("best-open")(BestClass)
    del SAMPLERS["best-open"]


@pytest.mark.parametrize("like", ["best-of-n", BestOfN, BestOfN(7), BestClass, BestClass(5), Best(3, "kept"),
                                  sampler(BestClass(5)), sampler(BestClass)])  # fmt: skip
def test_samplers_of_every_form_need_the_same(like):
    delta = measure("best-of-n:n=2", INSTANCE).tv.hi + 1e-9
    found, expected = need(INSTANCE, like, delta, "n"), need(INSTANCE, "best-of-n", delta)
    assert found.least == expected.least is not None
    assert found.tv.mid == pytest.approx(expected.tv.mid, abs=1e-12)
    assert found.queries == expected.queries
    assert "n" in found.sampler


def test_samplers_of_every_form_are_compared_alike(registered):
    likes = ["best-of-n", BestOfN, BestOfN(7), registered, "best-open", BestClass(5), Best(3, "kept")]
    points = compare({"i": INSTANCE}, likes, {"n": [1, 3]}).points
    assert len(points) == 2 * len(likes)
    for n, rows in ((1, points[::2]), (3, points[1::2])):
        expected = measure(BestOfN(n), INSTANCE)
        for row in rows:
            assert row.tv.mid == pytest.approx(expected.tv.mid, abs=1e-12)
            assert row.values == expected.cost.value_queries


def test_an_object_is_itself_where_nothing_varies():
    (line,) = series([BestOfN(7)], {})
    assert (line.label, line.samplers, line.varies) == ("best-of-n:n=7", (BestOfN(7),), None)
    functions = compare([INSTANCE], [reference, Importance(2)])
    assert [point.curve for point in functions.points] == ["reference", "importance:n=2"]


def test_curves_of_objects_are_called_by_what_does_not_vary():
    lines = series([SMC(3, resampling="systematic"), Best(2, "kept"), SMC(1)], {"particles": [1, 4], "n": [2]})
    assert [line.label for line in lines] == [
        "smc:resampling=systematic, particles = 1 to 4", "Best:extra=kept, n = 2", "smc, particles = 1 to 4"
    ]  # fmt: skip


def test_functions_of_one_name_are_two_curves():
    def greedy():
        def walk(oracle, rng):
            prefix = oracle.root
            while prefix.level < oracle.horizon:
                prefix = max((child for child, _ in oracle.children(prefix)), key=oracle.value)
            return prefix

        return walk

    one, two = greedy(), greedy()
    assert [line.label for line in series([one, "base", two], {})] == ["walk", "base", "walk (2)"]
    assert len(compare([INSTANCE], [one, two]).curves()) == 2
    assert [line.label for line in series(["base", "base"], {})] == ["base", "base"]


def test_what_varies_first_is_what_must_be_given():
    assert need(INSTANCE, SMC, 0.5).parameter == need(INSTANCE, SMC(3), 0.5).parameter == "particles"
    assert open_sampler(Best(1)).needed == ("n",)
    assert open_sampler(Best(1)).open == ["n", "extra", "share"]


@pytest.mark.parametrize(
    ("like", "vary", "message"),
    [
        (reference, "n", "sampler 'reference' has no parameter 'n'; its parameters: none"),
        (reference, None, "sampler 'reference' has no parameter that must be given"),
        (BestClass, None, "sampler 'BestClass' has no parameter that must be given"),
        (Best(1), "seen", r"has no parameter 'seen'; its parameters: n, extra, share"),
        (Best(1), "share", "is no whole number"),
        (Best(1), "extra", "is no whole number"),
        (SMC(1), "n", "sampler 'smc' has no parameter 'n'; its parameters: particles"),
        (Best, "n", "parameter 'extra' of sampler 'Best' is no int, float or str"),
        (3, "n", "3 is no sampler"),
    ],
)
def test_what_cannot_vary_is_said(like, vary, message):
    with pytest.raises(SpecError, match=message):
        need(INSTANCE, like, 0.1, vary)


def test_values_that_an_object_refuses_are_said():
    with pytest.raises(SpecError, match=r"cannot be made with n=99: ValueError: too many \(test_open.*, line"):
        compare([INSTANCE], [Best(1, "kept")], {"n": [99]})
    with pytest.raises(SpecError, match="n of Best is 'many', expected a whole number"):
        compare([INSTANCE], [Best(1, "kept")], {"n": ["many"]})
    with pytest.raises(SpecError, match="n of BestClass is 'many'"):
        compare([INSTANCE], [BestClass], {"n": ["many"]})
