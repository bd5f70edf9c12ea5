"""Value-guided backtracking: a Markov chain on the prefixes of a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import NoExactLaw
from treesim.graphs.tree import Tree
from treesim.graphs.values import expect_ahead
from treesim.instances.instance import Instance
from treesim.kernels.backtracking import backtracking_steps, walk_backtracking
from treesim.laws.law import LeafLaw
from treesim.laws.walks import GuidedSteps
from treesim.samplers.base import Cost, Sampler, remembered
from treesim.samplers.draws import Draws
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_one_of

LARGEST_SPECTRUM = 2048


class Moves(NamedTuple):
    """The moves of the backtracking walk: up from each node, down each edge, given that it moves."""

    tree: Tree
    parent: IntArray
    up: FloatArray
    down: FloatArray


@dataclass(frozen=True)
class Backtracking(Sampler):
    """VGB, value-guided sampling with backtracking: a random walk on prefixes that may take steps back.

    At a prefix v half of the time it stays; else it goes to child c in proportion to pi_ref(c|v) V^(c), or back to the
    parent in proportion to V^(v). It is reversible, and given that it stands at a leaf its stationary law is pi~,
    whatever V^ is inside. It returns the leaf where it stands after `steps` steps, or nothing if it is at none.

    Parameters
    ----------
    steps : int
    stop : str
        ``after`` the steps; or ``first-leaf``: return the first leaf reached, never lazy, `steps` being left aside. Its
        law is pi~ if V^ = V*; where no leaf can be reached it returns nothing.

    References
    ----------
    Rohatgi, Foster et al. (2025), arXiv 2510.03149. First-leaf law: harmonic measure of the electrical network with
    conductances pi_ref(v) V^(v), Doyle & Snell (1984).

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.5)
    >>> round(Backtracking(steps=0, stop="first-leaf").law(instance).tv(instance.target).lo, 4)
    0.0711
    """

    steps: int
    stop: str = "after"
    name: ClassVar[str] = "vgb"

    def __post_init__(self) -> None:
        require_at_least("steps", self.steps, 0)
        require_one_of("stop", self.stop, ("after", "first-leaf"))

    def law(self, instance: Instance) -> LeafLaw:
        """The exact law of the leaf, and the probability of standing at none."""
        moves = moves_of(instance)
        if self.stop == "first-leaf":
            first = _first_leaf(moves)
            return LeafLaw(Scaled.from_float(first), 0.0 if first.any() else 1.0)
        law, room = np.zeros(moves.tree.n_nodes), np.empty(moves.tree.n_nodes)
        law[0] = 1.0
        backtracking_steps(self.steps, moves.tree.edge_ptr, moves.parent, moves.up, moves.down, law, room)
        leaves = law[moves.tree.leaves]
        return LeafLaw(Scaled.from_float(leaves), max(0.0, 1.0 - float(leaves.sum())))

    def cost(self, instance: Instance) -> Cost:
        """Children asked for in expectation, each a value query: at every step that moves from an inner node."""
        moves = moves_of(instance)
        tree = moves.tree
        degree = np.diff(tree.edge_ptr).astype(np.float64)
        if self.stop == "first-leaf":
            total = float(expected_visits(moves) @ degree)
            return Cost(total, total)
        law, room, total = np.zeros(tree.n_nodes), np.empty(tree.n_nodes), 0.0
        law[0] = 1.0
        for _ in range(self.steps):
            total += 0.5 * float(law[: len(degree)] @ degree)
            backtracking_steps(1, tree.edge_ptr, moves.parent, moves.up, moves.down, law, room)
        return Cost(total, total)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        moves = moves_of(instance)
        first_leaf = moves.tree.leaves.start
        if self.stop == "first-leaf" and not _first_leaf(moves).any():
            return Draws(np.full(n, -1), None, 0, 0)
        node, taken = np.empty(n, np.int64), np.empty(n, np.int64)
        asked = walk_backtracking(
            self.steps, first_leaf, self.stop == "first-leaf", moves.tree.edge_ptr, moves.parent, moves.up, moves.down,
            rng, node, taken,
        )  # fmt: skip
        return Draws(np.where(node >= first_leaf, node - first_leaf, -1), None, asked, asked)


def stationary_law(instance: Instance) -> FloatArray:
    """The stationary law of the backtracking walk, shape [n_nodes].

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("dirichlet", horizon=3)  # V^ = V*: the leaves have mass 1 / (2 T)
    >>> round(float(stationary_law(instance)[instance.graph.leaves].sum()), 12)
    0.166666666667
    """
    moves = moves_of(instance)
    tree = moves.tree
    # Detailed balance along every edge: mass(c) up(c) = mass(v) down(v -> c), from the root down, in logs.
    log_mass = np.zeros(tree.n_nodes)
    with np.errstate(divide="ignore"):
        log_ratio = np.log(moves.down) - np.log(moves.up[1:])
    for t in range(tree.horizon):
        children = tree.level(t + 1)
        log_mass[children] = log_mass[moves.parent[children]] + log_ratio[children.start - 1 : children.stop - 1]
    mass = np.exp(log_mass - log_mass.max())
    return mass / mass.sum()


def spectral_gap(instance: Instance) -> float:
    """One less the second largest eigenvalue of the lazy backtracking walk.

    Raises
    ------
    NoExactLaw
        If more than 2048 nodes can be visited.

    Examples
    --------
    >>> from treesim import family
    >>> round(spectral_gap(family("uniform", horizon=1, reward="gaussian")), 12)
    0.5
    """
    moves, mass = moves_of(instance), stationary_law(instance)
    live = np.flatnonzero(mass > 0)
    if len(live) > LARGEST_SPECTRUM:
        raise NoExactLaw(f"the spectrum of a walk on {len(live)} nodes is out of reach, expected at most 2048")
    place = np.full(len(mass), -1)
    place[live] = np.arange(len(live))
    # Symmetric form: sqrt(P(v, c) P(c, v)) on the edges; the diagonal keeps what does not move.
    child = live[live > 0]
    parent = moves.parent[child]
    matrix = np.zeros((len(live), len(live)))
    flow = 0.5 * np.sqrt(moves.down[child - 1] * moves.up[child])
    matrix[place[child], place[parent]] = matrix[place[parent], place[child]] = flow
    leaving = np.zeros(len(mass))
    np.add.at(leaving, parent, 0.5 * moves.down[child - 1])
    leaving[child] += 0.5 * moves.up[child]
    matrix[np.diag_indices(len(live))] = 1.0 - leaving[live]
    return float(1.0 - np.linalg.eigvalsh(matrix)[-2]) if len(live) > 1 else 1.0


@remembered
def moves_of(instance: Instance) -> Moves:
    """Up with odds 1 : b(v), b = P V^ / V^; at the root always down, at a leaf always up."""
    tree = instance.graph.require_tree(
        "vgb walks on the prefixes of a tree, and this is a trellis; unroll it if it is small"
    )
    value = instance.value
    parent = np.zeros(tree.n_nodes, np.int64)
    parent[1:] = np.repeat(np.arange(len(tree.edge_ptr) - 1), np.diff(tree.edge_ptr))
    up, down = np.ones(tree.n_nodes), np.empty(tree.n_edges)
    steps = GuidedSteps(tree, value)
    for t in range(tree.horizon):
        here, edges = tree.level(t), slice(tree.level(t + 1).start - 1, tree.level(t + 1).stop - 1)
        ahead = expect_ahead(tree.layer(t), value[tree.level(t + 1)])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_odds = ahead.log() - value[here].log()
            up[here] = 1.0 / (1.0 + np.exp(np.nan_to_num(log_odds, nan=0.0, posinf=np.inf, neginf=-np.inf)))
        if t == 0:
            up[0] = 0.0
        dead = ahead.mantissa == 0
        goes_down = np.where(dead, 0.0, 1.0 - up[here])
        down[edges] = steps.edges(t).to_float() * np.repeat(goes_down, np.diff(tree.layer(t).ptr))
    return Moves(tree, parent, up, down)


def _escape(moves: Moves) -> FloatArray:
    """Probability, for each node but the root, of reaching a leaf below before its parent."""
    tree = moves.tree
    escape = np.ones(tree.n_nodes)
    for t in reversed(range(1, tree.horizon)):
        children = tree.level(t + 1)
        through = np.bincount(
            moves.parent[children] - tree.level(t).start,
            moves.down[children.start - 1 : children.stop - 1] * escape[children], tree.n_level(t),
        )  # fmt: skip
        total = through + moves.up[tree.level(t)]
        escape[tree.level(t)] = np.where(total > 0, through / np.where(total > 0, total, 1.0), 0.0)
    return escape


def _first_leaf(moves: Moves) -> FloatArray:
    """Law of the first leaf reached from the root: at each node a child in proportion to down * escape."""
    tree, escape = moves.tree, _escape(moves)
    mass = np.ones(1)
    for t in range(tree.horizon):
        children = tree.level(t + 1)
        weight = moves.down[children.start - 1 : children.stop - 1] * escape[children]
        source = tree.layer(t).sources()
        total = np.bincount(source, weight, tree.n_level(t))
        mass = (mass / np.where(total > 0, total, 1.0))[source] * weight
    return mass


def expected_visits(moves: Moves) -> FloatArray:
    """Expected visits to each inner node before the first leaf, shape [n_internal].

    By reversibility visits(c) / visits(v) is the ratio of their masses, down / up, times the chance of a way back.
    """
    tree, escape = moves.tree, _escape(moves)
    visits = np.zeros(tree.n_nodes)
    leaving = float(moves.down[: tree.n_level(1)] @ escape[tree.level(1)])
    visits[0] = 1.0 / leaving if leaving > 0 else 0.0
    for t in range(1, tree.horizon):
        here = tree.level(t)
        odds = moves.down[here.start - 1 : here.stop - 1] / np.where(moves.up[here] > 0, moves.up[here], 1.0)
        visits[here] = visits[moves.parent[here]] * odds * (1.0 - escape[here])
    return visits[: len(tree.edge_ptr) - 1]
