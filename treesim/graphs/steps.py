"""A networkx graph as arrays: its nodes numbered from the root, its edges in the order of their parents.

The one place where a graph that somebody else made is checked: one root, no cycle, a probability on every edge, those
of a node a distribution.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray
from treesim.errors import TreeError, listed, quoted
from treesim.graphs.distributions import SUM_TOLERANCE, Normaliser
from treesim.graphs.layered import SMALLEST_PROBABILITY
from treesim.graphs.listed import ListedGraph

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False, repr=False)
class StepGraph(Brief):
    """A graph without cycles and with one root.

    Attributes
    ----------
    nodes : list, shape [n]
        Its nodes, breadth first from the root.
    ptr : ndarray of int64, shape [n + 1]
        Edges of node ``v`` are ``ptr[v] .. ptr[v + 1]``.
    child : ndarray of int64, shape [m]
    prob : ndarray, shape [m]
    ends : list of tuple, shape [m]
        The two nodes of each edge, and what it carries.
    """

    nodes: list[Hashable]
    ptr: IntArray
    child: IntArray
    prob: FloatArray
    ends: list[tuple[Hashable, Hashable, dict[str, Any]]]

    @property
    def is_tree(self) -> bool:
        """Whether no paths meet, whatever type the graph came in: then there is one edge less than nodes."""
        return len(self.child) == len(self.nodes) - 1


def step_graph(graph: nx.DiGraph | ListedGraph, prob_attribute: str = "prob") -> StepGraph:
    """The arrays of a graph whose edges carry probabilities.

    Raises
    ------
    TreeError
        If the graph has a cycle or several roots, an edge lacks its probability, or those of a node are none; the
        message names node or edge.
    """
    listed = ListedGraph.of(graph)
    out: dict[Hashable, list[_Edge]] = {}
    for edge in listed.edges:
        out.setdefault(edge[0], []).append(edge)
    nodes = [_root(listed)]
    number = {nodes[0]: 0}
    for node in nodes:
        for _, end, _ in out.get(node, ()):
            if end not in number:
                number[end] = len(nodes)
                nodes.append(end)
    ends = [edge for node in nodes for edge in out.get(node, ())]
    _require_no_cycle(listed, len(nodes))
    degrees = [len(out.get(node, ())) for node in nodes]
    child = [number[end] for _, end, _ in ends]
    prob = _probabilities(ends, prob_attribute)
    normaliser = Normaliser()
    inner = [node for node, degree in zip(nodes, degrees, strict=True) if degree]
    checked = normaliser.groups(
        np.cumsum([0, *filter(None, degrees)]),
        prob,
        lambda v: f"edge probabilities of node {quoted(inner[v])}",
    )
    normaliser.say()
    return StepGraph(nodes, np.cumsum([0, *degrees]), np.array(child, np.int64), checked, ends)


def is_given(attribute: Any) -> bool:
    """Whether an attribute says anything: None and NaN, the gaps of JSON and of pandas, do not.

    Examples
    --------
    >>> is_given(0.0), is_given(None), is_given(float("nan"))
    (True, False, False)
    """
    if attribute is None:
        return False
    try:
        return bool(attribute == attribute)
    except (TypeError, ValueError):
        return False


def key_of(attributes: dict[str, Any], name: str) -> str | None:
    """Under which name attributes give a number: as it is, or its log; None if they do not.

    Examples
    --------
    >>> key_of({"reward": 1.0}, "reward"), key_of({"log_reward": 0.0}, "reward"), key_of({"reward": None}, "reward")
    ('reward', 'log_reward', None)
    """
    if is_given(attributes.get(name)):
        return name
    log_name = f"log_{name}"
    return log_name if is_given(attributes.get(log_name)) else None


def number_of(attribute: Any) -> float:
    """An attribute as a float, NaN if it is none; texts and whole numbers of any length are read.

    Examples
    --------
    >>> number_of("0.5"), number_of(10**400), number_of("half")
    (0.5, inf, nan)
    """
    try:
        return float(attribute)
    except OverflowError:
        return float("inf") if attribute > 0 else float("-inf")
    except (TypeError, ValueError):
        return float("nan")


def attributes_there(attributes: dict[str, Any]) -> str:
    """What messages say of the attributes that are there where the wanted one is not."""
    names = [name for name, value in attributes.items() if is_given(value)]
    return f"it has {listed(names)}" if names else "it has no attributes"


_Edge = tuple[Hashable, Hashable, dict[str, Any]]


def _root(graph: ListedGraph) -> Hashable:
    if len(graph.nodes) < 2:
        raise TreeError(f"the graph has {len(graph.nodes)} nodes, expected a root and at least one child")
    met = {end for _, end, _ in graph.edges}
    roots = [node for node in graph.nodes if node not in met]
    if len(roots) != 1:
        raise TreeError(
            f"the graph has {len(roots)} nodes without a parent, expected one root"
            + (f" (two of them: {quoted(roots[0])}, {quoted(roots[1])})" if roots else "")
        )
    return roots[0]


def _require_no_cycle(graph: ListedGraph, reached: int) -> None:
    """Raise `TreeError` unless the graph has no cycle.

    There is none where edges are one less than the nodes that the root reaches: those have one parent each, and the
    others, of which each would have one, are none.
    """
    if len(graph.edges) == reached - 1:
        return
    import networkx as nx

    if not nx.is_directed_acyclic_graph(graph.to_networkx()):
        raise TreeError("the graph has a cycle, expected a tree, or a graph without cycles")


def _probabilities(ends: list[_Edge], name: str) -> FloatArray:
    """The probabilities of edges, shape [m]."""
    given = [attributes.get(name) for _, _, attributes in ends]
    if not set(map(type, given)) <= {float}:
        return np.array([_probability(start, end, attributes, name) for start, end, attributes in ends])
    prob = np.array(given, np.float64)
    odd = ~((prob == 0) | ((prob >= SMALLEST_PROBABILITY) & (prob <= 1 + SUM_TOLERANCE)))
    for e in np.flatnonzero(odd)[:1].tolist():
        start, end, attributes = ends[e]
        _probability(start, end, attributes, name)
    return prob


def _probability(node: Hashable, end: Hashable, attributes: dict[str, Any], name: str) -> float:
    given = attributes.get(name)
    if not is_given(given):
        raise TreeError(
            f"edge {quoted(node)} -> {quoted(end)} has no {quoted(name)}, expected its probability; "
            f"{attributes_there(attributes)} (--prob-attribute, or prob_attribute, takes another name)"
        )
    number = number_of(given)
    if not (number == 0 or SMALLEST_PROBABILITY <= number <= 1 + SUM_TOLERANCE):
        raise TreeError(
            f"edge {quoted(node)} -> {quoted(end)} has {name} {quoted(given)}, expected a number between 0 and 1"
            + (", 0 or a normal float" if 0 < number < 1 else "")
        )
    return number
