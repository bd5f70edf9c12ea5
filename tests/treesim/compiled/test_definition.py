import math
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.treesim.compiled.trees import Ones, Scrambled, Written
from treesim import RewardError, SpecError, TreeError, compiled_tree


def define(children, reward=lambda self, state: 1.0, root=0, **more):
    """A tree of these methods."""
    body = {
        "__annotations__": {"horizon": int}, "horizon": 3, "root": lambda self: root, "children": children,
        "reward": reward, **more,
    }  # fmt: skip
    return compiled_tree(type("Mine", (), body))


def halves(self, state):
    return (state, state + 1), (0.5, 0.5)


def test_the_methods_work_as_they_are_written():
    assert Ones(up=0.25).children(3) == ((3, 4), (0.75, 0.25))
    assert Ones(ratio=2.0).reward(3) == 8.0
    assert repr(Ones(2)) == "Ones(horizon=2, up=0.3, ratio=1.5, tilt=1.4)"


def test_trees_are_copied_by_pickle():
    assert pickle.loads(pickle.dumps(Scrambled(seed=3))) == Scrambled(seed=3)


def test_a_whole_number_for_a_float_is_one():
    assert Ones(4, ratio=2).tree().same_as(Ones(4, ratio=2.0).tree())
    assert type(Ones(4, ratio=2).compiled.fields[2]) is float


def test_fields_may_be_arrays():
    @compiled_tree
    class Table:
        prob: np.ndarray
        horizon: int = 2

        def root(self):
            return 0

        def children(self, state):
            return (0, 1), (self.prob[state, 0], self.prob[state, 1])

        def reward(self, state):
            return 1.0 + state

    chain = Table(np.array([[0.75, 0.25], [0.5, 0.5]]))
    assert chain.tree().layer(1).prob.tolist() == [0.75, 0.25, 0.5, 0.5]
    assert chain.parameters()["prob"] == "float64[2, 2]"
    with pytest.raises(SpecError, match="index is out of bounds"):
        Table(np.array([[0.75, 0.25]])).tree()
    with pytest.raises(SpecError, match="prob of Table is an array of <U1, expected numbers"):
        Table(np.array(["a"])).tree()


@pytest.mark.parametrize(
    "kind, message",
    [
        (type("Mine", (), {"root": halves, "children": halves}), "Mine has no method 'reward'"),
        (type("Mine", (), {"root": halves, "children": halves, "reward": halves}), "Mine has no field 'horizon'"),
        (halves, "compiled_tree is for classes"),
    ],
)
def test_what_lacks_a_part_is_told(kind, message):
    with pytest.raises(SpecError, match=message):
        compiled_tree(kind)


@pytest.mark.parametrize(
    "tree, message",
    [
        (define(lambda self, state: state), r"children \(test_definition.py, line \d+\) returns int64, expected \(st"),
        (define(lambda self, state: ((1, 2), (0.5, 1j))), r"probabilities Tuple\(float64, .*\), expected floats"),
        (define(lambda self, state: ((1.0, 2.0), (0.5, 0.5))), r"states UniTuple\(float64 x 2\), expected .* of int64"),
        (define(lambda self, state: ((1, 2.0), (0.5, 0.5))), r"returns states Tuple\(.*\), expected"),
        (define(lambda self, state: ((1, 2, 3), (0.5, 0.5))), "returns 3 states and 2 probabilities, expected as many"),
        (define(lambda self, state: ((state,), (self.missing,))), r"does not compile: Unknown attribute 'missing'"),
        (define(lambda self, state: ((state,), (undefined(state),))), "does not compile: .*'undefined'"),  # noqa: F821
        (define(lambda self: ((0,), (1.0,))), "does not compile: .*"),
        (define(halves, lambda self, state: (1.0, 2.0)), r"reward \(.*\) returns UniTuple\(float64 x 2\), exp"),
        (define(halves, lambda self, state: None), r"reward .* returns none, expected a number"),
        (define(halves, value=lambda self, state: 1j), r"value .* returns complex128, expected a number"),
        (define(halves, root="a"), "root is 'a', expected a number or a tuple of numbers"),
        (define(halves, root=()), r"root is \(\), expected a number or a tuple of numbers"),
        (define(halves, root=True), "root is True, expected a number"),
        (define(halves, root=2**70), "beyond 64 bits"),
        (define(halves, horizon=0), "horizon is 0, expected at least 1"),
        (define(halves, horizon=2.5), r"horizon (of Mine )?is 2.5, expected a whole number"),
    ],
)  # fmt: skip
def test_functions_that_do_not_do_are_told_in_one_line(tree, message):
    for use in (tree().tree, tree().trellis, tree().stream, tree().instance):
        with pytest.raises(SpecError, match=message) as raised:
            use()
        assert "\n" not in str(raised.value)


def test_errors_in_a_root_say_where():
    @compiled_tree
    class Bad:
        horizon: int = 2

        def root(self):
            return 1 // 0

        children = halves
        reward = halves

    with pytest.raises(SpecError, match=r"Bad.root failed: ZeroDivisionError: .* \(test_definition.py, line \d+\)"):
        Bad().tree()


def test_what_is_a_number_of_the_kind_is_taken_as_one():
    """Constants, whole numbers for floats, and truth values for whole numbers."""
    tree = define(lambda self, state: ((0, state + 1, state > 1), (1, 0.0, 0)))()
    assert tree.tree().layer(2).prob.tolist() == [1.0]
    tree = define(lambda self, state: ((1, state * 0.5), (0.25, 0.75)), lambda self, state: state > 0.6, root=1.0)()
    # Of all ends only a 1 is above 0.6, in the last step.
    assert tree.instance().audit.log_partition == pytest.approx(math.log(0.25), abs=1e-14)


@compiled_tree
class Odd:
    """Whatever is asked for, in one class: compiling takes longer than all else."""

    horizon: int = 4
    first: float = 0.5
    second: float = 0.5
    divisor: float = 1.0
    reward_of_2: float = 1.0
    value_of_2: float = 1.0
    others: float = 1.0

    def root(self):
        return 0

    def children(self, state):
        return (state, state + 1), (self.first / self.divisor, self.second)

    def reward(self, state):
        return self.reward_of_2 if state == 2 else self.others

    def value(self, state):
        return self.value_of_2 if state == 2 else 1.0


def uses(tree):
    """All that looks at probabilities."""
    return tree.tree, tree.trellis, lambda: tree.stream(subtrees=1), lambda: tree.stream(subtrees=3)


@pytest.mark.parametrize(
    "first, second, message",
    [
        (0.5, 0.4, "sum to 0.9, expected 1; divide them by their sum"),
        (1.5, -0.5, "contain -0.5, expected 0 or numbers from 1e-150 to 1"),
        (np.nan, 0.5, "sum to nan, expected 1"),
        (1.0, 1e-200, "contain 1e-200, expected 0 or numbers from 1e-150 to 1"),
        (0.0, 0.0, "sum to 0, expected 1"),
    ],
)
def test_odd_probabilities_are_told_with_their_state(first, second, message):
    for use in uses(Odd(first=first, second=second)):
        with pytest.raises(TreeError, match=rf"^probabilities of state 0( \(level 0\))? {message}"):
            use()


def test_errors_in_functions_are_told_in_one_line():
    for use in uses(Odd(divisor=0.0)):
        with pytest.raises(SpecError, match=r"^a function of the tree failed: ZeroDivisionError: division by zero"):
            use()


def test_states_without_a_probability_are_told():
    tree = define(lambda self, state: (np.zeros(2, np.int64), np.ones(1)))(horizon=4)
    for use in uses(tree):
        with pytest.raises(TreeError, match=r"state 0( \(level 0\))? has 2 states and 1 probabilities of children"):
            use()


@pytest.mark.parametrize("odd", [-1.0, np.nan, np.inf, 1e-160, 1e200])
@pytest.mark.parametrize("what", ["reward", "value"])
def test_odd_rewards_and_values_are_told_with_their_state(odd, what):
    tree, said = Odd(**{f"{what}_of_2": odd}), re.escape(f"{odd:g}")
    for use in (tree.instance, lambda: tree.stream(subtrees=1), lambda: tree.stream(subtrees=3)):
        with pytest.raises(RewardError, match=rf"^{what} of state 2( \(level \d\))? is {said}, expected 0 or a n"):
            use()


def test_a_reward_of_zero_everywhere_is_told():
    nothing = Odd(reward_of_2=0.0, others=0.0)
    for use in (lambda: nothing.instance(perturbation="exact"), nothing.stream, lambda: nothing.stream(subtrees=1)):
        with pytest.raises(RewardError, match="the reward is zero at every leaf"):
            use()


def test_rewards_that_floats_would_lose_are_told():
    with pytest.raises(RewardError, match=r"the reward is 3e-227 in expectation, expected at least 1e-200; multiply"):
        Odd(horizon=3, first=1.0 - 1e-76, second=1e-76, others=0.0, reward_of_2=1e-75).stream()


def test_tuples_are_states():
    assert Written().compiled.root == (0, 1.0)
    with pytest.raises(SpecError, match="weight of Written is 'abc', expected a number"):
        Written(weight="abc").tree()


MINE = """
import treesim
from beside import SHARE

@treesim.compiled_tree
class Mine:
    horizon: int = 2
    def root(self):
        return 0
    def children(self, state):
        return (state, state + 1), (SHARE, 1.0 - SHARE)
    def reward(self, state):
        return 1.0

print(Mine().tree().layer(0).prob[0])
"""


def test_machine_code_is_kept_and_forgotten_when_what_it_holds_changes(tmp_path):
    script, beside, kept = tmp_path / "mine.py", tmp_path / "beside.py", tmp_path / "cache"
    script.write_text(MINE)

    def run(share):
        beside.write_text(f"SHARE = {share}\n")
        settings = {**os.environ, "NUMBA_CACHE_DIR": str(kept), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, script], env=settings, capture_output=True, text=True, check=True)
        return float(done.stdout), {path.name for path in kept.rglob("*grow_level*.nbc")}

    first, files = run(0.25)
    again, files_again = run(0.25)
    assert first == again == 0.25
    assert len(files) == 1
    assert files_again == files
    other, files_other = run(0.75)
    assert other == 0.75
    assert len(files_other) == 2
