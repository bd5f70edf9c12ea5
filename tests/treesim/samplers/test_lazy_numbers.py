"""Random numbers that are known by what they are compared with: every idiom has the law that it should."""

import bisect
import itertools
import math
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from treesim import NoExactLaw
from treesim.samplers.choices import Choices
from treesim.samplers.lazy_generator import LazyGenerator
from treesim.samplers.lazy_uniform import Uniform


def law(program, budget=100_000):
    """The law of what a program returns, given a generator."""
    found = defaultdict(float)
    choices = Choices()
    for run in choices.runs(lambda choices: program(LazyGenerator(choices)), budget):
        found[run.outcome] += math.ldexp(run.mass, run.exponent)
    assert choices.left < 1e-15
    assert math.fsum(found.values()) == pytest.approx(1.0, abs=1e-13)
    return dict(found)


def near(found, expected, within=1e-13):
    keys = set(found) | set(expected)
    return max(abs(found.get(key, 0.0) - float(expected.get(key, 0.0))) for key in keys) < within


WEIGHTS = [0.25, 0.125, 0.0, 0.5, 0.125]
LAW = {0: 0.25, 1: 0.125, 3: 0.5, 4: 0.125}
SUMS = np.cumsum(WEIGHTS)


def by_hand(rng):
    left, last = rng.random(), 0
    for i, weight in enumerate(WEIGHTS):
        if weight > 0.0:
            last = i
            left -= weight
            if left < 0.0:
                break
    return last


SEARCHES = {
    "np.searchsorted": lambda rng: int(np.searchsorted(SUMS, rng.random(), side="right")),
    "method": lambda rng: int(SUMS.searchsorted(rng.random(), side="right")),
    "of several": lambda rng: int(np.searchsorted(SUMS, rng.random(1), side="right")[0]),
    "bisect": lambda rng: bisect.bisect(SUMS.tolist(), rng.random()),
    "argmax": lambda rng: int((rng.random() < SUMS).argmax()),
    "argmax, other side": lambda rng: int(np.argmax(SUMS > rng.random())),  # noqa: SIM300
    "count": lambda rng: int((rng.random() >= SUMS).sum()),
    "np.sum": lambda rng: int(np.sum(np.less_equal(SUMS, rng.random()))),
    "scaled": lambda rng: int(np.searchsorted(3.0 * SUMS, 3.0 * rng.random(), side="right")),
    "uniform": lambda rng: int(np.searchsorted(SUMS, rng.uniform(0, SUMS[-1]), side="right")),
    "backwards": lambda rng: int(np.searchsorted(SUMS, 1.0 - rng.random(), side="right")),
    "by hand": by_hand,
    "a loop": lambda rng: next(i for u in [rng.random()] for i, total in enumerate(SUMS.tolist()) if u < total),
    "choice": lambda rng: int(rng.choice(5, p=WEIGHTS)),
    "choice of a list": lambda rng: int(rng.choice([0, 1, 2, 3, 4], p=WEIGHTS)),
    "multinomial": lambda rng: int(rng.multinomial(1, WEIGHTS).argmax()),
    "race": lambda rng: int(LIVE[np.argmin(rng.exponential(size=4) / np.array(WEIGHTS)[LIVE])]),
    "gumbel": lambda rng: int(LIVE[np.argmax(np.log(np.array(WEIGHTS)[LIVE]) + rng.gumbel(size=4))]),
    "gumbel by hand": lambda rng: int(
        LIVE[np.argmax(np.log(np.array(WEIGHTS)[LIVE]) - np.log(-np.log(rng.random(4))))]
    ),
    "keys": lambda rng: max((rng.random() ** (1.0 / w), i) for i, w in enumerate(WEIGHTS) if w)[1],
}
LIVE = np.flatnonzero(WEIGHTS)


@pytest.mark.parametrize("name", SEARCHES)
def test_every_way_to_draw_from_weights_has_their_law(name):
    assert near(law(SEARCHES[name]), LAW)


def test_zero_weights_lose_every_race():
    with np.errstate(divide="ignore"):
        scores = np.log(np.array(WEIGHTS))
        found = law(lambda rng: int(np.argmax(scores + rng.gumbel(size=5))))
        assert near(found, LAW)
        assert near(law(lambda rng: int(np.argmin(rng.exponential(size=5) / np.array(WEIGHTS)))), LAW)


METROPOLIS = {
    "plain": lambda rng: bool(rng.random() < 0.3),
    "other side": lambda rng: bool(np.float64(0.3) > rng.random()),
    "log": lambda rng: bool(np.log(rng.random()) < math.log(0.3)),
    "log2": lambda rng: bool(np.log2(rng.random()) < math.log2(0.3)),
    "log10": lambda rng: bool(np.log10(rng.random()) < math.log10(0.3)),
    "log1p": lambda rng: bool(np.log1p(-rng.random()) < math.log(0.3)),
    "exponential": lambda rng: bool(rng.exponential() > -math.log(0.3)),
    "standard exponential": lambda rng: bool(rng.standard_exponential() > -math.log(0.3)),
    "gumbel": lambda rng: bool(rng.gumbel(2.0, 3.0) < 2.0 - 3.0 * math.log(-math.log(0.3))),
    "not": lambda rng: not rng.random() >= 0.3,
    "odds": lambda rng: bool(1.0 / rng.random() > 1.0 / 0.3),
    "quotient": lambda rng: bool(0.6 / rng.random() > 2.0),
    "root": lambda rng: bool(np.sqrt(rng.random()) < math.sqrt(0.3)),
    "square": lambda rng: bool(rng.random() ** 2 < 0.09),
    "product with itself": lambda rng: (lambda u: bool(u * u < 0.09))(rng.random()),
    "square of either sign": lambda rng: bool((rng.random() - 0.5) ** 2 < 0.15**2),
    "absolute": lambda rng: bool(abs(rng.random() - 0.5) < 0.15),
    "np.abs": lambda rng: bool(np.abs(rng.random() - 0.5) < 0.15),
    "exp": lambda rng: bool(np.exp(-rng.random()) > math.exp(-0.3)),
    "expm1": lambda rng: bool(np.expm1(rng.random()) < math.expm1(0.3)),
    "base": lambda rng: bool(2.0 ** rng.random() < 2.0**0.3),
    "minimum": lambda rng: bool(np.minimum(rng.random(), 0.7) < 0.3),
    "min": lambda rng: bool(min(1.0, rng.random() / 0.6) < 0.5),
    "max": lambda rng: bool(max(0.1, rng.random()) < 0.3),
    "array": lambda rng: bool((rng.random((2, 2)) < np.array([[0.3, 2.0], [1.5, 1.0]])).all()),
    "whole": lambda rng: int(rng.random() * 10) < 3,
    "floor": lambda rng: math.floor(rng.random() * 10) < 3,
    "np.floor": lambda rng: bool(np.floor(rng.random() * 10) < 3),
    "ceil": lambda rng: math.ceil(rng.random() * 10) <= 3,
    "round": lambda rng: round(rng.random() * 10 - 0.5) < 3,
    "whole quotient": lambda rng: rng.random() // 0.1 < 3,
    "rest": lambda rng: bool((rng.random() * 7) % 1.0 < 0.3),
    "turned": lambda rng: bool((rng.random() + 0.45) % 1 < 0.3),
    "below zero": lambda rng: int(rng.random() * 10 - 20) <= -17,
    "binomial": lambda rng: rng.binomial(1, 0.3) == 1,
    "geometric": lambda rng: int(rng.geometric(0.3)) == 1,
    "integers": lambda rng: bool(rng.integers(10) < 3),
    "choice": lambda rng: bool(rng.choice(10) < 3),
}


@pytest.mark.parametrize("name", METROPOLIS)
def test_every_way_to_accept_with_a_probability_has_it(name):
    assert near(law(METROPOLIS[name]), {True: 0.3, False: 0.7}, 1e-12)


def test_a_number_keeps_what_was_seen_of_it():
    def program(rng):
        u = rng.random()
        return tuple(bool(u < t) for t in (0.5, 0.25, 0.75, 0.25, 0.5)), bool(1.0 - u > 0.4), bool(np.log(u) < -0.1)

    cuts = sorted([0.0, 0.25, 0.5, 0.6, 0.75, math.exp(-0.1), 1.0])
    expected = defaultdict(float)
    for lo, hi in itertools.pairwise(cuts):
        u = (lo + hi) / 2
        expected[tuple(u < t for t in (0.5, 0.25, 0.75, 0.25, 0.5)), 1 - u > 0.4, math.log(u) < -0.1] += hi - lo
    assert near(law(program), expected)


def test_a_branch_of_probability_zero_is_never_taken():
    assert law(lambda rng: (bool(rng.random() < 0.0), bool(rng.random() <= 1.0), bool(rng.random() >= 1.0))) == {
        (False, True, False): 1.0
    }
    assert law(lambda rng: (rng.random() == 0.5, rng.random() != 0.5, bool(rng.random()))) == {(False, True, True): 1.0}
    assert law(lambda rng: int(rng.choice(3, p=[0.0, 1.0, 0.0]))) == {1: 1.0}
    assert law(lambda rng: bool(rng.random() < math.nan)) == {False: 1.0}
    assert law(lambda rng: tuple((rng.random() < np.array([math.nan, 2.0, -1.0])).tolist())) == {
        (False, True, False): 1.0
    }


def order(numbers):
    return tuple(np.argsort(np.array(numbers, object), kind="stable").tolist())


@pytest.mark.parametrize("n", [2, 3, 4])
def test_uniform_numbers_come_in_every_order_alike(n):
    everything = {tuple(p): 1 / math.factorial(n) for p in itertools.permutations(range(n))}
    assert near(law(lambda rng: order(rng.random(n))), everything)
    assert near(law(lambda rng: order(1.0 - 2.0 * rng.random(n))), everything)
    assert near(law(lambda rng: order(np.log(rng.random(n)))), everything)
    assert near(law(lambda rng: tuple(sorted(range(n), key=lambda _: rng.random()))), everything)
    assert near(law(lambda rng: tuple(rng.permutation(n).tolist())), everything)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_race_of_uniform_numbers_on_other_scales_is_exact(scales, shifts):
    """argmin of shift + scale U, against integrals of polynomials in rational arithmetic."""
    n = len(scales)
    found = law(lambda rng: int(np.argmin(rng.random(n) * np.array(scales) + np.array(shifts[:n]))))
    cuts = sorted({Fraction(end) for a, b in zip(scales, shifts, strict=False) for end in (b, a + b)})
    expected = {}
    for i in range(n):
        total = Fraction(0)
        for lo, hi in itertools.pairwise(cuts):
            if not shifts[i] <= lo < shifts[i] + scales[i]:
                continue
            # The chance that all others are above x is a polynomial between two cuts.
            poly = [Fraction(1)]
            for j in range(n):
                if j != i and lo >= shifts[j]:
                    top = Fraction(shifts[j] + scales[j]) if lo < shifts[j] + scales[j] else None
                    factor = [top / scales[j], Fraction(-1, scales[j])] if top is not None else [Fraction(0)]
                    poly = [
                        sum(poly[k] * factor[m - k] for k in range(len(poly)) if 0 <= m - k < len(factor))
                        for m in range(len(poly) + len(factor) - 1)
                    ]
            total += sum(c * (hi ** (k + 1) - lo ** (k + 1)) / (k + 1) for k, c in enumerate(poly)) / scales[i]
        expected[i] = total
    assert near(found, expected)


def test_compared_numbers_are_split_together():
    """P(U < V, V < 1/3, U < 1/4), and what is left of it."""

    def program(rng):
        u, v = rng.random(), rng.random()
        return bool(u < v), bool(v < 1 / 3), bool(u < 1 / 4)

    def chance(a, b, c):
        def inner(v):
            lo, hi = (0.0, 0.25) if c else (0.25, 1.0)
            lo, hi = (lo, min(hi, v)) if a else (max(lo, v), hi)
            return max(0.0, hi - lo)

        ends = (0.0, 1 / 3) if b else (1 / 3, 1.0)
        return integrate.quad(inner, *ends, points=[0.25], epsabs=1e-14)[0]

    expected = {key: chance(*key) for key in itertools.product((True, False), repeat=3)}
    assert near(law(program), expected, 1e-12)


@given(st.lists(st.floats(0.1, 10.0), min_size=2, max_size=4))
def test_clocks_ring_in_the_order_of_successive_sampling(rates):
    """Plackett & Luce: each next one in proportion to the rates that are left."""
    n = len(rates)
    expected = {}
    for p in itertools.permutations(range(n)):
        left, chance = sum(map(Fraction, rates)), Fraction(1)
        for i in p:
            chance *= Fraction(rates[i]) / left
            left -= Fraction(rates[i])
        expected[tuple(p)] = chance
    assert near(law(lambda rng: order(rng.exponential(1.0 / np.array(rates)))), expected)
    assert near(law(lambda rng: order(-(np.log(rates) + rng.gumbel(size=n)))), expected)
    assert near(law(lambda rng: order(-(rng.random(n) ** (1.0 / np.array(rates))))), expected)
    prob = np.array(rates) / np.sum(rates)
    assert near(law(lambda rng: tuple(rng.choice(n, n, replace=False, p=prob).tolist())), expected)


def test_clocks_that_start_late_wait_for_their_start():
    """P(X < a + Y) = 1 - exp(-v a) w / (v + w), and by a number before or after the race."""
    v, w, a, x = 2.0, 3.0, 0.4, 0.9

    def program(rng):
        first, second = rng.exponential(1 / v), a + rng.exponential(1 / w)
        return bool(first < second), bool((first if first < second else second) < x)

    last = math.exp(-v * x) * math.exp(-w * (x - a))  # both later than x
    second = math.exp(-v * a) * w / (v + w)
    both = {(True, False): last * v / (v + w), (False, False): last * w / (v + w)}
    both[True, True], both[False, True] = 1 - second - both[True, False], second - both[False, False]
    assert near(law(program), both)


def test_probabilities_are_what_numpy_makes_of_them():
    """It lets them lack a little of one, and divides by their sum."""
    off = np.array([0.25, 0.75]) * (1.0 + 1e-9)
    assert near(law(lambda rng: int(rng.choice(2, p=off))), {0: 0.25, 1: 0.75})
    for p, message in (([0.5, 0.6], "do not sum to 1"), ([-0.5, 1.5], "not non-negative"), ([1.0], "same size")):
        with pytest.raises(ValueError, match=message):
            law(lambda rng, p=p: rng.choice(2, p=p))
        with pytest.raises(ValueError, match=message):
            np.random.default_rng(0).choice(2, p=p)


def test_a_number_is_found_again_where_it_was_found():
    def program(rng):
        u = rng.random()
        first, *more = (int(np.searchsorted(SUMS, v, side="right")) for v in (u, u, 1.0 - (1.0 - u)))
        return first, *more, bool(u < SUMS[first]), first == 0 or bool(u >= SUMS[first - 1])

    assert near(law(program), {(i, i, i, True, True): p for i, p in LAW.items()})


def test_a_place_between_numbers_is_found_again():
    def program(rng):
        u = Uniform(rng.choices)
        return u.place([0.25, 0.5]), u.place([0.25, 0.5])

    assert near(law(program), {(0, 0): 0.25, (1, 1): 0.25, (2, 2): 0.5})


def test_numbers_that_were_compared_are_seen_in_a_mirror_by_a_third():
    def program(rng):
        u, v, w = rng.random(3)
        return bool(u < v), bool(u < 1.0 - w), bool(v < 1.0 - w)

    places = itertools.permutations(range(3))
    expected = defaultdict(Fraction)
    for u, v, w in places:
        expected[u < v, u < w, v < w] += Fraction(1, 6)
    assert near(law(program), expected)


def test_the_winner_of_a_race_can_be_looked_at_twice():
    """It rings at the sum of the rates; and the interval in which it rings is split like any other."""
    rate = 1.5 + 2.5

    def program(rng):
        first = rng.exponential(1 / np.array([1.5, 2.5])).min()
        return tuple(bool(first < x) for x in (0.9, 0.4, 0.6, 0.9))

    cuts = [0.0, 0.4, 0.6, 0.9, math.inf]
    expected = {
        (hi <= 0.9, hi <= 0.4, hi <= 0.6, hi <= 0.9): math.exp(-rate * lo) - math.exp(-rate * hi)
        for lo, hi in itertools.pairwise(cuts)
    }
    assert near(law(program), expected)


def late(rng):
    """The loser of a race, and a clock that starts after the winner may have rung."""
    times = rng.exponential(size=2)
    return bool(times[1 - np.argmin(times)] < 1.0 + rng.exponential())


REFUSED = {
    "a loser and a late start": (late, "no race, or do not lie on one scale"),
    "normal": (lambda rng: rng.normal(), r"rng\.normal cannot be enumerated"),
    "beta": (lambda rng: rng.beta(1, 2), r"rng\.beta cannot be enumerated"),
    "standard normal": (lambda rng: rng.standard_normal(3), r"rng\.standard_normal cannot"),
    "spawn": (lambda rng: rng.spawn(2), r"rng\.spawn cannot"),
    "bits": (lambda rng: rng.bit_generator.state, "asked for its bits"),
    "a seed": (lambda rng: rng.integers(2**32), "a choice among 4294967296 is more than"),
    "float": (lambda rng: float(rng.random()), r"asked for its digits, by float\(\) or the like"),
    "math": (lambda rng: math.log(rng.random()), "asked for its digits"),
    "array of floats": (lambda rng: np.array([rng.random()], float), "asked for its digits"),
    "sum": (lambda rng: rng.random() + rng.random(), "sum of two random numbers"),
    "all of them": (lambda rng: rng.random(3) / rng.random(3).sum(), "sum of two random numbers"),
    "product": (lambda rng: rng.random() * rng.random(), "product of two random numbers"),
    "sine": (lambda rng: np.sin(rng.random()), r"np\.sin of a random number"),
    "logarithm": (lambda rng: np.log(rng.random() - 0.5), "may be negative"),
    "other scales": (lambda rng: rng.random() ** 2 < rng.random(), "no race, or do not lie on one scale"),
    "single": (lambda rng: rng.random(dtype=np.float32), r"rng\.random with a dtype"),
    "a mirror": (lambda rng: (lambda u, v: (u < v, u < 1.0 - v))(rng.random(), rng.random()), "one scale"),
    "a loser": (lambda rng: (lambda e: (np.argmin(e), e[1] < 0.5))(rng.exponential(size=2)), "lost a race"),
    "many": (lambda rng: rng.binomial(10**6, 0.5), "1000000 trials"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_enumerated_is_told_by_name(name):
    program, message = REFUSED[name]
    with pytest.raises(NoExactLaw, match=message):
        law(program)


def test_a_refusal_that_the_program_catches_is_one_still():
    def program(rng):
        try:
            return rng.normal()
        except Exception:
            return 0.0

    with pytest.raises(NoExactLaw, match="normal"):
        law(program)


def test_it_is_a_generator_to_all_who_ask():
    def program(rng):
        assert isinstance(rng, np.random.Generator)
        assert np.random.default_rng(rng) is rng
        return bool(rng.integers(1, 3, endpoint=True) == 2)

    assert near(law(program), {True: 1 / 3, False: 2 / 3})


def test_draws_have_the_laws_of_numpy():
    """Each method beside numpy's own, at a false-alarm rate of 1e-7 for all of them."""
    methods = {
        "integers": lambda rng: tuple(rng.integers(2, 5, size=2).tolist()),
        "choice": lambda rng: tuple(rng.choice(4, 2, p=[0.1, 0.2, 0.3, 0.4]).tolist()),
        "choice without": lambda rng: tuple(rng.choice(4, 3, replace=False, p=[0.1, 0.2, 0.3, 0.4]).tolist()),
        "choice alike": lambda rng: tuple(rng.choice([5, 6, 7], 2, replace=False).tolist()),
        "rows": lambda rng: tuple(rng.choice(np.arange(6).reshape(3, 2), axis=0).tolist()),
        "permutation": lambda rng: tuple(rng.permutation([4, 5, 6]).tolist()),
        "shuffle": lambda rng: (lambda xs: (rng.shuffle(xs), tuple(xs))[1])([1, 2, 3]),
        "multinomial": lambda rng: tuple(rng.multinomial(3, [0.2, 0.3, 0.5]).tolist()),
        "multinomials": lambda rng: tuple(rng.multinomial(1, [0.2, 0.8], size=2).ravel().tolist()),
        "binomial": lambda rng: int(rng.binomial(4, 0.3)),
        "exponential": lambda rng: int(min(3, rng.exponential(2.0))),
        "geometric": lambda rng: int(min(4, rng.geometric(0.4))),
    }
    n, rng = 4_000, np.random.default_rng(5)
    for name, method in methods.items():
        expected = law(method)
        counts = defaultdict(int)
        for _ in range(n):
            counts[method(rng)] += 1
        assert set(counts) <= set(expected), name
        chi2 = sum((counts[key] - n * p) ** 2 / (n * p) for key, p in expected.items())
        assert chi2 < len(expected) + 12 * math.sqrt(len(expected)), name
