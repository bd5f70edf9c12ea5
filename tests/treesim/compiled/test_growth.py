import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.treesim.compiled.trees import Ones, Scrambled, Two, Wide, Written, truth
from treesim import MemoryBudgetError, load, unroll
from treesim.kernels.compiled_growth import merge_equal

scrambled = st.builds(
    Scrambled, horizon=st.integers(1, 5), seed=st.integers(0, 10**6), rewards=st.integers(1, 6), zeros=st.integers(0, 3)
)
SOME = [Ones(5), Written(4), Wide(4), Wide(1), Scrambled(5), Scrambled(5, zeros=0, seed=7)]


def states_of(tree):
    """The prefixes as lists of states, level by level, in the order of the arrays; and the probabilities of edges."""
    level, levels, prob = [tree.root()], [], []
    for _ in range(tree.horizon):
        levels.append(level)
        below = []
        for state in level:
            kept = [(s, p) for s, p in zip(*tree.children(state), strict=True) if p > 0]
            below += [s for s, _ in kept]
            prob += [p for _, p in kept]
        level = below
    return [*levels, level], prob


@pytest.mark.parametrize("tree", SOME, ids=repr)
def test_the_arrays_are_those_of_a_plain_loop(tree):
    levels, prob = states_of(tree)
    graph = tree.tree()
    assert np.diff(graph.level_ptr).tolist() == [len(level) for level in levels]
    assert graph.edge_prob.tolist() == prob
    instance = tree.instance(perturbation=None if hasattr(tree, "value") else "exact")
    # Powers of compiled code are off by one in the last place.
    assert instance.reward.to_float() == pytest.approx([float(tree.reward(s)) for s in levels[-1]], rel=1e-15, abs=0)
    if hasattr(tree, "value"):
        inner = [float(tree.value(s)) for level in levels[:-1] for s in level]
        assert instance.value.to_float()[: len(inner)] == pytest.approx(inner, rel=1e-15, abs=0)


@pytest.mark.parametrize("tree", SOME, ids=repr)
def test_the_trellis_has_each_state_of_a_level_once(tree):
    levels, _ = states_of(tree)
    trellis = tree.trellis()
    assert np.diff(trellis.level_ptr).tolist() == [len(set(level)) for level in levels]
    assert round(2**trellis.log2_paths) == len(levels[-1])


@pytest.mark.parametrize("like", [0.0, (0, 0.0)])
def test_minus_zero_is_the_state_zero(like):
    states = [(0.0, 0), (-0.0, 0), (1.0, 0), (-0.0, 1), (0.0, 1), (1.0, 0)]
    words = [[x] if like == 0.0 else [np.int64(k).view(np.float64), x] for x, k in states]
    room = np.array(words).ravel().view(np.int64)
    child = np.empty(6, np.int32)
    kept = merge_equal(6, like, room, np.full(16, -1, np.int32), child)
    assert child.tolist() == ([0, 0, 1, 0, 0, 1] if like == 0.0 else [0, 0, 1, 2, 2, 1])
    assert kept == 1 + child.max()


@given(scrambled)
def test_tree_and_trellis_are_one_instance(tree):
    if not any(tree.reward(s) for s in states_of(tree)[0][-1]):
        return
    whole, merged = tree.instance(), tree.instance("trellis")
    assert merged.audit.log_partition == pytest.approx(whole.audit.log_partition, abs=1e-12)
    assert merged.audit.sup == pytest.approx(whole.audit.sup, rel=1e-12)
    assert merged.audit.mean_reference == pytest.approx(whole.audit.mean_reference, rel=1e-12)
    assert unroll(merged).graph.edge_prob.tolist() == whole.graph.edge_prob.tolist()


@given(scrambled)
def test_the_arrays_know_the_partition_function_in_fractions(tree):
    if any(tree.reward(s) for s in states_of(tree)[0][-1]):
        assert tree.instance().audit.log_partition == pytest.approx(math.log(truth(tree).partition), abs=1e-12)


def test_states_that_meet_are_parallel_edges():
    """Steps that lead to one state stay different steps."""
    trellis = Scrambled(4, seed=5, zeros=0).trellis()
    assert trellis.n_edges == sum(3 * n for n in np.diff(trellis.level_ptr)[:-1])


def test_layers_that_repeat_are_stored_once():
    assert len(Ones(30).trellis().layers) == 30  # each is wider than the last
    assert len(Two(30).trellis().layers) == 2


def test_a_trellis_of_any_horizon():
    found = Ones(1000, ratio=1.01).instance("trellis", perturbation="exact").audit.log_partition
    assert found == pytest.approx(1000 * math.log1p(0.3 * 0.01), abs=1e-10)


def test_many_parents_share_the_work_and_the_order_stays(monkeypatch):
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("TREESIM_THREADS", threads)
        found.append(Scrambled(13, seed=2).tree())
    assert found[0].n_level(12) > 2 * 2**14
    assert found[0].same_as(found[1])
    assert found[0].same_as(found[2])


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.01")
    with pytest.raises(
        MemoryBudgetError,
        match=r"^a tree grown to level 17 of 60 \(to be streamed it needs no room\) needs 0.01\d* GiB",
    ):
        Ones(60).tree()
    with pytest.raises(
        MemoryBudgetError, match=r"^a tree grown to level 10 of 60 \(to be streamed .*\) needs 0.01\d* GiB"
    ):
        Wide(60).tree()


def test_instances_are_saved_with_their_parameters(tmp_path):
    path = tmp_path / "ones.safetensors"
    instance = Ones(4).instance(perturbation="random-sign", epsilon="0.5/T", seed=3)
    instance.save(path)
    assert load(path).same_as(instance)
    assert instance.title == (
        "Ones(horizon=4, up=0.3, ratio=1.5, tilt=1.4, form=tree, perturbation=random-sign, epsilon=0.5/T)"
    )
    assert instance.audit.bellman_error == pytest.approx(0.125, abs=1e-12)
