"""PUCT: Monte Carlo tree search with pi_ref as prior and V^ in place of playouts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from treesim.samplers.oracle import Oracle, Prefix
from treesim.scaled import exp_or_inf
from treesim.spec import require_at_least
from treesim.zoo.moves import log_or_never, pick


@dataclass
class _Node:
    """A prefix of the search tree: how often it was visited, and the sum of values seen below it."""

    prefix: Prefix
    prior: float = 1.0
    visits: int = 0
    total: float = 0.0
    value: float | None = None
    children: list[_Node] = field(default_factory=list)


@dataclass
class PUCT:
    """Each token by `simulations` more visits of a search tree, in proportion to visits^(1 / temperature).

    A visit goes down by the largest Q + exploration * P sqrt(N) / (1 + n), Q the mean value below a child, P its
    probability, n and N its own visits and its parent's; it lists the children of where it ends and hands V^ of it up.
    Values are in units of V^ of the root. ``temperature=0`` takes the child that was visited most.

    References
    ----------
    Silver et al. (2017), "Mastering the game of Go without human knowledge", Nature 550.

    Examples
    --------
    >>> from treesim import exact_law, family
    >>> instance = family("dirichlet", horizon=2, perturbation="exact")
    >>> [round(exact_law(PUCT(n), instance).law.tv(instance.target).mid, 4) for n in (2, 8, 32)]
    [0.9881, 0.1134, 0.2357]
    """

    simulations: int
    exploration: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        require_at_least("simulations", self.simulations, 2)
        require_at_least("exploration", self.exploration, 0)
        require_at_least("temperature", self.temperature, 0)

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix:
        """One output."""
        log_root = oracle.log_value(oracle.root)
        log_unit = log_root if log_root > -math.inf else 0.0
        node = _Node(oracle.root, value=1.0)
        while node.prefix.level < oracle.horizon:
            for _ in range(self.simulations):
                self._visit(oracle, node, log_unit)
            visits = [child.visits for child in node.children]
            if self.temperature == 0.0:
                node = node.children[visits.index(max(visits))]
            else:
                node = pick(node.children, [log_or_never(each) / self.temperature for each in visits], rng)
        return node.prefix

    def _visit(self, oracle: Oracle, node: _Node, log_unit: float) -> None:
        way = [node]
        while way[-1].children:
            way.append(max(way[-1].children, key=lambda child: self._score(child, way[-1].visits)))
        end = way[-1]
        if end.value is None:
            end.value = exp_or_inf(oracle.log_value(end.prefix) - log_unit)
        if end.prefix.level < oracle.horizon:
            end.children = [_Node(child, prob) for child, prob in oracle.children(end.prefix)]
        for each in way:
            each.visits += 1
            each.total += end.value

    def _score(self, child: _Node, parent_visits: int) -> float:
        mean = child.total / child.visits if child.visits else 0.0
        return mean + self.exploration * child.prior * math.sqrt(parent_visits) / (1 + child.visits)
