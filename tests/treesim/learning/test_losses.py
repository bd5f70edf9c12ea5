"""Losses and their slopes: against rationals, finite differences, and what each is the minimum of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from treesim import Instance, LearningError, Scaled, SpecError, Tree, family, optimal_twist, unroll
from treesim.learning import LOSSES, exact_visits, sampled_visits
from treesim.learning.losses import Lesson
from treesim.spec import parse
from treesim.testing.strategies import problems, tame_numbers

SPECS = (
    "ctl", "poisson", "sixo", "soft-rl:gradient=full", "path-consistency", "returns", "log-returns", "cross-entropy",
    "nado", "nado:penalty=7", "step",
)  # fmt: skip


def instance_of(tree: Tree, reward) -> Instance:
    return Instance(tree, optimal_twist(tree, Scaled.from_float(reward)))


def small() -> Instance:
    """Rewards in (0, 1], prefixes that pi_ref never reaches, nodes of one and of three children."""
    tree = Tree.random(4, 3, seed=5)
    prob = tree.edge_prob.copy()
    first = next(v for v in range(4, 20) if tree.edge_ptr[v + 1] - tree.edge_ptr[v] == 2)
    prob[tree.edge_ptr[first] : tree.edge_ptr[first + 1]] = [0.0, 1.0]
    tree = Tree(tree.level_ptr, tree.edge_ptr, prob)
    return instance_of(tree, np.random.default_rng(3).uniform(0.05, 1.0, tree.n_leaves))


def lessons() -> dict[str, Lesson]:
    chain = family("counting-chain", horizon=5, growth="threshold")
    return {
        "tree": Lesson(small(), exact_visits(small())),
        "tree, target": Lesson(small(), exact_visits(small(), "target")),
        "trellis": Lesson(chain, exact_visits(chain)),
        "trellis, target": Lesson(chain, exact_visits(chain, "target")),
        "paths": Lesson(small(), sampled_visits(small(), 50, seed=1)),
        "trellis, paths of the target": Lesson(chain, sampled_visits(chain, 50, "target", seed=1)),
    }


@given(problems(tame_numbers), st.integers(0, 2**32))
@settings(max_examples=60)
def test_slopes_are_the_rational_ones(problem, seed):
    tree, reward = problem
    if tree.horizon < 2:
        return
    instance = instance_of(tree, reward / reward.max())
    u = np.exp(np.random.default_rng(seed).normal(size=tree.leaves.start - 1))
    expected = naive.slopes(tree, naive.fractions(instance.reward.to_float()), naive.fractions(u))
    lesson = Lesson(instance, exact_visits(instance))
    for name, slope in expected.items():
        _, found = LOSSES[name]().slope(lesson, np.log(u))
        np.testing.assert_allclose(found, [float(each) for each in slope], rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("spec", SPECS)
def test_slopes_are_those_of_the_loss(spec):
    loss = parse(spec, LOSSES, "loss")
    for name, lesson in lessons().items():
        rng = np.random.default_rng(8)
        x = rng.normal(size=len(lesson.visits.reference)) * 0.7
        _, slope = loss.slope(lesson, x)
        assert np.abs(slope).max() > 1e-3, name
        for direction in rng.normal(size=(3, len(x))):
            step = 1e-5 * direction
            rise = loss.slope(lesson, x + step)[0] - loss.slope(lesson, x - step)[0]
            assert rise / 2 == pytest.approx(float(slope @ step), rel=2e-6, abs=1e-13), name


def test_a_held_target_has_half_of_the_whole_slope():
    lesson = lessons()["tree"]
    x = np.random.default_rng(1).normal(size=len(lesson.visits.reference))
    stopped, whole = (parse(f"soft-rl:gradient={how}", LOSSES, "loss").slope(lesson, x) for how in ("stop", "full"))
    assert stopped[0] == whole[0]
    # Where nothing learned lies ahead, at level T - 1, they differ by nothing of their own.
    ahead = lesson.ahead(x)
    np.testing.assert_allclose(
        stopped[1], lesson.visits.reference * np.where(lesson.visits.reference > 0, x - ahead, 0)
    )
    assert not np.allclose(stopped[1], whole[1])


@pytest.mark.parametrize("paths", ["reference", "target"])
def test_path_consistency_is_the_variance_over_all_paths(paths):
    instance = small()
    tree, lesson = instance.graph, Lesson(small(), exact_visits(small(), paths))
    x = np.random.default_rng(4).normal(size=len(lesson.visits.reference))
    gap = lesson.ahead(x) - x
    law = (instance.reference if paths == "reference" else instance.target).prob.to_float()
    sums = np.array([gap[np.array(tree.path(leaf))[1:-1] - 1].sum() for leaf in range(tree.n_leaves)])
    sums = np.where(law > 0, sums, 0.0)
    expected = law @ (sums - law @ sums) ** 2 / 2
    assert LOSSES["path-consistency"]().slope(lesson, x)[0] == pytest.approx(expected, rel=1e-12)


def test_step_is_the_divergence_of_guidance_up_to_a_constant():
    instance = small()
    lesson = Lesson(instance, exact_visits(instance))
    loss, rng, found = LOSSES["step"](), np.random.default_rng(0), []
    for _ in range(3):
        x = rng.normal(size=len(lesson.visits.reference))
        value = instance.twist.log().copy()
        value[1 : instance.graph.leaves.start] = x + instance.audit.log_partition
        guided = Instance(instance.graph, Scaled.from_log(value)).guidance
        found.append(loss.slope(lesson, x)[0] - guided.kl_target_to_guided)
    assert found == pytest.approx([found[0]] * 3, rel=1e-11)


@pytest.mark.parametrize("spec", [*SPECS, "soft-rl"])
def test_a_tree_and_its_trellis_have_one_loss(spec):
    loss, trellis = parse(spec, LOSSES, "loss"), family("counting-chain", horizon=4, growth="threshold")
    tree = unroll(trellis)
    number = {row: i for i, row in enumerate(trellis.value.log().tolist())}
    x = np.random.default_rng(2).normal(size=trellis.graph.n_nodes)
    # Nodes of a tree by the node they stand for: `unroll` goes through the edges of the trellis in order.
    rows = [np.zeros(1, int)]
    for t in range(4):
        layer = trellis.graph.layer(t)
        rows.append(np.concatenate([layer.child[layer.ptr[v] : layer.ptr[v + 1]] for v in rows[-1]]))
    at = np.concatenate([trellis.graph.level_ptr[t] + row for t, row in enumerate(rows)])
    assert len(number) > 5 and trellis.value[at].equals(tree.value)
    values = []
    for instance, numbers in ((trellis, x), (tree, x[at])):
        lesson = Lesson(instance, exact_visits(instance, "target"))
        values.append(loss.slope(lesson, numbers[1 : instance.graph.leaves.start])[0])
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_visits_of_simulated_paths_go_to_the_exact_ones():
    instance, n = small(), 40_000
    exact = exact_visits(instance)
    drawn = {paths: sampled_visits(instance, n, paths, seed=2) for paths in ("reference", "target")}
    # Six standard deviations of a share, and 70 shares: a false alarm of 1.4e-7.
    for found, expected in ((drawn["reference"].reference, exact.reference), (drawn["target"].target, exact.target)):
        assert (np.abs(found - expected) <= 6 * np.sqrt(expected * (1 - expected) / n) + 1e-15).all()
    weighted = drawn["reference"]
    assert 0 < abs(weighted.log_partition - exact.log_partition) < 0.02
    np.testing.assert_allclose(weighted.target, exact.target, atol=0.01)
    assert drawn["target"].reference.tolist() == exact.reference.tolist()
    assert drawn["target"].log_partition == exact.log_partition
    for each in (*drawn.values(), exact):
        for share in (each.reference, each.target):
            for t in range(1, 4):
                level = instance.graph.level(t)
                assert share[level.start - 1 : level.stop - 1].sum() == pytest.approx(1.0)
    assert sampled_visits(instance, 30, seed=1).reference.tolist() != sampled_visits(instance, 30).reference.tolist()


def test_log_returns_are_means_over_paths():
    instance = small()
    law, log_reward = instance.reference.prob.to_float(), instance.log_reward
    found = Lesson(instance, exact_visits(instance)).log_returns
    for v in range(1, instance.graph.leaves.start):
        below = [leaf for leaf in range(instance.graph.n_leaves) if v in instance.graph.path(leaf)]
        expected = law[below] @ (log_reward[below] - instance.audit.log_partition)
        assert found[v - 1] == pytest.approx(expected, rel=1e-11, abs=1e-14)
    paths = sampled_visits(instance, 20_000, "target", seed=3)
    np.testing.assert_allclose(
        Lesson(instance, paths).log_returns, Lesson(instance, exact_visits(instance, "target")).log_returns, atol=0.02
    )


def test_what_a_loss_cannot_mean_is_said():
    with np.errstate(divide="ignore"):
        tree = Tree.complete(2, 3)
        sparse = Instance(tree, optimal_twist(tree, np.log([0.0, 0, 1, 0, 0, 0, 0, 2])))
    for spec in ("soft-rl", "soft-rl:gradient=full", "path-consistency"):
        with pytest.raises(LearningError, match=r"and after node 3 \(level 2, prefix 0-0\) every reward is zero"):
            parse(spec, LOSSES, "loss").check(Lesson(sparse, exact_visits(sparse)))
        # The target never comes there.
        parse(spec, LOSSES, "loss").check(Lesson(sparse, exact_visits(sparse, "target")))
    with pytest.raises(LearningError, match="'log-returns' takes logs of rewards, and some that training comes to"):
        parse("log-returns", LOSSES, "loss").check(Lesson(sparse, exact_visits(sparse)))
    for name in ("cross-entropy", "nado"):
        with pytest.raises(LearningError, match=f"loss '{name}' reads rewards as probabilities, and the largest is 2,"):
            parse(name, LOSSES, "loss").check(Lesson(sparse, exact_visits(sparse)))
    barren = instance_of(tree, [0, 0, 0, 0, 0, 0, 0, 1.0])
    with pytest.raises(LearningError, match="none of 2 paths from pi_ref has a reward above zero"):
        sampled_visits(barren, 2, seed=0)
    with pytest.raises(SpecError, match="paths is 'both', expected one of"):
        exact_visits(barren, "both")
    with pytest.raises(SpecError, match=r"penalty is -1.0, expected at least 0"):
        parse("nado:penalty=-1", LOSSES, "loss")
    with pytest.raises(SpecError, match="gradient is 'half', expected one of: stop, full"):
        parse("soft-rl:gradient=half", LOSSES, "loss")
