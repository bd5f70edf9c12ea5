"""GraphML: nodes, edges and their attributes, defaults included; what the file lists is what is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from treesim.errors import TreeError, quoted
from treesim.instances.json_graphs import Attributes, Edge, listed_graph

if TYPE_CHECKING:
    import networkx as nx

_TYPES: dict[str, Callable[[str], Any]] = {
    "int": int, "integer": int, "long": int, "float": float, "double": float, "real": float,
    "boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()],
}  # fmt: skip


class _Keys:
    """What a file declares: names, types and defaults of attributes, for nodes and for edges."""

    def __init__(self, root: Element) -> None:
        self.declared: dict[str, tuple[str, str]] = {}
        self.defaults: dict[str, Attributes] = {"node": {}, "edge": {}}
        for element in _children(root, "key"):
            key = element.get("id", "")
            name = element.get("attr.name") or element.get("yfiles.type") or key
            self.declared[key] = name, element.get("attr.type", "string")
            for default in _children(element, "default"):
                for kind in self.defaults:
                    if element.get("for", "all") in (kind, "all"):
                        self.defaults[kind][name] = self._value(key, default, f"default of {quoted(name)}")

    def attributes(self, element: Element, kind: str, what: str) -> Attributes:
        """The attributes of a node or an edge, defaults where it says nothing."""
        attributes = dict(self.defaults[kind])
        for data in _children(element, "data"):
            key = data.get("key", "")
            if key not in self.declared:
                raise TreeError(f"{what} has data with key {quoted(key)}, which the file does not declare")
            name, _ = self.declared[key]
            label = next((part.text for part in data.iter() if _tag(part) in ("NodeLabel", "EdgeLabel")), None)
            if len(data) == 0:
                attributes[name] = self._value(key, data, f"{quoted(name)} of {what}")
            elif label is not None:
                attributes["label"] = label.strip()
        return attributes

    def _value(self, key: str, element: Element, what: str) -> Any:
        text, kind = element.text or "", self.declared[key][1]
        try:
            return _TYPES.get(kind, str)(text)
        except (ValueError, KeyError):
            raise TreeError(f"{what} is {quoted(text)}, expected {'an' if kind[0] == 'i' else 'a'} {kind}") from None


def graph_of_xml(path: Path) -> nx.DiGraph:
    """The graph of a GraphML file.

    Raises
    ------
    TreeError
        If it is none, or holds what is not read: several graphs, nested ones, hyperedges, undirected edges.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise TreeError(f"it is no XML ({error})") from None
    count = Counter(_tag(element) for element in root.iter())
    if _tag(root) != "graphml" or count["graph"] != 1:
        raise TreeError(f"it is {quoted(_tag(root))} with {count['graph']} graphs, expected GraphML with one")
    if count["hyperedge"]:
        raise TreeError("it has hyperedges, expected edges between two nodes")
    graph = _children(root, "graph")[0]
    keys = _Keys(root)
    nodes: list[tuple[Hashable, Attributes]] = [
        (node.get("id"), keys.attributes(node, "node", f"node {quoted(node.get('id'))}"))
        for node in _children(graph, "node")
    ]
    edges = [_edge(edge, keys, graph.get("edgedefault") == "directed") for edge in _children(graph, "edge")]
    return listed_graph(nodes, edges, parallel=True)


def _edge(element: Element, keys: _Keys, is_directed: bool) -> Edge:
    source, target = element.get("source"), element.get("target")
    what = f"edge {quoted(source)} -> {quoted(target)}"
    if element.get("directed", str(is_directed).lower()) != "true":
        raise TreeError(f"{what} is undirected, expected a directed one")
    return Edge(source, target, keys.attributes(element, "edge", what), element.get("id"))


def _children(element: Element, tag: str) -> list[Element]:
    return [child for child in element if _tag(child) == tag]


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
