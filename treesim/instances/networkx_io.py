"""networkx in and out: a graph without cycles, edge attribute ``prob`` and leaf attribute ``reward``.

An arborescence is read as a tree, any other graph with one root as a trellis. A node's value V^ may be given as
``value``. Logs may be given in place of linear numbers: ``log_reward``, ``log_value``; they are written where the
linear number is not a float. Leaves above level T are early ends: they are padded on the way in, and the padding is
left out on the way back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from treesim.errors import RewardError, TreeError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.perturbations import PERTURBATIONS, perturb
from treesim.instances.rewards import log_of_linear
from treesim.scaled import Scaled
from treesim.spec import parse

_LEAST, _MOST = float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)


def instance_from_graph(
    graph: nx.DiGraph,
    perturbation: str | None = None,
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
    source: str = "networkx",
) -> Instance:
    """An instance from a graph: leaves carry ``reward`` or ``log_reward``.

    V^ is the nodes' ``value`` or ``log_value`` if all inner nodes have one and no perturbation is asked for, else made
    from V* by the perturbation.

    Raises
    ------
    TreeError, RewardError
        If the graph has a cycle or several roots, or a reward or value is missing or no number.

    Examples
    --------
    >>> graph = nx.DiGraph()
    >>> graph.add_weighted_edges_from([("", "a", 0.25), ("", "b", 0.75)], weight="prob")
    >>> nx.set_node_attributes(graph, {"a": 3.0, "b": 1.0}, "reward")
    >>> np.exp(instance_from_graph(graph).target.log_prob)
    array([0.5, 0.5])
    """
    is_tree = not graph.is_multigraph() and len(graph) > 1 and nx.is_directed(graph) and nx.is_arborescence(graph)
    built: LayeredGraph = Tree.from_networkx(graph) if is_tree else Trellis.from_networkx(graph)
    assert built.names is not None
    nodes = list(built.names)
    for t in range(built.horizon):
        layer, here, ahead = built.layer(t), built.level(t).start, built.level(t + 1).start
        ends = layer.ends(np.arange(len(layer.prob)))
        for v, child in zip(layer.sources().tolist(), ends.tolist(), strict=True):
            if nodes[ahead + child] is None:
                nodes[ahead + child] = nodes[here + v]
    log_reward = np.array([_log_number(graph, node, "reward") for node in nodes[built.leaves]], np.float64)
    twist = optimal_twist(built, log_reward)
    inner = [name for name in graph if graph.out_degree(name)]
    given = perturbation is None and epsilon is None and all(_has(graph, node, "value") for node in inner)
    if given:
        leaf_log = dict(zip(nodes[built.leaves], log_reward, strict=True))
        value = Scaled.from_log(
            [leaf_log[node] if node in leaf_log else _log_number(graph, node, "value") for node in nodes]
        )
    else:
        kind = parse(perturbation or "exact", PERTURBATIONS, "perturbation")
        value = perturb(built, twist, kind, epsilon, ratio_cap, seed)
    parameters = {
        "source": source, "perturbation": "given" if given else perturbation or "exact", "epsilon": epsilon,
        "ratio_cap": ratio_cap,
    }  # fmt: skip
    return Instance(built, value, "graph", parameters, seed)


def graph_from_instance(instance: Instance) -> nx.DiGraph:
    """The instance as a directed graph, a trellis with its parallel edges; nodes without names go by their numbers.

    Nodes that no edges lead to are left out. A name that stands on several levels is written ``name@level``.

    Examples
    --------
    >>> from treesim import family
    >>> graph = graph_from_instance(family("product", horizon=2, ratio=2.0))
    >>> graph.nodes[6], graph.edges[0, 1]
    ({'level': 2, 'reward': 4.0}, {'prob': 0.5})
    """
    built, log_value, number = instance.graph, instance.value.log(), instance.value.to_float()
    left_out = np.array([name is None for name in built.names] if built.names is not None else [False] * built.n_nodes)
    names = _unique_names(built)
    graph = nx.DiGraph() if isinstance(built, Tree) else nx.MultiDiGraph()
    for t in range(built.horizon + 1):
        here, ahead = built.level(t), built.level(t + 1) if t < built.horizon else built.level(t)
        ends_here = np.ones(here.stop - here.start, bool)
        if t < built.horizon:
            layer = built.layer(t)
            sources, ends = layer.sources() + here.start, layer.ends(np.arange(len(layer.prob))) + ahead.start
            met = np.zeros(built.n_level(t + 1), bool)
            met[ends[~left_out[sources]] - ahead.start] = True
            left_out[ahead] |= ~met
            ends_here[sources[~left_out[ends]] - here.start] = False
        for node in range(here.start, here.stop):
            if not left_out[node]:
                name = "reward" if ends_here[node - here.start] else "value"
                graph.add_node(names[node], level=t, **_attribute(name, number[node], log_value[node]))
        if t < built.horizon:
            for edge, (v, c, prob) in enumerate(zip(sources.tolist(), ends.tolist(), layer.prob.tolist(), strict=True)):
                if not (left_out[v] or left_out[c]):
                    graph.add_edge(names[v], names[c], prob=prob, **_token(built, t, edge))
    return graph


def read_graph(path: Path) -> nx.DiGraph:
    """Read node-link JSON or GraphML, told apart by the ending of the name.

    Raises
    ------
    TreeError
        If the file cannot be read as what its ending says.
    """
    try:
        if path.suffix in (".graphml", ".xml"):
            return nx.read_graphml(path)
        if path.suffix != ".json":
            raise TreeError(f"{path} ends in {path.suffix!r}, expected .json (node-link) or .graphml")
        document = json.loads(path.read_text(encoding="utf-8"))
        edges = "links" if "links" in document else "edges"
        return nx.node_link_graph(document, edges=edges)
    except TreeError:
        raise
    except FileNotFoundError:
        raise TreeError(f"{path} does not exist") from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TreeError(f"cannot read {path} as a graph: {reason}") from None


def graph_text(graph: nx.DiGraph, form: str) -> str:
    """A graph as ``json`` (node-link), ``graphml`` or ``dot``."""
    if form == "json":
        return json.dumps(nx.node_link_data(graph, edges="edges"), indent=1, allow_nan=False) + "\n"
    if form == "graphml":
        return "\n".join(nx.generate_graphml(graph)) + "\n"
    labelled = nx.relabel_nodes(graph, {node: json.dumps(str(node)) for node in graph})
    return str(nx.nx_pydot.to_pydot(labelled).to_string())


def _unique_names(graph: LayeredGraph) -> list[Hashable]:
    if graph.names is None:
        return list(range(graph.n_nodes))
    count = Counter(graph.names)
    level = np.repeat(np.arange(graph.horizon + 1), np.diff(graph.level_ptr)).tolist()
    return [
        name if count[name] == 1 or name is None else f"{name}@{t}" for name, t in zip(graph.names, level, strict=True)
    ]


def _token(graph: LayeredGraph, t: int, edge: int) -> dict[str, str]:
    if not isinstance(graph, Trellis) or graph.tokens is None or graph.vocabulary is None:
        return {}
    return {"token": graph.vocabulary[graph.tokens[graph.order[t]][edge]]}


def _attribute(name: str, number: float, log_number: float) -> dict[str, Any]:
    """``{name: number}``, or its log where the number is not a normal float."""
    if (number == 0.0 and np.isneginf(log_number)) or _LEAST <= number <= _MOST:
        return {name: float(number)}
    return {f"log_{name}": float(log_number)}


def _has(graph: nx.DiGraph, node: Hashable, name: str) -> bool:
    return name in graph.nodes[node] or f"log_{name}" in graph.nodes[node]


def _log_number(graph: nx.DiGraph, node: Hashable, name: str) -> float:
    """log of a node's attribute ``name``, given as it is or as ``log_name``."""
    attributes = graph.nodes[node]
    if not _has(graph, node, name):
        raise RewardError(f"node {node!r} has no attribute {name!r} or 'log_{name}', expected one of them")
    key = name if name in attributes else f"log_{name}"
    try:
        number = float(attributes[key])
    except (TypeError, ValueError):
        number = np.nan
    if not (0 <= number < np.inf if key == name else number < np.inf):
        expected = "a finite number of at least 0" if key == name else "a finite number or -inf"
        raise RewardError(f"{key} of node {node!r} is {attributes[key]!r}, expected {expected}")
    return float(log_of_linear(np.array([number]))[0]) if key == name else number
