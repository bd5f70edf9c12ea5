"""networkx in and out: an arborescence with edge attribute ``prob`` and leaf attribute ``reward``.

A node's value V^ may be given as ``value``. Logs may be given in place of linear numbers: ``log_reward``,
``log_value``; they are written where the linear number is not a float. Leaves above level T are early ends: they
are padded on the way in, and the padding is left out on the way back.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from treesim.errors import RewardError, TreeError
from treesim.instance import Instance
from treesim.perturb import PERTURBATIONS, perturb
from treesim.rewards import log_of_linear
from treesim.scaled import Scaled
from treesim.spec import parse
from treesim.tree import Tree
from treesim.values import optimal_twist

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
        If the graph is no tree, or a reward or value is missing or no number.

    Examples
    --------
    >>> graph = nx.DiGraph()
    >>> graph.add_weighted_edges_from([("", "a", 0.25), ("", "b", 0.75)], weight="prob")
    >>> nx.set_node_attributes(graph, {"a": 3.0, "b": 1.0}, "reward")
    >>> np.exp(instance_from_graph(graph).target.log_prob)
    array([0.5, 0.5])
    """
    tree = Tree.from_networkx(graph)
    assert tree.names is not None
    nodes = list(tree.names)
    for t in range(tree.horizon):
        layer, here, ahead = tree.layer(t), tree.level(t).start, tree.level(t + 1).start
        for v in range(tree.n_level(t)):
            first = int(layer.ptr[v] - layer.ptr[0])
            if nodes[ahead + first] is None:
                nodes[ahead + first] = nodes[here + v]
    log_reward = np.array([_log_number(graph, node, "reward") for node in nodes[tree.leaves]], np.float64)
    twist = optimal_twist(tree, log_reward)
    inner = [name for name in graph if graph.out_degree(name)]
    given = perturbation is None and epsilon is None and all(_has(graph, node, "value") for node in inner)
    if given:
        leaf_log = dict(zip(nodes[tree.leaves], log_reward, strict=True))
        value = Scaled.from_log(
            [leaf_log[node] if node in leaf_log else _log_number(graph, node, "value") for node in nodes]
        )
    else:
        kind = parse(perturbation or "exact", PERTURBATIONS, "perturbation")
        value = perturb(tree, twist, kind, epsilon, ratio_cap, seed)
    parameters = {
        "source": source, "perturbation": "given" if given else perturbation or "exact", "epsilon": epsilon,
        "ratio_cap": ratio_cap,
    }  # fmt: skip
    return Instance(tree, value, "graph", parameters, seed)


def graph_from_instance(instance: Instance) -> nx.DiGraph:
    """The instance as an arborescence; nodes without names are called by their numbers.

    Examples
    --------
    >>> from treesim import family
    >>> graph = graph_from_instance(family("product", horizon=2, ratio=2.0))
    >>> graph.nodes[6], graph.edges[0, 1]
    ({'level': 2, 'reward': 4.0}, {'prob': 0.5})
    """
    tree, log_value, number = instance.tree, instance.value.log(), instance.value.to_float()
    names = list(tree.names) if tree.names is not None else list(range(tree.n_nodes))
    padding = np.array([name is None for name in names])
    graph = nx.DiGraph()
    for t in range(tree.horizon + 1):
        nodes = tree.level(t)
        for node in range(nodes.start, nodes.stop):
            if padding[node]:
                continue
            is_leaf = t == tree.horizon or bool(padding[tree.edge_ptr[node] + 1])
            attributes = {"level": t}
            attributes |= _attribute("reward" if is_leaf else "value", number[node], log_value[node])
            graph.add_node(names[node], **attributes)
        if t < tree.horizon:
            for node in range(nodes.start, nodes.stop):
                for edge in range(tree.edge_ptr[node], tree.edge_ptr[node + 1]):
                    if not padding[edge + 1]:
                        graph.add_edge(names[node], names[edge + 1], prob=float(tree.edge_prob[edge]))
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
