"""Rewards and values that are functions of texts."""

import numpy as np
import pytest

from treesim import RewardError, SpecError, Tree, TreeError, TreesimError, instance_from_texts, tree_of_model


@pytest.fixture
def tree() -> Tree:
    return tree_of_model(lambda prefixes: [[0.5, 0.3, 0.2]] * len(prefixes), ["a", "b", "."].__getitem__, 3, stop={2})


def test_rewards_are_those_of_the_texts(tree):
    asked = []

    def reward(texts):
        asked.append(list(texts))
        return [1.0 + len(text) for text in texts]

    instance = instance_from_texts(tree, reward, batch=4)
    np.testing.assert_allclose(instance.reward.to_float(), [1.0 + len(text) for text in tree.texts()], rtol=1e-15)
    assert instance.audit.bellman_error < 1e-12
    assert [len(texts) for texts in asked] == [4, 4, 4, 3]
    assert sorted(text for texts in asked for text in texts) == sorted(tree.texts())


def test_values_of_partial_texts_are_a_judges(tree):
    instance = instance_from_texts(tree, lambda t: [1.0] * len(t), lambda t: [2.0 + s.count("b") for s in t])
    value = instance.value.to_float()
    for t in (1, 2):
        assert value[tree.level(t)].tolist() == [2.0 + text.count("b") for text in tree.texts(t)]
    assert value[tree.leaves].tolist() == [1.0] * tree.n_leaves
    assert value[0] == pytest.approx(0.5 * 2 + 0.3 * 3 + 0.2 * 2)
    assert instance.audit.log_partition == pytest.approx(0.0, abs=1e-15)
    # A text that has ended says the same at every level after, and is asked for once a level.
    assert value[tree.level(2)][tree.texts(2).index(".")] == 2.0


def test_numbers_that_are_none_are_refused(tree):
    def ones(texts):
        return [1.0] * len(texts)

    for score, message in (
        (lambda texts: [-1.0 if text == "ab." else 1.0 for text in texts], "the reward of 'ab.' is -1.0, expected a"),
        (lambda texts: [np.nan] * len(texts), "is nan, expected a finite number of at least 0"),
        (lambda texts: [np.inf] * len(texts), "is inf, expected a finite number of at least 0"),
        (lambda texts: [1.0], r"the rewards of 15 texts have shape \(1,\), expected one for each"),
        (lambda texts: [0.0] * len(texts), "the reward is zero at every leaf"),
    ):
        with pytest.raises(RewardError, match=message):
            instance_from_texts(tree, score)
    with pytest.raises(RewardError, match=r"the value of '.' is -2\.0, expected a finite number of at least 0"):
        instance_from_texts(tree, ones, lambda texts: [-2.0] * len(texts))
    with pytest.raises(SpecError, match="batch is 0, expected at least 1"):
        instance_from_texts(tree, ones, batch=0)
    with pytest.raises(TreeError, match="the edges of this tree have no tokens"):
        instance_from_texts(Tree.complete(2, 2), ones)


def test_scores_that_are_known_are_not_asked_for_again(tree, tmp_path):
    asked = []

    def score(texts):
        asked.extend(texts)
        return [1.0 + len(text) + text.count("a") for text in texts]

    whole = instance_from_texts(tree, score, score, batch=2)
    n = len(asked)
    asked.clear()

    def fails(texts):
        if len(asked) >= 4:
            raise KeyboardInterrupt
        return score(texts)

    with pytest.raises(KeyboardInterrupt):
        instance_from_texts(tree, fails, fails, batch=2, journal=tmp_path / "scores")
    asked.clear()
    again = instance_from_texts(tree, score, score, batch=2, journal=tmp_path / "scores")
    assert len(asked) == n - 4 and again.value.equals(whole.value)
    asked.clear()
    instance_from_texts(tree, score, score, batch=2, journal=tmp_path / "scores")
    assert not asked
    with pytest.raises(TreesimError, match="is no journal of 'what texts are worth"):
        instance_from_texts(tree.truncate(1), score, batch=2, journal=tmp_path / "scores")
