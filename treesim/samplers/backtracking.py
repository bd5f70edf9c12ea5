"""Value-guided backtracking: a Markov chain on the prefixes of a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from treesim.arrays import FloatArray, IntArray, log_sums, never
from treesim.errors import NoExactLaw, SpecError
from treesim.graphs.tree import Tree
from treesim.graphs.values import expect_ahead
from treesim.instances.instance import Instance
from treesim.kernels.backtracking import backtracking_steps, walk_backtracking
from treesim.laws.law import LeafLaw
from treesim.laws.walks import GuidedSteps
from treesim.samplers.base import LARGEST_WALK, Cost, Sampler, remembered
from treesim.samplers.draws import Draws
from treesim.scaled import Scaled
from treesim.spec import require_at_least, require_one_of

LARGEST_SPECTRUM = 2048


class Moves(NamedTuple):
    """The moves of the backtracking walk, given that it moves.

    Attributes
    ----------
    tree : Tree
    parent : ndarray of int64, shape [n_nodes]
    up : ndarray, shape [n_nodes]
        The probability of going back; zero at the root.
    down : ndarray, shape [n_edges]
        That of each edge.
    log_odds : ndarray, shape [n_internal]
        log of the odds of going down, log b = log P V^ / V^; inf at the root.
    log_share : ndarray, shape [n_edges]
        log of the probability of each edge, given that it goes down.
    degree : ndarray of int64, shape [n_internal]
        Children that pi_ref can draw: what a step asks for.
    """

    tree: Tree
    parent: IntArray
    up: FloatArray
    down: FloatArray
    log_odds: FloatArray
    log_share: FloatArray
    degree: IntArray

    @property
    def is_stuck(self) -> bool:
        """Whether no child of the root has value: the walk stays where it starts."""
        return not self.down[: self.tree.n_level(1)].any()


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
        tree = moves.tree
        if moves.is_stuck:
            return LeafLaw(Scaled.zeros(tree.n_leaves), 1.0)
        if self.stop == "first-leaf":
            return LeafLaw(Scaled.from_log(_log_first_leaf(moves)))
        law, room = np.zeros(tree.n_nodes), np.empty(tree.n_nodes)
        law[0] = 1.0
        backtracking_steps(self.steps, tree.edge_ptr, moves.parent, moves.up, moves.down, law, room)
        leaves = law[tree.leaves]
        return LeafLaw(Scaled.from_float(leaves), max(0.0, 1.0 - float(leaves.sum())))

    def cost(self, instance: Instance) -> Cost:
        """Children asked for in expectation, each a value query: at every step that moves from an inner node."""
        moves = moves_of(instance)
        tree, degree = moves.tree, moves.degree.astype(np.float64)
        if moves.is_stuck:
            total = 0.0 if self.stop == "first-leaf" else 0.5 * self.steps * float(degree[0])
            return Cost(total, total)
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
        first_leaf, stops = moves.tree.leaves.start, self.stop == "first-leaf"
        if stops and moves.is_stuck:
            return Draws(np.full(n, -1), None, 0, 0)
        if stops:
            expected = self.cost(instance).value_queries
            if expected > LARGEST_WALK:
                raise SpecError(
                    f"{self.name} asks for {expected:.2g} values until it reaches a leaf, expected at most "
                    f"{LARGEST_WALK:.0e}; its law and its cost are known without running it"
                )
        node = np.empty(n, np.int64)
        asked = walk_backtracking(
            self.steps, first_leaf, stops, moves.tree.edge_ptr, moves.parent, moves.degree, moves.up, moves.down,
            rng, node,
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
    up, down, log_share = np.ones(tree.n_nodes), np.empty(tree.n_edges), np.empty(tree.n_edges)
    log_odds = np.empty(len(tree.edge_ptr) - 1)
    steps = GuidedSteps(tree, value)
    for t in range(tree.horizon):
        here, edges = tree.level(t), slice(tree.level(t + 1).start - 1, tree.level(t + 1).stop - 1)
        ahead = expect_ahead(tree.layer(t), value[tree.level(t + 1)])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_odds[here] = np.nan_to_num(ahead.log() - value[here].log(), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
            if t == 0 and ahead.mantissa[0] > 0:
                log_odds[0] = np.inf
            up[here] = 1.0 / (1.0 + np.exp(log_odds[here]))
            # From the odds themselves: one less a number near one has no digits left.
            goes_down = 1.0 / (1.0 + np.exp(-log_odds[here]))
        law = steps.edges(t)
        degree = np.diff(tree.layer(t).ptr)
        log_share[edges] = law.log()
        down[edges] = law.to_float() * np.repeat(goes_down, degree)
    up[0] = 0.0
    alive = np.add.reduceat(tree.edge_prob > 0, tree.edge_ptr[:-1], dtype=np.int64)
    return Moves(tree, parent, up, down, log_odds, log_share, alive)


def _log_escape(moves: Moves) -> tuple[FloatArray, FloatArray]:
    """log of the probability, for each node but the root, of reaching a leaf below before its parent; and of not."""
    tree = moves.tree
    escape, back = np.zeros(tree.n_nodes), np.full(tree.n_nodes, -np.inf)
    for t in reversed(range(1, tree.horizon)):
        here, children = tree.level(t), tree.level(t + 1)
        ahead = moves.log_share[children.start - 1 : children.stop - 1] + escape[children]
        # x = odds of going down times the chance that this ends at a leaf; escape x / (1 + x).
        with np.errstate(invalid="ignore"):
            log_x = never(moves.log_odds[here] + log_sums(ahead, tree.layer(t).ptr))
        escape[here], back[here] = -np.logaddexp(0.0, -log_x), -np.logaddexp(0.0, log_x)
    return escape, back


def _log_first_leaf(moves: Moves) -> FloatArray:
    """log of the law of the first leaf reached: at each node a child in proportion to its share and its escape."""
    tree, (escape, _) = moves.tree, _log_escape(moves)
    mass = np.zeros(1)
    for t in range(tree.horizon):
        children, ptr = tree.level(t + 1), tree.layer(t).ptr
        weight = moves.log_share[children.start - 1 : children.stop - 1] + escape[children]
        total = log_sums(weight, ptr)
        with np.errstate(invalid="ignore"):
            mass = np.repeat(mass - np.where(np.isneginf(total), 0.0, total), np.diff(ptr)) + weight
    return mass


def expected_visits(moves: Moves) -> FloatArray:
    """Expected visits to each inner node before the first leaf, shape [n_internal].

    By reversibility visits(c) / visits(v) is the ratio of their masses, down / up, times the chance of a way back.
    """
    tree, (escape, back) = moves.tree, _log_escape(moves)
    log_visits = np.full(tree.n_nodes, -np.inf)
    first = tree.level(1)
    log_visits[0] = -log_sums(moves.log_share[: tree.n_level(1)] + escape[first], tree.layer(0).ptr)[0]
    for t in range(1, tree.horizon):
        here = tree.level(t)
        edge = slice(here.start - 1, here.stop - 1)
        parent = moves.parent[here]
        # Going down from the parent, and coming back: log of down / up, the root never going up.
        log_down = moves.log_share[edge] - np.logaddexp(0.0, -moves.log_odds[parent])
        log_up = -np.logaddexp(0.0, moves.log_odds[here])
        with np.errstate(invalid="ignore"):
            log_visits[here] = never(log_visits[parent] + log_down - log_up + back[here])
    with np.errstate(over="ignore"):
        return np.exp(log_visits[: len(tree.edge_ptr) - 1])
