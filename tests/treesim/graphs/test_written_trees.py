"""Trees whose edges write tokens."""

import copy
import pickle

import numpy as np
import pytest

from treesim import (
    Base,
    Instance,
    InstanceFileError,
    Scaled,
    Tree,
    TreeError,
    family,
    graph_from_instance,
    load,
    unroll,
)
from treesim.graphs.trellis import Trellis

WORDS = ("The", " cat", " dog", "")


@pytest.fixture
def written() -> Tree:
    """The cat / The dog, and The that ends early."""
    return Tree(
        np.array([0, 1, 2, 5]), np.array([0, 1, 4]), np.array([1.0, 0.5, 0.25, 0.25]),
        tokens=np.array([0, 1, 2, 3]), vocabulary=WORDS, pruned=np.array([0.0, 0.125]),
    )  # fmt: skip


def of(tree: Tree) -> Instance:
    return Instance(tree, Scaled.from_float(np.arange(1.0, tree.n_nodes + 1)))


def test_prefixes_have_texts(written):
    assert written.texts() == ["The cat", "The dog", "The"]
    assert (written.texts(1), written.texts(0)) == (["The"], [""])
    assert [written.text(path) for path in written.edges_to(np.arange(3))] == written.texts()
    assert written.place(3) == "node 3 (level 2, after 'The dog')"
    assert written.edge_tokens(1).tolist() == [1, 2, 3]
    with pytest.raises(TreeError, match="the edges of this tree have no tokens, so its prefixes have no text"):
        Tree.complete(2, 2).texts()
    with pytest.raises(TreeError, match="the edges of this tree have no tokens, so its paths have no text"):
        Tree.complete(2, 2).text(np.zeros(2, int))


def test_texts_are_kept_in_files_copies_and_graphs(written, tmp_path):
    instance = of(written)
    instance.save(tmp_path / "w.st")
    again = load(tmp_path / "w.st")
    for tree in (again.graph, copy.deepcopy(written), pickle.loads(pickle.dumps(written))):
        assert tree.same_as(written) and tree.texts() == written.texts()
        assert tree.pruned.tolist() == [0.0, 0.125]
    other = Tree(written.level_ptr, written.edge_ptr, written.edge_prob, None, written.tokens, ("A", *WORDS[1:]))
    assert not other.same_as(written)
    tokens = [data["token"] for *_, data in graph_from_instance(instance).edges(data=True)]
    assert tokens[:3] == ["The", " cat", " dog"]


def test_the_first_steps_of_a_tree_are_a_tree(written):
    first = written.truncate(1)
    assert (first.horizon, first.texts(), first.pruned.tolist()) == (1, ["The"], [0.0])
    named, _ = Tree.from_policy(lambda prefix: [0.25, 0.75], "ab", horizon=3)
    assert named.truncate(2).same_as(Tree.from_policy(lambda prefix: [0.25, 0.75], "ab", horizon=2)[0])
    for horizon in (0, 3):
        with pytest.raises(TreeError, match=f"horizon is {horizon}, expected 1 to 2, the steps that there are"):
            written.truncate(horizon)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": [0, 1, 2]}, "tokens are not 4 numbers below 4, one for each edge"),
        ({"tokens": [0, 1, 2, 4]}, "tokens are not 4 numbers below 4"),
        ({"tokens": [0, 1, 2, -1]}, "tokens are not 4 numbers below 4"),
        ({"vocabulary": None}, "tokens need a vocabulary"),
        ({"pruned": [0.5]}, r"pruned has shape \(1,\), expected 2 probabilities, one a level"),
        ({"pruned": [0.5, 1.5]}, "expected 2 probabilities, one a level"),
        ({"pruned": [0.5, np.nan]}, "expected 2 probabilities, one a level"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(written, change, message):
    given = {"tokens": written.tokens, "vocabulary": WORDS, "pruned": written.pruned} | {
        key: None if value is None else np.array(value) for key, value in change.items()
    }
    with pytest.raises(TreeError, match=message):
        Tree(written.level_ptr, written.edge_ptr, written.edge_prob, **given)


def test_a_file_whose_tokens_do_not_fit_is_refused(written, tmp_path, monkeypatch):
    from treesim.instances import storage

    monkeypatch.setattr(storage, "load", lambda path: type("Anything", (), {"same_as": lambda self, other: True})())
    arrays = Tree.arrays
    monkeypatch.setattr(Tree, "arrays", lambda tree: arrays(tree) | {"edge_token": tree.tokens[:2]})
    of(written).save(tmp_path / "w.st")
    with pytest.raises(InstanceFileError, match="holds no valid instance: tokens are not 4 numbers below 4"):
        load(tmp_path / "w.st")


def test_an_unrolled_trellis_keeps_its_words():
    trellis = family("ngram", horizon=3, order=2, tokens=4, contains=("e",))
    tree = unroll(trellis)
    assert isinstance(trellis.graph, Trellis) and tree.graph.vocabulary == trellis.graph.vocabulary
    assert tree.graph.texts() == list(tree.graph.names[tree.graph.leaves.start :])
    rows = np.arange(tree.graph.n_leaves)
    assert [tree.graph.text(path) for path in tree.graph.edges_to(rows)] == tree.graph.texts()


def test_samples_of_a_written_tree_are_texts(written):
    instance = of(written)
    draws = Base().simulate(instance, 50, seed=0)
    texts = {instance.graph.text(path) for path in instance.graph.path_edges(draws.leaf, draws.edges)}
    assert texts == {"The cat", "The dog", "The"}


def test_words_without_tokens_are_no_text(written):
    silent = Tree(written.level_ptr, written.edge_ptr, written.edge_prob, vocabulary=WORDS)
    for tell in (silent.texts, lambda: silent.text(np.zeros(2, int))):
        with pytest.raises(TreeError, match="the edges of this tree have no tokens"):
            tell()
