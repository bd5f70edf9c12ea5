"""networkx in and out: a graph without cycles, edge attribute ``prob`` and leaf attribute ``reward``.

A graph whose paths do not meet is read as a tree, any other with one root as a trellis. A node's value V^ may be given
as ``value``. Logs may be given in place of linear numbers: ``log_reward``, ``log_value``; they are written where the
linear number is not a float. None and NaN mean that nothing is given. Leaves above level T are early ends: they are
padded on the way in, and the padding is left out on the way back. Leaves may have an ``answer``, a text, with
``correct``, and a ``true_reward``; where one has a true reward all have. Edges may carry a ``potential``, by which the
rewards of all paths that take them are multiplied, one where none is given; on a tree it becomes part of values.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from treesim.arrays import BoolArray, FloatArray
from treesim.errors import RewardError, listed, quoted
from treesim.graphs.from_networkx import edges_of_layers, unfold_tree, unfold_trellis
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.listed import ListedGraph
from treesim.graphs.potentials import with_potentials
from treesim.graphs.steps import StepGraph, attributes_there, key_of, number_of, step_graph
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.graphs.values import expect_level, optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.names import distinct
from treesim.instances.outcome_attributes import outcome_attributes, read_outcomes
from treesim.instances.perturbations import perturb
from treesim.runtime.collection import without_collector
from treesim.runtime.notes import note
from treesim.scaled import Scaled

if TYPE_CHECKING:
    import networkx as nx

_LEAST, _MOST = float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)
_LARGEST_LOG = 1e8


def instance_from_graph(
    graph: nx.DiGraph | ListedGraph,
    perturbation: str | None = None,
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
    source: str = "networkx",
    prob_attribute: str = "prob",
    reward_attribute: str = "reward",
) -> Instance:
    """An instance from a graph: leaves carry ``reward`` or ``log_reward``, edges ``potential`` or ``log_potential``.

    V^ is the nodes' ``value`` or ``log_value`` if inner nodes have one and no perturbation is asked for, else made from
    V* by the perturbation. Where the root alone has none, its value is what its children's are in expectation, P V^.

    Parameters
    ----------
    graph : networkx.DiGraph or ListedGraph
    perturbation, epsilon, ratio_cap : optional
        See `treesim.perturb`.
    seed : int
        Of the perturbation.
    source : str
        Where the graph comes from, for the record.
    prob_attribute, reward_attribute : str
        What edges and leaves call their probability and their reward.

    Raises
    ------
    TreeError, RewardError
        If the graph has a cycle or several roots, or a probability, reward or value is missing or no number.

    Examples
    --------
    >>> import networkx as nx
    >>> graph = nx.DiGraph()
    >>> graph.add_weighted_edges_from([("", "a", 0.25), ("", "b", 0.75)], weight="prob")
    >>> nx.set_node_attributes(graph, {"a": 3.0, "b": 1.0}, "reward")
    >>> np.exp(instance_from_graph(graph).target.log_prob)
    array([0.5, 0.5])
    """
    with without_collector():
        return _instance_from_graph(
            ListedGraph.of(graph), perturbation, epsilon, ratio_cap, seed, source, prob_attribute, reward_attribute
        )


def _instance_from_graph(
    graph: ListedGraph,
    perturbation: str | None,
    epsilon: str | float | None,
    ratio_cap: float | None,
    seed: int,
    source: str,
    prob_attribute: str,
    reward_attribute: str,
) -> Instance:
    steps = step_graph(graph, prob_attribute)
    potentials = _read_potentials(steps)
    built: LayeredGraph
    if steps.is_tree:
        arrays, places = unfold_tree(steps)
        built = Tree(*arrays, places.names(steps.nodes))
    else:
        layers, places = unfold_trellis(steps)
        built = Trellis(places.level_ptr, layers, np.arange(len(layers)), places.names(steps.nodes))
        if potentials is not None:
            built = with_potentials(built, potentials)
    nodes, is_inner = steps.nodes, np.diff(steps.ptr) > 0
    log_number = np.full(len(nodes), np.nan)
    log_number[~is_inner] = _logs(graph, [nodes[v] for v in np.flatnonzero(~is_inner).tolist()], reward_attribute, True)
    ways = _ways(built, potentials) if steps.is_tree and potentials is not None else np.zeros(built.n_nodes)
    twist = optimal_twist(built, log_number[places.origin[built.leaves]] + ways[built.leaves])
    given = perturbation is None and epsilon is None and _read_values(graph, nodes, is_inner, log_number)
    if given:
        value = Scaled.from_log(np.nan_to_num(log_number, nan=0.0, neginf=-np.inf)[places.origin] + ways)
        if np.isnan(log_number[0]):
            expect_level(built, 0, value)
    else:
        value = perturb(built, twist, perturbation or "exact", epsilon, ratio_cap, seed)
    parameters = {
        "source": source, "perturbation": "given" if given else perturbation or "exact", "epsilon": epsilon,
        "ratio_cap": ratio_cap,
    }  # fmt: skip
    named = {"prob_attribute": (prob_attribute, "prob"), "reward_attribute": (reward_attribute, "reward")}
    parameters |= {key: name for key, (name, default) in named.items() if name != default}
    ends = [nodes[v] for v in places.origin[built.leaves].tolist()]
    return Instance(built, value, "graph", parameters, seed, outcomes=read_outcomes(graph, ends))


def graph_from_instance(instance: Instance) -> nx.DiGraph:
    """The instance as a directed graph, a trellis with its parallel edges; nodes without names go by their numbers.

    Padding and nodes that no edges lead to are left out. A name that several nodes have is written ``name@level``, and
    numbered where that is taken.

    Examples
    --------
    >>> from treesim import family
    >>> graph = graph_from_instance(family("product", horizon=2, ratio=2.0))
    >>> graph.nodes[6], graph.edges[0, 1]
    ({'level': 2, 'reward': 4.0}, {'prob': 0.5})
    """
    import networkx as nx

    built, log_value, number = instance.graph, instance.value.log(), instance.value.to_float()
    is_out, outcome = _left_out(built), outcome_attributes(instance)
    names = _unique_names(built, is_out)
    graph = nx.DiGraph() if isinstance(built, Tree) else nx.MultiDiGraph()
    for t in range(built.horizon + 1):
        here = built.level(t)
        ends_here = np.ones(here.stop - here.start, bool)
        if t < built.horizon:
            layer, ahead = built.layer(t), built.level(t + 1)
            sources, ends = layer.sources() + here.start, layer.ends(np.arange(len(layer.prob))) + ahead.start
            ends_here[sources[~is_out[ends]] - here.start] = False
        for node in range(here.start, here.stop):
            if not is_out[node]:
                is_end = ends_here[node - here.start]
                about = _attribute("reward" if is_end else "value", number[node], log_value[node])
                graph.add_node(names[node], level=t, **about, **(outcome(node) if is_end else {}))
        if t < built.horizon:
            potential = built.potential(t)
            each = [] if potential is None else list(zip(potential.to_float(), potential.log(), strict=True))
            for edge, (v, c, prob) in enumerate(zip(sources.tolist(), ends.tolist(), layer.prob.tolist(), strict=True)):
                if not (is_out[v] or is_out[c]):
                    more = _token(built, t, edge) | ({} if potential is None else _attribute("potential", *each[edge]))
                    graph.add_edge(names[v], names[c], prob=prob, **more)
    return graph


def _left_out(built: LayeredGraph) -> BoolArray:
    """Padding, and what no edges lead to.

    Padding has no name, follows what has no other step, and is followed by padding alone; it starts below level 1.
    """
    is_out = np.zeros(built.n_nodes, bool)
    if built.names is not None:
        is_out[:] = [name is None for name in built.names]
        is_out[: built.level_ptr[2]] = False
        for t in reversed(range(built.horizon)):
            layer, here, ahead = built.layer(t), built.level(t), built.level(t + 1)
            sources, ends = layer.sources(), layer.ends(np.arange(len(layer.prob)))
            chosen = np.diff(layer.ptr)[sources] > 1
            is_out[ahead][ends[chosen]] = False
            is_out[here][sources[~is_out[ahead][ends]]] = False
    for t in range(built.horizon):
        layer, here, ahead = built.layer(t), built.level(t), built.level(t + 1)
        sources, ends = layer.sources(), layer.ends(np.arange(len(layer.prob)))
        met = np.zeros(built.n_level(t + 1), bool)
        met[ends[~is_out[here][sources]]] = True
        is_out[ahead] |= ~met
    return is_out


def _unique_names(built: LayeredGraph, is_out: BoolArray) -> list[Hashable]:
    """A name for each node, no two alike among those that are not left out."""
    if built.names is None:
        return list(range(built.n_nodes))
    shown = np.flatnonzero(~is_out).tolist()
    names: list[Hashable] = [None] * built.n_nodes
    level = np.repeat(np.arange(built.horizon + 1), np.diff(built.level_ptr))[shown].tolist()
    own = [v if built.names[v] is None else built.names[v] for v in shown]
    for v, name in zip(shown, distinct(own, level, lambda name: name), strict=True):
        names[v] = name
    return names


def _token(graph: LayeredGraph, t: int, edge: int) -> dict[str, str]:
    tokens = graph.edge_tokens(t)
    return {} if tokens is None or graph.vocabulary is None else {"token": graph.vocabulary[tokens[edge]]}


def _attribute(name: str, number: float, log_number: float) -> dict[str, Any]:
    """``{name: number}``, or its log where the number is not a normal float."""
    if (number == 0.0 and np.isneginf(log_number)) or _LEAST <= number <= _MOST:
        return {name: float(number)}
    return {f"log_{name}": float(log_number)}


def _read_potentials(steps: StepGraph) -> list[FloatArray] | None:
    """log g of the edges of each level; None where no edge carries a potential."""
    logs = np.zeros(len(steps.ends) + 1)
    given = [key_of(attributes, "potential") for _, _, attributes in steps.ends]
    if not any(given):
        return None
    for e, ((start, end, attributes), key) in enumerate(zip(steps.ends, given, strict=True)):
        if key is not None:
            what = f"edge {quoted(start)} -> {quoted(end)}"
            logs[e] = _log_of(attributes[key], key, key == "potential", what)
    # Padding, whose number is -1, has the zero at the end.
    return [logs[edges] for edges in edges_of_layers(steps)]


def _ways(tree: LayeredGraph, potentials: list[FloatArray]) -> FloatArray:
    """log of the product of the potentials on the way to each node of a tree, shape [n_nodes]."""
    ways = [np.zeros(1)]
    for t, log_potential in enumerate(potentials):
        ways.append(ways[-1][tree.layer(t).sources()] + log_potential)
    return np.concatenate(ways)


def _read_values(graph: ListedGraph, nodes: list[Hashable], is_inner: BoolArray, log_number: FloatArray) -> bool:
    """Write log V^ of inner nodes; whether there is any. The root's may be missing, NaN then."""
    inner = np.flatnonzero(is_inner).tolist()
    about = graph.nodes
    has = [key_of(about[nodes[v]], "value") is not None for v in inner]
    if not any(has):
        return False
    lacking = [nodes[v] for v, is_there in zip(inner, has, strict=True) if not is_there and v]
    if lacking:
        raise RewardError(
            f"{len(lacking)} of {len(inner)} inner nodes have no 'value' although others have one: {listed(lacking)}; "
            "expected one for each but the root, or none at all"
        )
    there = [v for v, is_there in zip(inner, has, strict=True) if is_there]
    log_number[there] = _logs(graph, [nodes[v] for v in there], "value")
    leaves = [v for v in np.flatnonzero(~is_inner).tolist() if key_of(about[nodes[v]], "value") is not None]
    said = _logs(graph, [nodes[v] for v in leaves], "value")
    is_odd = ~np.isclose(said, log_number[leaves], rtol=1e-6, atol=1e-6)
    odd = [nodes[v] for v, is_other in zip(leaves, is_odd.tolist(), strict=True) if is_other]
    if odd:
        note(f"values of {len(odd)} leaves are not their rewards and were not used, V^ = phi there: {listed(odd)}")
    return True


def _logs(graph: ListedGraph, nodes: list[Hashable], name: str, is_reward: bool = False) -> FloatArray:
    """log of the attribute ``name`` of nodes, given as it is or as ``log_name``, shape [n]."""
    about = graph.nodes
    given = [about[node].get(name) for node in nodes]
    if set(map(type, given)) <= {float}:
        numbers = np.array(given, np.float64)
        if ((numbers >= 0) & (numbers < np.inf)).all():
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(numbers), np.float64)
    return np.array([_log_number(node, about[node], name, is_reward) for node in nodes])


def _log_number(node: Hashable, attributes: dict[str, Any], name: str, is_reward: bool) -> float:
    key = key_of(attributes, name)
    if key is None:
        assert is_reward
        raise RewardError(
            f"node {quoted(node)} has no {quoted(name)} or {quoted(f'log_{name}')}, expected one of them, as it is a "
            f"leaf; {attributes_there(attributes)} (--reward-attribute, or reward_attribute, takes another name)"
        )
    return _log_of(attributes[key], key, key == name, f"node {quoted(node)}")


def _log_of(given: Any, key: str, is_linear: bool, what: str) -> float:
    """log of an attribute `key` of `what`, given as it is or as its log."""
    number = number_of(given)
    if not (0 <= number < np.inf if is_linear else number <= _LARGEST_LOG and not -np.inf < number < -_LARGEST_LOG):
        expected = "a finite number of at least 0" if is_linear else "a number from -1e8 to 1e8, or -inf"
        raise RewardError(f"{key} of {what} is {quoted(given)}, expected {expected}")
    with np.errstate(divide="ignore"):
        return float(np.log(number)) if is_linear else number
