import numpy as np
import pytest

from treesim import REWARDS, RewardError, SpecError, Tree, family, optimal_twist, unroll
from treesim.instances.rewards import Additive, Gaussian, RightSteps, Sparse
from treesim.runtime.seeds import Stream, generator
from treesim.spec import parse

TREE = Tree.complete(2, 12)


def test_gaussian_rewards_have_their_moments():
    # 4096 normals: mean and deviation within 0.1 of 0 and 1 at six sigma.
    r = 0.5 * Gaussian(beta=0.5).log_reward(TREE, seed=0)
    assert abs(r.mean()) < 0.1
    assert abs(r.std() - 1) < 0.1


def test_sparse_rewards_have_their_share_and_floor():
    phi = np.exp(Sparse(share=0.25, floor=0.01).log_reward(TREE, seed=0))
    assert set(phi.round(12)) == {0.01, 1.0}
    assert abs((phi == 1).mean() - 0.25) < 0.05


def test_a_share_too_small_for_any_leaf_still_rewards_one_that_can_be_reached():
    tree = Tree.complete(2, 2, policy=[0.0, 1.0])
    log_reward = Sparse(share=1e-12).log_reward(tree, seed=0)
    assert log_reward.tolist() == [-np.inf, -np.inf, -np.inf, 0.0]
    assert np.exp(optimal_twist(tree, log_reward).log()[0]) == 1.0


def test_additive_rewards_share_the_scores_of_common_prefixes():
    score = 2.0 * Additive(beta=2.0).log_reward(TREE, seed=1)
    siblings, strangers = score.reshape(-1, 2), score.reshape(2, -1).T
    # 12 scores of variance 1 on a path; siblings share 11 of them, leaves of the two halves none.
    assert np.var(siblings[:, 0] - siblings[:, 1]) == pytest.approx(2.0, rel=0.3)
    assert np.var(strangers[:, 0] - strangers[:, 1]) > 8.0


def test_right_steps_mark_the_number_asked_for_at_every_node():
    tree = Tree.complete(4, 3)
    wrong = -RightSteps(right=2, penalty=np.e).log_reward(tree, seed=0).round(9)
    assert [int((wrong == k).sum()) for k in range(4)] == [8, 24, 24, 8]
    marks = np.bincount(np.flatnonzero(wrong == 0) // 16, minlength=4)
    assert sorted(marks) == [0, 0, 4, 4]
    assert (RightSteps(right=9).log_reward(tree, seed=0) == 0).all()


@pytest.mark.parametrize("right", [1, 2, 3])
def test_right_steps_of_families_of_any_size_are_the_smallest_tickets(right):
    ptr = np.array([0, 3, 4, 9, 11, 12, 14, 17, 21, 22, 23, 26, 27])
    tree = Tree(np.array([0, 1, 4, 12, 28]), ptr, np.repeat(1 / np.diff(ptr), np.diff(ptr)))
    wrong = np.zeros(1)
    for t in range(tree.horizon):
        ticket, below = iter(generator(0, Stream.REWARD, t).random(tree.n_level(t + 1))), []
        for before, degree in zip(wrong, np.diff(tree.layer(t).ptr), strict=True):
            family_tickets = [next(ticket) for _ in range(degree)]
            below += [before + (x not in sorted(family_tickets)[:right]) for x in family_tickets]
        wrong = np.array(below)
    found = RightSteps(right=right, penalty=np.e).log_reward(tree, seed=0)
    np.testing.assert_array_equal(-found, wrong)


def test_given_rewards_are_read_from_text_and_npy(tmp_path):
    np.save(tmp_path / "r.npy", [1.0, 0.0, 2.0, 4.0])
    (tmp_path / "r.txt").write_text("0\n-inf\n0.5\n1\n")
    linear = family("uniform", horizon=2, reward=f"given:file={tmp_path / 'r.npy'}")
    np.testing.assert_allclose(linear.reward.to_float(), [1, 0, 2, 4])
    logs = family("uniform", horizon=2, reward=f"given:file={tmp_path / 'r.txt'},scale=log")
    np.testing.assert_allclose(logs.log_reward, [0, -np.inf, 0.5, 1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n2\n", "log reward has shape"),
        ("1\n-2\n3\n4\n", "reward of leaf 1 is -2.0"),
        ("1\nnan\n3\n4\n", "reward of leaf 1 is nan"),
        ("one\n", "cannot read rewards"),
    ],
)
def test_bad_given_rewards_are_refused(content, message, tmp_path):
    (tmp_path / "r.txt").write_text(content)
    with pytest.raises(RewardError, match=message):
        family("uniform", horizon=2, reward=f"given:file={tmp_path / 'r.txt'}")


def test_a_missing_reward_file_is_named():
    with pytest.raises(RewardError, match=r"nowhere\.npy does not exist"):
        family("uniform", horizon=2, reward="given:file=nowhere.npy")


@pytest.mark.parametrize(
    "spec", ["gaussian:beta=0", "sparse:share=2", "sparse:floor=-1", "additive:beta=nan", "right-steps:penalty=0.5"]
)
def test_parameters_out_of_range_are_refused(spec):
    with pytest.raises((SpecError, RewardError), match="expected"):
        parse(spec, REWARDS, "reward")


@pytest.mark.parametrize(
    "spec", ["additive:beta=0.7", "right-steps:right=1,penalty=7", "power:alpha=2", "power:alpha=0"]
)
def test_rewards_of_steps_are_potentials_on_a_trellis_and_add_up_on_its_tree(spec):
    instance = family("markov", horizon=4, states=3, reward=spec, seed=4)
    graph = instance.graph
    assert (instance.log_reward == 0).all()
    added = np.zeros(1)
    for t, edges in enumerate(_edges_by_level(graph)):
        added = np.repeat(added, np.diff(graph.layer(t).ptr)[_starts(graph, t)]) + graph.potential(t).log()[edges]
    np.testing.assert_allclose(unroll(instance).log_reward, added, rtol=1e-12, atol=1e-12)
    assert np.ptp(added) > 1.0


def _starts(graph, t):
    """The node of level t that each path of t steps is at, in the order of the unrolled tree."""
    at = np.zeros(1, np.int64)
    for u in range(t):
        at = graph.layer(u).ends(graph.layer(u).edges_of(at))
    return at


def _edges_by_level(graph):
    return [graph.layer(t).edges_of(_starts(graph, t)) for t in range(graph.horizon)]


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_the_power_target_is_the_power_of_pi_ref(alpha):
    for name, size in (("markov", {"states": 3}), ("dirichlet", {"branching": 3})):
        instance = family(name, horizon=4, reward=f"power:alpha={alpha}", seed=1, **size)
        tree = unroll(instance)
        reference = tree.reference.prob.to_float()
        np.testing.assert_allclose(tree.target.prob.to_float(), reference**alpha / (reference**alpha).sum(), rtol=1e-12)
        assert instance.audit.log_partition == pytest.approx(np.log((reference**alpha).sum()), abs=1e-12)


def test_where_pi_ref_never_goes_no_power_goes():
    tree = Tree.complete(2, 2, policy=[0.0, 1.0])
    for alpha in (0.0, 3.0):
        assert parse(f"power:alpha={alpha}", REWARDS, "reward").log_reward(tree, 0).tolist() == [0.0] * 4


def test_rewards_of_steps_are_read_from_a_file(tmp_path):
    path = tmp_path / "steps.txt"
    path.write_text("\n".join(str(number) for number in [0.5, -1.0, 1.0, 2.0, 3.0, "-inf"]))
    tree = family("uniform", horizon=2, reward=f"process:file={path},beta=2")
    np.testing.assert_allclose(tree.log_reward, [0.75, 1.25, 1.0, -np.inf])
    chain = family("markov", horizon=2, states=2, reward=f"process:file={path},beta=2")
    np.testing.assert_allclose(unroll(chain).log_reward, tree.log_reward)
    path.write_text("1\n2\n")
    for name in ("uniform", "markov"):
        with pytest.raises(RewardError, match="has 2 rewards of steps, expected one for each of"):
            family(name, horizon=2, reward=f"process:file={path}")
    path.write_text("1\n2\n3\nnan\n5\n6\n")
    with pytest.raises(RewardError, match="reward of edge 3 is nan, expected a number or -inf"):
        family("uniform", horizon=2, reward=f"process:file={path}")


def test_the_bits_of_rewards_on_trees_are_as_they_were():
    """Known since before trellises had them."""
    found = family("uniform", horizon=3, reward="additive:beta=3", seed=5).log_reward
    score = np.zeros(1)
    for t in range(3):
        score = np.repeat(score, 2)
        score += generator(5, Stream.REWARD, t).standard_normal(len(score))
    assert np.array_equal(found, (score / 3.0)) or np.allclose(found, score / 3.0, rtol=1e-15)
