"""Verdicts without statistics."""

import numpy as np
import pytest

from tests import plain_samplers as plain
from tests.shapes import trellis
from treesim import NoExactLaw, SpecError, family
from treesim.testing import check_sampler

INSTANCE = family("dirichlet", horizon=3, seed=1)


class Slightly(plain.Importance):
    """Off by a millionth of a millionth, thousandfold."""

    power = 1.0 + 1e-9

    def simulate(self, oracle, rng):
        pool = [plain.drawn(oracle) for _ in range(self.n)]
        return plain.pick(pool, [oracle.value(path) ** self.power for path in pool], rng)


class Forgets(plain.Importance):
    """Never looks at its last draw."""

    def simulate(self, oracle, rng):
        pool = [plain.drawn(oracle) for _ in range(self.n)][: self.n - 1]
        return plain.pick(pool, [oracle.value(path) for path in pool], rng)


def test_a_sampler_of_the_law_passes():
    verdict = check_sampler(plain.Importance(3), INSTANCE, "importance:n=3", exact=True)
    assert verdict.passed
    assert verdict.runs == 8**3 * 3
    assert verdict.tv.kind == "exact"
    assert verdict.tv.hi < 1e-13
    assert str(verdict).startswith("the law of all 1536 runs is the law that is claimed: TV ")


@pytest.mark.parametrize("wrong", [Slightly(3), Forgets(3)])
def test_what_no_number_of_draws_would_tell_is_told(wrong):
    with pytest.raises(
        AssertionError, match=r"all 1?[0-9]+ runs is not the law that is claimed: TV [0-9.e-]+ \(exact\)"
    ):
        check_sampler(wrong, INSTANCE, "importance:n=3", exact=True)
    if isinstance(wrong, Slightly):
        assert check_sampler(wrong, INSTANCE, "importance:n=3", n=1000).passed


def test_the_leaves_that_are_off_are_named_worst_first():
    with pytest.raises(AssertionError) as caught:
        check_sampler(plain.Base(), INSTANCE, exact=True)
    prob, target = INSTANCE.reference.prob.to_float(), INSTANCE.target.prob.to_float()
    worst = int(np.abs(prob - target).argmax())
    way = "-".join(map(str, INSTANCE.graph.choices(worst)))
    _, second, *rest = str(caught.value).splitlines()
    assert second == f"  leaf {worst} {way}: probability {prob[worst]:.9g}, expected {target[worst]:.9g}"
    assert len(rest) == 2


def test_nothing_is_an_outcome():
    def sometimes(oracle, rng):
        return plain.drawn(oracle) if rng.random() < 0.75 else None

    with pytest.raises(AssertionError, match=r"  nothing: probability 0\.25, expected 0\n"):
        check_sampler(type("Sometimes", (), {"simulate": staticmethod(sometimes)}), INSTANCE, "reference", exact=True)


def test_a_function_of_a_generator_is_enumerated():
    prob = INSTANCE.target.prob.to_float()
    assert check_sampler(lambda n, rng: rng.choice(8, n, p=prob), INSTANCE, exact=True).runs == 8
    ways = [INSTANCE.graph.choices(leaf) for leaf in range(8)]
    assert check_sampler(lambda n, rng: [ways[rng.choice(8, p=prob)] for _ in range(n)], INSTANCE, exact=True).passed
    cut = np.cumsum(prob)
    assert check_sampler(lambda n, rng: np.searchsorted(cut, rng.random(n)), INSTANCE, exact=True).passed
    with pytest.raises(AssertionError, match="is not the law that is claimed"):
        check_sampler(
            lambda n, rng: np.searchsorted(cut[::-1].copy()[::-1] ** 1.001, rng.random(n)), INSTANCE, exact=True
        )


def test_specs_and_samplers_have_the_verdict_of_their_laws():
    assert str(check_sampler("sp-gsmc", INSTANCE, "sp-gsmc", exact=True)) == (
        "the law is the law that is claimed: TV 0 (exact)"
    )
    with pytest.raises(AssertionError):
        check_sampler("base", INSTANCE, exact=True)


def test_on_a_trellis():
    instance = trellis(1, horizon=3, nodes=2, edges=2)
    assert check_sampler(plain.Guided(), instance, "sp-gsmc", exact=True).passed
    with pytest.raises(AssertionError, match="is not the law"):
        check_sampler(plain.Base(), instance, "sp-gsmc", exact=True)
    with pytest.raises(SpecError, match="give a sampler"):
        check_sampler(lambda n, rng: [0] * n, instance, exact=True)


def test_a_budget_that_ends_it_early_may_be_no_verdict():
    with pytest.raises(NoExactLaw, match=r"10 runs leave the TV to the claimed law between 0 and 0.*no verdict"):
        check_sampler(plain.Importance(3), INSTANCE, "importance:n=3", exact=True, budget=10)
    # But what is wrong by more than what is missing is wrong.
    with pytest.raises(AssertionError, match=r"is not the law that is claimed: TV between .* \(certified\)"):
        check_sampler(plain.Importance(3), INSTANCE, [0, 0, 0, 0, 0, 0, 0, 1], exact=True, budget=1000)


def test_what_cannot_be_enumerated_is_no_verdict_either():
    with pytest.raises(NoExactLaw, match=r"rng\.normal"):
        check_sampler(lambda n, rng: rng.normal(size=n) > 0, INSTANCE, exact=True)
    with pytest.raises(SpecError, match="expected draw"):
        check_sampler(7, INSTANCE, exact=True)
