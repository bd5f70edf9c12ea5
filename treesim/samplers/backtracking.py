"""Value-guided backtracking: a Markov chain on the prefixes of a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import NoExactLaw, SpecError
from treesim.graphs.tree import Tree
from treesim.graphs.values import expect_ahead
from treesim.instances.instance import Instance
from treesim.kernels.backtracking import backtracking_steps, momentum_steps, walk_backtracking, walk_momentum
from treesim.laws.law import LeafLaw
from treesim.laws.walks import GuidedSteps
from treesim.samplers.base import LARGEST_WALK, Cost, Sampler, remembered
from treesim.samplers.draws import Draws
from treesim.samplers.leaf_visits import LeafVisits
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
    def turns(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """With momentum: the probabilities of going up for one that looks up, and of turning for one that looks down,
        shape [n_nodes]; and of each edge for one that looks down, shape [n_edges]."""
        b = self.log_odds
        goes_up, turns_up = np.ones(self.tree.n_nodes), np.ones(self.tree.n_nodes)
        goes_up[: len(b)] = np.exp(np.minimum(-b, 0.0))
        goes_up[0] = 0.0
        turns_up[: len(b)] = -np.expm1(np.minimum(b, 0.0))
        down = np.exp(self.log_share) * np.repeat(np.exp(np.minimum(b, 0.0)), np.diff(self.tree.edge_ptr))
        return goes_up, turns_up, down

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

    With momentum it keeps its direction, down or up, and never stays. With b = P V^ / V^ it turns at v with probability
    |1 - b| / max(1, b), down to up where b < 1 and up to down where b > 1: the Bellman error itself. The root turns it
    down, leaves turn it up; a turn is a step. Given that it stands at a leaf its stationary law is pi~, too.

    Parameters
    ----------
    steps : int
    stop : str
        ``after`` the steps; or ``leaf``: return the leaf that is the `leaf`-th to be visited, never lazy, `steps` being
        left aside; ``first-leaf`` is the first. Its law is pi~ if V^ = V*; where no leaf can be reached it returns
        nothing.
    leaf : int
        j, for ``stop=leaf``.
    momentum : bool

    References
    ----------
    Rohatgi, Foster et al. (2025), arXiv 2510.03149. First-leaf law: harmonic measure of the electrical network with
    conductances pi_ref(v) V^(v), Doyle & Snell (1984). Momentum is a lifting, as of Diaconis, Holmes & Neal (2000).

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.5)
    >>> round(Backtracking(steps=0, stop="first-leaf").law(instance).tv(instance.target).lo, 4)
    0.0711
    >>> [round(Backtracking(0, "leaf", j, momentum=True).law(instance).tv(instance.target).lo, 4) for j in (1, 4)]
    [0.0671, 0.0]
    """

    steps: int
    stop: str = "after"
    leaf: int = 1
    momentum: bool = False
    name: ClassVar[str] = "vgb"

    def __post_init__(self) -> None:
        require_at_least("steps", self.steps, 0)
        require_one_of("stop", self.stop, ("after", "first-leaf", "leaf"))
        require_at_least("leaf", self.leaf, 1)
        if self.leaf > 1 and self.stop != "leaf":
            raise SpecError(f"leaf is {self.leaf} beside stop={self.stop}, expected stop=leaf")

    @property
    def _stops(self) -> bool:
        return self.stop != "after"

    def law(self, instance: Instance) -> LeafLaw:
        """The exact law of the leaf, and the probability of standing at none."""
        moves = moves_of(instance)
        tree = moves.tree
        if moves.is_stuck:
            return LeafLaw(Scaled.zeros(tree.n_leaves), 1.0)
        if self._stops:
            return LeafLaw(Scaled.from_log(visits_of(instance, self.momentum).law(self.leaf)))
        leaves = self._after(moves)[0][:, tree.leaves].sum(axis=0)
        return LeafLaw(Scaled.from_float(leaves), max(0.0, 1.0 - float(leaves.sum())))

    def cost(self, instance: Instance) -> Cost:
        """Children asked for in expectation, each a value query: at every step that moves from an inner node."""
        moves = moves_of(instance)
        degree = moves.degree.astype(np.float64)
        if moves.is_stuck:
            moving = 0.0 if self._stops else float(min(self.steps, 1)) if self.momentum else 0.5 * self.steps
            visits = np.append(moving, np.zeros(len(degree) - 1))
        elif self._stops:
            visits = _expected_visits(instance, self.momentum, self.leaf)
        else:
            visits = self._after(moves)[1][: len(degree)]
        total = float(visits @ degree)
        return Cost(total, total)

    def _after(self, moves: Moves) -> tuple[FloatArray, FloatArray]:
        """The law after the steps, a row for each direction, shape [1 or 2, n_nodes]; and the expected visits from
        which the walk moves on, shape [n_nodes]."""
        tree = moves.tree
        law, visits = np.zeros((2 if self.momentum else 1, tree.n_nodes)), np.zeros(tree.n_nodes)
        law[0, 0] = 1.0
        if self.momentum:
            momentum_steps(self.steps, tree.edge_ptr, moves.parent, *moves.turns, law, visits)
        else:
            backtracking_steps(self.steps, tree.edge_ptr, moves.parent, moves.up, moves.down, law[0], visits)
        return law, visits

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        moves = moves_of(instance)
        first_leaf = moves.tree.leaves.start
        if self._stops and moves.is_stuck:
            return Draws(np.full(n, -1), None, 0, 0)
        if self._stops:
            expected = self.cost(instance).value_queries
            if expected > LARGEST_WALK:
                raise SpecError(
                    f"{self.name} asks for {expected:.2g} values until it reaches a leaf, expected at most "
                    f"{LARGEST_WALK:.0e}; its law and its cost are known without running it"
                )
        node, leaves = np.empty(n, np.int64), self.leaf if self._stops else 0
        common = self.steps, first_leaf, leaves, moves.tree.edge_ptr, moves.parent, moves.degree
        if self.momentum:
            asked = walk_momentum(*common, *moves.turns, rng, node)
        else:
            asked = walk_backtracking(*common, moves.up, moves.down, rng, node)
        return Draws(np.where(node >= first_leaf, node - first_leaf, -1), None, asked, asked)


def stationary_law(instance: Instance, *, momentum: bool = False) -> FloatArray:
    """The stationary law of the backtracking walk, shape [n_nodes]; with momentum both directions are equally likely.

    The plain walk is at v in proportion to pi_ref(v) (V^(v) + P V^(v)), the one with momentum to their maximum.

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
    if momentum:
        # From c + F to max(c, F) at inner nodes; c is V^ pi_ref, F = b c, and the root has no parent to go to.
        b = moves.log_odds[1:]
        inner = slice(1, len(moves.log_odds))
        log_mass[inner] += np.maximum(b, 0.0) - np.logaddexp(b, 0.0)
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
def visits_of(instance: Instance, momentum: bool) -> LeafVisits:
    """The leaves that the walk visits."""
    moves = moves_of(instance)
    return LeafVisits(moves.tree, moves.parent, moves.log_odds, moves.log_share, momentum=momentum)


@remembered
def _expected_visits(instance: Instance, momentum: bool, leaf: int) -> FloatArray:
    """Visits to each inner node until the walk has seen so many leaves: every block asks what they cost."""
    return visits_of(instance, momentum).expected_visits(leaf)


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
