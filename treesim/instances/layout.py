"""The arrays of an instance file: which there are, and what must hold before anything is computed with them.

Pointers are compared, never subtracted: differences of numbers near 2**63 wrap around.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from treesim.errors import TreesimError
from treesim.graphs.potentials import EXPONENT, MANTISSA
from treesim.scaled import Scaled

Arrays = dict[str, NDArray[Any]]

_NODES = {"value_mantissa": ("F64", 8), "value_exponent": ("I32", 4), "node_name": ("I32", 4)}
_TREE = {"level_ptr": ("I64", 8), "edge_ptr": ("I64", 8), "edge_prob": ("F64", 8)}
_TRELLIS = _TREE | {
    "order": ("I64", 8),
    "layer_parents": ("I64", 8),
    "layer_edges": ("I64", 8),
    "edge_child": ("I32", 4),
    "edge_token": ("I32", 4),
}
_POTENTIALS = {MANTISSA: ("F64", 8), EXPONENT: ("I32", 4)}
_WRITTEN = {"edge_token": ("I32", 4), "level_pruned": ("F64", 8)}
_LEAVES = {"leaf_answer": ("I32", 4), "true_mantissa": ("F64", 8), "true_exponent": ("I32", 4)}
LAYOUTS = {"tree": _TREE | _WRITTEN | _NODES | _LEAVES, "trellis": _TRELLIS | _POTENTIALS | _NODES | _LEAVES}
_OPTIONAL = {"edge_token", "level_pruned", "node_name", *_POTENTIALS, *_LEAVES}


def check_layout(file: Any, graph: str) -> int:
    """Names, types and sizes of the arrays of an open file, before any is read; the bytes that they take.

    Raises
    ------
    TreesimError
        If an array is missing, unknown, or of the wrong type or size.
    """
    names, layout = set(file.keys()), LAYOUTS[graph]
    if names - _OPTIONAL != set(layout) - _OPTIONAL or names - set(layout):
        odd = sorted((names ^ set(layout)) - (_OPTIONAL - names))[0]
        raise TreesimError(f"it {'has an unknown' if odd in names else 'lacks the'} array {odd!r}")
    size = {}
    for name in names:
        kind, _ = layout[name]
        part = file.get_slice(name)
        if part.get_dtype() != kind or len(part.get_shape()) != 1:
            raise TreesimError(f"{name} is {part.get_dtype()}{part.get_shape()}, expected one-dimensional {kind}")
        size[name] = part.get_shape()[0]
    if len({size[name] for name in _NODES if name in size}) > 1 or (
        graph == "tree" and size["value_mantissa"] != size["edge_prob"] + 1
    ):
        raise TreesimError("values, names and edges have sizes that do not fit together")
    outcomes = {size[name] for name in _LEAVES if name in size}
    if len(outcomes) > 1 or max(outcomes, default=0) > size["value_mantissa"]:
        raise TreesimError("answers and true rewards have sizes that do not fit together, or the nodes")
    return sum(layout[name][1] * size[name] for name in names)


def check_arrays(arrays: Arrays, graph: str) -> None:
    """Every pointer points into its array and none goes back; values are what kernels rely on.

    Raises
    ------
    TreesimError
        If they are not; the message names the array.
    """
    n_nodes, n_edges = len(arrays["value_mantissa"]), len(arrays["edge_prob"])
    _check_pointers("level_ptr", arrays["level_ptr"], n_nodes)
    if graph == "tree":
        _check_pointers("edge_ptr", arrays["edge_ptr"], n_edges)
    else:
        _check_layers(arrays, n_edges)
    try:
        Scaled(arrays["value_mantissa"], arrays["value_exponent"])
    except TreesimError as error:
        raise TreesimError(f"of the values of nodes {error}") from None
    if MANTISSA in arrays and EXPONENT in arrays:
        try:
            Scaled(arrays[MANTISSA], arrays[EXPONENT])
        except TreesimError as error:
            raise TreesimError(f"of the potentials of edges {error}") from None


def _check_pointers(name: str, ptr: NDArray[Any], last: int) -> None:
    if len(ptr) < 2 or ptr[0] != 0 or ptr[-1] != last or not (ptr[1:] > ptr[:-1]).all():
        raise TreesimError(f"{name} does not rise from 0 to {last}, step by step")


def _check_layers(arrays: Arrays, n_edges: int) -> None:
    parents, edges, order = arrays["layer_parents"], arrays["layer_edges"], arrays["order"]
    n_layers = len(parents)
    if not n_layers or len(edges) != n_layers:
        raise TreesimError(f"there are {n_layers} and {len(edges)} sizes of layers, expected as many, and at least one")
    for name, sizes in (("layer_parents", parents), ("layer_edges", edges)):
        if not ((sizes >= 1) & (sizes <= n_edges)).all():
            raise TreesimError(f"{name} holds a number that is not from 1 to {n_edges}")
    if sum((parents + 1).tolist()) != len(arrays["edge_ptr"]) or sum(edges.tolist()) != n_edges:
        raise TreesimError("the sizes of the layers do not fit the arrays of their edges")
    if any(len(arrays[name]) != n_edges for name in ("edge_child", "edge_token") if name in arrays):
        raise TreesimError(f"there is not one child, or one token, for each of {n_edges} edges")
    if not ((order >= 0) & (order < n_layers)).all() or len(np.unique(order)) != n_layers:
        raise TreesimError(f"order does not name each of {n_layers} layers, and nothing else")
    start = 0
    for layer, (n_parents, size) in enumerate(zip(parents.tolist(), edges.tolist(), strict=True)):
        _check_pointers(f"edge_ptr of layer {layer}", arrays["edge_ptr"][start : start + n_parents + 1], size)
        start += n_parents + 1
