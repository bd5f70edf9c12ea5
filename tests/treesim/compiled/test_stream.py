import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.treesim.compiled.trees import Ones, Scrambled, Two, Wide, Written, truth
from treesim import NoExactLaw, SpecError, TreesimError, sampler
from treesim.kernels.compiled import slot_of

BY_REWARD = (
    "base", "best-of-n:n=7", "importance:n=5", "soft-best-of-n:n=4,temperature=0.5", "race:n=3", "rejection:budget=4",
    "rejection:budget=3,slack=2,fallback=base",
)  # fmt: skip

scrambled = st.builds(
    Scrambled, horizon=st.integers(2, 6), seed=st.integers(0, 10**6), rewards=st.integers(1, 6), zeros=st.integers(0, 3)
)


def has_reward(tree) -> bool:
    states = {tree.root()}
    for _ in range(tree.horizon):
        states = {s for state in states for s, p in zip(*tree.children(state), strict=True) if p > 0}
    return any(tree.reward(s) > 0 for s in states)


def same_figures(found, graph, audit, guided):
    """Whether a stream says what the arrays say, to 1e-12."""
    assert (found.nodes, found.paths) == (graph.n_nodes, graph.n_leaves)
    assert found.log_partition == pytest.approx(audit.log_partition, abs=1e-12)
    for name in ("sup", "mean_reference", "mean_target"):
        assert getattr(found, name) == pytest.approx(getattr(audit, name), rel=1e-12, abs=1e-12), name
    assert found.bellman_error == pytest.approx(audit.bellman_error, rel=1e-12)
    assert found.ratio_bound == pytest.approx(audit.ratio_bound, rel=1e-12)
    assert found.guided.kind == "exact"
    assert found.tv("sp-gsmc").lo == pytest.approx(guided.lo, abs=1e-12)


@given(scrambled, st.sampled_from([1, 2, 5, 1024]))
def test_streams_and_arrays_say_the_same(tree, subtrees):
    assume(has_reward(tree))
    instance = tree.instance()
    found = tree.stream(subtrees=subtrees)
    same_figures(found, instance.graph, instance.audit, sampler("sp-gsmc").law(instance).tv(instance.target))
    for spec in BY_REWARD:
        assert found.tv(spec).lo == pytest.approx(sampler(spec).law(instance).tv(instance.target).lo, abs=1e-12), spec


@given(scrambled, st.sampled_from([1, 4]))
def test_streams_say_what_is_true_in_fractions(tree, subtrees):
    assume(has_reward(tree))
    check_truth(tree, subtrees)


@pytest.mark.parametrize("subtrees", [1, 2, 1024])
@pytest.mark.parametrize("tree", [Ones(2), Ones(7), Written(5), Written(5, jump=0.05), Wide(5), Two(4)], ids=repr)
def test_states_of_all_kinds_are_streamed(tree, subtrees):
    check_truth(tree, subtrees)


def check_truth(tree, subtrees):
    """Compare a stream with the recursion over all prefixes in fractions."""
    true, found = truth(tree), tree.stream(subtrees=subtrees)
    assert (found.nodes, found.paths) == (true.nodes, true.paths)
    assert found.log_partition == pytest.approx(math.log(true.partition), abs=found.rounding + 1e-14)
    assert found.rewards.reward.tolist() == pytest.approx(sorted(true.rewards), rel=1e-15, abs=0)
    masses = [float(true.rewards[reward]) for reward in sorted(true.rewards)]
    assert found.rewards.mass.tolist() == pytest.approx(masses, rel=1e-13, abs=0)
    if true.guided is None:
        assert (found.guided, found.sup, found.bellman_error, found.ratio_bound) == (None,) * 4
        return
    for name in ("sup", "mean_reference", "mean_target"):
        assert getattr(found, name) == pytest.approx([float(x) for x in getattr(true, name)], rel=1e-12, abs=1e-13)
    assert found.ratio_bound == pytest.approx(float(true.ratio), rel=1e-14, abs=0)
    assert found.guided.lo == pytest.approx(float(true.guided), abs=1e-13)


@pytest.mark.parametrize("subtrees", [1, 1024])
def test_millions_of_terms_lose_no_digits(subtrees):
    """Ones of a coin: Z, masses, means and L in closed form. Sums without compensation are off by 1e-11 here."""
    T, up, ratio, tilt = 22, 0.3, 1.5, 1.4
    found = Ones(T, up, ratio, tilt).stream(subtrees=subtrees)
    assert found.paths == 2**T
    assert found.log_partition == pytest.approx(T * math.log1p(up * (ratio - 1.0)), abs=T * 4 * 2.0**-53)
    masses = [float(math.comb(T, k) * Fraction(up) ** k * Fraction(1.0 - up) ** (T - k)) for k in range(T + 1)]
    assert found.rewards.mass.tolist() == pytest.approx(masses, rel=T * 2.0**-53, abs=0)
    step = (1.0 + up * (tilt - 1.0)) - 1.0
    assert found.sup[:-1] == pytest.approx(np.full(T - 1, step), rel=1e-13, abs=0)
    assert found.mean_reference[:-1] == pytest.approx(np.full(T - 1, step), rel=2e-14, abs=0)
    assert found.mean_target[:-1] == pytest.approx(np.full(T - 1, step), rel=2e-14, abs=0)
    # At the last step V^ is tilt ** k, and what is ahead of it ratio ** k.
    ahead = (1.0 - up) + up * ratio
    errors = [max(x, 1 / x) - 1.0 for x in (ahead * (ratio / tilt) ** k for k in range(T))]
    last = [math.comb(T - 1, k) * up**k * (1 - up) ** (T - 1 - k) for k in range(T)]
    guided = [m * tilt**k / (1 + up * (tilt - 1)) ** (T - 1) for k, m in enumerate(last)]
    target = [m * ratio**k / ahead ** (T - 1) for k, m in enumerate(last)]
    for found_mean, mass in ((found.mean_reference[-1], last), (found.mean_target[-1], target)):
        mean = math.fsum(a * b for a, b in zip(mass, errors, strict=True))
        assert found_mean == pytest.approx(mean, rel=2e-14, abs=0)
    gap = 0.5 * math.fsum(abs(a - b) for a, b in zip(guided, target, strict=True))
    assert found.guided.lo == pytest.approx(gap, rel=1e-13, abs=0)


def test_the_bits_do_not_depend_on_the_threads(monkeypatch):
    found = []
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("TREESIM_THREADS", threads)
        stream = Scrambled(9, seed=11).stream(subtrees=64)
        found.append((stream.document(), stream.guided, stream.rewards.mass.tolist()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("stop", [0, 3, 40, 60])
def test_what_was_interrupted_goes_on(tmp_path, stop):
    tree, path = Scrambled(8, seed=11), tmp_path / "stream.jsonl"
    whole, told = tree.stream(subtrees=32), itertools.count()

    def interrupt(text):
        if "subtrees" in text and next(told) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tree.stream(subtrees=32, journal=path, progress=interrupt)
    kept = path.read_text().splitlines()
    assert stop < len(kept) < 2 * whole_subtrees(tree) + 1
    again = tree.stream(subtrees=32, journal=path)
    lines = path.read_text().splitlines()
    assert lines[: len(kept)] == kept
    keys = [json.dumps(json.loads(line)["key"]) for line in lines[1:]]
    assert len(set(keys)) == len(keys) == 2 * whole_subtrees(tree)
    assert (again.document(), again.guided) == (whole.document(), whole.guided)
    assert again.rewards.mass.tolist() == whole.rewards.mass.tolist()
    before = path.read_text()
    tree.stream(subtrees=32, journal=path)
    assert path.read_text() == before


def whole_subtrees(tree) -> int:
    sizes = np.diff(tree.tree().level_ptr)
    return int(next(n for n in sizes if n >= 32))


def test_it_tells_what_it_does(monkeypatch):
    monkeypatch.setenv("TREESIM_THREADS", "1")
    told = []
    Ones(4).stream(subtrees=4, progress=told.append)
    assert told[0] == "compiling"
    assert [text.split(", about ")[0] for text in told[1:]] == [
        f"pass {k} of 2: {i} of 4 subtrees" for k in (1, 2) for i in range(1, 5)
    ]
    assert "left" not in told[1]
    assert told[2].endswith(" s left")
    assert told[-1] == "pass 2 of 2: 4 of 4 subtrees"


def test_a_journal_of_another_tree_is_refused(tmp_path):
    path = tmp_path / "stream.jsonl"
    Ones(6).stream(journal=path)
    for other in (Ones(6, up=0.31), Ones(7), Scrambled(6, seed=11)):
        with pytest.raises(TreesimError, match="is no journal of"):
            other.stream(journal=path)
    with pytest.raises(TreesimError, match="is no journal of"):
        Ones(6).stream(journal=path, subtrees=2)


def test_the_bound_on_rounding_knows_the_widest_node():
    """Whatever the threads, and wherever it is."""
    for subtrees in (1, 4, 1024):
        assert Wide(6).stream(subtrees=subtrees).rounding == 6 * 7 * 2.0**-53
        assert Ones(6).stream(subtrees=subtrees).rounding == 6 * 3 * 2.0**-53


def test_too_many_rewards_are_told_and_all_else_is_known():
    tree = Scrambled(6, seed=3, rewards=6)
    full, cut = tree.stream(), tree.stream(most_rewards=6)
    assert len(full.rewards.reward) == 7
    assert tree.stream(most_rewards=7).rewards.mass.tolist() == full.rewards.mass.tolist()
    assert cut.rewards is None
    assert cut.guided == full.guided
    assert cut.log_partition == full.log_partition
    with pytest.raises(NoExactLaw, match=r"too many different rewards to tell apart; raise most_rewards, or round"):
        cut.tv("best-of-n:n=2")


def test_tables_of_rewards_grow():
    """More rewards than the first table has places for, in one subtree and over many."""
    for subtrees in (1, 64):
        found = Scrambled(8, seed=3, rewards=900, zeros=0).stream(subtrees=subtrees)
        assert len(found.rewards.reward) > 500
        assert found.rewards.mass.sum() == pytest.approx(1.0, abs=1e-13)
        assert Scrambled(8, seed=3, rewards=900, zeros=0).stream(subtrees=subtrees, most_rewards=300).rewards is None


def test_samplers_that_look_at_more_than_rewards_are_refused():
    found = Ones(4).stream()
    for spec in ("smc:particles=2", "sp-gsmc:pool=2", "sp-gsmc:mh=2", "beam:width=2"):
        with pytest.raises((NoExactLaw, SpecError), match=r"depends on more than rewards|unknown sampler"):
            found.tv(spec)
    with pytest.raises(NoExactLaw, match="sp-gsmc is guided by a value, and Wide"):
        Wide(4).stream().tv("sp-gsmc")


def test_one_step_is_no_stream():
    with pytest.raises(SpecError, match="horizon is 1, expected at least 2"):
        Ones(1).stream()


def test_streams_show_what_they_found():
    found = Ones(3, ratio=1.0, tilt=1.0).stream()
    assert str(found).splitlines() == [
        "Ones(horizon=3, up=0.3, ratio=1.0, tilt=1.0)", "horizon 3, 15 nodes, 8 paths", "log Z          0",
        "rewards        1", "Bellman error  0", "ratio bound L  1", "",
        "level      sup    mean under pi_ref    mean under target",
        "-------  -----  -------------------  -------------------",
        "0            0                    0                    0",
        "1            0                    0                    0",
        "2            0                    0                    0",
    ]  # fmt: skip
    assert "Bellman" not in str(Wide(3).stream())
    assert len(repr(found)) < 400


def test_a_place_that_zero_has_is_taken():
    keys = np.full(4, -1.0)
    keys[slot_of(keys, 0.0)] = 0.0
    assert all(keys[slot_of(keys, float(number))] < 0.0 for number in range(1, 20))


def test_round_rewards_are_not_all_at_one_place():
    """Their low bits are zero: what spreads them must ask the high ones, too."""
    empty = np.full(1 << 11, -1.0)
    for numbers in (np.arange(1.0, 1001.0), 2.0 ** np.arange(-50, 50)):
        assert len({slot_of(empty, number) for number in numbers}) > len(numbers) / 2
