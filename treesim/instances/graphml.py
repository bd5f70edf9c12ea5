"""GraphML: nodes, edges and their attributes, defaults included; what the file lists is what is read."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from treesim.errors import TreeError, quoted
from treesim.graphs.listed import Attributes, ListedGraph
from treesim.instances.json_graphs import Edge, listed_graph

_TYPES: dict[str, Callable[[str], Any]] = {
    "int": int, "integer": int, "long": int, "float": float, "double": float, "real": float,
    "boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()],
}  # fmt: skip


class _Key(NamedTuple):
    """The name of an attribute, its type, and what reads its texts."""

    name: str
    kind: str
    read: Callable[[str], Any]

    def odd(self, text: str | None, what: str) -> TreeError:
        """What tells that a text is not of the type."""
        article = "an" if self.kind[0] == "i" else "a"
        return TreeError(f"{what} is {quoted(text or '')}, expected {article} {self.kind}")


class _Keys:
    """What a file declares: names, types and defaults of attributes, for nodes and for edges."""

    def __init__(self, root: Element) -> None:
        self.declared: dict[str, _Key] = {}
        self.defaults: dict[str, Attributes] = {"node": {}, "edge": {}}
        for element in _children(root, "key"):
            place, kind = element.get("id", ""), element.get("attr.type", "string")
            name = element.get("attr.name") or element.get("yfiles.type") or place
            key = self.declared[place] = _Key(name, kind, _TYPES.get(kind, str))
            for default in _children(element, "default"):
                try:
                    value = key.read(default.text or "")
                except (ValueError, KeyError):
                    raise key.odd(default.text, f"default of {quoted(name)}") from None
                for owner in self.defaults:
                    if element.get("for", "all") in (owner, "all"):
                        self.defaults[owner][name] = value

    def attributes(self, element: Element, kind: str, what: Callable[[Element], str]) -> Attributes:
        """The attributes of a node or an edge, defaults where it says nothing; `what` says how messages call it."""
        attributes = self.defaults[kind].copy()
        for data in element:
            if _local(data.tag) != "data":
                continue
            key = self.declared.get(place := data.get("key", ""))
            if key is None:
                raise TreeError(f"{what(element)} has data with key {quoted(place)}, which the file does not declare")
            if len(data) == 0:
                try:
                    attributes[key.name] = key.read(data.text or "")
                except (ValueError, KeyError):
                    raise key.odd(data.text, f"{quoted(key.name)} of {what(element)}") from None
                continue
            label = next((part.text for part in data.iter() if _tag(part) in ("NodeLabel", "EdgeLabel")), None)
            if label is not None:
                attributes["label"] = label.strip()
        return attributes


def listed_xml(path: Path) -> ListedGraph:
    """The nodes and edges of a GraphML file.

    Raises
    ------
    TreeError
        If it is none, or holds what is not read: several graphs, nested ones, hyperedges, undirected edges.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise TreeError(f"it is no XML ({error})") from None
    names = {element.tag for element in root.iter()}
    graphs, hyperedges = (
        sum(1 for name in names if _local(name) == wanted for _ in root.iter(name)) for wanted in ("graph", "hyperedge")
    )
    if _tag(root) != "graphml" or graphs != 1:
        raise TreeError(f"it is {quoted(_tag(root))} with {graphs} graphs, expected GraphML with one")
    if hyperedges:
        raise TreeError("it has hyperedges, expected edges between two nodes")
    graph = _children(root, "graph")[0]
    keys = _Keys(root)
    nodes: list[tuple[Hashable, Attributes]] = [
        (node.get("id"), keys.attributes(node, "node", _node_text)) for node in _children(graph, "node")
    ]
    edges = [_edge(edge, keys, graph.get("edgedefault") == "directed") for edge in _children(graph, "edge")]
    return listed_graph(nodes, edges, parallel=True)


def _edge(element: Element, keys: _Keys, is_directed: bool) -> Edge:
    if element.get("directed", "true" if is_directed else "false") != "true":
        raise TreeError(f"{_edge_text(element)} is undirected, expected a directed one")
    attributes = keys.attributes(element, "edge", _edge_text)
    return Edge(element.get("source"), element.get("target"), attributes, element.get("id"))


def _node_text(element: Element) -> str:
    return f"node {quoted(element.get('id'))}"


def _edge_text(element: Element) -> str:
    return f"edge {quoted(element.get('source'))} -> {quoted(element.get('target'))}"


def _children(element: Element, tag: str) -> list[Element]:
    return [child for child in element if _local(child.tag) == tag]


def _tag(element: Element) -> str:
    return _local(element.tag)


@cache
def _local(name: Any) -> str:
    """A name of XML without its namespace."""
    return str(name).rpartition("}")[2]
