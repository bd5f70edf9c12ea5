"""Trees of models with real vocabularies, against trees that ask prefix by prefix, and rules worked out by hand."""

import itertools

import numpy as np
import pytest

from treesim import MemoryBudgetError, SamplingRules, SpecError, Tree, TreeError, TreesimError, tree_of_model

SIZE = 7


def row(prefix) -> np.ndarray:
    """A law of seven tokens after a prefix."""
    return np.random.default_rng([len(prefix), *prefix]).dirichlet(np.full(SIZE, 0.5))


def dense(prefixes):
    return np.stack([row(prefix) for prefix in prefixes])


def sparse(prefixes):
    order = np.array([3, 0, 6, 1, 5, 2, 4])
    return [(order, row(prefix)[order]) for prefix in prefixes]


def scores(prefixes):
    return (np.log(dense(prefixes)) + 5.0).astype(np.float32)


def law(tree: Tree) -> dict[str, float]:
    prob = np.ones(1)
    for t in range(tree.horizon):
        layer = tree.layer(t)
        prob = prob[layer.sources()] * layer.prob
    assert len(set(tree.texts())) == tree.n_leaves
    return dict(zip(tree.texts(), prob.tolist(), strict=True))


@pytest.mark.parametrize("policy", [dense, sparse])
@pytest.mark.parametrize("batch", [1, 5, 1000])
@pytest.mark.parametrize("least", [0.0, 0.004])
def test_it_is_the_tree_that_asks_prefix_by_prefix(policy, batch, least):
    found = tree_of_model(policy, str, 3, batch=batch, least=least)
    expected, pruned = Tree.from_policy(row, range(SIZE), 3, least=least)
    names = ["".join(map(str, name)) for name in expected.names[expected.leaves.start :]]
    assert law(found) == pytest.approx(law_of(expected, names), rel=1e-12)
    assert found.pruned.sum() == pytest.approx(pruned, abs=1e-12)
    assert (found.pruned > 0).all() == (least > 0)


def law_of(tree: Tree, texts: list[str]) -> dict[str, float]:
    prob = np.ones(1)
    for t in range(tree.horizon):
        prob = prob[tree.layer(t).sources()] * tree.layer(t).prob
    return dict(zip(texts, prob.tolist(), strict=True))


def test_logits_in_single_precision_are_laws():
    found, expected = tree_of_model(scores, str, 2, logits=True), tree_of_model(dense, str, 2)
    assert law(found) == pytest.approx(law(expected), rel=1e-5)


def test_what_is_left_out_may_be_a_child():
    whole, found = law(tree_of_model(dense, str, 3)), tree_of_model(dense, str, 3, least=0.01, rest=True)
    known = law(found)
    written = {text: mass for text, mass in known.items() if "…" not in text}
    # What is written has the probability that the model gives it, and the rest all the others.
    assert written == pytest.approx({text: whole[text] for text in written}, rel=1e-12)
    assert sum(mass for text, mass in known.items() if text.endswith("…")) == pytest.approx(
        found.pruned.sum(), rel=1e-12
    )
    assert found.pruned.sum() > 0.01 and len(written) < len(known)
    for text in known:
        if text.endswith("…"):
            stem = text[:-1]
            beside = {other[: len(stem) + 1] for other in known if other.startswith(stem) and other != text}
            lost = sum(
                m for other, m in whole.items() if other.startswith(stem) and other[: len(stem) + 1] not in beside
            )
            assert known[text] == pytest.approx(lost, rel=1e-9)


def test_texts_end_where_a_stop_token_is():
    asked = []

    def policy(prefixes):
        asked.extend(prefixes)
        return dense(prefixes)

    tree = tree_of_model(policy, str, 3, stop={2, 5})
    assert not [prefix for prefix in asked if set(prefix) & {2, 5}]
    assert len(set(asked)) == len(asked) == 1 + 5 + 25
    for text in tree.texts():
        assert len(text) == 3 or text[-1] in "25"
        assert not set(text[:-1]) & {"2", "5"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, [0.1, 0.4, 0.2, 0.3]),
        ({"top_k": 2}, [0, 4 / 7, 0, 3 / 7]),
        ({"top_p": 0.69}, [0, 4 / 7, 0, 3 / 7]),
        ({"top_p": 0.71}, [0, 4 / 9, 2 / 9, 3 / 9]),
        ({"top_p": 0.01}, [0, 1, 0, 0]),
        ({"min_p": 0.5}, [0, 4 / 9, 2 / 9, 3 / 9]),
        ({"min_p": 0.51}, [0, 4 / 7, 0, 3 / 7]),
        ({"temperature": 0.5}, [1 / 30, 16 / 30, 4 / 30, 9 / 30]),
        # Of the two that are left, the first has 4/7.
        ({"top_k": 2, "top_p": 0.5}, [0, 1, 0, 0]),
        ({"temperature": 0.5, "min_p": 0.5}, [0, 16 / 25, 0, 9 / 25]),
    ],
)
def test_rules_are_those_of_samplers(rules, expected):
    prob = np.array([0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(SamplingRules(**rules).apply(prob), expected, rtol=1e-12)
    tree = tree_of_model(lambda prefixes: np.tile(prob, (len(prefixes), 1)), str, 2, rules=SamplingRules(**rules))
    pairs = itertools.product(range(4), repeat=2)
    whole = {f"{a}{b}": expected[a] * expected[b] for a, b in pairs if expected[a] * expected[b]}
    assert law(tree) == pytest.approx(whole, rel=1e-12)
    assert tree.pruned.tolist() == [0.0, 0.0]


def test_children_come_likeliest_first_and_words_once():
    tree = tree_of_model(dense, lambda token: f"<{token}>", 2, rules=SamplingRules(top_k=3))
    for t in range(2):
        layer = tree.layer(t)
        assert all((np.diff(layer.prob[a:b]) <= 0).all() for a, b in itertools.pairwise(layer.ptr - layer.ptr[0]))
    assert len(set(tree.vocabulary)) == len(tree.vocabulary) <= SIZE


def test_progress_is_told_after_each_batch():
    told = []
    tree_of_model(dense, str, 2, batch=3, report=told.append)
    assert told == ["level 1, 1 asked", "level 2, 3 asked", "level 2, 6 asked", "level 2, 7 asked"]


def test_what_is_no_law_is_refused(monkeypatch):
    def given(answer):
        return tree_of_model(lambda prefixes: answer, str, 2)

    for answer, message in (
        (np.ones((2, 3)) / 3, "the policy returned 2 laws for 1 prefixes, expected one for each"),
        ([[0.5, 0.4]], r"probabilities that the policy returned after \(\) sum to 0.9, expected 1"),
        ([[0.5, -0.5, 1.0]], "contain -0.5, expected numbers from 0 to 1"),
        ([(np.array([1, 1]), np.array([0.5, 0.5]))], "name a token twice, or by a negative number"),
        ([(np.array([-1, 1]), np.array([0.5, 0.5]))], "name a token twice, or by a negative number"),
        ([(np.array([0, 1]), np.array([1.0]))], r"have shape \(1,\) for 2 tokens, expected one for each"),
        ([[]], r"have shape \(0,\) for 0 tokens"),
    ):
        with pytest.raises(TreeError, match=message):
            given(answer)
    for answer in ([[np.nan, 0.0]], [[-np.inf, -np.inf]], [[np.inf, 0.0]]):
        with pytest.raises(TreeError, match=r"logits that the policy returned after \(\) are NaN, or none is finite"):
            tree_of_model(lambda prefixes, answer=answer: answer, str, 2, logits=True)
    with pytest.raises(TreeError, match=r"least is .*, expected a probability below 1"):
        tree_of_model(dense, str, 2, least=1.0)
    for wrong in ({"horizon": 0}, {"batch": 0}):
        with pytest.raises(SpecError, match="is 0, expected at least 1"):
            tree_of_model(dense, str, **({"horizon": 2} | wrong))
    for wrong in ({"temperature": 0.0}, {"top_k": -1}, {"top_p": 0.0}, {"min_p": -0.1}):
        with pytest.raises(SpecError, match=next(iter(wrong))):
            SamplingRules(**wrong)
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "1e-4")
    with pytest.raises(MemoryBudgetError, match="a tree grown to level 4 of 9, pruned at 0,"):
        tree_of_model(dense, str, 9)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(("least", "rest"), [(0.0, False), (0.02, False), (0.02, True)])
def test_a_growth_that_was_interrupted_goes_on_where_it_stopped(tmp_path, least, rest):
    asked = []

    def policy(prefixes):
        if len(asked) == stops_after:
            raise Interrupted
        asked.append(len(prefixes))
        return dense(prefixes)

    settings = {"horizon": 3, "least": least, "rest": rest, "batch": 4, "rules": SamplingRules(0.8, top_k=4)}
    stops_after = -1
    whole = tree_of_model(policy, str, **settings)
    calls, journal = len(asked), tmp_path / "growth"
    asked.clear()
    stops_after = calls // 2
    with pytest.raises(Interrupted):
        tree_of_model(policy, str, journal=journal, **settings)
    stops_after = -1
    asked.clear()
    told = []
    again = tree_of_model(policy, str, journal=journal, report=told.append, **settings)
    # The first law is asked again, to see that it is the same model.
    assert len(asked) == calls - calls // 2 + 1
    assert [text.endswith("known") for text in told] == [True] * (calls // 2) + [False] * (calls - calls // 2)
    for name in ("level_ptr", "edge_ptr", "edge_prob", "tokens", "pruned"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))
    assert again.texts() == whole.texts()


def test_a_journal_of_another_model_is_refused(tmp_path):
    journal = tmp_path / "growth"
    tree_of_model(dense, str, horizon=2, journal=journal)
    with pytest.raises(TreeError, match="has the answers of another model or prompt"):
        tree_of_model(lambda prefixes: np.roll(dense(prefixes), 1, axis=1), str, horizon=2, journal=journal)
    for other in ({"least": 0.1}, {"batch": 3}, {"rules": SamplingRules(top_k=2)}):
        with pytest.raises(TreesimError, match="is no journal of"):
            tree_of_model(dense, str, horizon=2, journal=journal, **other)
    # Of what is left out a journal holds the sum alone.
    few = tmp_path / "few"
    tree_of_model(dense, str, horizon=2, least=0.2, journal=few)
    assert len(few.read_text()) < len(journal.read_text()) / 2
