"""Layered graphs: what trees and trellises have in common, and all that algorithms see.

A layered graph has T + 1 levels of nodes and T layers of edges between neighbouring levels; its paths from the one node
of level 0 to level T are the sequences. A `treesim.Tree` has one path a leaf; a `treesim.Trellis` shares a node between
all prefixes of identical future, and may have more paths than atoms in the universe.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, FloatArray, IntArray, frozen, read_only
from treesim.errors import NoExactLaw, TreeError, TreesimError, quoted
from treesim.graphs.distributions import Normaliser
from treesim.kernels.checks import first_bad_parent
from treesim.kernels.forward import push_reach
from treesim.notebook import card, picture
from treesim.runtime.threads import MOST_PARTS, chunked, parts_of, thread_map

if TYPE_CHECKING:
    from treesim.graphs.tree import Tree
    from treesim.scaled import Scaled

# Positive probabilities are normal floats, so that no product with a value loses digits unnoticed.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).tiny)
SUM_TOLERANCE = 1e-12
# log2 of the number of paths up to which it is written out.
_COUNTED = 20
# Characters of a text that reports show.
_TEXT_SHOWN = 40
# Longer ways to a node are not written out.
_SHOWN = 16

NO_CHILD = read_only(np.empty(0, np.int32))


class Layer(NamedTuple):
    """The edges from level t to level t + 1, parents and children numbered from 0 within their levels.

    Attributes
    ----------
    ptr : ndarray of int64, shape [n_parents + 1]
        Edges of parent ``v`` are ``ptr[v] - ptr[0] .. ptr[v + 1] - ptr[0]``.
    prob : ndarray, shape [n_edges]
        pi_ref of the step, linear.
    child : ndarray of int32, shape [n_edges] or [0]
        The child of each edge; empty where edge ``k`` leads to child ``k``.

    >>> from treesim import Tree
    >>> Tree.complete(branching=2, horizon=2).layer(1)
    Layer(2 parents, 4 edges)
    """

    ptr: IntArray
    prob: FloatArray
    child: NDArray[np.int32]

    def __repr__(self) -> str:
        return f"Layer({len(self.ptr) - 1} parents, {len(self.prob)} edges)"

    def ends(self, edge: IntArray | BoolArray) -> IntArray:
        """The children that edges lead to; edges by number, or as a mask."""
        if len(self.child):
            return self.child[edge].astype(np.int64)
        return np.flatnonzero(edge) if edge.dtype == np.bool_ else edge.astype(np.int64, copy=False)

    def edges_of(self, parents: IntArray) -> IntArray:
        """The edges of some parents, those of one after those of another."""
        degree = np.diff(self.ptr)[parents]
        first = np.cumsum(degree) - degree
        return np.arange(degree.sum()) + np.repeat(self.ptr[parents] - self.ptr[0] - first, degree)

    def sources(self) -> IntArray:
        """The parent of each edge, shape [n_edges]."""
        return np.repeat(np.arange(len(self.ptr) - 1), np.diff(self.ptr))


class LayeredGraph(ABC):
    """Levels of nodes joined by layers of edges, with reference policy pi_ref.

    Attributes
    ----------
    level_ptr : ndarray of int64, shape [horizon + 2]
        Nodes of level ``t`` are ``level_ptr[t] .. level_ptr[t + 1]``.
    names : sequence, shape [n_nodes], or None
        Names of the nodes, ``None`` for padding.
    kind : str
        ``tree`` or ``trellis``.
    keeps_edges : bool
        Whether a path is known by its edges alone, because paths meet; on a tree the leaf tells.
    vocabulary : sequence of str, or None
        What edges may write.
    """

    kind: ClassVar[str]
    keeps_edges: ClassVar[bool]
    level_ptr: IntArray
    names: Sequence[Hashable] | None
    vocabulary: Sequence[str] | None

    def __repr__(self) -> str:
        named = "" if self.names is None else ", named"
        return f"{type(self).__name__}(horizon={self.horizon}, {self.n_nodes:,} nodes, {paths_text(self)} paths{named})"

    def _repr_html_(self) -> str:
        facts = [("horizon T", self.horizon), ("nodes", f"{self.n_nodes:,}"), ("paths", paths_text(self))]
        return card(type(self).__name__, facts, picture("graph", self, repr(self)))

    @abstractmethod
    def layer(self, t: int) -> Layer:
        """The edges between levels `t` and ``t + 1``."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays that make up the graph, by name."""

    @abstractmethod
    def path_edges(self, leaf: IntArray, edges: NDArray[np.int32] | None) -> NDArray[np.int32]:
        """The edge of each step of some paths, numbered within its layer, shape [n, horizon].

        Parameters
        ----------
        leaf : ndarray of int64, shape [n]
            Where they end.
        edges : ndarray of int32, shape [n, horizon], or None
            What was kept of them, as `room_for_edges` gave room for it.
        """

    @abstractmethod
    def path_choices(self, leaf: int, edges: NDArray[np.int32] | None) -> list[int]:
        """Which child is taken at each step of one path, shape [horizon]; as `path_edges`."""

    @abstractmethod
    def edge_tokens(self, t: int) -> NDArray[np.int32] | None:
        """What each edge from level `t` writes, as numbers of the vocabulary; None where edges write nothing."""

    def potential(self, t: int) -> Scaled | None:
        """What each edge from level `t` multiplies the reward by; None where all potentials are one."""
        return None

    def text(self, path: IntArray | NDArray[np.int32]) -> str:
        """What a path writes, or the beginning of one.

        Parameters
        ----------
        path : ndarray of int, shape [n_steps]
            Its edges, numbered within their layers.

        Raises
        ------
        TreeError
            If the edges have no tokens.
        """
        words = self.vocabulary
        if words is None or self.edge_tokens(0) is None:
            raise TreeError(f"the edges of this {self.kind} have no tokens, so its paths have no text")
        return "".join(words[self.edge_tokens(t)[edge]] for t, edge in enumerate(path))  # type: ignore[index]

    @property
    @abstractmethod
    def n_edges(self) -> int:
        """All edges, those of every layer counted."""

    @property
    @abstractmethod
    def log2_paths(self) -> float:
        """log2 of the number of paths from the root to level T."""

    @property
    def horizon(self) -> int:
        """T, the length of every path."""
        return len(self.level_ptr) - 2

    @property
    def n_nodes(self) -> int:
        """The nodes of all levels, the root included."""
        return int(self.level_ptr[-1])

    @property
    def n_leaves(self) -> int:
        """The nodes of level T."""
        return self.n_nodes - int(self.level_ptr[-2])

    def level(self, t: int) -> slice:
        """The nodes of level `t`."""
        return slice(int(self.level_ptr[t]), int(self.level_ptr[t + 1]))

    def n_level(self, t: int) -> int:
        """How many nodes level `t` has."""
        return int(self.level_ptr[t + 1] - self.level_ptr[t])

    @property
    def leaves(self) -> slice:
        """The nodes of level T."""
        return self.level(self.horizon)

    def room_for_edges(self, n: int) -> NDArray[np.int32] | None:
        """Room for the edges of `n` paths, -1 everywhere, shape [n, horizon]; None where the leaf tells."""
        return np.full((n, self.horizon), -1, np.int32) if self.keeps_edges else None

    def require_tree(self, message: str, error: type[TreesimError] = NoExactLaw) -> Tree:
        """This graph, if it is a tree; else raises `error` with the message."""
        raise error(message)

    def distinct_layers(self) -> Sequence[Layer]:
        """The layers, those that repeat once."""
        return [self.layer(t) for t in range(self.horizon)]

    def smallest_step(self, t: int) -> float:
        """A lower bound on the probabilities of the edges from level `t`; zero says nothing."""
        return 0.0

    @property
    def max_degree(self) -> int:
        """The largest number of edges that leave one node."""
        return int(max(np.diff(layer.ptr).max() for layer in self.distinct_layers()))

    def level_of(self, node: int) -> int:
        """The level of a node."""
        return int(np.searchsorted(self.level_ptr, node, side="right")) - 1

    @cached_property
    def reach(self) -> list[FloatArray]:
        """For each level but the last, pi_ref of being at each of its nodes; positive wherever it can be reached."""
        reach = [read_only(np.ones(1))]
        for t in range(self.horizon - 1):
            reach.append(read_only(self._reach_below(t, reach[-1])))
        return reach

    def follow(self, choices: Iterable[int]) -> int:
        """The node that a prefix ends at, numbered within its level.

        Parameters
        ----------
        choices : iterable of int
            Which child is taken at each step.

        Raises
        ------
        TreeError
            If there is no such child, or there are more steps than levels.
        """
        node, path = 0, list(choices)
        if len(path) > self.horizon:
            raise TreeError(f"the prefix has {len(path)} steps, expected at most {self.horizon}")
        for t, choice in enumerate(path):
            layer = self.layer(t)
            degree = int(layer.ptr[node + 1] - layer.ptr[node])
            if not 0 <= choice < degree:
                raise TreeError(f"the prefix takes child {choice} at step {t}, expected 0 to {degree - 1}")
            edge = layer.ptr[node] - layer.ptr[0] + choice
            node = int(layer.ends(np.array([edge]))[0])
        return node

    def reachable(self) -> Iterator[BoolArray]:
        """Level by level, which nodes have positive probability under pi_ref, each of shape [n_nodes of the level]."""
        for reach in self.reach:
            yield reach > 0
        yield self._reach_below(self.horizon - 1, self.reach[-1]) > 0

    def _reach_below(self, t: int, reach: FloatArray) -> FloatArray:
        layer, n_below = self.layer(t), self.n_level(t + 1)
        arrays = tuple(layer)
        if not len(layer.child):
            below = np.zeros(n_below)
            chunked(lambda lo, hi: push_reach(lo, hi, arrays, reach, below), len(reach), len(layer.prob))
            return below
        # Where paths meet, each part adds to its own, and there are no more parts than edges can pay for.
        bounds = parts_of(len(reach), len(layer.prob), min(MOST_PARTS, len(layer.prob) // (8 * n_below)))
        own = np.zeros((len(bounds) - 1, n_below))
        thread_map(lambda i: push_reach(bounds[i], bounds[i + 1], arrays, reach, own[i]), range(len(own)))
        return own.sum(axis=0)

    def same_as(self, other: LayeredGraph) -> bool:
        """Whether the two are the same graph, to the bit, names included."""
        own, others = self.arrays(), other.arrays()
        return (
            type(self) is type(other)
            and _listed(self.vocabulary) == _listed(other.vocabulary)
            and own.keys() == others.keys()
            and all(np.array_equal(own[name], others[name]) for name in own)
            and (None if self.names is None else tuple(self.names))
            == (None if other.names is None else tuple(other.names))
        )

    def describe(self, node: int) -> str:
        """How messages name a node."""
        name = "" if self.names is None or self.names[node] is None else f" {quoted(self.names[node])}"
        return f"node {node}{name} (level {self.level_of(node)})"

    def place(self, node: int) -> str:
        """How reports name a node: like messages, and what leads there."""
        return self.describe(node)

    def _describe_after(self, node: int, what: str) -> str:
        return f"node {node} (level {self.level_of(node)}, {what})"

    def _check_levels(self) -> None:
        levels = self.level_ptr
        if len(levels) < 3 or levels[0] != 0 or levels[1] != 1:
            raise TreeError("level_ptr must start with 0, 1 (one root) and have at least 2 levels")
        if (np.diff(levels) < 1).any():
            raise TreeError(f"level {int(np.argmax(np.diff(levels) < 1))} has no nodes, expected at least one")
        if self.names is not None and len(self.names) != self.n_nodes:
            raise TreeError(f"there are {len(self.names)} names, expected one for each of {self.n_nodes} nodes")

    def _policy(self, t: int, layer: Layer, normaliser: Normaliser) -> FloatArray:
        """pi_ref of the edges from level `t`, checked, and normalised where it nearly is a distribution."""
        prob, first = layer.prob, self.level(t).start
        parent, edge, _ = first_bad_parent(layer.ptr, prob, SMALLEST_PROBABILITY, SUM_TOLERANCE)
        if parent >= 0 and edge < 0:
            childless = np.flatnonzero(np.diff(layer.ptr) < 1)
            if len(childless):
                v = int(childless[0])
                node, start, stop = self.describe(first + v), int(layer.ptr[v]), int(layer.ptr[v + 1])
                if stop < start:
                    raise TreeError(f"the edges of {node} run from {start} to {stop}: edge_ptr must not fall")
                raise TreeError(f"{node} has no children, expected at least one above the last level")
            prob = read_only(
                normaliser.groups(layer.ptr, prob, lambda v: f"edge probabilities of {self.describe(first + v)}")
            )
            parent, edge, _ = first_bad_parent(layer.ptr, prob, SMALLEST_PROBABILITY, 2 * SUM_TOLERANCE)
        if parent >= 0:
            raise TreeError(
                f"edge {edge} of {self.describe(first + parent)} has probability "
                f"{float(prob[edge + layer.ptr[parent] - layer.ptr[0]])!r}, "
                "expected 0, or at least 2.3e-308 and at most 1"
            )
        return prob


def paths_text(graph: LayeredGraph) -> str:
    """How many paths there are, as people read it.

    Examples
    --------
    >>> from treesim import Tree, Trellis
    >>> paths_text(Tree.complete(3, 2)), paths_text(Trellis.markov([[0.5, 0.5], [0.5, 0.5]], horizon=1000))
    ('9', '2^1000')
    """
    small = graph.log2_paths < _COUNTED
    return f"{round(2.0**graph.log2_paths):,}" if small else f"2^{graph.log2_paths:.4g}"


def steps_text(choices: Sequence[int]) -> str:
    """The children taken on the way to a node, of long ways the last.

    Examples
    --------
    >>> steps_text([0, 1, 1]), steps_text(range(20))
    ('0-1-1', '...-12-13-14-15-16-17-18-19')
    """
    return f"...-{steps_text(choices[-8:])}" if len(choices) > _SHOWN else "-".join(map(str, choices))


def text_end(text: str) -> str:
    """A text as reports quote it, of a long one the end.

    Examples
    --------
    >>> text_end("ab"), len(text_end("ab" * 99))
    ("'ab'", 45)
    """
    return quoted(text if len(text) <= _TEXT_SHOWN else f"...{text[-_TEXT_SHOWN:]}")


def checked_tokens(tokens: object, n_edges: int, vocabulary: Sequence[str] | None) -> NDArray[np.int32]:
    """Tokens of some edges; raises `TreeError` if they are not as many, or no numbers of the vocabulary."""
    if vocabulary is None:
        raise TreeError("tokens need a vocabulary")
    found: NDArray[np.int32] = checked_array("tokens", tokens, np.int32)
    if len(found) != n_edges or (n_edges and (found.min() < 0 or found.max() >= len(vocabulary))):
        raise TreeError(f"tokens are not {n_edges} numbers below {len(vocabulary)}, one for each edge")
    return found


def checked_masses(name: str, masses: object, n: int) -> FloatArray:
    """Probabilities, one for each of `n` levels; raises `TreeError` if they are something else."""
    found: FloatArray = checked_array(name, masses, np.float64)
    if len(found) != n or not ((found >= 0) & (found <= 1)).all():
        raise TreeError(f"{name} has shape {found.shape}, expected {n} probabilities, one a level")
    return found


def checked_array(name: str, array: object, kind: type) -> NDArray:  # type: ignore[type-arg]
    """A one-dimensional array of a type that nobody can write to; raises `TreeError` if it is something else."""
    given = np.asarray(array)
    if given.ndim != 1 or given.dtype.kind not in ("iu" if np.issubdtype(kind, np.integer) else "fiu"):
        raise TreeError(f"{name} has shape {given.shape} and type {given.dtype}, expected 1-d {kind.__name__}")
    return frozen(np.asarray(given, kind))


def _listed(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else list(words)
