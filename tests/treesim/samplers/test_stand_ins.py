# ruff: noqa: NPY002
"""The global generators, and math, while choices are enumerated; and as they were, afterwards."""

import math
import random
import threading

import numpy as np
import pytest

from tests import plain_samplers as plain
from treesim import NoExactLaw, exact_law, family

INSTANCE = family("dirichlet", horizon=1, branching=4, seed=3)
PROB = INSTANCE.reference.prob.to_float()


def law(place):
    """The law of the leaf whose number a function draws, among all four."""

    def mine(oracle, rng):
        return oracle.children(oracle.root)[place()][0]

    return exact_law(mine, INSTANCE).law.prob.to_float()


W = [0.5, 0.125, 0.125, 0.25]
ALIKE = [0.25] * 4

WAYS = {
    "random.choices": (lambda: random.choices(range(4), weights=W)[0], W),
    "cumulated": (lambda: random.choices(range(4), cum_weights=[2, 2.5, 3, 4])[0], W),
    "several": (lambda: random.choices(range(4), W, k=2)[1], W),
    "random.random": (lambda: int(random.random() * 4), ALIKE),
    "random.choice": (lambda: random.choice([0, 1, 2, 3]), ALIKE),
    "random.randrange": (lambda: random.randrange(4), ALIKE),
    "by steps": (lambda: random.randrange(2, 10, 2) // 2 - 1, ALIKE),
    "random.randint": (lambda: random.randint(0, 3), ALIKE),
    "random.sample": (lambda: random.sample(range(4), 2)[1], ALIKE),
    "random.shuffle": (lambda: (lambda xs: (random.shuffle(xs), xs[2])[1])([0, 1, 2, 3]), ALIKE),
    "random.uniform": (lambda: int(random.uniform(-4, 4) // 2) + 2, ALIKE),
    "random.expovariate": (lambda: 0 if random.expovariate(2.0) < math.log(2.0) / 2.0 else 1, [0.5, 0.5, 0, 0]),
    "np.random.choice": (lambda: np.random.choice(4, p=W), W),
    "np.random.rand": (lambda: int(np.searchsorted(np.cumsum(W), np.random.rand())), W),
    "np.random.random": (lambda: int(np.searchsorted(np.cumsum(W), np.random.random())), W),
    "np.random.uniform": (lambda: int(np.random.uniform(0, 4)), ALIKE),
    "np.random.randint": (lambda: np.random.randint(4), ALIKE),
    "np.random.permutation": (lambda: np.random.permutation(4)[1], ALIKE),
    "np.random.multinomial": (lambda: int(np.random.multinomial(1, W).argmax()), W),
    "np.random.gumbel": (lambda: int(np.argmax(np.log(W) + np.random.gumbel(size=4))), W),
    "default_rng": (lambda: np.random.default_rng().choice(4, p=W), W),
    "math.log": (lambda: 0 if math.log(random.random()) < math.log(0.5) else 1, [0.5, 0.5, 0, 0]),
    "math.log of a base": (lambda: 0 if math.log(random.random(), 3) < math.log(0.5, 3) else 1, [0.5, 0.5, 0, 0]),
    "math.exp": (lambda: 0 if math.exp(random.random()) < math.exp(0.5) else 1, [0.5, 0.5, 0, 0]),
    "math.sqrt": (lambda: 0 if math.sqrt(random.random()) < 0.5 else 1, [0.25, 0.75, 0, 0]),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_global_generators_are_enumerated(name):
    place, expected = WAYS[name]
    np.testing.assert_allclose(law(place), expected, atol=1e-14)


REFUSED = {
    "random.gauss": lambda: random.gauss(0, 1),
    "random.getrandbits": lambda: random.getrandbits(8),
    "random.seed": lambda: random.seed(1),
    "np.random.normal": lambda: np.random.normal(),
    "np.random.randn": lambda: np.random.randn(2),
    "np.random.seed": lambda: np.random.seed(1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_they_cannot_do_is_told_by_name(name):
    with pytest.raises(NoExactLaw, match=rf"^{name} cannot be enumerated \("):
        law(REFUSED[name])


def test_everything_is_as_it_was_afterwards():
    modules = (random, np.random, math)
    before = [dict(vars(module)) for module in modules]
    law(WAYS["random.choices"][0])
    for place in (lambda: random.gauss(0, 1), lambda: 1 / 0):
        with pytest.raises(Exception, match=r"gauss|division"):
            law(place)
    assert [dict(vars(module)) for module in modules] == before
    assert isinstance(random.random(), float)


def test_other_threads_draw_as_ever():
    drawn = []

    def place():
        thread = threading.Thread(target=lambda: drawn.append((random.random(), np.random.rand(), math.log(2.0))))
        thread.start()
        thread.join()
        return random.randrange(4)

    np.testing.assert_allclose(law(place), ALIKE)
    assert all(isinstance(x, float) for numbers in drawn for x in numbers)


def test_a_library_is_enumerated_through_its_adapter():
    pytest.importorskip("its_hub", reason="its-hub is not installed")
    from treesim.adapters import library

    instance = family("uniform", horizon=2, reward="gaussian:beta=1", seed=0)
    kind = library("its-hub").sampler("best-of-n:particles=2")
    found = kind.enumerate(instance, 1_000)
    twin = exact_law(plain.BestOfN(2), instance)
    assert found.is_complete
    assert found.law.tv(twin.law).hi < 1e-12
    # The particle filter resamples by the odds of the current score, V, at every step, and selects by it once more.
    kind = library("its-hub").sampler("particle-filtering:particles=2")
    found = kind.enumerate(instance, 10_000)
    assert found.is_complete
    assert found.law.tv(exact_law(Filter(2), instance).law).hi < 1e-6


class Filter:
    """What its-hub's particle filter does, by its description."""

    def __init__(self, n):
        self.n = n

    def simulate(self, oracle, rng):
        cloud = [oracle.root] * self.n
        for _ in range(oracle.horizon):
            cloud = [oracle.draw(prefix) for prefix in cloud]
            weights = np.array([oracle.value(prefix) for prefix in cloud])
            chosen = rng.choice(self.n, self.n, p=weights / weights.sum())
            cloud = [cloud[i] for i in chosen]
        weights = np.array([oracle.value(prefix) for prefix in cloud])
        return cloud[rng.choice(self.n, p=weights / weights.sum())]
