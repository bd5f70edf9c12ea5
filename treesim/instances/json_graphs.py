"""Graphs in JSON, whoever wrote them: what a document looks like, and the graph it lists.

Node-link (networkx, D3, vis.js), nested children (D3, game trees), adjacency (networkx) and Cytoscape documents all
become one list of nodes and one of edges, which is then counted against the graph that it makes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from treesim.errors import TreeError, quoted
from treesim.graphs.listed import Attributes, ListedGraph
from treesim.instances.names import is_text

EXPECTED = (
    'expected {"nodes": [{"id": ..., "reward": ...}], "edges": [{"source": ..., "target": ..., "prob": ...}]}, '
    'or nested {"name": ..., "children": [...]}'
)
_ENDS = (("source", "target"), ("from", "to"))


class Edge(NamedTuple):
    """An edge as a file lists it; `key` tells parallel edges apart."""

    source: Hashable
    target: Hashable
    attributes: Attributes
    key: Hashable | None = None

    def __str__(self) -> str:
        key = "" if self.key is None else f" with key {quoted(self.key)}"
        return f"{quoted(self.source)} -> {quoted(self.target)}{key}"


def listed_document(document: Any) -> ListedGraph:
    """The nodes and edges of a JSON document.

    Raises
    ------
    TreeError
        If it is of no form that is known: the message says what it looks like.

    Examples
    --------
    >>> graph = listed_document({"name": "a", "children": [{"name": "b", "prob": 1.0, "reward": 2.0}]})
    >>> [(start, end, about["prob"]) for start, end, about in graph.edges]
    [('a', 'b', 1.0)]
    """
    if isinstance(document, list) and len(document) == 1 and _is_nested(document[0]):
        document = document[0]
    if not isinstance(document, dict):
        raise TreeError(f"it looks like {_looks(document)}, {EXPECTED}")
    if _is_nested(document):
        return listed_graph(*_nested(document), parallel=False)
    if isinstance(document.get("elements"), dict | list):
        document = document | _cytoscape(document["elements"])
    if document.get("directed") is False:
        raise TreeError('it says "directed": false, expected a directed graph')
    parallel = bool(document.get("multigraph"))
    nodes, links = document.get("nodes"), [document[key] for key in ("links", "edges") if key in document]
    if isinstance(nodes, list) and isinstance(document.get("adjacency"), list):
        return listed_graph(*_adjacency(nodes, document["adjacency"]), parallel)
    if not isinstance(nodes, list) or len(links) != 1 or not isinstance(links[0], list):
        raise TreeError(f"it looks like {_looks(document)}, {EXPECTED}")
    return listed_graph(*_node_link(nodes, links[0]), parallel)


def listed_graph(nodes: list[tuple[Hashable, Attributes]], edges: list[Edge], parallel: bool) -> ListedGraph:
    """The graph of the nodes and edges that a file lists, each once.

    Raises
    ------
    TreeError
        If a node or an edge is listed twice, or an edge names a node that is not listed.
    """
    for name, _ in nodes:
        if name is None or not is_text(name):
            raise TreeError(f"a node is called {quoted(name)}, expected a text or a number")
    listed = {name for name, _ in nodes}
    if len(listed) < len(nodes):
        counted = Counter(name for name, _ in nodes).items()
        twice, count = next((name, count) for name, count in counted if count > 1)
        raise TreeError(f"node {quoted(twice)} is listed {count} times, expected once: names tell nodes apart")
    for edge in edges:
        if edge.source not in listed or edge.target not in listed:
            odd = edge.target if edge.source in listed else edge.source
            raise TreeError(f"edge {edge} names node {quoted(odd)}, which is not listed")
    if len({edge[:2] for edge in edges}) == len(edges):
        return ListedGraph(dict(nodes), [edge[:3] for edge in edges])
    import networkx as nx

    _check_parallel(edges, Counter(edge[:2] for edge in edges), parallel)
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from((edge.source, edge.target, edge.key, edge.attributes) for edge in edges)
    return ListedGraph.of(graph)


def _check_parallel(edges: list[Edge], pairs: Counter[tuple[Hashable, Hashable]], parallel: bool) -> None:
    (source, target), count = pairs.most_common(1)[0]
    if not parallel:
        raise TreeError(
            f"edge {Edge(source, target, {})} is listed {count} times, expected once; "
            'where they are different steps say "multigraph": true'
        )
    seen = set()
    for edge in edges:
        if edge.key is not None and (edge.source, edge.target, edge.key) in seen:
            raise TreeError(f"edge {edge} is listed twice, expected once")
        seen.add((edge.source, edge.target, edge.key))


def _is_nested(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("children"), list | dict)


def _nested(root: Attributes) -> tuple[list[tuple[Hashable, Attributes]], list[Edge]]:
    """A document whose nodes hold their children; what a child says is said of its edge too."""
    entries, parents, places = [root], [0], [0]
    for v, entry in enumerate(entries):
        children = entry.get("children") or []
        if isinstance(children, dict):
            if not all(isinstance(child, dict) for child in children.values()):
                raise TreeError(f"children of {quoted(_title(entry))} are no objects, {EXPECTED}")
            children = [{"name": name, **child} for name, child in children.items()]
        if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
            raise TreeError(f"children of {quoted(_title(entry))} are no list of objects, {EXPECTED}")
        entries += children
        parents += [v] * len(children)
        places += range(len(children))
    names = _nested_names(entries, parents, places)
    attributes = [{key: value for key, value in entry.items() if key != "children"} for entry in entries]
    edges = [Edge(names[parents[v]], names[v], attributes[v]) for v in range(1, len(entries))]
    return list(zip(names, attributes, strict=True)), edges


def _nested_names(entries: list[Attributes], parents: list[int], places: list[int]) -> list[Hashable]:
    """Ids or names where no two are alike; else the paths to the nodes, by names where siblings have different ones."""
    for key in ("id", "name"):
        names = [_name(entry[key]) if key in entry else None for entry in entries]
        if None not in names and len(set(names)) == len(names):
            return names
    titles = [_title(entry) for entry in entries]
    count = Counter(zip(parents[1:], titles[1:], strict=True))
    paths: list[tuple[Hashable, ...]] = [()]
    for v in range(1, len(entries)):
        unique = titles[v] is not None and count[parents[v], titles[v]] == 1
        paths.append((*paths[parents[v]], titles[v] if unique else places[v]))
    if len(set(paths)) < len(paths):
        paths = [()]
        for v in range(1, len(entries)):
            paths.append((*paths[parents[v]], places[v]))
    return list(paths)


def _title(entry: Attributes) -> Hashable:
    return _name(entry.get("name", entry.get("id")))


def _node_link(nodes: list[Any], links: list[Any]) -> tuple[list[tuple[Hashable, Attributes]], list[Edge]]:
    edges = []
    for entry in links:
        for start, end in _ENDS:
            if isinstance(entry, dict) and start in entry and end in entry:
                break
        else:
            raise TreeError(f"an edge is {quoted(_looks(entry))[1:-1]}, expected an object with source and target")
        rest = entry.copy()
        source, target, key = rest.pop(start), rest.pop(end), rest.pop("key", None)
        edges.append(Edge(_name(source), _name(target), rest, _name(key)))
    return _listed_nodes(nodes, (name for edge in edges for name in edge[:2])), edges


def _listed_nodes(nodes: list[Any], named: Iterable[Hashable] = ()) -> list[tuple[Hashable, Attributes]]:
    """The nodes by their ids; without ids by their names if edges use them, else by their places in the list."""
    entries = [entry if isinstance(entry, dict) else {"id": entry} for entry in nodes]
    key = "id"
    if not any("id" in entry for entry in entries):
        names = {_name(entry["name"]) for entry in entries if "name" in entry}
        if not names.isdisjoint(named):
            key = "name"
        else:
            return list(enumerate(entries))
    for place, entry in enumerate(entries):
        if key not in entry:
            raise TreeError(f"node number {place} of the list has no {key}, which others have")
    return [(_name(entry[key]), _without_id(entry)) for entry in entries]


def _without_id(entry: Attributes) -> Attributes:
    attributes = entry.copy()
    attributes.pop("id", None)
    return attributes


def _adjacency(nodes: list[Any], adjacency: list[Any]) -> tuple[list[tuple[Hashable, Attributes]], list[Edge]]:
    listed = _listed_nodes(nodes)
    if len(adjacency) != len(listed):
        raise TreeError(f"it has {len(adjacency)} adjacency lists for {len(listed)} nodes, expected one each")
    edges = []
    for (name, _), row in zip(listed, adjacency, strict=True):
        for entry in row if isinstance(row, list) else [None]:
            if not isinstance(entry, dict) or "id" not in entry:
                raise TreeError(f"the adjacency list of node {quoted(name)} holds what is no object with an id")
            rest = {key: value for key, value in entry.items() if key not in ("id", "key")}
            edges.append(Edge(name, _name(entry["id"]), rest, _name(entry.get("key"))))
    return listed, edges


def _cytoscape(elements: Any) -> Attributes:
    """The ``nodes`` and ``edges`` of Cytoscape's elements, whose attributes are their ``data``."""
    if isinstance(elements, list):
        elements = {
            "nodes": [element for element in elements if "source" not in _data(element)],
            "edges": [element for element in elements if "source" in _data(element)],
        }
    lists: Attributes = {}
    for key in ("nodes", "edges"):
        entries = elements.get(key)
        if not isinstance(entries, list) or not all(map(_data, entries)):
            raise TreeError(f"it looks like Cytoscape's JSON, but its {key} are no list of objects with data")
        lists[key] = [_data(entry) for entry in entries]
    return lists


def _data(element: Any) -> Attributes:
    data = element.get("data") if isinstance(element, dict) else None
    return data if isinstance(data, dict) else {}


def _name(value: Any) -> Hashable:
    """A JSON value as a name: lists become tuples."""
    if type(value) is str:
        return value
    if isinstance(value, list):
        return tuple(map(_name, value))
    if isinstance(value, dict):
        raise TreeError("a node is called by an object, expected a text or a number")
    return value


def _looks(document: Any) -> str:
    """What a document that cannot be read looks like."""
    if isinstance(document, list):
        first = document[0] if document else None
        if isinstance(first, dict):
            if any(all(key in first for key in keys) for keys in _ENDS):
                return "a list of edges without nodes"
            return "a list of objects"
        return f"a list of {len(document)} {'pairs' if isinstance(first, list) else 'values'}"
    if not isinstance(document, dict):
        return f"the value {quoted(document)}"
    if "nodes" in document and "links" in document and "edges" in document:
        return "node-link JSON with links and edges both"
    inside = document.get("graph")
    if isinstance(document.get("nodes"), dict) or (isinstance(inside, dict) and "nodes" in inside):
        return "the JSON Graph Format"
    if "nodes" in document:
        return "a list of nodes without edges"
    if any(key in document for key in ("links", "edges")):
        return "a list of edges without nodes"
    if document and all(isinstance(value, dict | list) for value in document.values()):
        return "adjacency lists by node"
    return f"an object with {', '.join(quoted(key) for key in list(document)[:4]) or 'nothing in it'}"
