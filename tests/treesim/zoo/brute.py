"""What the tests of the zoo share: a small spec of each sampler, and laws in rational arithmetic."""

import itertools
from fractions import Fraction

from tests import naive
from treesim import Instance, exact_law
from treesim.testing.strategies import instances, tame_numbers

# One of each, small enough to be enumerated on trees of a few leaves.
SPECS = {
    "asap": "asap:samples=2",
    "awrs": "awrs:particles=2",
    "block-best-of-n": "block-best-of-n:n=2,tokens=2",
    "cars": "cars",
    "dvts": "dvts:subtrees=2",
    "entropic-particle-filter": "entropic-particle-filter:particles=2,threshold=0.9",
    "inference-time-pessimism": "inference-time-pessimism:n=2",
    "lookahead-beam": "lookahead-beam:beams=2",
    "lookahead-smc": "lookahead-smc:particles=2",
    "majority": "majority:n=3",
    "power-sampling": "power-sampling:steps=1,alpha=2.0,tokens=2",
    "puct": "puct:simulations=5",
    "rebase": "rebase:width=2",
    "resampled-smc": "resampled-smc:particles=2",
    "smc-without-replacement": "smc-without-replacement:particles=2",
    "speculative-best-of-n": "speculative-best-of-n:n=2",
}

small_instances = instances(tame_numbers, max_leaves=4, max_horizon=3)


def same(spec: str, instance: Instance, expected: naive.Vector, failure: Fraction = Fraction(0)) -> None:
    """The law of a spec, from all its runs, is what is expected."""
    found = exact_law(spec, instance, budget=300_000)
    assert found.is_complete
    got = found.law.prob.to_float().tolist()
    off = sum(abs(Fraction(p) - q) for p, q in zip(got, expected, strict=True))
    assert float(off + abs(Fraction(found.law.failure) - failure)) < 1e-12, (spec, got, [float(q) for q in expected])


def values(instance: Instance) -> naive.Vector:
    """V^ of every node."""
    return naive.fractions(instance.value.to_float())


def first_leaf(instance: Instance) -> int:
    """The node of the first leaf."""
    return instance.graph.n_nodes - instance.graph.n_leaves


def after(instance: Instance, node: int, steps: int) -> dict[int, Fraction]:
    """The law of pi_ref so many steps after a node, or at the leaves."""
    law = {node: Fraction(1)}
    for _ in range(steps):
        if min(law) >= first_leaf(instance):
            break
        law = {c: q * p for v, q in law.items() for c, p in naive.children(instance.graph, v)}
    return law


def blockwise(instance: Instance, n: int, tokens: int) -> naive.Vector:
    """Block best-of-N: the best of each block, uniform among ties, block by block."""
    value, law = values(instance), {0: Fraction(1)}
    while min(law) < first_leaf(instance):
        longer: dict[int, Fraction] = {}
        for v, mass in law.items():
            nodes, prob = zip(*after(instance, v, tokens).items(), strict=True)
            kept = naive.best_of(list(prob), [value[c] for c in nodes], n)
            longer |= {c: mass * q for c, q in zip(nodes, kept, strict=True)}
        law = longer
    return [law.get(v, Fraction(0)) for v in range(first_leaf(instance), instance.graph.n_nodes)]


def fronts(instance: Instance, parents: tuple[int, ...]):
    """What may follow an ordered front of nodes, one child of each, with probabilities."""
    options = [[(c, p) for c, p in naive.children(instance.graph, v) if p > 0] for v in parents]
    for steps in itertools.product(*options):
        yield tuple(c for c, _ in steps), naive.product(p for _, p in steps)


def particles(instance: Instance, n: int, twists, offspring) -> naive.Vector:
    """SMC by pi_ref, resampled at every step: all clouds, all values that twists may take, all ancestors.

    Parameters
    ----------
    instance : Instance
    n : int
    twists : callable (node)
        Values that the twist of a node may take, with their probabilities.
    offspring : callable (shares)
        Ordered ancestors, with their probabilities.
    """
    law = [Fraction(0)] * instance.graph.n_leaves

    def follow(cloud, before, chance):
        for front, p in fronts(instance, cloud):
            for drawn in itertools.product(*(twists(v) for v in front)):
                here = chance * p * naive.product(q for _, q in drawn)
                now = [value for value, _ in drawn]
                weight = [a / b for a, b in zip(now, before, strict=True)]
                share = naive.normalised(weight) if any(weight) else [Fraction(1, n)] * n
                if front[0] >= first_leaf(instance):
                    for v, w in zip(front, share, strict=True):
                        law[v - first_leaf(instance)] += here * w
                    continue
                for parents, q in offspring(share):
                    if q:
                        follow(tuple(front[i] for i in parents), [now[i] or Fraction(1) for i in parents], here * q)

    follow((0,) * n, [Fraction(1)] * n, Fraction(1))
    return law


def independent(share: naive.Vector):
    """Multinomial ancestors."""
    for parents in itertools.product(range(len(share)), repeat=len(share)):
        yield parents, naive.product(share[i] for i in parents)
