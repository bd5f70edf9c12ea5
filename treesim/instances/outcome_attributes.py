"""Outcomes as attributes of a graph's leaves: ``answer``, a text, ``correct``, true or false, and ``true_reward``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from treesim.errors import OutcomeError, quoted
from treesim.graphs.listed import ListedGraph
from treesim.graphs.steps import is_given, key_of, number_of
from treesim.instances.instance import Instance
from treesim.instances.outcomes import NO_ANSWER, Outcomes, numbered
from treesim.scaled import Scaled

if TYPE_CHECKING:
    import networkx as nx

_TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_LEAST, _MOST = float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)


def read_outcomes(graph: nx.DiGraph | ListedGraph, leaves: Sequence[Hashable]) -> Outcomes | None:
    """The outcomes that nodes of a graph carry, in this order; None if they carry none.

    An answer is correct if a leaf that has it says so. Leaves need no answer; a true reward has each or none.

    Raises
    ------
    OutcomeError
        If leaves do not agree on whether an answer is correct, or a true reward is missing or no number.

    Examples
    --------
    >>> import networkx as nx
    >>> graph = nx.DiGraph()
    >>> graph.add_nodes_from([("a", {"answer": 4, "correct": True}), ("b", {"answer": 5}), ("c", {})])
    >>> read_outcomes(graph, ["a", "b", "c"])
    Outcomes(answers=('4', '5'), answer=[0, 1, -1], correct=('4',), true_reward=None)
    """
    attributes = [graph.nodes[leaf] for leaf in leaves]
    said = [each.get("answer") for each in attributes]
    texts = [str(text) if is_given(text) else None for text in said]
    answers, answer = numbered(texts)
    truth: dict[str, bool] = {}
    for leaf, each, text in zip(leaves, attributes, texts, strict=True):
        if text is None or not is_given(each.get("correct")):
            continue
        is_correct = _TRUTHS.get(str(each["correct"]).lower())
        if is_correct is None:
            raise OutcomeError(f"correct of node {quoted(leaf)} is {quoted(each['correct'])}, expected true or false")
        if truth.setdefault(text, is_correct) != is_correct:
            raise OutcomeError(f"answer {quoted(text)} is correct at some leaves and not at others, expected one truth")
    true_reward = _true_reward(leaves, attributes)
    if not answers:
        return None if true_reward is None else Outcomes(true_reward=true_reward)
    correct = tuple(text for text in answers if truth.get(text))
    return Outcomes(answers, answer, correct, true_reward)


def outcome_attributes(instance: Instance) -> Callable[[int], dict[str, Any]]:
    """A function of a node where paths end, early ends among them: what it carries.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=1, ratio=2.0).with_outcomes(["4", "5"], "5", [0.0, 1.0])
    >>> outcome_attributes(instance)(2)
    {'answer': '5', 'correct': True, 'true_reward': 1.0}
    """
    outcomes = instance.outcomes
    if outcomes is None:
        return lambda node: {}
    leaf_below = _leaf_below(instance)
    true = outcomes.true_reward
    number, log_number = (None, None) if true is None else (true.to_float(), true.log())

    def carried(node: int) -> dict[str, Any]:
        leaf, found = leaf_below[node], {}
        if outcomes.answer is not None and outcomes.answer[leaf] != NO_ANSWER:
            text = outcomes.answers[outcomes.answer[leaf]]
            found = {"answer": text} | ({"correct": text in outcomes.correct} if outcomes.correct else {})
        if number is not None and log_number is not None:
            linear = (number[leaf] == 0.0 and np.isneginf(log_number[leaf])) or _LEAST <= number[leaf] <= _MOST
            name, value = ("true_reward", number[leaf]) if linear else ("log_true_reward", log_number[leaf])
            found[name] = float(value)
        return found

    return carried


def _leaf_below(instance: Instance) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A leaf that follows each node, shape [n_nodes]: after an early end there is one."""
    graph = instance.graph
    leaf = np.zeros(graph.n_nodes, np.int64)
    leaf[graph.leaves] = np.arange(graph.n_leaves)
    for t in reversed(range(graph.horizon)):
        layer = graph.layer(t)
        leaf[graph.level(t)] = leaf[graph.level(t + 1)][layer.ends(layer.ptr[:-1] - layer.ptr[0])]
    return leaf


def _true_reward(leaves: Sequence[Hashable], attributes: Sequence[dict[str, Any]]) -> Scaled | None:
    given = [key_of(about, "true_reward") for about in attributes]
    if not any(given):
        return None
    numbers = np.empty(len(leaves))
    for i, (leaf, key) in enumerate(zip(leaves, given, strict=True)):
        if key is None:
            raise OutcomeError(f"node {quoted(leaf)} has no 'true_reward' although other leaves have one")
        number = number_of(attributes[i][key])
        if not (0 <= number < np.inf if key == "true_reward" else -np.inf <= number < 1e8):
            expected = "a finite number of at least 0" if key == "true_reward" else "a number of at most 1e8, or -inf"
            raise OutcomeError(f"{key} of node {quoted(leaf)} is {quoted(attributes[i][key])}, expected {expected}")
        numbers[i] = number
    is_log = np.array([key == "log_true_reward" for key in given])
    if not is_log.any():
        return Scaled.from_float(numbers)
    with np.errstate(divide="ignore"):
        numbers[~is_log] = np.log(numbers[~is_log])
    return Scaled.from_log(numbers)
