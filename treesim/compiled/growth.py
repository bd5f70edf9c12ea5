"""Compiled trees built into arrays, level by level: all prefixes, or the different states of each level."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from treesim.arrays import FloatArray, IntArray, own
from treesim.errors import RewardError, SpecError, TreeError, TreesimError, quoted
from treesim.graphs.layered import Layer, LayeredGraph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.kernels.compiled import (
    FINE,
    MANY_CHILDREN,
    ODD_LENGTH,
    ODD_PROBABILITY,
    ODD_REWARD,
    ODD_SUM,
    ODD_VALUE,
)
from treesim.kernels.compiled_growth import make_growth, make_weighing, merge_equal
from treesim.kernels.states import read, words
from treesim.runtime.memory import require_memory
from treesim.runtime.threads import n_threads, thread_map
from treesim.runtime.user_code import reason
from treesim.scaled import BYTES_A_VALUE, Scaled

if TYPE_CHECKING:
    from treesim.compiled.definition import Compiled

Graph = TypeVar("Graph", bound=LayeredGraph, covariant=True)

# Parents of a chunk that is worth a thread; chunks a thread, as some nodes have fewer children than others.
SMALLEST_CHUNK, CHUNKS_A_THREAD = 1 << 14, 4
FIRST_WIDTH = 2

_growth, _weighing = cache(make_growth), cache(make_weighing)


class Level(NamedTuple):
    """The nodes of a level.

    Attributes
    ----------
    size : int
    room : ndarray of int64, shape [size * words]
        Their states.
    """

    size: int
    room: IntArray


class Steps(NamedTuple):
    """The edges from a level.

    Attributes
    ----------
    degree : ndarray of int64, shape [n_parents]
    prob : ndarray, shape [n_edges]
    """

    degree: IntArray
    prob: FloatArray


class Grown(NamedTuple):
    """A graph as it was grown.

    Attributes
    ----------
    graph : LayeredGraph
    inner : Scaled, shape [n_nodes - n_leaves]
        V^ above the last level; empty if there is none, or none was asked.
    reward : Scaled, shape [n_leaves]
        Empty if the last level is not level T, or none was asked.
    last : Level
    """

    graph: Any
    inner: Scaled
    reward: Scaled
    last: Level


def grow_tree(compiled: Compiled, horizon: int, *, weigh: bool = True, enough: int | None = None) -> Grown:
    """The tree of all prefixes; or of as many levels as have `enough` nodes in the last, but not of the last two."""
    return _grow(compiled, horizon, weigh, enough, None)


def grow_trellis(compiled: Compiled, horizon: int, *, weigh: bool = True) -> Grown:
    """The trellis of the different states."""
    return _grow(compiled, horizon, weigh, None, [])


def root_level(compiled: Compiled) -> Level:
    """The root alone."""
    root = compiled.root
    members = root if isinstance(root, tuple) else (root,)
    bits = [np.array([each], np.float64 if isinstance(each, float) else np.int64).view(np.int64) for each in members]
    return Level(1, np.concatenate(bits))


def next_level(compiled: Compiled, level: Level, t: int) -> tuple[Steps, Level]:
    """The edges from a level, and the nodes that they lead to."""
    grow, size = _growth(compiled.functions), words(compiled.root)
    width = compiled.width or FIRST_WIDTH
    while True:
        require_memory(
            float(level.size) * (width * 8 * (size + 1) + 8) + 8 * size * level.size,
            f"level {t + 1} of a tree, {level.size:,} times {width} nodes,",
        )
        degree, prob = np.empty(level.size, np.int64), np.empty(level.size * width)
        below = np.empty(level.size * width * size, np.int64)
        bounds = _bounds(level.size)

        def some(part: tuple[int, int], out: Any = (below, degree, prob), width: int = width) -> tuple[int, int, float]:
            return grow(*part, compiled.fields, compiled.root, level.room, *out, width)

        found = called(lambda: thread_map(some, list(pairwise(bounds)), interruptible=len(bounds) > 2))  # noqa: B023
        if any(code == MANY_CHILDREN for code, _, _ in found):
            width = max([2 * width, *(count for code, count, _ in found if code == MANY_CHILDREN)])
            continue
        for lo, (code, count, odd) in zip(bounds[:-1], found, strict=True):
            require_fine(compiled, code, odd, level, lo, t, count)
        counts = [count for _, count, _ in found]
        if sum(counts) < len(prob):
            stretches = [(lo * width, lo * width + n) for lo, n in zip(bounds[:-1], counts, strict=True)]
            prob = np.concatenate([prob[start:stop] for start, stop in stretches])
            below = np.concatenate([below[start * size : stop * size] for start, stop in stretches])
        return Steps(degree, prob), Level(len(prob), below)


def weights(compiled: Compiled, level: Level, t: int, name: str) -> FloatArray:
    """The ``reward`` or ``value`` of every node of level `t`."""
    weigh, out = _weighing(compiled.functions, name), np.empty(level.size)
    parts = list(pairwise(_bounds(level.size)))

    def some(part: tuple[int, int]) -> tuple[int, float]:
        return weigh(*part, compiled.fields, compiled.root, level.room, out)

    for (lo, _), (code, odd) in zip(parts, called(lambda: thread_map(some, parts)), strict=True):
        require_fine(compiled, ODD_VALUE if code and name == "value" else code, odd, level, lo, t)
    return out


def called(run: Callable[[], Any]) -> Any:
    """What a kernel returns; an error of a user's function in it is told with its kind."""
    try:
        return run()
    except TreesimError:
        raise
    except Exception as error:
        raise SpecError(f"a function of the tree failed: {reason(error)}") from error


def require_fine(
    compiled: Compiled, code: int, odd: float, level: Level, at: int, t: int | None, count: int = 0
) -> None:
    """Raise what the code of a kernel means; the state it is about lies in a place of the room.

    Raises
    ------
    TreeError, RewardError
        Unless the code says that all is fine.
    """
    if code == FINE:
        return
    state = read(level.room, at, compiled.root)
    where = f"state {quoted(state)}{'' if t is None else f' (level {t})'}"
    if code == ODD_PROBABILITY:
        raise TreeError(f"probabilities of {where} contain {odd:.12g}, expected 0 or numbers from 1e-150 to 1")
    if code == ODD_SUM:
        raise TreeError(f"probabilities of {where} sum to {odd:.15g}, expected 1; divide them by their sum")
    if code == ODD_LENGTH:
        raise TreeError(f"{where} has {odd:.0f} states and {count} probabilities of children, expected as many")
    if code in (ODD_REWARD, ODD_VALUE):
        what = "reward" if code == ODD_REWARD else "value"
        raise RewardError(f"{what} of {where} is {odd:.12g}, expected 0 or a number from 1e-150 to 1e150, linear")
    raise AssertionError(f"a kernel ended with code {code}")


def _grow(compiled: Compiled, horizon: int, weigh: bool, enough: int | None, merged: list[Layer] | None) -> Grown:
    level, sizes = root_level(compiled), [1]
    steps: list[Steps] = []
    order: list[int] = []
    known: dict[bytes, int] = {}
    inner: list[FloatArray] = []
    nodes, edges = 1, 0
    for t in range(horizon if enough is None else horizon - 2):
        if enough is not None and level.size >= enough:
            break
        if weigh and compiled.functions.value is not None:
            inner.append(weights(compiled, level, t, "value"))
        found, level = next_level(compiled, level, t)
        if merged is None:
            steps.append(found)
            edges += len(found.prob)
        else:
            layer, level = _merge(compiled, found, level)
            print_of = b"".join(array.tobytes() for array in layer)
            order.append(known.setdefault(print_of, len(merged)))
            if order[-1] == len(merged):
                merged.append(layer)
                edges += len(layer.prob)
        sizes.append(level.size)
        nodes += level.size
        require_memory(
            24.0 * edges + (8 + 2 * BYTES_A_VALUE) * float(nodes),
            f"a tree grown to level {t + 1} of {horizon} (to be streamed it needs no room)",
        )
    level_ptr = np.cumsum([0, *sizes])
    graph: LayeredGraph
    if merged is None:
        degree, prob = (own(np.concatenate(arrays)) for arrays in zip(*steps, strict=True))
        edge_ptr = np.zeros(len(degree) + 1, np.int64)
        np.cumsum(degree, out=edge_ptr[1:])
        graph = Tree(own(level_ptr), own(edge_ptr), prob)
    else:
        graph = Trellis(level_ptr, merged, np.array(order, np.int64))
    reward = weights(compiled, level, horizon, "reward") if weigh and enough is None else np.empty(0)
    return Grown(graph, Scaled.from_float(np.concatenate([np.empty(0), *inner])), Scaled.from_float(reward), level)


def _merge(compiled: Compiled, steps: Steps, level: Level) -> tuple[Layer, Level]:
    """The layer to the different states of a level, and these."""
    table = np.full(1 << max(4, (2 * level.size - 1).bit_length()), -1, np.int32)
    child = np.empty(level.size, np.int32)
    kept = merge_equal(level.size, compiled.root, level.room, table, child)
    ptr = np.concatenate([[0], np.cumsum(steps.degree)])
    room = level.room[: kept * words(compiled.root)].copy()
    return Layer(own(ptr), own(steps.prob), own(child)), Level(kept, room)


def _bounds(size: int) -> list[int]:
    """Bounds of the parts of a level that threads share."""
    parts = max(1, min(CHUNKS_A_THREAD * n_threads(), size // SMALLEST_CHUNK))
    return [size * i // parts for i in range(parts + 1)]
