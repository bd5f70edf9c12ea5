"""Machine code on disk: used again as long as all that it is made of stays, and never in the way of an answer."""

import errno
import importlib.util
import sys

import pytest
from numba import config
from numba.core.caching import IndexDataCacheFile

from treesim.kernels import kernel
from treesim.kernels.machine_code import digest_of_sources

CALLER = """
from treesim.kernels import kernel
from treesim.kernels.beside import (
    moved,
)

@kernel
def doubled(x):
    return 2 * moved(x)
"""
BESIDE = """
from treesim.kernels.below import FAR
from treesim.kernels import kernel

@kernel
def moved(x):
    return x + FAR
"""


@pytest.fixture
def folder(tmp_path):
    """Files of kernels, in the way of those of treesim."""
    files = {"__init__": "# options", "caller": CALLER, "beside": BESIDE, "below": "FAR = 1\n", "other": "FAR = 1\n"}
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


@pytest.fixture
def doubled(folder, monkeypatch):
    """Makes the kernel ``doubled`` as a new process would."""
    monkeypatch.setattr(config, "CACHE_DIR", str(folder))

    def make():
        digest_of_sources.cache_clear()
        for name in ("below", "beside", "caller"):
            spec = importlib.util.spec_from_file_location(f"treesim.kernels.{name}", folder / f"{name}.py")
            module = importlib.util.module_from_spec(spec)
            exec(compile(spec.loader.get_data(spec.origin), spec.origin, "exec"), vars(module))
            monkeypatch.setitem(sys.modules, spec.name, module)
        return module.doubled

    yield make
    digest_of_sources.cache_clear()


def found(made):
    """Whether the machine code of a kernel, which was called once, came from the disk."""
    (hits,) = made.stats.cache_hits.values() or (0,)
    (misses,) = made.stats.cache_misses.values() or (0,)
    assert hits + misses == 1
    return bool(hits)


def test_it_is_used_again(doubled):
    first, again = doubled(), doubled()
    assert (first(1), found(first)) == (4, False)
    assert (again(1), found(again)) == (4, True)


@pytest.mark.parametrize(
    ("name", "old", "new", "answer"),
    [("below", "1", "10", 22), ("beside", "x +", "x -", 0), ("caller", "2 *", "3 *", 6), ("__init__", "op", "Op", 4)],
)
def test_what_it_is_made_of_counts_in_whichever_file_it_stands(folder, doubled, name, old, new, answer):
    first = doubled()
    assert first(1) == 4
    file = folder / f"{name}.py"
    text = file.read_text()
    file.write_text(text.replace(old, new))
    changed = doubled()
    assert (changed(1), found(changed)) == (answer, False)
    file.write_text(text)
    as_before = doubled()
    assert (as_before(1), found(as_before)) == (4, True)


def test_other_files_do_not_count(folder, doubled):
    first = doubled()
    assert first(1) == 4
    (folder / "other.py").write_text("FAR = 2\n")
    again = doubled()
    assert (again(1), found(again)) == (4, True)


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("rest", [0, 10, -1])
def test_damaged_files_are_made_anew(folder, doubled, kind, rest):
    assert doubled()(1) == 4
    (file,) = folder.rglob(f"caller.doubled*.{kind}")
    file.write_bytes(file.read_bytes()[:rest])
    mended, again = doubled(), doubled()
    assert (mended(1), found(mended)) == (4, False)
    assert (again(1), found(again)) == (4, True)


def test_a_full_disk_costs_no_answer(doubled, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(IndexDataCacheFile, "_save_data", full)
        first = doubled()
        assert first(1) == 4
    again = doubled()
    assert (again(1), found(again)) == (4, False)


def test_no_place_for_it_costs_no_answer():
    space = {}
    exec("def tripled(x): return 3 * x", space)
    assert kernel(space["tripled"])(2) == 6
