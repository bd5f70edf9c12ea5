import json

import numpy as np
import pytest
from hypothesis import given, settings
from safetensors.numpy import load_file, save_file

from treesim import (
    Instance,
    InstanceFileError,
    Scaled,
    Tree,
    TreesimError,
    family,
    instance_from_graph,
    load,
    save,
)
from treesim.instances import storage
from treesim.instances.storage import is_instance_file
from treesim.testing.strategies import instances


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.safetensors"
    save(family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.1, seed=7), path)
    return path


def header(path) -> dict:
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    return json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["treesim"])


def rewrite(path, change_header=None, change_arrays=None):
    """The same file with another header or other arrays, the digest left as it was."""
    document, arrays = header(path), load_file(path)
    if change_header:
        change_header(document)
    if change_arrays:
        change_arrays(arrays)
    save_file(arrays, path, metadata={"treesim": json.dumps(document)})


@given(instances())
@settings(max_examples=30)
def test_an_instance_survives_the_trip(tmp_path_factory, instance):
    path = tmp_path_factory.mktemp("trip") / "i.safetensors"
    save(instance, path)
    assert load(path).same_as(instance)


def test_the_header_says_where_the_instance_comes_from(path):
    document = header(path)
    assert document["family"] == "dirichlet"
    assert document["parameters"]["epsilon"] == 0.1
    assert document["seed"] == 7
    assert document["format"] == 2
    assert load(path).parameters == document["parameters"]


def test_the_same_command_gives_the_same_bytes(path, tmp_path):
    again = tmp_path / "b.safetensors"
    save(family("dirichlet", horizon=4, perturbation="random-sign", epsilon=0.1, seed=7), again)
    assert again.read_bytes() == path.read_bytes()


def test_strided_and_fortran_ordered_arrays_are_stored_as_they_are(tmp_path):
    tree = Tree.complete(2, 3)
    backing = np.arange(30.0).reshape(15, 2) + 1
    value = Scaled(backing[:, 1], np.zeros(30, np.int32)[::2])
    assert not value.mantissa.flags.c_contiguous
    instance = Instance(tree, value)
    save(instance, tmp_path / "s.safetensors")
    assert load(tmp_path / "s.safetensors").value.mantissa.tolist() == backing[:, 1].tolist()


def test_arrays_in_any_memory_order_are_stored_as_they_are(tmp_path):
    for array in (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(6.0)[::2], np.arange(6.0)[::-1]):
        storage._save_arrays({"x": array}, {}, tmp_path / "x.safetensors")
        assert load_file(tmp_path / "x.safetensors")["x"].tolist() == array.tolist()


def test_a_truncated_file_is_refused_at_any_length(path):
    raw = path.read_bytes()
    for length in (0, 4, 8, 50, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(InstanceFileError, match="truncated or no safetensors file"):
            load(path)


def test_a_flipped_bit_anywhere_is_noticed(path):
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in [*rng.integers(0, len(raw), 200), len(raw) - 1]:
        spoiled = bytearray(raw)
        spoiled[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(spoiled))
        with pytest.raises(InstanceFileError):
            load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=3), "has format 3, newer than the 2 that this version reads; upgrade treesim"),
        (lambda d: d.update(format="one"), "has format 'one'"),
        (lambda d: d.pop("format"), "damaged header"),
        (lambda d: d.pop("seed"), "'seed' is missing or of the wrong type"),
        (lambda d: d.pop("family"), "'family' is missing or of the wrong type"),
        (lambda d: d.update(parameters={"horizon": 99}), "edited or damaged"),
    ],
)
def test_an_edited_header_is_refused(path, change, message):
    rewrite(path, change_header=change)
    with pytest.raises(InstanceFileError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a["edge_prob"].__setitem__(0, 0.123), "edited or damaged"),
        (lambda a: a.pop("edge_prob"), "lacks the array 'edge_prob'"),
        (lambda a: a.update(more=np.zeros(2)), "has an unknown array 'more'"),
        (lambda a: a.update(edge_prob=a["edge_prob"].astype(np.float32)), "edge_prob is F32"),
        (lambda a: a.update(edge_prob=a["edge_prob"].reshape(-1, 2)), "expected one-dimensional F64"),
        (lambda a: a.update(edge_prob=a["edge_prob"][1:]), "sizes that do not fit together"),
    ],
)
def test_edited_arrays_are_refused(path, change, message):
    rewrite(path, change_arrays=change)
    with pytest.raises(InstanceFileError, match=message):
        load(path)


def resealed(path, arrays):
    """A file whose digest is right although its contents are not."""
    document = header(path)
    document.pop("sha256")
    storage._save_arrays(arrays, document, path)


def test_a_sealed_file_with_broken_invariants_is_refused(path):
    arrays = load_file(path)
    resealed(path, arrays | {"edge_prob": arrays["edge_prob"] * 0.5})
    with pytest.raises(InstanceFileError, match=r"holds no valid instance: edge probabilities of node 0 \(level 0\)"):
        load(path)
    resealed(path, arrays | {"value_mantissa": -arrays["value_mantissa"]})
    with pytest.raises(InstanceFileError, match="value of node 0"):
        load(path)
    resealed(path, arrays | {"level_ptr": np.zeros(0, np.int64)})
    with pytest.raises(InstanceFileError, match="holds no valid instance"):
        load(path)


def test_foreign_files_are_refused(tmp_path):
    other = tmp_path / "weights.safetensors"
    save_file({"w": np.zeros(3)}, other)
    with pytest.raises(InstanceFileError, match="a safetensors file of something else"):
        load(other)
    assert not is_instance_file(other)
    (tmp_path / "notes.txt").write_text("hello, this is no tensor file at all")
    with pytest.raises(InstanceFileError, match="no safetensors file"):
        load(tmp_path / "notes.txt")
    with pytest.raises(InstanceFileError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(InstanceFileError, match="is a folder"):
        load(tmp_path)


def test_a_file_beyond_the_budget_is_refused_before_it_is_read(path, monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.0000001")
    with pytest.raises(TreesimError, match="more than the budget"):
        load(path)


def test_a_write_that_fails_leaves_what_was_there(path, monkeypatch):
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "disk full")

    monkeypatch.setattr("treesim.instances.storage.save_file", full)
    with pytest.raises(TreesimError, match=r"cannot write .*disk full"):
        save(load(path), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_that_reads_back_otherwise_is_not_kept(path, monkeypatch):
    before = path.read_bytes()
    real = save_file

    def scrambling(arrays, name, metadata):
        real(arrays | {"edge_prob": arrays["edge_prob"][::-1].copy()}, name, metadata)

    monkeypatch.setattr("treesim.instances.storage.save_file", scrambling)
    with pytest.raises(TreesimError, match="edited or damaged"):
        save(load(path), path)
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(TreesimError, match=r"cannot write .*No such file or directory"):
        save(family("product", horizon=2), tmp_path / "none" / "a.safetensors")
