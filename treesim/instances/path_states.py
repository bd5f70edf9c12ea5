"""What a prefix has written so far, carried along the edges of a graph: its last tokens, how often each was written.

On a tree every node knows its prefix. On a trellis prefixes meet, and what is carried must be the same for all of them;
`split` tells apart nodes where it is not.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from treesim.arrays import Brief, IntArray
from treesim.errors import TreesimError, listed, quoted
from treesim.graphs.layered import Layer, LayeredGraph
from treesim.graphs.trellis import Trellis
from treesim.instances.instance import Instance
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE

# Codes of the last tokens stay whole numbers of 64 bits.
_LARGEST_CODE = 2**62
UNKNOWN = -1


class PathState(Protocol):
    """A number for what a prefix has written, which changes token by token; before the first it is 0."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def step(self, state: IntArray, token: IntArray) -> IntArray:
        """The states after one more token."""


@dataclass(frozen=True)
class LastTokens:
    """The last `length` tokens, as digits; 0 stands for none yet."""

    name: str
    length: int
    size: int

    def step(self, state: IntArray, token: IntArray) -> IntArray:
        """The states after one more token."""
        return (state * (self.size + 1) + token + 1) % (self.size + 1) ** self.length


@dataclass(frozen=True)
class Count:
    """How often a token was written."""

    name: str
    token: int

    def step(self, state: IntArray, token: IntArray) -> IntArray:
        """The states after one more token."""
        return state + (token == self.token)


@dataclass(frozen=True, eq=False, repr=False)
class EdgeTokens(Brief):
    """What each edge writes, as numbers of tokens.

    Attributes
    ----------
    vocabulary : list of str
    layers : list of ndarray of int, each of shape [n_edges of the layer]
    """

    vocabulary: list[str]
    layers: list[IntArray]

    @classmethod
    def of(cls, graph: LayeredGraph) -> EdgeTokens:
        """The tokens of a graph: its own, those that its names end with, or which child is taken.

        Examples
        --------
        >>> from treesim import Tree
        >>> tree, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], "ab", horizon=1)
        >>> EdgeTokens.of(tree).vocabulary, EdgeTokens.of(Tree.complete(2, 1)).vocabulary
        (['a', 'b'], ['0', '1'])
        """
        written = [graph.edge_tokens(t) for t in range(graph.horizon)]
        if graph.vocabulary is not None and written[0] is not None:
            return cls(list(graph.vocabulary), [np.asarray(tokens, np.int64) for tokens in written])
        if graph.names is not None and not graph.keeps_edges:
            said = [_written(graph, t) for t in range(graph.horizon)]
            if all(token is not None for tokens in said for token in tokens):
                number = {token: i for i, token in enumerate(sorted({str(w) for tokens in said for w in tokens}))}
                return cls(list(number), [np.array([number[str(w)] for w in tokens]) for tokens in said])
        layers = [graph.layer(t) for t in range(graph.horizon)]
        choice = [np.arange(len(layer.prob)) - (layer.ptr[:-1] - layer.ptr[0])[layer.sources()] for layer in layers]
        return cls([str(i) for i in range(graph.max_degree)], choice)

    def number(self, token: str) -> int:
        """The number of a token.

        Raises
        ------
        TreesimError
            If no edge can write it.
        """
        if token not in self.vocabulary:
            raise TreesimError(f"no edge writes {quoted(token)}, expected one of: {listed(self.vocabulary)}")
        return self.vocabulary.index(token)

    def last(self, length: int) -> LastTokens:
        """The state that knows the last `length` tokens."""
        if (len(self.vocabulary) + 1) ** length > _LARGEST_CODE:
            raise TreesimError(
                f"there are too many sequences of {length} tokens out of {len(self.vocabulary)}, expected fewer tokens"
            )
        return LastTokens(f"suffix:{length}", length, len(self.vocabulary))


def carried(graph: LayeredGraph, tokens: EdgeTokens, states: Sequence[PathState]) -> IntArray:
    """The states of every node, shape [n_states, n_nodes]; -1 where pi_ref does not come.

    Raises
    ------
    TreesimError
        If prefixes that meet at a node of a trellis differ in one.
    """
    found = np.full((len(states), graph.n_nodes), UNKNOWN)
    found[:, 0] = 0
    for t, reach in enumerate(graph.reach):
        layer, here, below = graph.layer(t), found[:, graph.level(t)], found[:, graph.level(t + 1)]
        source, used = layer.sources(), layer.prob > 0
        used &= reach[source] > 0
        ends = layer.ends(used)
        for i, state in enumerate(states):
            after = state.step(here[i, source[used]], tokens.layers[t][used])
            below[i, ends] = after
            differs = np.flatnonzero(below[i, ends] != after)
            if len(differs):
                node = graph.level(t + 1).start + int(ends[differs[0]])
                raise TreesimError(
                    f"feature {quoted(state.name)} is no function of the nodes: prefixes that differ in it meet at "
                    f"{graph.describe(node)}; split the trellis (split=True, --split) to tell them apart"
                )
    return found


def split(instance: Instance, states: Sequence[PathState]) -> tuple[Instance, IntArray]:
    """The instance on a trellis whose nodes know the states: each node once for every state that leads there.

    Returns
    -------
    Instance
        Of the same paths, rewards and values; what pi_ref cannot reach is left out.
    ndarray of int, shape [n_nodes]
        The node that each node was.

    Examples
    --------
    >>> from treesim import family
    >>> chain = family("markov", horizon=4, states=2)
    >>> finer, _ = split(chain, [Count("count:1", EdgeTokens.of(chain.graph).number("1"))])
    >>> [finer.graph.n_level(t) for t in range(5)], finer.graph.log2_paths == chain.graph.log2_paths
    ([1, 2, 4, 6, 8], True)
    """
    graph, tokens = instance.graph, EdgeTokens.of(instance.graph)
    at, known = np.zeros(1, np.int64), np.zeros((1, len(states)), np.int64)
    origin, layers, written, potentials = [np.zeros(1, np.int64)], [], [], []
    for t in range(graph.horizon):
        layer = graph.layer(t)
        edge = layer.edges_of(at)
        source = np.repeat(np.arange(len(at)), np.diff(layer.ptr)[at])
        possible = layer.prob[edge] > 0
        edge, source = edge[possible], source[possible]
        ends, token = layer.ends(edge), tokens.layers[t][edge]
        after = [state.step(known[source, i], token) for i, state in enumerate(states)]
        rows, child = np.unique(np.stack([ends, *after], axis=1), axis=0, return_inverse=True)
        require_memory(float(BYTES_A_VALUE * 4 * (sum(map(len, origin)) + len(rows))), "a trellis split so finely")
        ptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=len(at)))])
        layers.append(Layer(ptr, layer.prob[edge], child.ravel().astype(np.int32)))
        potential = graph.potential(t)
        if potential is not None:
            potentials.append(potential[edge])
        written.append(token.astype(np.int32))
        at, known = rows[:, 0], rows[:, 1:]
        origin.append(graph.level(t + 1).start + at)
    rows = np.concatenate(origin)
    trellis = Trellis(
        np.cumsum([0, *map(len, origin)]), layers, np.arange(graph.horizon),
        None if graph.names is None else [graph.names[row] for row in rows.tolist()], written, tokens.vocabulary,
        potentials or None,
    )  # fmt: skip
    parameters = {**instance.parameters, "split": [state.name for state in states]}
    outcomes = None if instance.outcomes is None else instance.outcomes.take(at)
    return Instance(trellis, instance.value[rows], instance.family, parameters, instance.seed, outcomes=outcomes), rows


def _written(graph: LayeredGraph, t: int) -> list[Hashable | None]:
    """What the names of children have that their parents' have not; None where that is no token."""
    names = graph.names
    assert names is not None
    parents, first = graph.layer(t).sources().tolist(), graph.level(t + 1).start
    return [_token(names[graph.level(t).start + v], names[first + c]) for c, v in enumerate(parents)]


def _token(parent: Hashable, child: Hashable) -> Hashable | None:
    if child is None:
        return ""  # the padding of an early end
    if isinstance(parent, tuple) and isinstance(child, tuple) and child[:-1] == parent:
        return child[-1]
    if isinstance(parent, str) and isinstance(child, str) and child.startswith(parent):
        return child[len(parent) :]
    return None
