import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import (
    Instance,
    Layer,
    MemoryBudgetError,
    Scaled,
    Tree,
    Trellis,
    family,
    instance_from_texts,
    load,
    merge,
    optimal_twist,
    sampler,
    save,
    tree_of_model,
    unroll,
)
from treesim.instances import merging
from treesim.testing.strategies import instances, trellis_instances


@given(st.one_of(instances(), trellis_instances()))
@settings(max_examples=150)
def test_merging_keeps_every_path_and_unrolling_undoes_it(instance):
    plain = unroll(instance)
    merged, report = merge(plain)
    again = unroll(merged)
    assert again.graph.same_as(Tree(*plain.graph.arrays().values()))
    assert again.value.equals(plain.value)
    assert report.nodes_after <= report.nodes_before
    assert report.tv_bound == report.step_error == report.value_error == 0.0


@given(trellis_instances())
@settings(max_examples=60)
def test_a_trellis_merges_to_the_same_trellis_as_its_tree(instance):
    once, _ = merge(instance)
    from_tree, _ = merge(unroll(instance))
    assert unroll(once).value.equals(unroll(from_tree).value)
    twice, report = merge(once)
    assert report.nodes_after == report.nodes_before
    assert twice.graph.same_as(once.graph)


def test_the_product_model_merges_to_its_counts():
    merged, report = merge(family("product", horizon=12, ratio=1.5, form="tree"))
    assert [merged.graph.n_level(t) for t in range(13)] == list(range(1, 14))
    assert report.nodes_before == 2**13 - 1


def test_layers_that_repeat_after_a_merge_are_stored_once():
    tree = Tree.complete(2, 10)
    value = optimal_twist(tree, np.zeros(tree.n_leaves))
    merged, _ = merge(Instance(tree, value))
    assert len(merged.graph.layers) == 1
    assert merged.graph.n_nodes == 11


@pytest.mark.parametrize("tolerance", [1e-3, 0.05])
def test_a_tolerance_merges_more_and_its_report_bounds_what_it_did(tolerance):
    rng = np.random.default_rng(0)
    tree = Tree.complete(
        2, 6, policy=np.tile([0.4, 0.6], 63) + np.tile([1, -1], 63) * rng.normal(0, 1e-4, 63).repeat(2)
    )
    value = optimal_twist(tree, np.round(rng.normal(size=64), 0) * 0.3 + rng.normal(0, 1e-4, 64))
    plain = Instance(tree, value)
    exact, _ = merge(plain)
    merged, report = merge(plain, tolerance)
    assert merged.graph.n_nodes < exact.graph.n_nodes
    assert 0 < report.step_error <= tolerance
    assert 0 < report.value_error <= tolerance
    tv = unroll(merged).target.tv(plain.target).lo
    assert 0 < tv <= report.tv_bound < 6 * tolerance


def test_names_are_those_of_the_first_of_the_merged_nodes():
    tree = Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([0.5, 0.5]), ("root", "a", "b"))
    merged, report = merge(Instance(tree, Scaled.from_float(np.ones(3))))
    assert merged.graph.names == ("root", "a")
    assert report.renamed == 1
    same = Tree(tree.level_ptr, tree.edge_ptr, tree.edge_prob, ("root", "a", "a"))
    assert merge(Instance(same, Scaled.from_float(np.ones(3))))[1].renamed == 0


def test_unrolling_a_tree_gives_it_back():
    instance = family("uniform", horizon=3)
    assert unroll(instance) is instance


def test_laws_survive_a_merge():
    instance = family("dirichlet", horizon=8, perturbation="random-sign", epsilon=0.2, seed=3)
    merged, _ = merge(instance)
    for spec in ("importance:n=4", "sp-gsmc"):
        a = sampler(spec).law(merged).tv(merged.target)
        assert a.lo == pytest.approx(sampler(spec).law(instance).tv(instance.target).lo, abs=1e-7)


def test_a_tree_that_would_not_fit_is_refused(monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.001")
    with pytest.raises(MemoryBudgetError, match=r"a tree of 2\^18 leaves"):
        unroll(family("product", horizon=18, form="trellis"))


def test_unrolled_nodes_keep_their_names():
    trellis = Trellis(
        [0, 1, 3, 4],
        [Layer(np.array([0, 2]), np.array([0.5, 0.5]), np.array([0, 1], np.int32)),
         Layer(np.array([0, 1, 2]), np.ones(2), np.zeros(2, np.int32))],
        [0, 1],
        ["root", "left", ("right", 1), "end"],
    )  # fmt: skip
    graph = unroll(Instance(trellis, Scaled.from_float(np.ones(4)))).graph
    assert graph.names == ["root", "left", ("right", 1), "end", "end"]


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "tea.txt").write_text("tee teeth the tea")
    return family("ngram", horizon=3, contains="e", text=str(tmp_path / "tea.txt"), order=2)


def test_unrolled_nodes_are_named_by_the_text_so_far(texts):
    tree = unroll(texts)
    graph = tree.graph
    assert graph.names[0] == ""
    leaves = graph.names[graph.leaves]
    assert all(len(text) == 3 for text in leaves)
    for leaf, text in enumerate(leaves):
        assert [graph.names[node] for node in graph.path(leaf)] == [text[:t] for t in range(4)]
    target = dict(zip(leaves, tree.target.prob.to_float(), strict=True))
    assert all((prob > 0) == ("e" in text) for text, prob in target.items())
    draws = sampler("base").simulate(texts, 50, seed=0)
    assert {texts.graph.text(edges) for edges in draws.edges} <= set(leaves)


def test_large_trees_are_not_named(monkeypatch, texts):
    monkeypatch.setattr(merging, "LARGEST_NAMED", 4)
    assert unroll(texts).graph.names is None


def test_the_bound_of_a_merge_adds_up_along_the_path_and_holds():
    """Steps of log-probabilities that are off by as much as the tolerance lets them, three levels of them."""
    tree = Tree.complete(2, 3, policy=[0.5, 0.5, 0.5, 0.5, 0.52, 0.48, 0.5, 0.5, *[0.48, 0.52] * 3])
    instance = Instance(tree, Scaled.from_float(np.ones(15)))
    merged, report = merge(instance, tolerance=0.1)
    assert merged.graph.n_nodes < 15
    assert report.value_error == 0.0
    assert report.step_error == pytest.approx(np.log(0.5 / 0.48))
    assert report.tv_bound == pytest.approx(np.tanh(3 * report.step_error / 2))
    assert unroll(merged).target.tv(instance.target).lo <= report.tv_bound
    # Of rewards the largest is added once.
    rewarded = Instance(Tree.complete(2, 3), Scaled.from_log(np.append(np.zeros(7), np.arange(8) * 0.01)))
    _, report = merge(rewarded, tolerance=0.5)
    assert report.tv_bound == pytest.approx(np.tanh(0.07 / 2))


def tree_of_texts(policy=lambda prefixes: np.tile([0.5, 0.5], (len(prefixes), 1)), words=("a", "b"), horizon=4):
    return tree_of_model(policy, words.__getitem__, horizon)


def test_merging_keeps_what_every_path_writes():
    """Texts of the letters a and b, worth what they have of a: the counts stay, and each way to them."""
    tree = tree_of_texts()
    instance = instance_from_texts(tree, lambda texts: [1.0 + text.count("a") for text in texts])
    merged, report = merge(instance)
    assert report.nodes_after == 1 + 2 + 3 + 4 + 5
    assert report.renamed == 0
    assert len(merged.graph.layers) == len(merged.graph.tokens) == 4
    again = unroll(merged)
    assert again.graph.texts() == tree.texts() == ["".join(text) for text in itertools.product("ab", repeat=4)]
    assert again.graph.names[1:3] == ["a", "b"]
    draws = sampler("base").simulate(merged, 200, seed=0)
    for leaf, edges in zip(draws.leaf, draws.edges, strict=True):
        assert merged.reward.to_float()[leaf] == pytest.approx(1.0 + merged.graph.text(edges).count("a"), rel=1e-14)


def test_prefixes_that_go_on_by_other_tokens_stay_apart():
    def policy(prefixes):
        """After a, the next is c or d; after b, it is d or c."""
        return [([2, 3] if prefix[-1:] == (0,) else [3, 2], [0.5, 0.5]) if prefix else ([0, 1], [0.5, 0.5])
                for prefix in prefixes]  # fmt: skip

    tree = tree_of_texts(policy, "abcd", 2)
    instance = Instance(tree, Scaled.from_float(np.ones(tree.n_nodes)))
    merged, report = merge(instance)
    assert unroll(merged).graph.texts() == tree.texts()
    orders = {text[0]: [other[1] for other in tree.texts() if other[0] == text[0]] for text in tree.texts()}
    assert report.nodes_after == (3 if orders["a"] == orders["b"] else 4)


def test_layers_that_write_other_tokens_are_two_layers():
    def policy(prefixes):
        return [([2 * len(prefix), 2 * len(prefix) + 1], [0.5, 0.5]) for prefix in prefixes]

    tree = tree_of_texts(policy, "abcdef", 3)
    merged, _ = merge(Instance(tree, Scaled.from_float(np.ones(tree.n_nodes))))
    assert (merged.graph.n_nodes, len(merged.graph.layers)) == (4, 3)
    assert unroll(merged).graph.texts() == tree.texts()


def test_names_that_would_be_those_of_other_texts_are_left_out(texts, tmp_path):
    """An unrolled tree is named by its texts: merged again it has other names for them, or none."""
    tree = unroll(texts)
    merged, report = merge(tree)
    assert report.renamed > 0
    assert merged.graph.names is None
    assert unroll(merged).graph.names == tree.graph.names
    save(merged, tmp_path / "merged.st")
    assert unroll(load(tmp_path / "merged.st")).graph.texts() == tree.graph.texts()
