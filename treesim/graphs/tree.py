"""The tree of prefixes with its reference policy.

A node is a prefix, numbered level by level so that the children of a node are contiguous: edge ``e`` leads to
node ``e + 1``. All paths have length T; a prefix that ends early goes on by single edges of probability 1.

Algorithms see a tree as T layers of edges, `Tree.layer`, and never use the rule ``e + 1`` themselves.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from treesim.arrays import FloatArray, IntArray, frozen, own
from treesim.errors import NoExactLaw, TreeError, TreesimError, quoted
from treesim.graphs.builders import TreeArrays, complete_arrays, random_arrays
from treesim.graphs.distributions import Normaliser
from treesim.graphs.from_networkx import arborescence_arrays
from treesim.graphs.from_policy import enumerate_policy
from treesim.graphs.layered import (
    NO_CHILD,
    Layer,
    LayeredGraph,
    checked_array,
    checked_masses,
    checked_tokens,
    steps_text,
    text_end,
)  # fmt: skip

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False, repr=False)
class Tree(LayeredGraph):
    """A finite tree of prefixes with reference policy pi_ref, immutable and checked once.

    It takes 8 bytes for each internal node and 8 for each edge: 12 bytes a node for a complete binary tree,
    16 at the most. V* and V^ take another 12 each. A tree that does not fit with them in the memory budget (8 GiB,
    or ``TREESIM_MEMORY_GIB``) is refused before anything is allocated.

    Parameters
    ----------
    level_ptr : ndarray of int64, shape [horizon + 2]
        Nodes of level ``t`` are ``level_ptr[t] .. level_ptr[t + 1]``.
    edge_ptr : ndarray of int64, shape [n_internal + 1]
        Edges of internal node ``v`` are ``edge_ptr[v] .. edge_ptr[v + 1]``; edge ``e`` leads to node ``e + 1``.
    edge_prob : ndarray of float64, shape [n_nodes - 1]
        pi_ref of each edge, linear; zero is a forbidden step.
    names : sequence, shape [n_nodes], optional
        Names of the nodes, ``None`` for padding.
    tokens : ndarray of int32, shape [n_nodes - 1], optional
        What each edge writes: an index into the vocabulary.
    vocabulary : sequence of str, optional
    pruned : ndarray, shape [horizon], optional
        Level by level, the probability of what a policy writes there and the tree leaves out.

    Raises
    ------
    TreeError
        If the arrays are not a tree; the message names node and level.

    Examples
    --------
    >>> tree = Tree.complete(branching=2, horizon=3)
    >>> tree
    Tree(horizon=3, 15 nodes, 8 paths)
    >>> Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([0.5, 0.4]))
    Traceback (most recent call last):
    treesim.errors.TreeError: edge probabilities of node 0 (level 0) sum to 0.9, expected 1
    """

    kind: ClassVar[str] = "tree"
    keeps_edges: ClassVar[bool] = False
    level_ptr: IntArray
    edge_ptr: IntArray
    edge_prob: FloatArray
    names: Sequence[Hashable] | None = None
    tokens: NDArray[np.int32] | None = None
    vocabulary: Sequence[str] | None = None
    pruned: FloatArray | None = None

    def __post_init__(self) -> None:
        for name, kind in (("level_ptr", np.int64), ("edge_ptr", np.int64), ("edge_prob", np.float64)):
            object.__setattr__(self, name, checked_array(name, getattr(self, name), kind))
        self._check_levels()
        self._check_edges()
        if self.tokens is not None:
            object.__setattr__(self, "tokens", checked_tokens(self.tokens, len(self.edge_prob), self.vocabulary))
        if self.pruned is not None:
            object.__setattr__(self, "pruned", checked_masses("pruned", self.pruned, self.horizon))
        normaliser = Normaliser()
        policy = [self._policy(t, self.layer(t), normaliser) for t in range(self.horizon)]
        if normaliser.scaled:
            object.__setattr__(self, "edge_prob", frozen(np.concatenate(policy)))
            normaliser.say()

    @classmethod
    def _of_new(cls, arrays: TreeArrays) -> Tree:
        """Of arrays that nobody else has: they are not copied."""
        return cls(own(arrays.level_ptr), own(arrays.edge_ptr), own(arrays.edge_prob))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    @classmethod
    def complete(cls, branching: int, horizon: int, policy: str | float | ArrayLike = "uniform", seed: int = 0) -> Tree:
        """The complete tree: every prefix shorter than `horizon` has `branching` children.

        Parameters
        ----------
        branching, horizon : int
        policy : "uniform", float or array_like, shape [branching] or [n_edges]
            pi_ref: uniform; Dirichlet with this concentration at every node; or given, the same at every node
            or edge by edge.
        seed : int
            Of the Dirichlet draws.

        Raises
        ------
        TreeError
            If a parameter is out of range.
        MemoryBudgetError
            If the tree does not fit in the memory budget.

        Examples
        --------
        >>> Tree.complete(3, 2, policy=[0.5, 0.5, 0.0]).layer(0).prob
        array([0.5, 0.5, 0. ])
        """
        return cls._of_new(complete_arrays(branching, horizon, policy, seed))

    @classmethod
    def random(cls, horizon: int, branching: int, concentration: float = 1.0, stop: float = 0.0, seed: int = 0) -> Tree:
        """A random tree: 1 to `branching` children, Dirichlet(`concentration`) pi_ref, early ends.

        Parameters
        ----------
        horizon, branching : int
        concentration : float
        stop : float
            Probability that a prefix ends after each step; it is padded to the horizon.
        seed : int

        Raises
        ------
        TreeError
            If a parameter is out of range.
        MemoryBudgetError
            If the tree outgrows the memory budget.

        Examples
        --------
        >>> Tree.random(horizon=4, branching=3, stop=0.1, seed=1).horizon
        4
        """
        return cls._of_new(random_arrays(horizon, branching, concentration, stop, seed))

    @classmethod
    def from_policy(
        cls,
        policy: Callable[[tuple[Any, ...]], ArrayLike],
        vocabulary: Sequence[Any],
        horizon: int,
        least: float = 0.0,
        logits: bool = False,
    ) -> tuple[Tree, float]:
        """The tree of a language model: a function from prefixes to the law of the next token.

        Parameters
        ----------
        policy : callable
            ``policy(prefix)``, a tuple of tokens, returns the probability of each token, shape [vocabulary].
        vocabulary : sequence
            The tokens.
        horizon : int
            T.
        least : float
            Prefixes of smaller probability are left out, but for the likeliest token of each node; what is left is
            normalised at each node.
        logits : bool
            Whether `policy` returns logits (natural logs up to a constant, ``-inf`` forbidden) instead.

        Returns
        -------
        Tree
            Its names are the prefixes.
        float
            Probability that the model writes what is not in the tree: zero if nothing was pruned. The tree's pi_ref is
            at that TV from the model, at most.

        Raises
        ------
        TreeError
            If the policy returns no law.
        MemoryBudgetError
            If the tree outgrows the memory budget.

        Examples
        --------
        >>> tree, pruned = Tree.from_policy(lambda prefix: [0.9, 0.1], "ab", horizon=2, least=0.05)
        >>> tree.names, round(pruned, 12)
        (((), ('a',), ('b',), ('a', 'a'), ('a', 'b'), ('b', 'a')), 0.01)
        """
        arrays, names, pruned = enumerate_policy(policy, vocabulary, horizon, least, logits)
        return cls(*arrays, tuple(names)), pruned

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph) -> Tree:
        """The tree of an arborescence whose edges carry ``prob``; names are kept, early ends padded.

        Raises
        ------
        TreeError
            If the graph is no arborescence, an edge lacks ``prob``, or those of a node are no distribution.

        Examples
        --------
        >>> import networkx as nx
        >>> graph = nx.DiGraph()
        >>> edges = [("", "a", 0.25), ("", "b", 0.75), ("b", "bb", 1.0)]
        >>> graph.add_weighted_edges_from(edges, weight="prob")
        >>> Tree.from_networkx(graph).names
        ('', 'a', 'b', None, 'bb')
        """
        arrays, names = arborescence_arrays(graph)
        return cls(*arrays, names)

    @property
    def n_edges(self) -> int:
        return len(self.edge_prob)

    @property
    def log2_paths(self) -> float:
        """log2 of the number of paths from the root to level T."""
        return math.log2(self.n_leaves)

    def layer(self, t: int) -> Layer:
        """The edges between levels `t` and ``t + 1``."""
        nodes, children = self.level(t), self.level(t + 1)
        return Layer(
            self.edge_ptr[nodes.start : nodes.stop + 1],
            self.edge_prob[children.start - 1 : children.stop - 1],
            NO_CHILD,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays that make up the tree, by name."""
        arrays = {"level_ptr": self.level_ptr, "edge_ptr": self.edge_ptr, "edge_prob": self.edge_prob}
        more = {"edge_token": self.tokens, "level_pruned": self.pruned}
        return arrays | {name: array for name, array in more.items() if array is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], names: Any = None, vocabulary: Any = None) -> Tree:
        """The tree of the arrays that `arrays` gives; raises `TreeError` if they do not fit together."""
        level_ptr, edge_ptr, prob = (arrays[name] for name in ("level_ptr", "edge_ptr", "edge_prob"))
        return cls(level_ptr, edge_ptr, prob, names, arrays.get("edge_token"), vocabulary, arrays.get("level_pruned"))

    def edge_tokens(self, t: int) -> NDArray[np.int32] | None:
        children = self.level(t + 1)
        return None if self.tokens is None else self.tokens[children.start - 1 : children.stop - 1]

    def texts(self, level: int | None = None) -> list[str]:
        """What the prefixes of a level have written, those of level T if none is given.

        Raises
        ------
        TreeError
            If the edges have no tokens.
        """
        if self.vocabulary is None or self.tokens is None:
            raise TreeError("the edges of this tree have no tokens, so its prefixes have no text")
        texts = [""]
        for t in range(self.horizon if level is None else level):
            tokens = self.edge_tokens(t)
            assert tokens is not None
            above = zip(self.layer(t).sources().tolist(), tokens.tolist(), strict=True)
            texts = [texts[v] + self.vocabulary[token] for v, token in above]
        return texts

    def truncate(self, horizon: int) -> Tree:
        """The tree of the first `horizon` steps.

        Raises
        ------
        TreeError
            If it has not so many.

        Examples
        --------
        >>> Tree.complete(2, 5).truncate(3).same_as(Tree.complete(2, 3))
        True
        """
        if not 1 <= horizon <= self.horizon:
            raise TreeError(f"horizon is {quoted(horizon)}, expected 1 to {self.horizon}, the steps that there are")
        n_nodes, inner = int(self.level_ptr[horizon + 1]), int(self.level_ptr[horizon])
        return Tree(
            self.level_ptr[: horizon + 2], self.edge_ptr[: inner + 1], self.edge_prob[: n_nodes - 1],
            None if self.names is None else self.names[:n_nodes],
            None if self.tokens is None else self.tokens[: n_nodes - 1], self.vocabulary,
            None if self.pruned is None else self.pruned[:horizon],
        )  # fmt: skip

    def path(self, leaf: int, level: int | None = None) -> list[int]:
        """The nodes from the root to a leaf, or to a node of another level, shape [level + 1].

        Nodes are numbered from 0 within the level.

        Examples
        --------
        >>> Tree.complete(2, 2).path(3)
        [0, 2, 6]
        """
        node = self.level(self.horizon if level is None else level).start + int(leaf)
        nodes = [node]
        while node:
            node = int(np.searchsorted(self.edge_ptr, node - 1, side="right")) - 1
            nodes.append(node)
        return nodes[::-1]

    def choices(self, leaf: int, level: int | None = None) -> list[int]:
        """Which child is taken at each step on the way to a leaf, or to a node of another level, shape [level].

        Examples
        --------
        >>> Tree.complete(3, 2).choices(5)
        [1, 2]
        """
        path = self.path(leaf, level)
        return [c - 1 - int(self.edge_ptr[v]) for v, c in itertools.pairwise(path)]

    def place(self, node: int) -> str:
        """How reports name a node: by its name, or by the children taken on the way.

        Examples
        --------
        >>> Tree.complete(2, 3).place(12)
        'node 12 (level 3, prefix 1-0-1)'
        """
        level = self.level_of(node)
        if self.names is not None or not level:
            return self.describe(node)
        if self.tokens is not None:
            path = self.path(node - self.level(level).start, level)
            edges = [c - int(self.level_ptr[t]) for t, c in enumerate(path[1:], 1)]
            return self._describe_after(node, f"after {text_end(self.text(np.array(edges)))}")
        return self._describe_after(node, f"prefix {steps_text(self.choices(node - self.level(level).start, level))}")

    def edges_to(self, leaf: IntArray) -> NDArray[np.int32]:
        """The edge of each step on the way to some leaves, numbered within its layer, shape [n, horizon].

        Examples
        --------
        >>> Tree.complete(3, 2).edges_to(np.array([5, 0]))
        array([[1, 5],
               [0, 0]], dtype=int32)
        """
        edges = np.empty((len(leaf), self.horizon), np.int32)
        node = np.asarray(leaf, np.int64)
        for t in reversed(range(self.horizon)):
            edges[:, t] = node
            layer = self.layer(t)
            node = np.searchsorted(layer.ptr, node + layer.ptr[0], side="right") - 1
        return edges

    def path_edges(self, leaf: IntArray, edges: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        return self.edges_to(leaf) if edges is None else edges

    def path_choices(self, leaf: int, edges: NDArray[np.int32] | None = None) -> list[int]:
        return self.choices(leaf)

    def require_tree(self, message: str, error: type[TreesimError] = NoExactLaw) -> Tree:
        return self

    def _check_edges(self) -> None:
        levels, edges = self.level_ptr, self.edge_ptr
        if len(edges) != levels[-2] + 1:
            raise TreeError(
                f"edge_ptr has {len(edges)} entries, expected {levels[-2] + 1}: one a node above level T, and one"
            )
        if len(self.edge_prob) != levels[-1] - 1:
            raise TreeError(f"edge_prob has {len(self.edge_prob)} entries, expected n_nodes - 1 = {levels[-1] - 1}")
        if edges[0] != 0:
            raise TreeError(f"edge_ptr starts with {edges[0]}, expected 0")
        for t in range(self.horizon):
            if edges[levels[t + 1]] != levels[t + 2] - 1:
                raise TreeError(
                    f"the edges of level {t} end at {edges[levels[t + 1]]}, "
                    f"expected {levels[t + 2] - 1}: one edge for each node of level {t + 1}"
                )
