"""Instance files: one ``.safetensors`` file, arrays and a JSON header, checked before it is trusted.

The header is one metadata entry, ``treesim``, because the order of several is not the same from run to run; it holds
the format version and a SHA-256 digest of everything else, so that an edited file is told from a whole one. Format 2
keeps the types of names and each of them once (`treesim.instances.names`); format 1 had a name a node, as text where it
was no number. Format 3 is format 2 with outcomes, and format 4 has potentials of edges, with outcomes or without; only
instances that have them are written so.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from treesim._version import __version__
from treesim.errors import InstanceFileError, TreesimError, quoted
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import has_potentials
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.instances.instance import Instance
from treesim.instances.layout import LAYOUTS, Arrays, check_arrays, check_layout
from treesim.instances.names import Name, decoded_names, encoded_names, is_text
from treesim.instances.outcomes import Outcomes
from treesim.runtime.files import write_whole
from treesim.runtime.memory import require_memory
from treesim.runtime.reading import reason, require_file
from treesim.scaled import Scaled

FORMAT, _WITH_OUTCOMES, _WITHOUT_OUTCOMES = 4, 3, 2

# Safetensors reads no header beyond 100 MB.
_LARGEST_HEADER = 90_000_000


def save(instance: Instance, path: str | Path) -> None:
    """Write an instance file, whole or not at all; the same instance always gives the same bytes.

    Names keep their types: texts, numbers, bytes, and tuples of these; others become their text.

    Raises
    ------
    TreesimError
        If the file cannot be written, or does not read back as it was.

    Examples
    --------
    >>> from treesim import family
    >>> save(family("uniform", horizon=2), "tree.safetensors")
    >>> load("tree.safetensors").title
    'uniform(branching=2, horizon=2, perturbation=exact, reward=gaussian)'
    """
    path = Path(path)
    graph, value = instance.graph, instance.value
    arrays = graph.arrays() | {"value_mantissa": value.mantissa, "value_exponent": value.exponent}
    table = None
    if graph.names is not None:
        table, arrays["node_name"] = encoded_names(graph.names)
    vocabulary = graph.vocabulary
    header: dict[str, Any] = {
        "format": _WITHOUT_OUTCOMES,
        "family": instance.family,
        "parameters": _json_parameters(instance.parameters),
        "seed": instance.seed,
        "version": __version__,
        "graph": "tree" if isinstance(graph, Tree) else "trellis",
        "names": table,
        "vocabulary": None if vocabulary is None else list(vocabulary),
    }
    if instance.outcomes is not None:
        arrays |= _outcome_arrays(instance.outcomes)
        words = {"answers": list(instance.outcomes.answers), "correct": list(instance.outcomes.correct)}
        header |= {"format": _WITH_OUTCOMES, "outcomes": words}
    if has_potentials(graph):
        header["format"] = FORMAT
    if not is_text((instance.family, *(vocabulary or ()))):
        raise TreesimError("the family or a token is no text that a file can hold: it has a lone surrogate")
    stored = _as_stored(instance, header, arrays)

    def write(temporary: Path) -> None:
        _save_arrays(arrays, header, temporary)
        if not load(temporary).same_as(stored):
            raise TreesimError(f"{path} does not read back as it was written; nothing was kept")

    write_whole(path, write)


def load(path: str | Path) -> Instance:
    """Read an instance file, of this format or an older one.

    Raises
    ------
    InstanceFileError
        If the file is missing, truncated, foreign, edited, or of a newer format.
    TreesimError
        If it does not fit in the memory budget.

    Examples
    --------
    >>> from treesim import family
    >>> save(family("markov", horizon=5), "chain.safetensors")
    >>> load("chain.safetensors").horizon
    5
    """
    path = Path(path)
    require_file(path, InstanceFileError)
    try:
        with safe_open(path, framework="numpy") as file:
            header = _checked_header(path, file.metadata())
            size = _checked(path, check_layout, file, header["graph"])
            require_memory(size, str(path))
        arrays = load_file(path)
    except SafetensorError as error:
        raise InstanceFileError(f"{path} is truncated or no safetensors file ({reason(error)})") from None
    except OSError as error:
        raise InstanceFileError(f"cannot read {path}: {reason(error)}") from None
    if _digest(arrays, header) != header["sha256"]:
        raise InstanceFileError(f"{path} was edited or damaged: its contents do not match its digest")
    _checked(path, check_arrays, arrays, header["graph"])
    return dataclasses.replace(_checked(path, _instance, arrays, header), source=path.name)


def is_instance_file(path: Path) -> bool:
    """Whether a file is a treesim instance, of any format version, by its header alone."""
    try:
        require_file(path)
        with safe_open(path, framework="numpy") as file:
            return "treesim" in (file.metadata() or {})
    except (SafetensorError, OSError, TreesimError):
        return False


def _save_arrays(arrays: Arrays, header: dict[str, Any], path: Path) -> None:
    # safetensors writes the buffer of a strided or Fortran-ordered array as if it were C-ordered.
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = _canonical_json(header | {"sha256": _digest(arrays, header)})
    if len(text) > _LARGEST_HEADER:
        raise TreesimError(
            f"names and parameters take {len(text) / 1e6:.0f} MB, expected at most {_LARGEST_HEADER / 1e6:.0f}; "
            "leave the names out"
        )
    save_file(arrays, path, metadata={"treesim": text})


def _checked(path: Path, check: Any, *arguments: Any) -> Any:
    """What a check returns; what it raises, with the name of the file."""
    try:
        return check(*arguments)
    except InstanceFileError:
        raise
    except TreesimError as error:
        raise InstanceFileError(f"{path} holds no valid instance: {error}") from None


def _instance(arrays: Arrays, header: dict[str, Any]) -> Instance:
    value = Scaled(arrays["value_mantissa"], arrays["value_exponent"])
    names = _names(arrays, header)
    vocabulary = None if header["vocabulary"] is None else tuple(header["vocabulary"])
    kind: type[Tree] | type[Trellis] = Tree if header["graph"] == "tree" else Trellis
    graph: LayeredGraph = kind.from_arrays(arrays, names, vocabulary)
    if has_potentials(graph) != (header["format"] == FORMAT):
        raise TreesimError(f"potentials of edges are what format {FORMAT} has, and it alone")
    outcomes = _outcomes(arrays, header) if "outcomes" in header else None
    return Instance(graph, value, header["family"], header["parameters"], header["seed"], outcomes=outcomes)


def _outcome_arrays(outcomes: Outcomes) -> Arrays:
    arrays: Arrays = {} if outcomes.answer is None else {"leaf_answer": outcomes.answer}
    true = outcomes.true_reward
    return arrays if true is None else arrays | {"true_mantissa": true.mantissa, "true_exponent": true.exponent}


def _outcomes(arrays: Arrays, header: dict[str, Any]) -> Outcomes:
    true = None
    if {"true_mantissa", "true_exponent"} & arrays.keys():
        if not {"true_mantissa", "true_exponent"} <= arrays.keys():
            raise TreesimError("it has one half of the true rewards")
        true = Scaled(arrays["true_mantissa"], arrays["true_exponent"])
    words = header["outcomes"]
    if not isinstance(words, dict) or not all(isinstance(words.get(key), list) for key in ("answers", "correct")):
        raise TreesimError("its header does not list answers, and those that are correct")
    return Outcomes(tuple(words["answers"]), arrays.get("leaf_answer"), tuple(words["correct"]), true)


def _names(arrays: Arrays, header: dict[str, Any]) -> tuple[Name, ...] | None:
    table = header["names"]
    if table is None:
        return None
    if header["format"] == 1:
        if not all(name is None or isinstance(name, str | int | float) for name in table):
            raise TreesimError("names hold what is no text or number")
        return tuple(table)
    if "node_name" not in arrays:
        raise TreesimError("it lacks the array 'node_name', and has names")
    return decoded_names(table, arrays["node_name"])


def _checked_header(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get("treesim")
    if text is None:
        raise InstanceFileError(f"{path} is a safetensors file of something else, expected a treesim instance")
    try:
        header = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        version = header["format"]
        # Written as it was read: numbers and texts that no file should hold show here.
        _canonical_json(header)
        json.dumps(header, ensure_ascii=False).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InstanceFileError(f"{path} has a damaged header") from None
    if type(version) is not int or version < 1:
        raise InstanceFileError(f"{path} has format {quoted(version)}, expected {FORMAT}")
    if version > FORMAT:
        raise InstanceFileError(
            f"{path} has format {quoted(version)}, newer than the {FORMAT} that this version reads; upgrade treesim"
        )
    for key, kinds in _HEADER.items():
        if key not in header or type(header[key]) not in kinds:
            raise InstanceFileError(f"{path} has a damaged header: {key!r} is missing or of the wrong type")
    if version < FORMAT and ("outcomes" in header) != (version == _WITH_OUTCOMES):
        raise InstanceFileError(
            f"{path} has a damaged header: outcomes are what format {_WITH_OUTCOMES} has, "
            f"and {_WITHOUT_OUTCOMES} has not"
        )
    if header["graph"] not in LAYOUTS:
        raise InstanceFileError(
            f"{path} has a damaged header: it holds a {quoted(header['graph'])}, no tree or trellis"
        )
    if not all(isinstance(word, str) for word in header["vocabulary"] or ()):
        raise InstanceFileError(f"{path} has a damaged header: its vocabulary holds what is no text")
    return header


_HEADER: dict[str, tuple[type, ...]] = {
    "family": (str,),
    "parameters": (dict,),
    "seed": (int, type(None)),
    "sha256": (str,),
    "names": (list, type(None)),
    "vocabulary": (list, type(None)),
    "graph": (str,),
}


def _no_number(text: str) -> float:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _digest(arrays: Arrays, header: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    digest.update(_canonical_json({key: value for key, value in header.items() if key != "sha256"}).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _canonical_json(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _json_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON values, numpy's numbers as plain ones."""
    document: dict[str, Any] = {}
    for key, value in parameters.items():
        try:
            text = json.dumps({key: value}, default=_plain, allow_nan=False, ensure_ascii=False)
            text.encode()
            document |= json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise TreesimError(
                f"parameter {quoted(key)} is {quoted(value)}, expected what JSON can hold: finite numbers, texts, lists"
            ) from None
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(type(value).__name__)


def _as_stored(instance: Instance, header: dict[str, Any], arrays: Arrays) -> Instance:
    """The instance that a file gives back: its names and parameters as the header has them."""
    graph = instance.graph
    if graph.names is not None:
        names = decoded_names(header["names"], arrays["node_name"])
        graph = dataclasses.replace(graph, names=names)  # type: ignore[type-var]
    return dataclasses.replace(instance, graph=graph, parameters=header["parameters"], source=None)
