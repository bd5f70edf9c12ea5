r"""The worst signs: which one-step errors hurt exact single-particle guidance most.

Let s(v) be +-1 at every node strictly between root and leaves (the root's factor cancels) and
W(x) = prod_v (1 + eps)^(-s(v)) over the nodes on the path to x. With V^ = phi at the leaves the guided law is
pi~ W / E_{pi~}[W], so

    TV = max over sets A of  E[W 1_A] / E[W] - pi~(A),   E under pi~.

For a fixed set A the best signs are found by Dinkelbach's method: for a trial ratio x, the signs that maximise
E[W (1_A - x)] follow by one backward pass, a node taking the factor that helps the sign of what lies below it. For
fixed signs the best set is A = {W > E[W]}. Alternating the two never lowers the TV and ends in a local optimum.
Where at most 16 nodes matter, all sign patterns are tried instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from treesim.arrays import BoolArray, FloatArray
from treesim.graphs.tree import Tree
from treesim.laws.law import descend_reference
from treesim.scaled import Scaled

LARGEST_EXACT = 16
_ROUNDS = 100
_MOST_CANDIDATES = 4096  # below this level single subtrees no longer matter


def worst_signs(
    tree: Tree, twist: Scaled, log_step: FloatArray, starts: int, rng: np.random.Generator
) -> list[FloatArray]:
    """Directions (-1 overrates, +1 underrates) at every level above T, largest TV found.

    Parameters
    ----------
    tree : Tree
    twist : Scaled, shape [n_nodes]
    log_step : ndarray, shape [horizon]
        log(1 + eps_t).
    starts : int
        Random starting sets of the local search, besides a greedy one.
    rng : numpy.random.Generator

    Returns
    -------
    list of horizon ndarrays, each of shape [n_nodes of the level]
    """
    problem = _Problem(tree, twist, log_step)
    if problem.n_free <= LARGEST_EXACT:
        return problem.best_of_all()
    best, best_tv = problem.constant(), -1.0
    for start in problem.starting_sets(starts, rng):
        signs, tv = problem.climb(start)
        if tv > best_tv:
            best, best_tv = signs, tv
    return best


class _Problem:
    """Target mass of the prefixes of level T - 1, and the tree above them."""

    def __init__(self, tree: Tree, twist: Scaled, log_step: FloatArray) -> None:
        self.tree, self.log_step = tree, log_step
        last = tree.horizon - 1
        above = [tree.layer(t) for t in range(last)]
        self.degrees = [np.diff(layer.ptr) for layer in above]
        self.starts = [layer.ptr[:-1] - layer.ptr[0] for layer in above]
        reach = Scaled.from_float([1.0])
        if last:
            reach = _prefix_law(tree, last)
        mass = (reach * twist[tree.level(last)]).over(twist[:1]).to_float()
        self.mass = mass / mass.sum()
        live = [mass > 0]
        for start in reversed(self.starts):
            live.append(np.logical_or.reduceat(live[-1], start))
        self.live: list[BoolArray] = live[::-1]
        self.n_free = int(sum(level.sum() for level in self.live[1:]))

    def constant(self) -> list[FloatArray]:
        """All nodes underrate."""
        return [np.ones(self.tree.n_level(t)) for t in range(self.tree.horizon)]

    def log_tilt(self, signs: list[FloatArray]) -> FloatArray:
        """log W of every prefix of level T - 1."""
        tilt = np.zeros(1)
        for degree, sign, step in zip(self.degrees, signs[1:], self.log_step[1:], strict=True):
            tilt = np.repeat(tilt, degree) - sign * step
        return tilt

    def tv(self, tilt: FloatArray) -> FloatArray:
        """TV of the guided law for log W along the last axis."""
        weight = np.exp(tilt - tilt.max(axis=-1, keepdims=True))
        ratio = weight / (weight @ self.mass)[..., None]
        return 0.5 * np.abs(ratio - 1.0) @ self.mass

    def best_of_all(self) -> list[FloatArray]:
        """Try every pattern of signs on the live nodes."""
        signs = self.constant()
        where = [(t, v) for t in range(1, len(signs)) for v in np.flatnonzero(self.live[t])]
        influence = np.empty((len(where), len(self.mass)))
        still = [np.zeros_like(level) for level in signs]
        for row, (t, v) in enumerate(where):
            still[t][v] = 1.0
            influence[row] = self.log_tilt(still)
            still[t][v] = 0.0
        patterns = 1.0 - 2.0 * (np.arange(2 ** len(where))[:, None] >> np.arange(len(where)) & 1)
        best = patterns[np.argmax(self.tv(patterns @ influence))]
        for (t, v), sign in zip(where, best, strict=True):
            signs[t][v] = sign
        return signs

    def starting_sets(self, n_random: int, rng: np.random.Generator) -> Iterator[BoolArray]:
        """Sets of prefixes of the mass that is best for a two-point law, made of subtrees as high as possible."""
        masses = [self.mass]
        for start in reversed(self.starts[1:]):
            masses.append(np.add.reduceat(masses[-1], start))
        masses.reverse()
        odds = np.exp(-self.log_step[1:].sum())
        ideal = odds / (1.0 + odds)
        yield self.fill(masses, ideal, lambda mass: -mass)
        for _ in range(n_random):
            yield self.fill(masses, ideal ** rng.uniform(0.0, 1.5), lambda mass: rng.random(len(mass)))

    def fill(self, masses: list[FloatArray], room: float, key: Callable[[FloatArray], FloatArray]) -> BoolArray:
        """Take subtrees in the order of `key`, each that fits in `room`, level after level; at least one prefix."""
        taken = np.zeros(len(masses[0]), bool)
        for t, mass in enumerate(masses):
            if t:
                taken = np.repeat(taken, self.degrees[t])
            candidates = np.flatnonzero(~taken & (mass <= room) & (mass > 0))
            if len(candidates) > _MOST_CANDIDATES:
                continue
            for i in candidates[np.argsort(key(mass[candidates]), kind="stable")]:
                if mass[i] <= room:
                    taken[i] = True
                    room -= mass[i]
        if not taken.any():
            taken[np.argmin(np.where(self.mass > 0, self.mass, np.inf))] = True
        return taken

    def climb(self, inside: BoolArray) -> tuple[list[FloatArray], float]:
        """Alternate best signs and best set until neither changes."""
        best, best_tv = self.constant(), -1.0
        for _ in range(_ROUNDS):
            signs, tilt = self.best_signs(inside)
            tv = float(self.tv(tilt))
            if tv <= best_tv * (1 + 1e-12):
                break
            best, best_tv = signs, tv
            weight = np.exp(tilt - tilt.max())
            inside = weight > weight @ self.mass
        return best, best_tv

    def best_signs(self, inside: BoolArray) -> tuple[list[FloatArray], FloatArray]:
        """Signs that maximise the guided mass of a set, by Dinkelbach's method."""
        share = float(self.mass[inside].sum())
        signs, tilt = self.constant(), np.zeros(len(self.mass))
        for _ in range(_ROUNDS):
            gain = self.mass * (inside - share)
            tried = self.constant()
            for t in range(self.tree.horizon - 1, 0, -1):
                helps = gain > 0
                tried[t] = np.where(helps, -1.0, 1.0)
                # Only signs matter, so each level may be scaled at will: what helps as it is, what hurts by its
                # factor squared.
                gain = np.where(helps, gain, gain * np.exp(-2.0 * self.log_step[t]))
                gain = np.add.reduceat(gain, self.starts[t - 1])
            tried_tilt = self.log_tilt(tried)
            weight = self.mass * np.exp(tried_tilt - tried_tilt.max())
            improved = float(weight[inside].sum() / weight.sum())
            if improved <= share * (1 + 1e-14):
                break
            signs, tilt, share = tried, tried_tilt, improved
        return signs, tilt


def _prefix_law(tree: Tree, t: int) -> Scaled:
    """pi_ref of every prefix of level `t`."""
    top = Tree(
        tree.level_ptr[: t + 2],
        tree.edge_ptr[: tree.level(t).start + 1],
        tree.edge_prob[: tree.level(t).stop - 1],
    )
    return descend_reference(top)
