r"""The trellis: a tree whose prefixes of identical future are one node.

Its paths are the leaves of the tree, so a trellis of 3 nodes a level and 1,000 levels stands for a tree of 3^1000
leaves. Values, audits, perturbations and laws are computed on its edges by the same code that serves trees. Layers that
repeat are stored once: a Markov chain of any length takes the memory of one step.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from treesim.arrays import FloatArray, IntArray, frozen, read_only
from treesim.errors import TreeError
from treesim.graphs.distributions import Normaliser
from treesim.graphs.from_networkx import unfold_trellis
from treesim.graphs.layered import Layer, LayeredGraph, checked_array, checked_tokens, steps_text, text_end
from treesim.graphs.potentials import checked_potentials, potential_arrays, potentials_of_arrays
from treesim.graphs.steps import step_graph
from treesim.kernels.backward import expect_children
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE, Scaled

if TYPE_CHECKING:
    import networkx as nx

NO_EDGES = "a path of a trellis is known by its edges, and they were not given"


@dataclass(frozen=True, eq=False, repr=False)
class Trellis(LayeredGraph):
    """A layered graph with reference policy pi_ref, immutable and checked once; parallel edges are different steps.

    It takes 12 bytes for each edge of its distinct layers and 8 for each of their parents, however often they repeat.
    V* and V^ take 12 bytes each for every node of every level.

    Parameters
    ----------
    level_ptr : ndarray of int64, shape [horizon + 2]
        Nodes of level ``t`` are ``level_ptr[t] .. level_ptr[t + 1]``.
    layers : sequence of Layer
        The distinct layers; ``ptr`` starts at 0 and every edge names its child.
    order : ndarray of int64, shape [horizon]
        Which of them leads from level ``t`` to level ``t + 1``.
    names : sequence, shape [n_nodes], optional
        Names of the nodes, ``None`` for padding.
    tokens : sequence of ndarray, each of shape [n_edges of the layer], optional
        Layer by layer, what each edge writes: an index into the vocabulary.
    vocabulary : sequence of str, optional
    potentials : sequence of Scaled, each of shape [n_edges of the layer], optional
        Layer by layer, what each edge multiplies the reward by: see `treesim.graphs.potentials`.

    Raises
    ------
    TreeError
        If the arrays are no trellis; the message names node and level.

    Examples
    --------
    >>> coin = Trellis.from_layers([np.array([[0.5, 0.5]]), *[np.array([[0.9, 0.1], [0.1, 0.9]])] * 999])
    >>> coin.horizon, coin.n_nodes, round(coin.log2_paths, 9)
    (1000, 2001, 1000.0)
    """

    kind: ClassVar[str] = "trellis"
    keeps_edges: ClassVar[bool] = True
    level_ptr: IntArray
    layers: Sequence[Layer]
    order: IntArray
    names: Sequence[Hashable] | None = None
    tokens: Sequence[NDArray[np.int32]] | None = None
    vocabulary: Sequence[str] | None = None
    potentials: Sequence[Scaled] | None = None

    def __post_init__(self) -> None:
        for name in ("level_ptr", "order"):
            object.__setattr__(self, name, checked_array(name, getattr(self, name), np.int64))
        layers = tuple(
            Layer(
                checked_array("ptr", layer.ptr, np.int64),
                checked_array("prob", layer.prob, np.float64),
                checked_array("child", layer.child, np.int32),
            )
            for layer in self.layers
        )
        object.__setattr__(self, "layers", layers)
        self._check_levels()
        self._check_layers()
        self._check_tokens()
        object.__setattr__(self, "potentials", checked_potentials(self.potentials, layers))

    @classmethod
    def from_layers(cls, matrices: Sequence[ArrayLike]) -> Trellis:
        """The trellis of transition matrices; entries that are zero are no edges.

        Parameters
        ----------
        matrices : sequence of array_like, shapes [1, n_1], [n_1, n_2], ..., [n_{T-1}, n_T]
            Row-stochastic. An object that appears again is stored once.

        Raises
        ------
        TreeError
            If shapes do not fit together, or a row is no distribution.

        Examples
        --------
        >>> Trellis.from_layers([[[0.25, 0.75]], [[1.0], [1.0]]]).n_edges
        4
        """
        layers: list[Layer] = []
        place: dict[int, int] = {}
        sizes, order = [1], []
        for t, matrix in enumerate(matrices):
            dense = np.asarray(matrix, np.float64)
            if dense.ndim != 2 or dense.shape[0] != sizes[-1] or dense.shape[1] < 1:
                raise TreeError(
                    f"the matrix of step {t} has shape {dense.shape}, expected ({sizes[-1]}, n): "
                    f"a row for each node of level {t}"
                )
            if id(matrix) not in place:
                rows, columns = np.nonzero(dense)
                ptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(dense)))])
                place[id(matrix)] = len(layers)
                layers.append(Layer(ptr, dense[rows, columns], columns.astype(np.int32)))
            order.append(place[id(matrix)])
            sizes.append(dense.shape[1])
        return cls(np.cumsum([0, *sizes]), layers, np.array(order, np.int64))

    @classmethod
    def markov(cls, transition: ArrayLike, horizon: int, initial: ArrayLike | None = None) -> Trellis:
        """A Markov chain of order k over K tokens, as a trellis of K^k nodes a level.

        Parameters
        ----------
        transition : array_like, shape [K] * k + [K]
            Probability of the next token given the last k, oldest first.
        horizon : int
            T, tokens in all.
        initial : array_like, shape [K] * k, optional
            Joint law of the first k tokens; uniform if left out.

        Raises
        ------
        TreeError
            If a shape is wrong or a row is no distribution.
        MemoryBudgetError
            If its values do not fit in the memory budget.

        Examples
        --------
        >>> chain = Trellis.markov([[0.9, 0.1], [0.2, 0.8]], horizon=50, initial=[1.0, 0.0])
        >>> chain.n_level(0), chain.n_level(7), len(chain.layers)
        (1, 2, 2)
        """
        step = np.asarray(transition, np.float64)
        k, size = step.ndim - 1, step.shape[-1] if step.ndim else 0
        if k < 1 or size < 1 or step.shape != (size,) * (k + 1):
            raise TreeError(f"transition has shape {step.shape}, expected (K, ..., K), two axes at least")
        if not isinstance(horizon, Integral) or horizon < 1:
            raise TreeError(f"horizon is {horizon}, expected a whole number of at least 1")
        first = np.full((size,) * k, float(size) ** -k) if initial is None else np.asarray(initial, np.float64)
        if first.shape != (size,) * k:
            raise TreeError(f"initial has shape {first.shape}, expected {(size,) * k}")
        if not (first >= 0).all() or abs(first.sum() - 1) > 1e-9:
            raise TreeError(f"initial sums to {first.sum():.12g}, expected non-negative probabilities that sum to 1")
        require_memory(float(size) ** k * (20.0 + 2 * BYTES_A_VALUE * horizon), f"a chain of {size}^{k} states")
        layers, sizes = [], [1]
        for t in range(min(k, horizon)):
            ahead = first.reshape(size ** (t + 1), -1).sum(axis=1).reshape(-1, size)
            total = ahead.sum(axis=1, keepdims=True)
            prob = np.where(total > 0, ahead / np.where(total > 0, total, 1.0), 1.0 / size)
            layers.append(_full_layer(prob, np.arange(size ** (t + 1))))
            sizes.append(size ** (t + 1))
        if horizon > k:
            layers.append(_full_layer(step.reshape(-1, size), np.arange(size ** (k + 1)) % size**k))
            sizes.extend([size**k] * (horizon - k))
        return cls(np.cumsum([0, *sizes]), layers, np.minimum(np.arange(horizon), k))

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph) -> Trellis:
        """The trellis of a graph without cycles whose edges carry ``prob``; early ends are padded.

        A node that paths of different lengths reach stands on several levels.

        Raises
        ------
        TreeError
            If the graph has a cycle or several roots, an edge lacks ``prob``, or those of a node are no distribution.

        Examples
        --------
        >>> import networkx as nx
        >>> graph = nx.DiGraph()
        >>> edges = [("", "a", 0.25), ("", "b", 0.75), ("a", "end", 1.0), ("b", "end", 1.0)]
        >>> graph.add_weighted_edges_from(edges, weight="prob")
        >>> Trellis.from_networkx(graph).names
        ('', 'a', 'b', 'end')
        """
        steps = step_graph(graph)
        layers, places = unfold_trellis(steps)
        return cls(places.level_ptr, layers, np.arange(len(layers)), places.names(steps.nodes))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], names: Any = None, vocabulary: Any = None) -> Trellis:
        """The trellis of the arrays that `arrays` gives.

        Raises
        ------
        TreeError
            If they do not fit together.
        """
        parents, edges = arrays["layer_parents"], arrays["layer_edges"]
        ends = [np.cumsum(sizes) for sizes in (parents + 1, edges)]
        if (
            len(parents) != len(edges) or (parents < 1).any() or (edges < 1).any()
            or ends[0][-1] != len(arrays["edge_ptr"]) or ends[1][-1] != len(arrays["edge_prob"])
            or len(arrays["edge_child"]) != len(arrays["edge_prob"])
        ):  # fmt: skip
            raise TreeError("the sizes of the layers do not fit the arrays of their edges")
        parts = [
            np.split(arrays[name], cuts[:-1])
            for name, cuts in (("edge_ptr", ends[0]), ("edge_prob", ends[1]), ("edge_child", ends[1]))
        ]
        layers = [Layer(*part) for part in zip(*parts, strict=True)]
        tokens = np.split(arrays["edge_token"], ends[1][:-1]) if "edge_token" in arrays else None
        potentials = potentials_of_arrays(arrays, ends[1])
        return cls(arrays["level_ptr"], layers, arrays["order"], names, tokens, vocabulary, potentials)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays that make up the trellis, by name; those of its distinct layers are laid end to end."""
        arrays: dict[str, NDArray[Any]] = {
            "level_ptr": self.level_ptr,
            "order": self.order,
            "layer_parents": np.array([len(layer.ptr) - 1 for layer in self.layers]),
            "layer_edges": np.array([len(layer.prob) for layer in self.layers]),
            "edge_ptr": np.concatenate([layer.ptr for layer in self.layers]),
            "edge_prob": np.concatenate([layer.prob for layer in self.layers]),
            "edge_child": np.concatenate([layer.child for layer in self.layers]),
        }
        if self.tokens is not None:
            arrays["edge_token"] = np.concatenate(self.tokens)
        return arrays | potential_arrays(self.potentials)

    def layer(self, t: int) -> Layer:
        """The edges between levels `t` and ``t + 1``."""
        return self.layers[self.order[t]]

    def distinct_layers(self) -> Sequence[Layer]:
        """The layers, those that repeat once."""
        return self.layers

    def smallest_step(self, t: int) -> float:
        """The smallest probability of the edges from level `t`."""
        return self._smallest_steps[self.order[t]]

    @cached_property
    def _smallest_steps(self) -> list[float]:
        return [float(layer.prob.min()) for layer in self.layers]

    @property
    def n_edges(self) -> int:
        return int(np.array([len(layer.prob) for layer in self.layers])[self.order].sum())

    @cached_property
    def log2_paths(self) -> float:
        """log2 of the number of paths from the root to level T."""
        count = Scaled.from_float(np.ones(self.n_leaves))
        for t in reversed(range(self.horizon)):
            ptr, prob, child = self.layer(t)
            above = Scaled.empty(self.n_level(t))
            expect_children(0, len(above), (ptr, read_only(np.ones_like(prob)), child), count.numbers, above.room)
            count = above
        return math.log2(count.mantissa[0]) + int(count.exponent[0])

    def choices(self, path: IntArray | NDArray[np.int32]) -> list[int]:
        """Which edge of its node is taken at each step of a path, shape [horizon].

        Examples
        --------
        >>> Trellis.markov([[0.9, 0.1], [0.2, 0.8]], horizon=2).choices(np.array([1, 3]))
        [1, 1]
        """
        node, taken = 0, []
        for t, edge in enumerate(path):
            layer = self.layer(t)
            taken.append(int(edge - layer.ptr[node]))
            node = int(layer.child[edge])
        return taken

    def path_edges(self, leaf: IntArray, edges: NDArray[np.int32] | None) -> NDArray[np.int32]:
        if edges is None:
            raise TreeError(NO_EDGES)
        return edges

    def path_choices(self, leaf: int, edges: NDArray[np.int32] | None) -> list[int]:
        if edges is None:
            raise TreeError(NO_EDGES)
        return self.choices(edges)

    def edge_tokens(self, t: int) -> NDArray[np.int32] | None:
        return None if self.tokens is None else self.tokens[self.order[t]]

    def potential(self, t: int) -> Scaled | None:
        return None if self.potentials is None else self.potentials[self.order[t]]

    def place(self, node: int) -> str:
        """How reports name a node: by its name, or by the end of a likely prefix that leads there.

        Examples
        --------
        >>> Trellis.markov([[0.9, 0.1], [0.2, 0.8]], horizon=3).place(4)
        'node 4 (level 2, as after 1-1)'
        """
        if self.names is not None or not self.level_of(node):
            return self.describe(node)
        path = self.likely_path(node)
        if self.tokens is None:
            return self._describe_after(node, f"as after {steps_text(self.choices(path))}")
        return self._describe_after(node, f"as after {text_end(self.text(path))}")

    def likely_path(self, node: int) -> IntArray:
        """The edges of a way to a node, numbered within their layers, shape [level]: going back, the likeliest each."""
        level = self.level_of(node)
        end, path = node - self.level(level).start, np.empty(level, np.int64)
        for t in reversed(range(level)):
            layer = self.layer(t)
            into, source = np.flatnonzero(layer.child == end), layer.sources()
            path[t] = into[np.argmax(self.reach[t][source[into]] * layer.prob[into])]
            end = int(source[path[t]])
        return path

    def _check_layers(self) -> None:
        if len(self.order) != self.horizon:
            raise TreeError(f"order has {len(self.order)} entries, expected one for each of {self.horizon} steps")
        checked, normaliser, layers = set(), Normaliser(), list(self.layers)
        for t, which in enumerate(self.order.tolist()):
            if not 0 <= which < len(self.layers):
                raise TreeError(f"step {t} has layer {which}, expected one of 0 to {len(self.layers) - 1}")
            layer = self.layers[which]
            if len(layer.ptr) != self.n_level(t) + 1 or layer.ptr[0] != 0 or layer.ptr[-1] != len(layer.prob):
                raise TreeError(
                    f"the layer of step {t} has {len(layer.ptr) - 1} parents and ptr from {layer.ptr[0]} to "
                    f"{layer.ptr[-1]}, expected {self.n_level(t)} and from 0 to its {len(layer.prob)} edges"
                )
            if len(layer.child) != len(layer.prob):
                raise TreeError(f"the layer of step {t} has {len(layer.child)} children for {len(layer.prob)} edges")
            if which not in checked:
                prob = self._policy(t, layer, normaliser)
                layers[which] = layer if prob is layer.prob else layer._replace(prob=frozen(prob))
                checked.add(which)
            if layer.child.min() < 0 or layer.child.max() >= self.n_level(t + 1):
                odd = layer.child.min() if layer.child.min() < 0 else layer.child.max()
                raise TreeError(
                    f"an edge of level {t} leads to child {odd}, expected one of the {self.n_level(t + 1)} nodes of "
                    f"level {t + 1}"
                )
        if normaliser.scaled:
            object.__setattr__(self, "layers", tuple(layers))
            normaliser.say()

    def __reduce__(self) -> tuple[Any, ...]:
        given = self.level_ptr, self.layers, self.order, self.names, self.tokens, self.vocabulary, self.potentials
        return type(self), given

    def _check_tokens(self) -> None:
        if self.tokens is None:
            return
        if self.vocabulary is None or len(self.tokens) != len(self.layers):
            raise TreeError(f"tokens need a vocabulary, and one array for each of {len(self.layers)} layers")
        tokens = tuple(
            checked_tokens(token, len(layer.prob), self.vocabulary)
            for token, layer in zip(self.tokens, self.layers, strict=True)
        )
        object.__setattr__(self, "tokens", tokens)


def _full_layer(prob: FloatArray, child: IntArray) -> Layer:
    """Every parent has as many edges, ``prob [n_parents, degree]``."""
    return Layer(np.arange(len(prob) + 1) * prob.shape[1], np.ascontiguousarray(prob).ravel(), child.astype(np.int32))
