import json
import os
from pathlib import Path

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
    load,
    save,
)
from treesim.instances import storage
from treesim.instances.layout import check_arrays
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


def test_names_survive_with_their_types(tmp_path):
    names = ("r", ("a", 1), b"\x00\xff", 7, None, ((), ("x", b"y")), 1.5)
    tree = Tree(np.array([0, 1, 4, 7]), np.array([0, 3, 4, 5, 6]), np.array([0.5, 0.25, 0.25, 1.0, 1.0, 1.0]), names)
    save(Instance(tree, Scaled.from_float(np.ones(7))), tmp_path / "n.safetensors")
    back = load(tmp_path / "n.safetensors").graph.names
    assert back == names
    assert list(map(type, back)) == list(map(type, names))


def test_a_scorer_on_prefixes_sees_the_same_after_a_trip(tmp_path):
    tree, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], ("a", "b"), horizon=2)

    def score(prefix):
        return 2.0 ** prefix.count("a")

    save(Instance.from_scores(tree, score), tmp_path / "p.safetensors")
    loaded = load(tmp_path / "p.safetensors")
    assert Instance.from_scores(loaded.graph, score).value.equals(loaded.value)


def test_saving_again_gives_the_same_bytes(tmp_path):
    names = ("r", ("ab", 1), True, 1, tuple(t for t in ("ab", 1)), "".join(["x", "y"]), "xy")
    tree = Tree(np.array([0, 1, 4, 7]), np.array([0, 3, 4, 5, 6]), np.array([0.5, 0.25, 0.25, 1.0, 1.0, 1.0]), names)
    save(Instance(tree, Scaled.from_float(np.ones(7))), tmp_path / "a.safetensors")
    save(load(tmp_path / "a.safetensors"), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_files_of_format_1_are_read():
    old = load(Path(__file__).parent / "data" / "format-1.safetensors")
    assert header(Path(__file__).parent / "data" / "format-1.safetensors")["format"] == 1
    assert old.graph.names == ("()", "('a',)", 7, None, "end")
    assert old.audit.bellman_error == pytest.approx(0.25)
    assert old.parameters["source"] == "old.json"


def test_what_is_no_name_of_a_file_becomes_text_with_a_note(tmp_path, caplog):
    tree = Tree(np.array([0, 1, 2]), np.array([0, 1]), np.array([1.0]), ("r", frozenset("a")))
    save(Instance(tree, Scaled.from_float([1.0, 1.0])), tmp_path / "n.safetensors")
    assert load(tmp_path / "n.safetensors").graph.names == ("r", "frozenset({'a'})")
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "\ud800"}, "lone surrogate"),
        ({"parameters": {"x": float("inf")}}, "parameter 'x' is inf, expected what JSON can hold"),
        ({"parameters": {"x": {1, 2}}}, "parameter 'x' is {1, 2}, expected"),
        ({"parameters": {"x": ["\ud800"]}}, "parameter 'x' is .*, expected"),
    ],
)
def test_what_no_file_can_hold_is_named_before_it_is_written(change, message, tmp_path):
    instance = Instance(Tree.complete(2, 1), Scaled.from_float(np.ones(3)), **change)
    with pytest.raises(TreesimError, match=message):
        save(instance, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_parameters(tmp_path):
    instance = Instance(
        Tree.complete(2, 1), Scaled.from_float(np.ones(3)), parameters={"n": np.int64(3), "w": np.array([0.5])}
    )
    save(instance, tmp_path / "x.safetensors")
    assert load(tmp_path / "x.safetensors").parameters == {"n": 3, "w": [0.5]}


def test_names_beyond_what_a_file_holds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_LARGEST_HEADER", 300)
    tree = Tree(np.array([0, 1, 2]), np.array([0, 1]), np.array([1.0]), ("r", "x" * 300))
    with pytest.raises(TreesimError, match=r"names and parameters take .* leave the names out"):
        save(Instance(tree, Scaled.from_float([1.0, 1.0])), tmp_path / "n.safetensors")


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
        (lambda d: d.update(format=5), "has format 5, newer than the 4 that this version reads; upgrade treesim"),
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
    with pytest.raises(InstanceFileError, match="of the values of nodes number 0"):
        load(path)
    resealed(path, arrays | {"level_ptr": np.zeros(0, np.int64)})
    with pytest.raises(InstanceFileError, match="holds no valid instance"):
        load(path)


def sealed_header(path, **changes):
    """The file with another header and a digest that fits it."""
    arrays, document = load_file(path), header(path) | changes
    document.pop("sha256")
    try:
        storage._save_arrays(arrays, document, path)
    except ValueError:  # not JSON, and so without a digest
        save_file(arrays, path, metadata={"treesim": json.dumps(document | {"sha256": ""})})


ODD_HEADERS = [
    {"graph": []}, {"graph": None}, {"graph": "forest"}, {"format": True}, {"format": None}, {"format": 10**400},
    {"seed": 1.5}, {"seed": True}, {"seed": "7"}, {"names": "abc"}, {"names": [["a"]]}, {"names": [1]},
    {"names": {"a": 1}}, {"vocabulary": [1]}, {"vocabulary": "ab"}, {"family": None},
    {"family": "\ud800"}, {"parameters": None}, {"parameters": {"x": float("nan")}}, {"parameters": []},
]  # fmt: skip


@pytest.mark.parametrize("change", ODD_HEADERS, ids=str)
def test_odd_headers_are_refused_in_one_line(path, change):
    sealed_header(path, **change)
    with pytest.raises(InstanceFileError) as caught:
        load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("key", ["family", "parameters", "seed", "sha256", "names", "vocabulary", "graph", "format"])
def test_a_missing_header_entry_is_named(path, key):
    rewrite(path, change_header=lambda d: d.pop(key))
    with pytest.raises(InstanceFileError, match=f"damaged header(: '{key}' is missing)?"):
        load(path)


def test_names_and_their_places_belong_together(tmp_path):
    path = tmp_path / "n.safetensors"
    tree = Tree(np.array([0, 1, 2]), np.array([0, 1]), np.array([1.0]), ("r", "x"))
    save(Instance(tree, Scaled.from_float([1.0, 1.0])), path)
    arrays = load_file(path)
    resealed(path, {name: array for name, array in arrays.items() if name != "node_name"})
    with pytest.raises(InstanceFileError, match="lacks the array 'node_name'"):
        load(path)
    resealed(path, arrays | {"node_name": arrays["node_name"][:1]})
    with pytest.raises(InstanceFileError, match="sizes that do not fit together"):
        load(path)
    resealed(path, arrays | {"node_name": np.array([0, 2], np.int32)})
    with pytest.raises(InstanceFileError, match="node_name holds a number that is not from -1 to 1"):
        load(path)


def test_names_of_format_1_are_texts_and_numbers(path):
    for names in ([["a"]] * 31, ["a"], [{"tuple": []}] * 31):
        sealed_header(path, format=1, names=names)
        with pytest.raises(InstanceFileError, match="names"):
            load(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": 1e999}', "[]", "3", '{"format": ' + "9" * 5000 + "}"])
def test_headers_that_are_no_document_are_refused(path, text):
    save_file(load_file(path), path, metadata={"treesim": text})
    with pytest.raises(InstanceFileError, match="damaged header"):
        load(path)


WRAPPING = 2**63 - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level_ptr": [0, 1, WRAPPING, -WRAPPING, 15, 31]}, "level_ptr does not rise from 0 to 31"),
        ({"level_ptr": [0]}, "level_ptr does not rise"),
        ({"edge_ptr": [0, 2, WRAPPING, -WRAPPING, *range(8, 31, 2)]}, "edge_ptr does not rise from 0 to 30"),
        ({"edge_ptr": []}, "edge_ptr does not rise"),
    ],
)
def test_pointers_that_wrap_around_are_refused(path, change, message):
    arrays = load_file(path)
    resealed(path, arrays | {name: np.array(ptr, np.int64) for name, ptr in change.items()})
    with pytest.raises(InstanceFileError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.update(layer_parents=a["layer_parents"][:0], layer_edges=a["layer_edges"][:0]), "0 and 0 sizes"),
        (lambda a: a.update(order=np.array([0, 0, 0, 0])), "order does not name each of 2 layers"),
        (lambda a: a["order"].__setitem__(0, 2), "order does not name each of 2 layers"),
        (lambda a: a["order"].__setitem__(0, -1), "order does not name each of 2 layers"),
        (lambda a: a["layer_edges"].__setitem__(0, WRAPPING), "layer_edges holds a number that is not from 1 to 12"),
        (lambda a: a["layer_parents"].__setitem__(0, 2), "sizes of the layers do not fit"),
        (lambda a: a["edge_ptr"].__setitem__(0, 1), "edge_ptr of layer 0 does not rise from 0 to 3"),
        (lambda a: a["edge_ptr"].__setitem__(3, -WRAPPING), "edge_ptr of layer 1 does not rise from 0 to 9"),
        (lambda a: a.update(edge_child=a["edge_child"][1:]), "not one child, or one token, for each of 12 edges"),
        (lambda a: a.update(edge_token=a["edge_child"][1:]), "not one child, or one token, for each of 12 edges"),
        (lambda a: a["edge_child"].__setitem__(0, 2**31 - 1), "leads to child 2147483647"),
    ],
)
def test_a_trellis_that_points_elsewhere_is_refused(change, message, tmp_path):
    path = tmp_path / "m.safetensors"
    save(family("markov", horizon=4), path)
    arrays = {name: array.copy() for name, array in load_file(path).items()}
    change(arrays)
    resealed(path, arrays)
    with pytest.raises(InstanceFileError, match=message):
        load(path)


def test_a_layer_that_nothing_uses_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save(family("markov", horizon=4), path)
    arrays = load_file(path)
    garbage = {
        "layer_parents": [1], "layer_edges": [1], "edge_ptr": [0, 1], "edge_prob": [np.nan], "edge_child": [10**9],
    }  # fmt: skip
    more = {name: np.append(arrays[name], np.array(end, arrays[name].dtype)) for name, end in garbage.items()}
    resealed(path, arrays | more)
    with pytest.raises(InstanceFileError, match="order does not name each of 3 layers, and nothing else"):
        load(path)


@pytest.mark.parametrize(("mantissa", "exponent"), [(np.nan, 0), (np.inf, 0), (1.0, 512 * 2**21), (1.0, 1), (0.0, 512)])
def test_values_that_kernels_cannot_take_are_refused(path, mantissa, exponent):
    arrays = load_file(path)
    arrays = {name: array.copy() for name, array in arrays.items()}
    arrays["value_mantissa"][5], arrays["value_exponent"][5] = mantissa, exponent
    resealed(path, arrays)
    with pytest.raises(InstanceFileError, match=r"of the values of nodes number 5 is .*, expected canonical form"):
        load(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert not is_instance_file(tmp_path / "pipe")
    with pytest.raises(InstanceFileError, match="is a device, pipe or socket, expected a file"):
        load(tmp_path / "pipe")


def test_a_name_that_no_file_can_have_is_one_line(tmp_path):
    with pytest.raises(InstanceFileError, match=r"cannot read .*: File name too long"):
        load(tmp_path / ("x" * 300))


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


def test_what_does_not_read_back_as_it_was_is_not_kept(tmp_path, monkeypatch):
    instance, other = (family("dirichlet", horizon=3, seed=seed) for seed in (1, 2))
    monkeypatch.setattr(storage, "load", lambda path: other)
    with pytest.raises(TreesimError, match="does not read back as it was written; nothing was kept"):
        save(instance, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "pointers"), [("level_ptr", [0, 1, 1, 3]), ("edge_ptr", [0, 0, 2]), ("edge_ptr", [0, 2, 1, 2])]
)
def test_pointers_that_stand_or_go_back_are_refused_before_anything_follows_them(name, pointers):
    arrays = {
        "level_ptr": np.array([0, 1, 3]), "edge_ptr": np.array([0, 2]), "edge_prob": np.array([0.5, 0.5]),
        "value_mantissa": np.ones(3), "value_exponent": np.zeros(3, np.int32),
    }  # fmt: skip
    check_arrays(arrays, "tree")
    with pytest.raises(TreesimError, match=f"{name} does not rise from 0 to"):
        check_arrays(arrays | {name: np.array(pointers)}, "tree")


def test_potentials_survive_the_trip_in_a_format_of_their_own(tmp_path):
    path = tmp_path / "weighted.safetensors"
    instance = family("markov", horizon=5, states=3, reward="additive:beta=0.001", seed=1)
    save(instance, path)
    assert header(path)["format"] == 4
    assert load(path).same_as(instance)
    named = instance.with_outcomes(["a", "b", None], correct="a")
    save(named, path)
    assert header(path)["format"] == 4
    assert load(path).same_as(named)
    save(family("markov", horizon=5, states=3, seed=1), path)
    assert header(path)["format"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays, header: arrays.pop("potential_exponent"), "the arrays of the potentials are not two of 12"),
        (lambda arrays, header: arrays.update(potential_mantissa=np.ones(3)), "of the potentials of edges mantissas"),
        (lambda arrays, header: arrays["potential_mantissa"].fill(-1.0), "of the potentials of edges number 0 is -1"),
        (
            lambda arrays, header: arrays["potential_mantissa"].fill(np.nan),
            "of the potentials of edges number 0 is nan",
        ),
        (lambda arrays, header: header.update(format=2), "potentials of edges are what format 4 has, and it alone"),
    ],
)
def test_damaged_potentials_are_refused(change, message, tmp_path):
    path = tmp_path / "weighted.safetensors"
    save(family("markov", horizon=5, states=3, reward="power:alpha=2"), path)
    arrays, head = load_file(path), header(path)
    change(arrays, head)
    head["sha256"] = storage._digest(arrays, head)
    save_file(arrays, path, metadata={"treesim": json.dumps(head)})
    with pytest.raises(InstanceFileError, match=message):
        load(path)
