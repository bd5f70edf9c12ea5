"""Names come back as they were, and no two become one."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim.errors import TreesimError
from treesim.instances.names import decoded_names, distinct, encoded_names, is_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NAMES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)


def typed(name):
    """A name with the types of all its parts, so that 1 is not True."""
    return (tuple, tuple(map(typed, name))) if isinstance(name, tuple) else (type(name), name)


@given(st.lists(NAMES, max_size=12))
def test_names_survive_json_with_their_types(names):
    table, place = encoded_names(names)
    back = decoded_names(json.loads(json.dumps(table)), place)
    assert list(map(typed, back)) == list(map(typed, names))


def test_numpy_names_are_plain_ones():
    assert encoded_names([np.int64(3), np.str_("a"), np.float64(0.5), np.bool_(True)])[0] == [3, "a", 0.5, True]


def test_names_of_other_kinds_become_text_and_are_told(caplog):
    assert encoded_names([frozenset("a"), "b", float("nan")])[0] == ["frozenset({'a'})", "b", "nan"]
    assert caplog.messages == ["the name frozenset({'a'}) is a frozenset, and 1 more: a file keeps it as text"]


def test_a_lone_surrogate_is_no_text():
    assert not is_text(("a", "\ud800")) and is_text(("a", "é", 3))
    with pytest.raises(TreesimError, match=r"'\\ud800' is no text that a file can hold"):
        encoded_names(["\ud800"])


def test_a_name_is_written_once():
    table, place = encoded_names([("a", "b"), None, tuple("ab"), "x", None])
    assert table == [{"tuple": ["a", "b"]}, "x"]
    assert place.tolist() == [0, -1, 0, 1, -1]


@pytest.mark.parametrize(
    "item", [None, ["a"], {"bytes": "xy"}, {"tuple": "ab"}, {"tuple": [], "bytes": ""}, {"float": "nan"}, {"odd": 1}]
)
def test_what_no_file_of_ours_holds_is_refused(item):
    with pytest.raises(TreesimError, match=r"a name is .*, expected text, a number or a tagged name"):
        decoded_names([item], np.zeros(1, np.int32))


@pytest.mark.parametrize("place", [-2, 1, 2**31 - 1])
def test_a_name_that_is_not_in_the_table_is_refused(place):
    with pytest.raises(TreesimError, match="node_name holds a number that is not from -1 to 0"):
        decoded_names(["a"], np.array([place], np.int32))


@given(st.lists(st.sampled_from(["a", "a@1", "a@1.2", "b", 1, "1", " "]), max_size=12), st.sampled_from([str, None]))
def test_written_names_are_distinct_and_unique_ones_stay(names, wanted):
    written = distinct(names, [1] * len(names), wanted or (lambda name: name))
    assert len(set(written)) == len(names)
    assert all(
        form == name for name, form in zip(names, written, strict=True) if names.count(name) == 1 and name != 1
    )  # fmt: skip


def test_numbers_that_names_have_already_are_passed_over():
    assert distinct(["a", "a", "a@1", "a@1.2"], [1] * 4, lambda name: name) == ["a@1.3", "a@1.4", "a@1", "a@1.2"]
