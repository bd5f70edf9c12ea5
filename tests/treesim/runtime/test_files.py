"""Files written whole: links are followed, devices and pipes written through, and nothing is left where it failed."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from treesim import TreesimError
from treesim.runtime import files
from treesim.runtime.files import forget_temporaries, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(text):
    return lambda path: path.write_text(text)


def test_a_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def look(temporary):
        temporary.write_text("new")
        assert path.read_text() == "old"

    write_whole(path, look)
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "cannot write .*a.txt: No space left on device"),
        (OSError("13 requested and 0 written"), "cannot write .*a.txt: 13 requested and 0 written"),
        (Exception("Error while serializing: I/O error: No space left on device"), "No space left on device"),
    ],
)
def test_what_fails_leaves_all_as_it_was(tmp_path, error, message):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("ne")
        raise error

    with pytest.raises(TreesimError, match=message):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]
    assert not files._temporaries


def test_a_mistake_is_no_trouble_with_files(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "a.txt", lambda _: 1 / 0)
    assert names(tmp_path) == []


def test_links_are_followed_and_stay(tmp_path):
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "target.txt"
    target.write_text("old")
    link, second = tmp_path / "link.txt", tmp_path / "second.txt"
    link.symlink_to("there/target.txt")
    second.symlink_to("link.txt")
    write_whole(second, write("new"))
    assert target.read_text() == "new"
    assert link.is_symlink() and second.is_symlink() and not target.is_symlink()
    assert names(tmp_path / "there") == ["target.txt"]


def test_a_link_to_what_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "link.txt").symlink_to("target.txt")
    write_whole(tmp_path / "link.txt", write("new"))
    assert (tmp_path / "target.txt").read_text() == "new"
    assert (tmp_path / "link.txt").is_symlink()


def test_links_that_lead_nowhere_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("none/c")
    for name in "ac":
        with pytest.raises(TreesimError, match="cannot write"):
            write_whole(tmp_path / name, write("new"))
    assert names(tmp_path) == ["a", "b", "c"]


def test_folders_are_refused(tmp_path):
    with pytest.raises(TreesimError, match="it is a folder"):
        write_whole(tmp_path, write("new"))
    with pytest.raises(TreesimError, match="cannot write"):
        write_whole(tmp_path / "none" / "a.txt", write("new"))


def test_long_names_are_written_or_refused(tmp_path):
    write_whole(tmp_path / ("x" * 250 + ".txt"), write("new"))
    write_whole(tmp_path / ("y." + "z" * 250), write("new"))
    with pytest.raises(TreesimError, match="File name too long"):
        write_whole(tmp_path / ("x" * 300), write("new"))
    assert len(names(tmp_path)) == 2


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_written_through(pipe):
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    while True:
        try:
            write_whole(pipe, write("new" * 100_000))
            break
        except TreesimError as error:
            assert "nobody reads from it" in str(error)
    reader.join()
    assert read == ["new" * 100_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(pipe.parent) == ["pipe"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_that_nobody_reads_is_refused(pipe):
    with pytest.raises(TreesimError, match="nobody reads from it"):
        write_whole(pipe, write("new"))
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.fixture
def device(tmp_path):
    """Makes devices of our own, beside no other."""

    def make(kind, major, minor):
        path = tmp_path / "device"
        try:
            os.mknod(path, kind | 0o600, os.makedev(major, minor))
            os.close(os.open(path, os.O_WRONLY)) if stat.S_ISCHR(kind) else None
        except (AttributeError, OSError) as error:
            pytest.skip(f"devices cannot be made here: {error}")
        return path

    return make


def test_a_device_is_written_through_and_stays(device):
    null = device(stat.S_IFCHR, 1, 3)
    write_whole(null, write("new"))
    assert stat.S_ISCHR(null.stat().st_mode)
    link = null.parent / "link"
    link.symlink_to("device")
    write_whole(link, write("new"))
    assert names(null.parent) == ["device", "link"]


def test_a_full_device_is_told_and_stays(device):
    full = device(stat.S_IFCHR, 1, 7)
    with pytest.raises(TreesimError, match="No space left on device"):
        write_whole(full, write("new"))
    assert stat.S_ISCHR(full.stat().st_mode)
    assert names(full.parent) == ["device"]


def test_a_disk_is_never_written_to(device):
    # A number that no disk has.
    with pytest.raises(TreesimError, match="it is a disk"):
        write_whole(device(stat.S_IFBLK, 240, 77), write("new"))


def test_an_open_file_without_a_name_is_written_through(tmp_path):
    path = tmp_path / "a.txt"
    with path.open("w+") as stream:
        link = Path(f"/proc/self/fd/{stream.fileno()}")
        if not link.exists():
            pytest.skip("needs links to open files")
        path.unlink()
        write_whole(link, write("new"))
        assert stream.read() == "new"
    assert names(tmp_path) == []


def test_what_is_being_written_can_be_taken_away(tmp_path):
    def end(temporary):
        temporary.write_text("half")
        forget_temporaries()
        assert names(tmp_path) == []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.txt", end)


def test_others_may_read_what_the_mask_of_the_process_allows(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", lambda path: path.write_text("x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
