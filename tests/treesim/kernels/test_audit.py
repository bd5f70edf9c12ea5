"""Parents with two children are audited on vectors: as one by one."""

import numpy as np
import pytest

from treesim.kernels.audit import NOTHING_FOUND, PAIRS, audit_pairs, audit_parents, look_ahead, look_ahead_shared

PARENTS = 3 * PAIRS + 8
FROM, TO = 7, PARENTS - 2
SUMS = slice(3, 5)


def read_only(array):
    array.flags.writeable = False
    return array


class Level:
    """A level of ordinary numbers, one of which a test may change: the first parent has the largest error and ratio."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        share = rng.uniform(0.2, 0.8, PARENTS)
        self.prob = np.column_stack([share, 1 - share]).ravel()
        self.below, self.below_exp = rng.uniform(0.5, 2.0, 2 * PARENTS), np.zeros(2 * PARENTS, np.int32)
        mean = (self.prob * self.below).reshape(-1, 2).sum(axis=1)
        self.value, self.value_exp = mean * rng.uniform(0.9, 1.1, PARENTS), np.zeros(PARENTS, np.int32)
        self.value[FROM], self.below[2 * FROM], self.below[2 * FROM + 1] = 10.0, 10.0, 1.0
        self.prob[2 * FROM], self.prob[2 * FROM + 1] = 0.63, 0.37
        self.twist, self.twist_exp = mean.copy(), np.zeros(PARENTS, np.int32)
        self.reach = rng.dirichlet(np.ones(PARENTS))
        self.root_exp = np.int32(0)

    def audited(self, found=NOTHING_FOUND):
        """By pairs, and one by one."""
        layer = read_only(2 * np.arange(PARENTS + 1)), read_only(self.prob), read_only(np.empty(0, np.int32))
        below = read_only(self.below), read_only(self.below_exp)
        here = read_only(self.value), read_only(self.value_exp)
        here_twist = read_only(self.twist), read_only(self.twist_exp)
        compared = read_only(self.reach), here, here_twist, (1.25, self.root_exp)
        seen = np.empty(PARENTS), np.empty(PARENTS, np.int32), np.empty(PARENTS), np.empty(PARENTS)
        look_ahead(FROM, TO, layer, below, seen)
        expected = audit_parents(FROM, TO, layer, *compared, seen, below, found)
        room = np.empty(PAIRS), np.empty(PAIRS, np.int32), *np.empty((4, PAIRS))
        return audit_pairs(FROM, TO, layer, *compared, room, below, found), expected


def same(found, expected):
    np.testing.assert_allclose(found[SUMS], expected[SUMS], rtol=1e-13)
    assert found[:3] == expected[:3] and found[5:] == expected[5:]


@pytest.mark.parametrize("at", [FROM, FROM + PAIRS - 1, FROM + PAIRS, 2 * PAIRS + 90, TO - 1])
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("value", 0.0), ("value", 1e3), ("value", 1e-3), ("value_exp", 512), ("twist", 0.0), ("twist_exp", -512),
        ("reach", 0.0), ("below", 0.0), ("below", 100.0), ("below", 1e-2), ("below_exp", 512), ("below_exp", -512),
        ("prob", 0.0), ("prob", 1e-300),
    ],
)  # fmt: skip
def test_one_number_that_is_special(name, number, at):
    level = Level()
    for place in (2 * at, 2 * at + 1) if name in ("below", "below_exp", "prob") else (at,):
        level = Level()
        getattr(level, name)[place] = number
        found, expected = level.audited()
        same(found, expected)
        plain, _ = Level().audited()
        assert found != plain


@pytest.mark.parametrize("number", [1000.0, 0.0005])
@pytest.mark.parametrize("side", [0, 1])
def test_a_child_that_is_far_though_the_mean_is_near(side, number):
    """A rare one counts for the ratio, and one that pi_ref never draws does not."""
    at, ratios = 2 * PAIRS + 90, {}
    for rare in (1e-7, 0.0):
        level = Level()
        pair = slice(2 * at, 2 * at + 2)
        level.prob[pair] = (rare, 1 - rare)[:: 1 if side == 0 else -1]
        level.below[2 * at + side] = number
        level.value[at] = (level.prob * level.below)[pair].sum()
        found, expected = level.audited()
        same(found, expected)
        ratios[rare] = found[6]
    assert ratios[1e-7] > 10 * ratios[0.0]


@pytest.mark.parametrize("factor", [1.8, 1 / 1.8])
def test_an_error_that_is_larger_though_no_ratio_is(factor):
    level = Level()
    level.value[TO - 9] = factor * (level.prob * level.below)[2 * TO - 18 : 2 * TO - 16].sum()
    found, expected = level.audited()
    same(found, expected)
    plain, _ = Level().audited()
    assert found[0] == pytest.approx(0.8) and plain[0] == pytest.approx(0.5, abs=0.01)
    assert found[5:] == plain[5:]


def test_ordinary_numbers_and_numbers_outside():
    same(*Level().audited())
    # Those before and after the parents asked for are not looked at.
    level = Level()
    level.value[FROM - 1] = level.value[TO] = 1e9
    assert level.audited()[0] == Level().audited()[0]
    # What was found before is kept where nothing exceeds it, and added to.
    before = (5.0, 0.0, 77, 1.0, 2.0, 9.0, np.exp(9.0), 78)
    found, expected = Level().audited(before)
    same(found, expected)
    plain, _ = Level().audited()
    assert found[3] == pytest.approx(1.0 + plain[3], rel=1e-14) and found[4] == pytest.approx(2.0 + plain[4], rel=1e-14)


def test_a_root_of_another_exponent_and_values_near_the_ends_of_a_block():
    level = Level()
    level.root_exp = np.int32(512)
    same(*level.audited())
    for scale in (2.0**254.5, 2.0**-256.8):
        level = Level()
        level.below *= scale
        level.value *= scale
        level.twist *= scale
        level.below[:] = np.clip(level.below, 2.0**-257, np.nextafter(2.0**255, 0))
        same(*level.audited())


@pytest.mark.parametrize("degree", range(1, 10))
def test_edges_that_name_their_children_are_all_looked_at(degree):
    """Each of the children in turn is the least, or the most."""
    child = np.arange(degree, dtype=np.int32)[::-1].copy()
    prob = np.arange(1.0, degree + 1)
    layer = read_only(np.array([0, degree])), read_only(prob / prob.sum()), read_only(child)
    for extreme in (1e-3, 1e3):
        for at in range(degree):
            numbers = np.linspace(1.0, 2.0, degree)
            numbers[at] = extreme
            below = read_only(numbers), read_only(np.zeros(degree, np.int32))
            seen, expected = ([np.empty(1), np.empty(1, np.int32), np.empty(1), np.empty(1)] for _ in range(2))
            look_ahead_shared(0, 1, layer, below, tuple(seen))
            look_ahead(0, 1, layer, below, tuple(expected))
            assert seen[0] == pytest.approx(expected[0], rel=1e-15)
            assert [part[0] for part in seen[1:]] == [part[0] for part in expected[1:]]
            assert extreme in (seen[2][0], seen[3][0])
