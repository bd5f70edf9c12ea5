"""Language models as trees: every prefix, or those that are likely enough."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim import Instance, MemoryBudgetError, RewardError, Tree, TreeError, sampler

TOKENS = ("a", "b", "c")


def model(prefix):
    """A law of the next token that depends on the last one."""
    rng = np.random.default_rng(sum(map(ord, prefix)) + len(prefix))
    return rng.dirichlet(np.ones(3))


def chance(text):
    found = 1.0
    for t, token in enumerate(text):
        found *= model(text[:t])[TOKENS.index(token)]
    return found


@pytest.mark.parametrize("logits", [False, True])
def test_every_leaf_has_the_probability_that_the_model_gives(logits):
    policy = (lambda prefix: np.log(model(prefix)) + 3.0) if logits else model
    tree, pruned = Tree.from_policy(policy, TOKENS, horizon=3, logits=logits)
    instance = Instance.from_scores(tree, lambda prefix: 1.0)
    names = tree.names[tree.n_nodes - tree.n_leaves :]
    assert pruned == 0.0 and len(names) == 27
    np.testing.assert_allclose(instance.reference.prob.to_float(), [chance(name) for name in names], rtol=1e-12)


@given(st.floats(0.001, 0.3))
def test_what_is_pruned_is_told_and_bounds_the_distance(least):
    whole, _ = Tree.from_policy(model, TOKENS, horizon=3)
    tree, pruned = Tree.from_policy(model, TOKENS, horizon=3, least=least)
    names = tree.names[tree.n_nodes - tree.n_leaves :]
    assert pruned == pytest.approx(1.0 - sum(chance(name) for name in names), abs=1e-12)
    reference = Instance.from_scores(tree, lambda prefix: 1.0).reference.prob.to_float()
    law = dict(zip(names, reference, strict=True))
    everything = whole.names[whole.n_nodes - whole.n_leaves :]
    tv = 0.5 * sum(abs(law.get(name, 0.0) - chance(name)) for name in everything)
    assert tv <= pruned + 1e-12


def test_a_scored_model_is_an_instance_like_any_other():
    tree, _ = Tree.from_policy(model, TOKENS, horizon=4)
    instance = Instance.from_scores(tree, lambda prefix: 2.0 ** prefix.count("a"))
    law = sampler("sp-gsmc").law(instance)
    assert 0.0 < law.tv(instance.target).hi < 0.5
    assert instance.audit.bellman_error > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda prefix: [0.5, 0.4], "ab", 2), r"the policy returned after \(\) sum to 0.9, expected 1"),
        ((lambda prefix: [0.5, 0.5, 0.0], "ab", 2), r"of shape \(3,\) after \(\), expected shape \(2,\)"),
        ((lambda prefix: [0.5, 0.5], "ab", 0), "horizon is 0"),
        ((lambda prefix: [0.5, 0.5], "ab", 2, 1.0), "least is 1.0"),
        ((lambda prefix: [-np.inf, -np.inf], "ab", 2, 0.0, True), "none is finite"),
    ],
)
def test_wrong_models_are_named(arguments, message):
    with pytest.raises(TreeError, match=message):
        Tree.from_policy(*arguments)


def test_trees_that_outgrow_the_memory_are_refused(monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.001")
    with pytest.raises(MemoryBudgetError, match="a tree over 10 tokens grown to level"):
        Tree.from_policy(lambda prefix: np.full(10, 0.1), range(10), horizon=9)


def test_scores_must_be_numbers_and_nodes_have_names():
    tree, _ = Tree.from_policy(model, TOKENS, horizon=2)
    with pytest.raises(RewardError, match=r"the score of \('b',\) is -1"):
        Instance.from_scores(tree, lambda prefix: -1.0 if prefix == ("b",) else 1.0)
    with pytest.raises(RewardError, match="no names to score"):
        Instance.from_scores(Tree.complete(2, 2), lambda prefix: 1.0)
