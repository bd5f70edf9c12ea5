import copy
import pickle

import numpy as np
import pytest

from treesim import MemoryBudgetError, Tree, TreeError, Trellis


def test_complete_trees_have_the_right_counts_and_paths():
    tree = Tree.complete(branching=3, horizon=4)
    assert (tree.horizon, tree.n_nodes, tree.n_edges, tree.n_leaves) == (4, 121, 120, 81)
    assert tree.log2_paths == pytest.approx(np.log2(81))
    assert [tree.choices(leaf) for leaf in (0, 1, 80)] == [[0, 0, 0, 0], [0, 0, 0, 1], [2, 2, 2, 2]]


def test_a_chain_is_a_tree():
    assert Tree.complete(branching=1, horizon=5).n_leaves == 1


def test_policies_given_by_node_and_by_edge_agree():
    by_node = Tree.complete(2, 2, policy=[0.25, 0.75])
    by_edge = Tree.complete(2, 2, policy=[0.25, 0.75] * 3)
    assert np.array_equal(by_node.edge_prob, by_edge.edge_prob)


@pytest.mark.parametrize("concentration", [1e-3, 0.05, 1.0, 50.0])
def test_dirichlet_policies_are_distributions_at_any_concentration(concentration):
    tree = Tree.complete(4, 5, policy=concentration, seed=3)
    sums = tree.edge_prob.reshape(-1, 4).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-14)


def test_dirichlet_moments_are_right():
    # Beta(0.5, 1.0) margins: mean 1/3, variance 4/45; 2^14 nodes, so five sigma is below 0.012.
    prob = Tree.complete(3, 9, policy=0.5, seed=0).edge_prob.reshape(-1, 3)
    assert abs(prob[:, 0].mean() - 1 / 3) < 0.012
    assert abs(prob[:, 0].var() - 4 / 45) < 0.006


def test_random_trees_pad_early_ends_with_single_edges():
    tree = Tree.random(horizon=8, branching=3, stop=0.2, seed=5)
    degrees = np.diff(tree.edge_ptr)
    assert tree.horizon == 8
    assert set(degrees.tolist()) == {1, 2, 3}
    assert (degrees[tree.level(7)] == 1).mean() > 0.5
    assert Tree.random(horizon=8, branching=3, seed=5).n_leaves > tree.n_leaves


def test_the_same_seed_gives_the_same_tree_and_another_seed_another():
    a, b, c = (Tree.random(6, 3, 0.7, 0.1, seed) for seed in (5, 5, 6))
    assert np.array_equal(a.edge_prob, b.edge_prob)
    assert not np.array_equal(a.edge_prob[:10], c.edge_prob[:10])


def test_trees_are_immutable_and_leave_the_caller_his_array():
    prob = np.array([0.5, 0.5])
    tree = Tree(np.array([0, 1, 3]), np.array([0, 2]), prob)
    with pytest.raises(ValueError, match="read-only"):
        tree.edge_prob[0] = 1.0
    prob[0] = 0.5
    assert not np.shares_memory(prob, tree.edge_prob)


@pytest.mark.parametrize(
    ("level_ptr", "edge_ptr", "edge_prob", "message"),
    [
        ([0, 1, 3], [0, 2], [0.5, 0.44], r"edge probabilities of node 0 \(level 0\) sum to 0.94, expected 1"),
        ([0, 1, 3, 5], [0, 2, 4, 4], [0.5, 0.5, 0.5, 0.5], r"node 2 \(level 1\) has no children"),
        (
            [0, 1, 3, 5],
            [0, 2, 5, 4],
            [0.5, 0.5, 0.5, 0.5],
            r"edges of node 2 \(level 1\) run from 5 to 4: edge_ptr must not fall",
        ),
        ([0, 1, 3], [0, 2], [-0.5, 1.5], r"edge 0 of node 0 \(level 0\) has probability"),
        ([0, 1, 3], [0, 2], [np.nan, 1.0], r"edge 0 of node 0 \(level 0\) has probability"),
        ([0, 1, 3], [0, 2], [1.0, 1e-310], r"edge 1 of node 0 \(level 0\) has probability"),
        ([0, 2, 3], [0, 1, 2], [1.0, 1.0], "one root"),
        ([0, 1, 1, 2], [0, 1], [1.0], "level 1 has no nodes"),
        ([0, 1, 3], [0, 3], [0.5, 0.5], "edges of level 0 end at 3, expected 2"),
        ([0, 1, 3], [0, 1, 2], [0.5, 0.5], "edge_ptr has 3 entries, expected 2"),
        ([0, 1, 3], [0, 2], [1.0], "edge_prob has 1 entries"),
        ([0, 1, 3], [1, 2], [0.5, 0.5], "edge_ptr starts with 1"),
        ([0, 1, 3, 6], [0, 2, 9, 5], [0.5, 0.5, 1.0, 1.0, 1.0], r"node 2 \(level 1\) run from 9 to 5"),
    ],
)
def test_arrays_that_are_no_tree_are_refused_by_name(level_ptr, edge_ptr, edge_prob, message):
    with pytest.raises(TreeError, match=message):
        Tree(np.array(level_ptr), np.array(edge_ptr), np.array(edge_prob))


def test_an_edge_above_one_is_named():
    with pytest.raises(TreeError, match=r"edge 1 of node 0 .* has probability 1\.5, expected"):
        Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([0.0, 1.5]))


def test_wrong_dtypes_and_names_are_refused():
    with pytest.raises(TreeError, match="edge_ptr has shape"):
        Tree(np.array([0, 1, 3]), np.array([0.0, 2.0]), np.array([0.5, 0.5]))
    with pytest.raises(TreeError, match="2 names, expected one for each of 3"):
        Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([0.5, 0.5]), names=("a", "b"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "branching is 0"),
        ((2, 0), "horizon is 0"),
        ((2, 2, "greedy"), "policy is 'greedy'"),
        ((2, 2, -1.0), "concentration is -1.0"),
        ((2, 2, [0.5, 0.3, 0.2]), "policy has shape"),
    ],
)
def test_builders_refuse_bad_parameters(arguments, message):
    with pytest.raises(TreeError, match=message):
        Tree.complete(*arguments)


def test_what_does_not_fit_is_refused_before_it_is_allocated(monkeypatch):
    with pytest.raises(
        MemoryBudgetError, match=r"complete tree with branching 2 and horizon 60, with V\* and V\^, needs"
    ):
        Tree.complete(2, 60)
    with pytest.raises(MemoryBudgetError, match=r"needs 9 GiB, more than the budget of 8 GiB"):
        Tree.complete(2, 27)
    with pytest.raises(MemoryBudgetError, match="needs inf GiB"):
        Tree.complete(2, 100_000)
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.001")
    with pytest.raises(MemoryBudgetError, match=r"budget of 0\.001 GiB"):
        Tree.random(horizon=40, branching=3)
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "plenty")
    with pytest.raises(MemoryBudgetError, match="TREESIM_MEMORY_GIB is 'plenty'"):
        Tree.complete(2, 2)


def test_a_tree_takes_the_bytes_its_docstring_says():
    tree = Tree.complete(2, 12)
    total = tree.edge_ptr.nbytes + tree.edge_prob.nbytes
    assert total / tree.n_nodes == pytest.approx(12, rel=1e-3)


def test_zero_probabilities_cut_what_is_below_them():
    tree = Tree.complete(2, 2, policy=[1.0, 0.0, 0.5, 0.5, 0.5, 0.5])
    assert [level.tolist() for level in tree.reachable()] == [[True], [True, False], [True, True, False, False]]


def test_a_tree_keeps_arrays_of_its_own():
    levels, edges, prob = np.array([0, 1, 3]), np.array([0, 2]), np.array([0.25, 0.75])
    tree = Tree(levels, edges, prob)
    levels[:], edges[:], prob[:] = 7, 9, 0.0
    assert tree.level_ptr.tolist() == [0, 1, 3]
    assert tree.edge_ptr.tolist() == [0, 2]
    assert tree.edge_prob.tolist() == [0.25, 0.75]
    policy = np.full(6, 0.5)
    complete = Tree.complete(2, 2, policy)
    policy[:] = 0.0
    assert complete.edge_prob.tolist() == [0.5] * 6
    policy[:] = 1.0  # still the caller's


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree))])
@pytest.mark.parametrize("build", [lambda: Tree.complete(2, 3), lambda: Trellis.markov([[0.9, 0.1], [0.2, 0.8]], 5)])
def test_copies_are_equal_and_cannot_be_written_to(clone, build):
    graph = build()
    twin = clone(graph)
    assert twin.same_as(graph)
    for name, array in twin.arrays().items():
        if name in ("level_ptr", "edge_ptr", "edge_prob", "order") and isinstance(twin, Tree):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        twin.layer(1).prob[0] = 1.0


def test_probabilities_in_six_digits_are_normalised_and_that_is_said(caplog):
    tree = Tree(np.array([0, 1, 4]), np.array([0, 3]), np.array([0.333333, 0.333333, 0.333333]))
    assert tree.edge_prob.tolist() == pytest.approx([1 / 3] * 3, abs=1e-15)
    assert "edge probabilities of node 0 (level 0) sum to 0.999999: they were normalised" in caplog.text
    chain = Trellis.from_layers([np.float32([[0.1, 0.9]]), np.float32([[0.3, 0.7], [0.6, 0.4]])])
    assert chain.layer(1).prob.sum() == pytest.approx(2.0, abs=1e-15)
    with pytest.raises(TreeError, match=r"sum to 0\.999, expected 1"):
        Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([0.5, 0.499]))


def test_graphs_are_the_same_if_all_that_makes_them_up_is():
    tree = Tree.complete(2, 2)
    assert tree.same_as(Tree.complete(2, 2))
    assert not tree.same_as(Tree.complete(2, 2, policy=[0.5, 0.5, 0.25, 0.75, 0.5, 0.5]))
    assert not tree.same_as(Tree(tree.level_ptr, tree.edge_ptr, tree.edge_prob, tuple("abcdefg")))
    assert not tree.same_as(Tree.complete(2, 3))
    chain, same, other = (Trellis.markov([[p, 1 - p], [0.5, 0.5]], horizon=2) for p in (0.5, 0.5, 0.25))
    assert chain.same_as(same)
    assert not chain.same_as(other)
    assert not chain.same_as(tree)
