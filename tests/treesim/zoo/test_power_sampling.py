"""Power sampling against the matrices of its chains, by the acceptance rule as it is written."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from tests import naive
from tests.treesim.zoo.brute import first_leaf, same, small_instances
from treesim import Instance, Tree, exact_law, family, optimal_twist


def paths(tree):
    """The way to every node, the node itself its end."""
    way = {0: ()}
    for v in naive.inner_nodes(tree):
        for c, _ in naive.children(tree, v):
            way[c] = (*way[v], c)
    return way


def powers(instance, steps, tokens):
    """pi_ref^2, by blocks: laws of prefixes, and after each block the chain `steps` times."""
    tree = instance.graph
    way = paths(tree)
    prob = {c: p for v in naive.inner_nodes(tree) for c, p in naive.children(tree, v)}
    offer = {c: p * p / sum(q * q for _, q in naive.children(tree, v)) for v in naive.inner_nodes(tree)
             for c, p in naive.children(tree, v)}  # fmt: skip

    def density(of, nodes):
        return naive.product(of[c] for c in nodes)

    def move(x, y, cut):
        """Offer y from x after a cut, and take it."""
        if way[x][:cut] != way[y][:cut] or not density(offer, way[y][cut:]):
            return Fraction(0)
        forth, back = density(offer, way[y][cut:]), density(offer, way[x][cut:])
        ratio = density(prob, way[y]) ** 2 * back / (density(prob, way[x]) ** 2 * forth)
        return forth * min(Fraction(1), ratio)

    law = {0: Fraction(1)}
    while min(law) < first_leaf(instance):
        longer = {}
        level = min(len(way[min(law)]) + tokens, tree.horizon)
        for v, mass in law.items():
            for c in way:
                if len(way[c]) == level and way[c][: len(way[v])] == way[v]:
                    longer[c] = mass * density(offer, way[c][len(way[v]) :])
        law = {c: q for c, q in longer.items() if q}
        for _ in range(steps):
            new = dict.fromkeys(law, Fraction(0))
            for x, mass in law.items():
                moved = {y: sum(move(x, y, cut) for cut in range(level)) / level for y in law if y != x}
                for y, q in moved.items():
                    new[y] += mass * q
                new[x] += mass * (1 - sum(moved.values()))
            law = new
    return [law.get(v, Fraction(0)) for v in range(first_leaf(instance), tree.n_nodes)]


@settings(max_examples=20)
@given(small_instances)
def test_its_law_is_that_of_its_chains(instance):
    for steps, tokens in ((0, 1), (1, 1), (2, 2), (2, 9)):
        same(f"power-sampling:alpha=2,steps={steps},tokens={tokens}", instance, powers(instance, steps, tokens))


def test_without_steps_it_is_low_temperature_sampling_and_with_them_it_tends_to_the_power():
    """Aimed at where the reward is pi_ref^2: on its own it writes token by token what pi_ref^3 is not."""
    tree = family("dirichlet", horizon=2, seed=3).graph
    rough = Instance(tree, optimal_twist(tree, np.zeros(4)))
    instance = Instance(tree, optimal_twist(tree, 2.0 * np.log(rough.reference.prob.to_float())))
    far = [
        exact_law(f"power-sampling:alpha=3,tokens=2,steps={steps}", instance, 4e4).law.tv(instance.target).mid
        for steps in range(4)
    ]
    assert np.all(np.diff(far) < -1e-4)
    reference, law = exact_law("power-sampling:alpha=1,steps=1", instance).law, instance.reference
    assert reference.tv(law).mid == pytest.approx(0.0, abs=1e-12)
    assert exact_law("power-sampling:alpha=1,steps=1", instance).cost.mean.value_queries == 0.0


def cut_law(steps):
    """Probabilities of "end", of the long texts together, and of nothing, for T = 2, alpha = 2, a and end alike.

    Long texts are left with probability 1/4 a step, for "end"; a text of one token is "end", or "a" cut short, alike.
    """
    long = [0.5 * 0.75**k for k in range(steps + 1)]
    end = 0.5 if steps == 0 else (1.0 - long[-2]) / 2 + long[-2] / 4
    return end, long[-1], 1.0 - end - long[-1]


def test_cut_texts_have_a_bias_that_steps_do_not_take_away():
    """The target gives 2/3 to "end" and 1/6 to "aa" and "a end" each; cut, the law ends at 1/2 "end", 1/2 nothing."""
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 1.0, 0.0, 0.5, 0.5])
    power = Instance(tree, optimal_twist(tree, np.log([0.5, 1.0, 0.25, 0.25])))
    assert power.target.prob.to_float() == pytest.approx([2 / 3, 0.0, 1 / 6, 1 / 6])
    for n in range(5):
        padded, cut = (
            exact_law(f"power-sampling:alpha=2,tokens=2,steps={n},ends={ends}", power).law for ends in ("padded", "cut")
        )
        # A chain of two kinds of texts, of eigenvalue 5/8: from a long text it would be 2/3 (5/8)^n.
        assert padded.tv(power.target).mid == pytest.approx((2 / 3 - 1 / 2) * (5 / 8) ** n, abs=1e-14)
        end, long, nothing = cut_law(n)
        assert cut.prob.to_float() == pytest.approx([end, 0.0, long / 2, long / 2], abs=1e-14)
        assert cut.failure == pytest.approx(nothing, abs=1e-14)
    assert cut.tv(power.target).mid == pytest.approx(nothing, abs=1e-14)  # all else has less than the target gives it
    assert cut_law(99) == pytest.approx((1 / 2, 0.0, 1 / 2), abs=1e-11)


def test_a_path_counts_by_itself_not_by_its_tokens():
    """One token of 1/2, or one of 1/2 and two of 1/2: each path's square, not each token's."""
    tree = Tree.complete(2, 2, policy=[0.5, 0.5, 1.0, 0.0, 0.5, 0.5])
    instance = Instance(tree, optimal_twist(tree, np.zeros(4)))
    start = exact_law("power-sampling:alpha=2,steps=0", instance).law.prob.to_float()
    assert start == pytest.approx([1 / 2, 0, 1 / 4, 1 / 4], abs=1e-15)
    end = exact_law("power-sampling:alpha=2,steps=3,tokens=2", instance).law.prob.to_float()
    assert end == pytest.approx([2 / 3, 0, 1 / 6, 1 / 6], abs=0.045)
