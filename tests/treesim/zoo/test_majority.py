"""Majority votes against all counts there are."""

import itertools
import math
from collections import Counter
from fractions import Fraction

from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import same, small_instances, values
from treesim import Instance, Scaled, Tree


@given(small_instances)
def test_of_whole_paths_the_most_frequent_wins(instance):
    prob = naive.reference(instance.graph)
    for n in (1, 3, 4):
        law = [Fraction(0)] * len(prob)
        for counts in itertools.product(range(n + 1), repeat=len(prob)):
            if sum(counts) == n:
                ways = math.factorial(n) // math.prod(map(math.factorial, counts))
                winners = [i for i, count in enumerate(counts) if count == max(counts)]
                for i in winners:
                    chance = naive.product(p**k for p, k in zip(prob, counts, strict=True))
                    law[i] += ways * chance / len(winners)
        same(f"majority:n={n}", instance, law)


@settings(max_examples=30)
@given(small_instances)
def test_answers_are_ends_and_rewards_may_be_votes(instance):
    tree = instance.graph
    way = {0: ()}
    for v in naive.inner_nodes(tree):
        way |= {c: (*way[v], k) for k, (c, _) in enumerate(naive.children(tree, v))}
    prob, first = naive.reference(tree), tree.n_nodes - tree.n_leaves
    reward = values(instance)[first:]
    for answer, weigh in ((1, "count"), (1, "reward"), (2, "reward"), (0, "reward")):
        law = [Fraction(0)] * len(prob)
        for drawn in itertools.product(range(len(prob)), repeat=3):
            votes = Counter()
            for i in drawn:
                given_to = way[first + i][-answer:] if answer else i
                votes[given_to] += reward[i] if weigh == "reward" and any(reward[j] for j in drawn) else 1
            winners = [each for each, total in votes.items() if total == max(votes.values())]
            for winner in winners:
                i = next(i for i in drawn if (way[first + i][-answer:] if answer else i) == winner)
                law[i] += naive.product(prob[j] for j in drawn) / len(winners)
        same(f"majority:n=3,answer={answer},weight={weigh}", instance, law)


def test_the_frequent_answer_is_not_the_frequent_path():
    """Two rare paths agree, a frequent one is alone."""
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 0.9, 0.1, 0.1, 0.9])
    instance = Instance(tree, Scaled.from_float([1.0] * 7))
    prob = naive.reference(tree)
    assert max(prob) == prob[0] == prob[3]
    same("majority:n=1,answer=1", instance, prob)
