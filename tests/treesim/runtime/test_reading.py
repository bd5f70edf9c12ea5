"""What cannot be read is told before it is opened."""

import logging
import os

import pytest

from treesim.errors import InstanceFileError, listed, quoted
from treesim.runtime.notes import note
from treesim.runtime.reading import exists, require_file


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    require_file(tmp_path / "link")
    for name, message in (("pipe", "is a device, pipe or socket"), ("none", "does not exist"), ("", "is a folder")):
        with pytest.raises(InstanceFileError, match=message):
            require_file(tmp_path / name, InstanceFileError)


@pytest.mark.parametrize("name", ["x" * 300, "null\0byte"])
def test_names_that_no_file_can_have_are_one_line(name, tmp_path):
    assert not exists(tmp_path / name)
    with pytest.raises(InstanceFileError, match=r"cannot read .*(too long|null)") as caught:
        require_file(tmp_path / name, InstanceFileError)
    assert "\n" not in str(caught.value)


def test_names_are_quoted_as_they_are_on_one_line():
    assert quoted(r"$\boxed{4}$") == r"'$\boxed{4}$'"
    assert quoted(("it's", b"x", None, 1.5)) == "(\"it's\", b'x', None, 1.5)"
    assert quoted("two\nlines \x1b[31m \ud800") == r"'two\nlines \x1b[31m \ud800'"
    assert quoted(10**400) == "a whole number of 1329 bits"
    assert len(quoted("x" * 10_000)) < 300
    assert listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


def test_numpy_never_shows():
    import numpy as np

    assert quoted(np.float64(0.5)) == "0.5"
    assert quoted((np.str_("a"), np.int64(3))) == "('a', 3)"


def test_notes_are_lines_of_a_logger_that_can_be_silenced(caplog):
    note("100% sure")
    assert caplog.messages == ["100% sure"]
    with caplog.at_level(logging.ERROR, "treesim"):
        note("silent")
    assert len(caplog.messages) == 1
