"""A trellis gives the numbers of the tree that it stands for."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shapes import trellis
from tests.statistics import fits
from treesim import (
    Draws,
    Instance,
    Layer,
    LeafLaw,
    MemoryBudgetError,
    NoExactLaw,
    PerturbationError,
    RewardError,
    Scaled,
    Tree,
    TreeError,
    Trellis,
    audit,
    family,
    graph_from_instance,
    instance_from_graph,
    load,
    optimal_twist,
    perturb,
    sampler,
    save,
    unroll,
)
from treesim.instances.perturbations import PERTURBATIONS, Adversarial
from treesim.instances.rewards import Additive
from treesim.samplers import base
from treesim.testing.strategies import trellis_instances

SPECS = [
    "base",
    "best-of-n:n=5",
    "soft-best-of-n:n=5,temperature=0.4",
    "importance:n=5",
    "rejection:budget=3",
    "rejection:budget=4,slack=1.5,fallback=base",
    "rejection:budget=2,fallback=fail",
    "beam:width=2",
    "beam:width=3,score=value",
    "sp-gsmc",
    "sp-gsmc:pool=1",
    "sp-gsmc:pool=4",
    "sp-gsmc:mh=4",
    "sp-gsmc:reject=3",
]


def rows_of(instance: Instance) -> np.ndarray:
    """The trellis node of each node of the unrolled tree."""
    graph = instance.graph
    marked = Instance(graph, Scaled.from_float(np.arange(1.0, graph.n_nodes + 1)))
    return unroll(marked).value.to_float().astype(int) - 1


@given(trellis_instances())
def test_twist_and_audit_are_those_of_the_tree(instance):
    plain, rows = unroll(instance), rows_of(instance)
    np.testing.assert_allclose(instance.twist.log()[rows], plain.twist.log(), rtol=1e-13, atol=1e-13)
    a, b = instance.audit, plain.audit
    assert a.bellman_error == pytest.approx(b.bellman_error, rel=1e-12, abs=1e-14)
    assert a.ratio_bound == pytest.approx(b.ratio_bound, rel=1e-13)
    assert a.log_partition == pytest.approx(b.log_partition, abs=1e-13)
    for name in ("sup", "mean_reference", "mean_target"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-11, atol=1e-13)
    assert instance.graph.log2_paths == pytest.approx(plain.graph.log2_paths, abs=1e-12)


@given(trellis_instances(max_horizon=4), st.sampled_from(SPECS))
@settings(max_examples=200)
def test_every_figure_of_a_law_is_that_of_the_tree(instance, spec):
    plain = unroll(instance)
    merged, full = sampler(spec).law(instance), sampler(spec).law(plain)
    tv, exact = merged.tv(instance.target, width=1e-7), full.tv(plain.target).lo
    assert tv.lo - 1e-12 <= exact <= tv.hi + 1e-12
    assert tv.hi - tv.lo <= 1e-7
    for a, b in (
        (merged.kl(instance.target), full.kl(plain.target)),
        (merged.chi2(instance.target), full.chi2(plain.target)),
        (instance.target.kl(merged), plain.target.kl(full)),
        (merged.expected(instance.reward), full.expected(plain.reward)),
    ):
        assert a is None or a == pytest.approx(b, rel=1e-9, abs=1e-12)
    a, b = sampler(spec).cost(instance), sampler(spec).cost(plain)
    assert a.reference_draws == pytest.approx(b.reference_draws, rel=1e-9)
    assert a.value_queries == pytest.approx(b.value_queries, rel=1e-9)


def test_figures_that_are_not_known_are_none_and_the_others_are_there():
    instance = family("markov", horizon=5, perturbation="random-sign", epsilon=0.2)
    known = {
        spec: [figure is not None for figure in (law.kl(instance.target), law.chi2(instance.target),
                                                 law.expected(instance.reward))]
        for spec in SPECS if (law := sampler(spec).law(instance))
    }  # fmt: skip
    assert known.pop("sp-gsmc:mh=4") == [False, False, False]
    assert known.pop("sp-gsmc:reject=3") == [False, True, True]
    assert all(all(row) for row in known.values())


INSTANCE = family("markov", horizon=4, states=2, perturbation="log-normal:sigma=0.7", seed=3)


@pytest.mark.parametrize("spec", SPECS)
def test_simulated_paths_follow_the_law_of_the_unrolled_tree(spec):
    plain = unroll(INSTANCE)
    draws = sampler(spec).simulate(INSTANCE, 60_000, seed=1)
    place = {tuple(plain.graph.choices(leaf)): leaf for leaf in range(plain.graph.n_leaves)}
    some = {edges.tobytes(): i for i, edges in enumerate(draws.edges)}
    leaf_of = {}
    for key, i in some.items():
        choices = draws.choices(INSTANCE.graph, i)
        leaf_of[key] = -1 if choices is None else place[tuple(choices)]
    leaf = np.array([leaf_of[edges.tobytes()] for edges in draws.edges])
    assert fits(Draws(leaf, None, 0, 0), sampler(spec).law(plain))
    ends = np.array([-1 if row[-1] < 0 else INSTANCE.graph.layer(3).child[row[-1]] for row in draws.edges])
    assert np.array_equal(ends, draws.leaf)


@pytest.mark.parametrize("spec", ["importance:n=4", "sp-gsmc", "sp-gsmc:mh=3", "sp-gsmc:reject=3"])
def test_simulation_has_the_same_bits_for_any_number_of_threads(spec, monkeypatch):
    instance = family("markov", horizon=50, states=2, perturbation="random-sign", epsilon=0.1, seed=3)
    monkeypatch.setattr(base, "BLOCK_EDGES", 1 << 16)  # four blocks
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("TREESIM_THREADS", threads)
        found.append(sampler(spec).simulate(instance, 5_000, seed=5).edges)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("kind", ["constant-up", "constant-down", "random-sign", "log-uniform"])
def test_bottom_up_perturbations_meet_their_epsilon(kind, cap):
    graph = Trellis.markov([[0.6, 0.4], [0.3, 0.7]], horizon=12)
    twist = optimal_twist(graph, np.log([1.0, 1.5]))
    value = perturb(graph, twist, PERTURBATIONS[kind](), "0.5/T", cap)
    assert audit(graph, value, twist).bellman_error == pytest.approx(0.5 / 12, abs=1e-12)


@pytest.mark.parametrize("kind", ["log-normal", "student-t", "correlated"])
def test_top_down_perturbations_keep_the_reward(kind):
    exact = family("markov", horizon=9, seed=2)
    noisy = family("markov", horizon=9, seed=2, perturbation=kind)
    assert exact.reward.equals(noisy.reward)
    assert noisy.audit.bellman_error > 0.01


def test_what_needs_a_tree_says_so():
    graph = Trellis.markov([[0.6, 0.4], [0.3, 0.7]], horizon=3)
    with pytest.raises(PerturbationError, match="'adversarial' needs a tree"):
        perturb(graph, optimal_twist(graph, [0.0, 1.0]), Adversarial(), 0.1)
    with pytest.raises(RewardError, match="'additive' adds up along the path"):
        Additive().log_reward(graph, seed=0)


def test_a_chain_of_order_two_is_the_tree_of_its_sequences():
    rng = np.random.default_rng(0)
    step, first = rng.dirichlet(np.ones(3), size=(3, 3)), rng.dirichlet(np.ones(9)).reshape(3, 3)
    chain = Trellis.markov(step, horizon=4, initial=first)
    law = unroll(Instance(chain, Scaled.from_float(np.ones(chain.n_nodes)))).reference.prob.to_float()
    expected = np.einsum("ab,abc,bcd->abcd", first, step, step)
    np.testing.assert_allclose(law, expected.ravel(), rtol=1e-13)


def test_repeated_layers_are_stored_once():
    chain = Trellis.markov(np.full((50, 50), 0.02), horizon=500)
    assert len(chain.layers) == 2
    assert chain.n_edges == 50 + 499 * 2500
    assert chain.log2_paths == pytest.approx(500 * math.log2(50))


@given(trellis_instances())
@settings(max_examples=40)
def test_an_instance_survives_the_trip_to_a_file(tmp_path_factory, instance):
    path = tmp_path_factory.mktemp("trip") / "i.safetensors"
    save(instance, path)
    assert load(path).same_as(instance)


@given(trellis_instances())
@settings(max_examples=40)
def test_an_instance_survives_the_trip_through_networkx(instance):
    def paths(found: Instance) -> np.ndarray:
        """Probability and reward of every path, sorted: networkx lists parallel edges together."""
        tree = unroll(found)
        table = np.stack([tree.reference.prob.to_float().round(12), tree.reward.to_float()])
        return table[:, np.lexsort(table)]

    back = instance_from_graph(graph_from_instance(instance))
    np.testing.assert_allclose(paths(back), paths(instance), rtol=1e-13)
    assert back.audit.bellman_error == pytest.approx(instance.audit.bellman_error, rel=1e-12, abs=1e-14)
    assert back.audit.ratio_bound == pytest.approx(instance.audit.ratio_bound, rel=1e-12)


def test_a_graph_whose_paths_meet_at_different_depths_is_padded():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from(
        [("s", "a", 0.5), ("s", "end", 0.5), ("a", "b", 1.0), ("b", "end", 0.25), ("b", "x", 0.75)], weight="prob"
    )
    nx.set_node_attributes(graph, {"end": 2.0, "x": 1.0}, "reward")
    instance = instance_from_graph(graph)
    assert isinstance(instance.graph, Trellis)
    assert instance.graph.names == ("s", "a", "end", "b", None, "end", "x", None)
    assert math.exp(instance.audit.log_partition) == pytest.approx(0.5 * 2 + 0.5 * (0.25 * 2 + 0.75))
    again = instance_from_graph(graph_from_instance(instance))
    assert again.audit.log_partition == pytest.approx(instance.audit.log_partition)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level_ptr": [0, 1, 3, 3]}, "level 2 has no nodes"),
        ({"order": [0]}, "order has 1 entries, expected one for each of 2 steps"),
        ({"order": [0, 5]}, "step 1 has layer 5"),
        ({"order": [0, 0]}, "the layer of step 1 has 1 parents"),
        ({"child": [0, 2]}, "an edge of level 0 leads to child 2, expected one of the 2 nodes of level 1"),
        ({"prob": [0.5, 0.4]}, r"edge probabilities of node 0 \(level 0\) sum to 0.9"),
        ({"child": [0]}, "has 1 children for 2 edges"),
    ],
)
def test_bad_arrays_are_refused(change, message):
    parts = {"level_ptr": [0, 1, 3, 4], "order": [0, 1], "prob": [0.5, 0.5], "child": [0, 1]} | change
    layers = [
        Layer(np.array([0, 2]), np.array(parts["prob"]), np.array(parts["child"], np.int32)),
        Layer(np.array([0, 1, 2]), np.ones(2), np.zeros(2, np.int32)),
    ]
    with pytest.raises(TreeError, match=message):
        Trellis(np.array(parts["level_ptr"]), layers, np.array(parts["order"]))


def test_matrices_that_do_not_fit_are_refused():
    with pytest.raises(TreeError, match=r"matrix of step 1 has shape \(3, 1\), expected \(2, n\)"):
        Trellis.from_layers([np.full((1, 2), 0.5), np.ones((3, 1))])
    with pytest.raises(TreeError, match="transition has shape"):
        Trellis.markov([[0.5, 0.5]], horizon=3)


def test_unrolling_what_does_not_fit_is_refused():
    with pytest.raises(MemoryBudgetError, match=r"a tree of 2\^1000 leaves"):
        unroll(family("product", horizon=1000, ratio=1.01))


def test_values_of_nodes_that_paths_share_are_careful_too():
    graph = family("product", horizon=7, form="trellis").graph
    twist = optimal_twist(graph, 200.0 * np.arange(8))
    assert twist.exponent.any()
    plain = unroll(Instance(graph, twist))
    again = optimal_twist(plain.graph, plain.reward)
    np.testing.assert_allclose(plain.value.log(), again.log(), rtol=1e-15)


def test_the_forms_of_the_product_model_agree():
    tree, trellis = (family("product", horizon=8, ratio=1.3, form=form) for form in ("tree", "trellis"))
    assert isinstance(tree.graph, Tree)
    for spec in ("sp-gsmc", "sp-gsmc:pool=3", "importance:n=3"):
        exact = sampler(spec).law(tree).tv(tree.target).lo
        tv = sampler(spec).law(trellis).tv(trellis.target)
        assert tv.lo - 1e-14 <= exact <= tv.hi + 1e-14
        assert tv.hi - tv.lo <= 1e-10


def test_the_law_of_the_leaves_of_a_walk_is_not_its_law():
    # Two tokens, a target that asks for the last one only: the walk below gets the first one wrong, not the last.
    graph = Trellis.markov([[0.5, 0.5], [0.5, 0.5]], horizon=2)
    value = Scaled.from_float(np.array([1.0, 1.0, 3.0, 1.0, 1.0]))
    instance = Instance(graph, value)
    law = sampler("sp-gsmc").law(instance)
    assert LeafLaw(law.prob).tv(instance.target).lo == pytest.approx(0.0)
    assert law.tv(instance.target).lo == pytest.approx(0.25)


def test_a_graph_answers_for_its_paths_whatever_its_kind():
    trellis = Trellis.markov([[0.9, 0.1], [0.2, 0.8]], horizon=3)
    tree = unroll(Instance(trellis, Scaled.from_float(np.ones(trellis.n_nodes)))).graph
    draws = sampler("base").simulate(Instance(trellis, Scaled.from_float(np.ones(trellis.n_nodes))), 5, seed=1)
    assert (trellis.keeps_edges, tree.keeps_edges) == (True, False)
    assert tree.room_for_edges(4) is None
    assert (trellis.room_for_edges(4) == -1).all()
    assert np.array_equal(trellis.path_edges(draws.leaf, draws.edges), draws.edges)
    leaves = np.arange(tree.n_leaves)
    assert np.array_equal(tree.path_edges(leaves, None), tree.edges_to(leaves))
    for i in range(5):
        choices = trellis.path_choices(draws.leaf[i], draws.edges[i])
        leaf = tree.follow(choices)
        assert tree.path_choices(leaf, None) == choices
    for ask in (trellis.path_edges, trellis.path_choices):
        with pytest.raises(TreeError, match="known by its edges"):
            ask(draws.leaf, None)
    assert tree.require_tree("a tree, please") is tree
    with pytest.raises(NoExactLaw, match="a tree, please"):
        trellis.require_tree("a tree, please")


@pytest.mark.parametrize("edges", [2, 3, 6])
def test_the_audit_of_a_dense_trellis_is_that_of_its_tree(edges):
    """Values of no particular quality, all edges alive or not: extremes and sums of every width."""
    for seed in range(20):
        instance = trellis(seed, edges=edges)
        plain, rows = unroll(instance), rows_of(instance)
        a, b = instance.audit, plain.audit
        np.testing.assert_allclose(instance.twist.log()[rows], plain.twist.log(), rtol=1e-13, atol=1e-13)
        assert (a.bellman_error, a.log_ratio_bound) == pytest.approx((b.bellman_error, b.log_ratio_bound), rel=1e-12)
        for name in ("sup", "mean_reference", "mean_target"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-11, atol=1e-13)
