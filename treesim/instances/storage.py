"""Instance files: one ``.safetensors`` file, arrays and a JSON header, checked before it is trusted.

The header is one metadata entry, ``treesim``, because the order of several is not the same from run to run; it holds
the format version and a SHA-256 digest of everything else, so that an edited file is told from a whole one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from treesim._version import __version__
from treesim.errors import InstanceFileError, TreesimError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.instances.instance import Instance
from treesim.kernels.arithmetic import BLOCK, HIGHEST, LOWEST
from treesim.runtime.files import write_whole
from treesim.runtime.memory import require_memory
from treesim.scaled import Scaled

FORMAT = 1

_VALUES = {"value_mantissa": ("F64", 8), "value_exponent": ("I32", 4)}
_TREE = {"level_ptr": ("I64", 8), "edge_ptr": ("I64", 8), "edge_prob": ("F64", 8)}
_TRELLIS = _TREE | {
    "order": ("I64", 8),
    "layer_parents": ("I64", 8),
    "layer_edges": ("I64", 8),
    "edge_child": ("I32", 4),
    "edge_token": ("I32", 4),
}
_KINDS = {"tree": _TREE | _VALUES, "trellis": _TRELLIS | _VALUES}
_OPTIONAL = {"edge_token"}

Arrays = dict[str, NDArray[Any]]


def save(instance: Instance, path: str | Path) -> None:
    """Write an instance file, whole or not at all; the same instance always gives the same bytes.

    Raises
    ------
    TreesimError
        If the file cannot be written, or does not read back as it was.
    """
    path = Path(path)
    graph, value = instance.graph, instance.value
    arrays = graph.arrays() | {"value_mantissa": value.mantissa, "value_exponent": value.exponent}
    header: dict[str, Any] = {
        "format": FORMAT,
        "family": instance.family,
        "parameters": dict(instance.parameters),
        "seed": instance.seed,
        "version": __version__,
        "graph": "tree" if isinstance(graph, Tree) else "trellis",
        "names": None if graph.names is None else [_json_name(name) for name in graph.names],
        "vocabulary": list(graph.vocabulary) if isinstance(graph, Trellis) and graph.vocabulary is not None else None,
    }

    def write(temporary: Path) -> None:
        _save_arrays(arrays, header, temporary)
        if not load(temporary).same_as(_as_stored(instance)):
            raise TreesimError(f"{path} does not read back as it was written; nothing was kept")

    write_whole(path, write)


def load(path: str | Path) -> Instance:
    """Read an instance file.

    Raises
    ------
    InstanceFileError
        If the file is missing, truncated, foreign, edited, or of a newer format.
    TreesimError
        If it does not fit in the memory budget.
    """
    path = Path(path)
    if path.is_dir():
        raise InstanceFileError(f"{path} is a folder, expected an instance file")
    try:
        with safe_open(path, framework="numpy") as file:
            header = _checked_header(path, file.metadata())
            _check_arrays(path, file, header["graph"])
        arrays = load_file(path)
    except FileNotFoundError:
        raise InstanceFileError(f"{path} does not exist") from None
    except (SafetensorError, OSError) as error:
        raise InstanceFileError(f"{path} is truncated or no safetensors file ({_first_line(error)})") from None
    if _digest(arrays, header) != header["sha256"]:
        raise InstanceFileError(f"{path} was edited or damaged: its contents do not match its digest")
    names = None if header["names"] is None else tuple(header["names"])
    vocabulary = None if header["vocabulary"] is None else tuple(header["vocabulary"])
    try:
        graph: LayeredGraph
        if header["graph"] == "tree":
            graph = Tree(arrays["level_ptr"], arrays["edge_ptr"], arrays["edge_prob"], names)
        else:
            graph = Trellis.from_arrays(arrays, names, vocabulary)
        value = Scaled(arrays["value_mantissa"], arrays["value_exponent"])
        _check_canonical(path, value)
        return Instance(graph, value, header["family"], header["parameters"], header["seed"])
    except InstanceFileError:
        raise
    except TreesimError as error:
        raise InstanceFileError(f"{path} holds no valid instance: {error}") from None


def is_instance_file(path: Path) -> bool:
    """Whether a file is a treesim instance, of any format version, by its header alone."""
    try:
        with safe_open(path, framework="numpy") as file:
            return "treesim" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _save_arrays(arrays: Arrays, header: dict[str, Any], path: Path) -> None:
    # safetensors writes the buffer of a strided or Fortran-ordered array as if it were C-ordered.
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = header | {"sha256": _digest(arrays, header)}
    save_file(arrays, path, metadata={"treesim": _canonical_json(header)})


def _checked_header(path: Path, metadata: dict[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get("treesim")
    if text is None:
        raise InstanceFileError(f"{path} is a safetensors file of something else, expected a treesim instance")
    try:
        header = json.loads(text)
        version = header["format"]
    except (ValueError, KeyError, TypeError):
        raise InstanceFileError(f"{path} has a damaged header") from None
    if not isinstance(version, int) or version < 1:
        raise InstanceFileError(f"{path} has format {version!r}, expected {FORMAT}")
    if version > FORMAT:
        raise InstanceFileError(
            f"{path} has format {version}, newer than the {FORMAT} that this version reads; upgrade treesim"
        )
    kinds = {
        "family": str,
        "parameters": dict,
        "seed": (int, type(None)),
        "sha256": str,
        "names": (list, type(None)),
        "vocabulary": (list, type(None)),
    }
    for key, kind in kinds.items():
        if not isinstance(header.get(key), kind):  # type: ignore[arg-type]
            raise InstanceFileError(f"{path} has a damaged header: {key!r} is missing or of the wrong type")
    if header.get("graph") not in _KINDS:
        raise InstanceFileError(f"{path} has a damaged header: it holds a {header.get('graph')!r}, no tree or trellis")
    return header


def _check_arrays(path: Path, file: Any, graph: str) -> None:
    """Names, types and sizes, before any array is read."""
    found = set(file.keys())
    kinds = _KINDS[graph]
    if found - _OPTIONAL != set(kinds) - _OPTIONAL or found - set(kinds):
        odd = sorted((found ^ set(kinds)) - (_OPTIONAL - found))[0]
        raise InstanceFileError(f"{path} {'has an unknown' if odd in found else 'lacks the'} array {odd!r}")
    total = 0
    shapes = {}
    for name in found:
        kind, size = kinds[name]
        part = file.get_slice(name)
        shapes[name] = part.get_shape()
        if part.get_dtype() != kind or len(shapes[name]) != 1:
            raise InstanceFileError(
                f"{path}: {name} is {part.get_dtype()}{shapes[name]}, expected one-dimensional {kind}"
            )
        total += size * shapes[name][0]
    if shapes["value_mantissa"] != shapes["value_exponent"] or (
        graph == "tree" and shapes["value_mantissa"] != [shapes["edge_prob"][0] + 1]
    ):
        raise InstanceFileError(f"{path}: values and edges have sizes that do not fit together")
    require_memory(total, str(path))


def _check_canonical(path: Path, value: Scaled) -> None:
    """Values must be non-negative numbers in the form that kernels rely on."""
    m, e = value.mantissa, value.exponent
    good = (m >= LOWEST) & (m < HIGHEST) & (e % BLOCK == 0) | (m == 0) & (e == 0)
    if not good.all():
        node = int(np.argmin(good))
        raise InstanceFileError(
            f"{path}: the value of node {node} is {m[node]} * 2**{e[node]}, expected canonical form"
        )


def _digest(arrays: Arrays, header: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    digest.update(_canonical_json({key: value for key, value in header.items() if key != "sha256"}).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _canonical_json(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _json_name(name: Any) -> Any:
    """Names that JSON keeps stay; others become their text."""
    return name if name is None or isinstance(name, str | int | float) else str(name)


def _as_stored(instance: Instance) -> Instance:
    graph = instance.graph
    if graph.names is not None:
        graph = dataclasses.replace(graph, names=tuple(_json_name(name) for name in graph.names))  # type: ignore[type-var]
    return Instance(graph, instance.value, instance.family, instance.parameters, instance.seed)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
