"""The counts of the particles of SMC, a Markov chain: its steps and its last draw, between all multisets of kinds.

See `treesim.laws.smc` for the law, `treesim.laws.particle_kinds` for the kinds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from treesim.arrays import Brief, FloatArray, IntArray, spread
from treesim.kernels.populations import keep_of_populations, move_populations, places, resample_populations
from treesim.kernels.race import race_kinds
from treesim.kernels.smc_counts import binomial_step, keep_one
from treesim.laws.multisets import multisets, rank
from treesim.laws.one_of_few import are_few, keep_one_of_few
from treesim.laws.particle_kinds import Kinds, Ways
from treesim.runtime.threads import chunked

QUADRATURE_NODES = 500
# Multisets whose masses are kept.
MOST_STATES = 1 << 26
# Nats between weights that are summed without logs.
FARTHEST_WEIGHTS = 600.0
# Factorials of more particles would leave the range of floats.
MOST_SINGLE_PARTICLES = 64
_NEVER = -1e5  # stands for log 0 where counts multiply it: exp of it is zero


@dataclass(frozen=True, eq=False, repr=False)
class CountChain(Brief):
    """The chain of the counts of `particles` particles: those before the first step are one kind, at the root.

    Parameters
    ----------
    kinds : list of Kinds
        Step by step.
    particles : int
    by_race : bool
        Whether the output is the last particle of the largest weight / uniform number, not one by its weight.
    is_tree : bool
        Whether a kind below has one parent: populations can be followed one by one there.
    """

    kinds: list[Kinds]
    particles: int
    by_race: bool = False
    is_tree: bool = False

    def states(self, t: int) -> float:
        """How many multisets there are of the kinds before the step from level `t`."""
        n_kinds = 1 if t == 0 else len(self.kinds[t - 1].node)
        return float(min(10**30, math.comb(n_kinds + self.particles - 1, self.particles)))

    def step_work(self, t: int) -> float:
        """About how many operations of a nanosecond the step from level `t` takes."""
        return min(self._dense_work(t), self._single_work(t))

    def work(self) -> float:
        """The same, of all steps."""
        return sum(map(self.step_work, range(len(self.kinds))))

    def ways_work(self, ways: Ways) -> float:
        """The same, of `way_law`."""
        work = 0.0
        for t in range(len(self.kinds)):
            before = 1 if t == 0 else len(ways.kind[t - 1])
            work += self._dense_work(t)
            if t + 1 < len(self.kinds):
                each = self._binomial if len(self.kinds[t].node) == 2 else self.states(t + 1) / 64
                work += self.states(t) * each * before
                work += 10.0 * len(ways.kind[t]) * self.states(t + 1)
        return work

    def leaf_law(self) -> FloatArray:
        """The law of the kind of the output, shape [n_kinds of the last step]."""
        last, mass = len(self.kinds) - 1, np.ones(1)
        for t in range(last):
            if self._single_work(t) < self._dense_work(t):
                below = np.zeros(int(self.states(t + 1)))
                move_populations(self._resampled(t, mass), *self._moves(t), below)
                mass = below
            else:
                states = np.flatnonzero(mass)
                mass = self.step(self.arrivals(t, states), mass[None, states], self.particles)[0]
        if self._single_work(last) < self._dense_work(last):
            law = np.zeros(len(self.kinds[last].node))
            resampled, log_weight = self._resampled(last, mass), self.kinds[last].log_weight
            weight = np.exp(log_weight - max(log_weight.max(), _NEVER))
            keep_of_populations(resampled, *self._moves(last), weight, int(self.states(last + 1)), law)
            return law
        states = np.flatnonzero(mass)
        return np.asarray(mass[states] @ self.kept(self.arrivals(last, states), self.particles), np.float64)

    def way_law(self, ways: Ways) -> FloatArray:
        """The law of the way that an output goes, kind by kind, shape [n_ways].

        A particle drawn from the population has an ancestor of kind k with probability (weight of k) / (weight of all),
        and the N - 1 others come as before: one vector over the counts for each way.
        """
        last = len(self.kinds) - 1
        own, mass = np.zeros(1, np.int64), np.ones((1, 1))
        for t in range(last):
            states = np.flatnonzero(mass.any(axis=0))
            mass = mass[:, states] * self.particles * self.shares(t, states)[:, own].T
            others = self.step(self.arrivals(t, states), mass, self.particles - 1)
            parent, kind = ways.parent[t], ways.kind[t]
            mass = self.with_own(t, parent, kind, others)
            mass *= self._chance(t, own[parent], kind)[:, None]
            own = kind
        states = np.flatnonzero(mass.any(axis=0))
        mass = mass[:, states] * self.particles * self.shares(last, states)[:, own].T
        arrivals = self.arrivals(last, states)
        chosen = self.kept(arrivals, self.particles)
        chosen = np.divide(chosen, arrivals, out=np.zeros_like(chosen), where=arrivals > 0)
        parent, kind = ways.parent[last], ways.kind[last]
        chance = self._chance(last, own[parent], kind)
        return np.asarray(chance * np.einsum("ps,sp->p", mass[parent], chosen[:, kind]), np.float64)

    def shares(self, t: int, states: IntArray) -> FloatArray:
        """What one particle of each kind holds of the weight, zero where there is none, shape [states, kinds]."""
        counts = self._counts(t)[states]
        log_weight = np.zeros(1) if t == 0 else self.kinds[t - 1].log_weight
        log_held = np.where(counts > 0, log_weight, -np.inf)
        top = log_held.max(axis=1, keepdims=True)
        weightless = np.isneginf(top)
        each = np.where(weightless, counts > 0, np.exp(log_held - np.where(weightless, 0.0, top)))
        return np.asarray(each / (counts * each).sum(axis=1, keepdims=True), np.float64)

    def arrivals(self, t: int, states: IntArray) -> FloatArray:
        """The law rho of the kind of one particle after the step from level `t`, shape [states, kinds below]."""
        kinds = self.kinds[t]
        share = self._counts(t)[states] * self.shares(t, states)
        at_node = np.zeros((len(states), kinds.parents))
        np.add.at(at_node.T, self._nodes(t), share.T)
        rho = np.zeros((len(states), len(kinds.node)))
        np.add.at(rho.T, kinds.kind, (at_node[:, kinds.source] * kinds.prob).T)
        return rho

    def out_steps(self, t: int, kind: IntArray) -> tuple[IntArray, IntArray]:
        """For paths that end in particles of some kinds: which path and which step from level `t` extend each other."""
        kinds, node = self.kinds[t], self._nodes(t)[kind]
        first = np.searchsorted(kinds.source, node)
        degree = np.searchsorted(kinds.source, node, side="right") - first
        parent = np.repeat(np.arange(len(kind)), degree)
        step = np.arange(len(parent)) - np.repeat(np.cumsum(degree) - degree, degree) + np.repeat(first, degree)
        return parent, step

    def with_own(self, t: int, parent: IntArray, kind: IntArray, others: FloatArray) -> FloatArray:
        """The mass of all counts below level `t`, the particle at the end of each path added to the others."""
        n_kinds = len(self.kinds[t].node)
        below = multisets(n_kinds, self.particles - 1)
        mass = np.zeros((len(parent), math.comb(n_kinds + self.particles - 1, self.particles)))
        for k in range(n_kinds):
            rows = np.flatnonzero(kind == k)
            own = below.copy()
            own[:, k] += 1
            mass[rows[:, None], rank(own)] = others[parent[rows]]
        return mass

    def kept(self, rho: FloatArray, draws: int, log_beside: float | None = None) -> FloatArray:
        """Of `draws` particles of law rho, beside which there may be one of a given weight, keep one in proportion to
        its weight, or by a race: the probability that it is one of the draws, by kind, shape [states, kinds]."""
        log_weight, kept = self.kinds[-1].log_weight, np.zeros_like(rho)
        if self.by_race:
            race_kinds(rho, log_weight, float(draws), kept)
            return kept
        if are_few(log_weight, draws):
            return keep_one_of_few(rho, log_weight, draws, log_beside)
        beside, has_one_beside = (-np.inf, False) if log_beside is None else (log_beside, True)
        chunked(
            lambda lo, hi: keep_one(lo, hi, rho, log_weight, float(draws), beside, has_one_beside, kept),
            len(rho),
            QUADRATURE_NODES * 20 * rho.size,
        )
        return kept

    @staticmethod
    def step(rho: FloatArray, mass: FloatArray, size: int) -> FloatArray:
        """Mix multinomial laws: the mass that each multiset of `size` particles receives, shape [n, multisets].

        Parameters
        ----------
        rho : ndarray, shape [states, kinds]
            The law of one particle, given the state.
        mass : ndarray, shape [n, states]
            `n` mixtures at once.
        size : int
        """
        kinds = rho.shape[1]
        if kinds == 2:
            mixed = np.zeros((len(mass), size + 1))
            binomial_step(rho, mass, size, mixed)
            return mixed
        below = multisets(kinds, size)
        log_factorial = np.array([math.lgamma(k + 1) for k in range(size + 1)])
        ways = log_factorial[size] - log_factorial[below].sum(axis=1)
        with np.errstate(divide="ignore"):
            log_rho = np.maximum(np.log(rho), _NEVER)
        mixed = np.zeros((len(mass), len(below)))
        for start in range(0, len(rho), 256):
            part = slice(start, start + 256)
            mixed += mass[:, part] @ np.exp(ways + log_rho[part] @ below.T)
        return mixed

    def _counts(self, t: int) -> IntArray:
        """The counts before the step from level `t`, shape [states, kinds]."""
        return multisets(1 if t == 0 else len(self.kinds[t - 1].node), self.particles)

    def _nodes(self, t: int) -> IntArray:
        """Where the kinds before the step from level `t` stand."""
        return np.zeros(1, np.int64) if t == 0 else self.kinds[t - 1].node

    def _chance(self, t: int, before: IntArray, kind: IntArray) -> FloatArray:
        """The probability of each step from particles of some kinds to those of others."""
        kinds, n_kinds = self.kinds[t], len(self.kinds[t].node)
        place = np.searchsorted(kinds.source * n_kinds + kinds.kind, self._nodes(t)[before] * n_kinds + kind)
        return kinds.prob[place]

    def _dense_work(self, t: int) -> float:
        n_kinds, states = len(self.kinds[t].node), self.states(t)
        if t + 1 == len(self.kinds):
            return states * n_kinds * QUADRATURE_NODES
        return states * (self._binomial if n_kinds == 2 else self.states(t + 1) * n_kinds)

    @property
    def _binomial(self) -> float:
        """How many counts of a binomial law are not negligible: nine standard deviations on either side."""
        return min(self.particles + 1.0, 9.0 * math.sqrt(self.particles) + 2.0)

    def _single_work(self, t: int) -> float:
        """Of following populations one by one: those that resampling makes, and those that come of these."""
        n, is_last = self.particles, t + 1 == len(self.kinds)
        if not self.is_tree or not 1 < n <= MOST_SINGLE_PARTICLES or (is_last and not self._weighs_plainly):
            return math.inf
        if self.states(t if is_last else t + 1) > MOST_STATES:
            return math.inf
        n_kinds = 1 if t == 0 else len(self.kinds[t - 1].node)
        resampled = math.comb(min(n_kinds, n) + n - 1, n)
        return 5.0 * (self.states(t) * (resampled + 8 * n) + self.states(t + 1))

    @cached_property
    def _weighs_plainly(self) -> bool:
        """Whether the last particle is kept by weights whose sums do not leave the range of floats."""
        return not self.by_race and spread(self.kinds[-1].log_weight) < FARTHEST_WEIGHTS

    def _resampled(self, t: int, mass: FloatArray) -> FloatArray:
        """The mass of the populations before the step from level `t`, by that of those before they are resampled."""
        if t == 0:
            return mass
        resampled = np.zeros_like(mass)
        resample_populations(mass, self.particles, self.kinds[t - 1].log_weight, self._places, resampled)
        return resampled

    def _moves(self, t: int) -> tuple[int, int, IntArray, FloatArray, IntArray]:
        """What kernels need to know of the step from level `t` on a tree, where kinds are nodes."""
        kinds, node = self.kinds[t], self._nodes(t)
        return self.particles, len(node), np.searchsorted(node, kinds.source), kinds.prob, self._places

    @cached_property
    def _places(self) -> IntArray:
        return np.asarray(places(self.particles, max(len(kinds.node) for kinds in self.kinds)), np.int64)
