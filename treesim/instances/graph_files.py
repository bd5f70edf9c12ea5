"""Graph files, in and out: node-link JSON and its relatives, nested JSON, GraphML; DOT out only."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treesim.errors import TreeError, quoted
from treesim.graphs.listed import ListedGraph
from treesim.instances.graphml import listed_xml
from treesim.instances.json_graphs import listed_document
from treesim.instances.names import distinct, is_text
from treesim.runtime.collection import without_collector
from treesim.runtime.reading import reason, require_file

if TYPE_CHECKING:
    import networkx as nx


def read_graph(path: str | Path) -> nx.DiGraph:
    """Read a graph file, told by the ending of its name: ``.json``, or ``.graphml`` and ``.xml``.

    JSON may be node-link (``nodes`` and ``edges`` or ``links``, with ``source`` and ``target`` or ``from`` and ``to``),
    nested (``children``), adjacency lists as networkx writes them, or Cytoscape's. What a file lists is what is read:
    nodes or edges that are listed twice are refused, and so are edges that name nodes which are not listed.

    Raises
    ------
    TreeError
        If the file cannot be read as what its ending says; the message names node or edge.

    Examples
    --------
    >>> from treesim import instance_from_graph
    >>> edges = '{"source": "start", "target": "a", "prob": 0.25}, {"source": "start", "target": "b", "prob": 0.75}'
    >>> nodes = '{"id": "start"}, {"id": "a", "reward": 1}, {"id": "b", "reward": 3}'
    >>> _ = Path("graph.json").write_text(f'{{"directed": true, "nodes": [{nodes}], "edges": [{edges}]}}')
    >>> instance_from_graph(read_graph("graph.json")).target.prob.to_float().round(3).tolist()
    [0.1, 0.9]
    """
    with without_collector():
        return read_listed(path).to_networkx()


def read_listed(path: str | Path) -> ListedGraph:
    """The nodes and edges that a graph file lists, read as `read_graph` does: for `instance_from_graph`, which needs no
    more and has it in half of the time.

    Raises
    ------
    TreeError
        As `read_graph`.
    """
    path = Path(path)
    form = path.suffix.lower()
    if form not in (".json", ".graphml", ".xml"):
        raise TreeError(f"{path} ends in {quoted(path.suffix)}, expected .json (node-link or nested) or .graphml")
    require_file(path, TreeError)
    try:
        with without_collector():
            if form == ".json":
                text = path.read_text(encoding="utf-8-sig")
                return listed_document(json.loads(text, object_pairs_hook=_without_repeats))
            return listed_xml(path)
    except RecursionError:
        problem = "it is nested too deeply"
    except OSError as error:
        raise TreeError(f"cannot read {path}: {reason(error)}") from None
    except (TreeError, ValueError, SyntaxError) as error:
        problem = "a number in it has too many digits" if "digits" in str(error) else reason(error)
    raise TreeError(f"cannot read {path} as a graph: {problem}")


def graph_text(graph: nx.DiGraph, form: str) -> str:
    """A graph as ``json`` (node-link), ``graphml`` or ``dot``; names that the format cannot tell apart are numbered."""
    import networkx as nx

    levels = [attributes.get("level", 0) for _, attributes in graph.nodes(data=True)]
    written = distinct(list(graph), levels, {"json": _json_name, "graphml": _xml_name}.get(form, str))
    graph = nx.relabel_nodes(graph, dict(zip(graph, written, strict=True)))
    if form == "json":
        return json.dumps(nx.node_link_data(graph, edges="edges"), indent=1, allow_nan=False) + "\n"
    if form == "graphml":
        for *_, attributes in (*graph.nodes(data=True), *graph.edges(data=True)):
            attributes.update({key: _xml_text(value) for key, value in attributes.items() if isinstance(value, str)})
        return "\n".join(nx.generate_graphml(graph)) + "\n"
    labelled = nx.relabel_nodes(graph, {node: json.dumps(str(node)) for node in graph})
    return str(nx.nx_pydot.to_pydot(labelled).to_string())


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise TreeError(f"an object has {quoted(twice)} twice, expected once")
    return document


def _json_name(name: Hashable) -> Hashable:
    """Names that come back from JSON as they were; others as text."""
    if isinstance(name, tuple):
        return tuple(map(_json_name, name))
    keeps = (isinstance(name, str) and is_text(name)) or type(name) in (bool, int) or _is_finite(name)
    return name if keeps else quoted(name) if isinstance(name, str) else str(name)


def _is_finite(name: Hashable) -> bool:
    return type(name) is float and abs(name) < float("inf")


def _xml_name(name: Hashable) -> str:
    return _xml_text(str(name))


def _xml_text(text: str) -> str:
    """Text with what XML has no letter for spelled out."""
    return "".join(c if _in_xml(ord(c)) else c.encode("unicode_escape").decode() for c in text)


def _in_xml(c: int) -> bool:
    return c in (0x9, 0xA) or 0x20 <= c <= 0xD7FF or 0xE000 <= c <= 0xFFFD or c >= 0x10000
