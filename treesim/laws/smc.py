r"""The exact law of N-particle SMC: a Markov chain on multisets.

Particles are exchangeable, so what counts is how many are of each *kind*: at which node, with which weight. After
multinomial resampling and a step each of them is of kind k' with probability rho(k') = sum_k pi(k) M(k, k'),
independently, where pi(k) is the share of the weight that kind k holds: so the counts of level t + 1 are multinomial
given those of level t. The last step needs no counts: its output is one of N draws kept in proportion to its weight,
the law of importance resampling.

On a tree the node tells the path. On a trellis the ancestry of one particle is followed beside the counts: a particle
drawn from the population has ancestor k with probability (weight of k) / (weight of all), and the N - 1 others come as
before. That takes one vector over the counts for each path.

Where the counts do not matter the law is a walk: see `treesim.laws.smc_as_walk`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from treesim.arrays import BoolArray, FloatArray, IntArray
from treesim.errors import NoExactLaw
from treesim.kernels.race import race_kinds
from treesim.kernels.smc_counts import binomial_step, keep_one
from treesim.laws.law import LeafLaw, PathListLaw, WalkLaw, walk_law
from treesim.laws.multisets import multisets, rank
from treesim.laws.smc_as_walk import smc_as_walk
from treesim.laws.walks import Proposal, Steps
from treesim.runtime.threads import chunked
from treesim.scaled import Scaled

LARGEST_WORK = 2e9
QUADRATURE_NODES = 500
_NEVER = -1e5  # stands for log 0 where counts multiply it: exp of it is zero


def smc_law(proposal: Proposal, particles: int, name: str, *, by_race: bool = False) -> LeafLaw | WalkLaw | PathListLaw:
    """The law of the output, for multinomial resampling at every step.

    Parameters
    ----------
    proposal : Proposal
    particles : int
        N.
    name : str
        How to call the sampler in an error.
    by_race : bool
        Whether the output is the last particle of the largest weight / uniform number, not one by its weight.

    Raises
    ------
    NoExactLaw
        If the chain has too many states, or a trellis too many paths: the message says how many.

    References
    ----------
    Del Moral (2004), "Feynman-Kac formulae", chapter 3: the particle model as a Markov chain.
    """
    if particles == 1:
        return walk_law(proposal.steps)
    steps = smc_as_walk(proposal, particles, by_race)
    if steps is not None:
        return walk_law(steps)
    chain = replace(_Chain.of(proposal, particles, name), by_race=by_race)
    if proposal.graph.keeps_edges:
        return chain.path_law()
    return LeafLaw(Scaled.from_float(chain.leaf_law()))


def conditional_laws(proposal: Proposal, particles: int, name: str) -> FloatArray:
    """The law of the output of conditional SMC, given the leaf whose path is pinned, on a tree.

    One particle keeps to the pinned path and survives every resampling; the output is one of all N.

    Returns
    -------
    ndarray, shape [n_leaves, n_leaves]
        A row for each pinned leaf; that of a leaf which the proposal cannot reach is zero.

    References
    ----------
    Andrieu, Doucet & Holenstein (2010), "Particle Markov chain Monte Carlo methods", section 2.4.3.
    """
    return _Chain.of(proposal, particles, name).pinned_laws()


def expected_log_estimates(proposal: Proposal, target: Steps, particles: int, name: str) -> tuple[float, float]:
    """E[log Z^] of SMC, and of conditional SMC that pins a path of the target, both less log V^ of the root: exactly.

    log Z lies between them: the one falls short of it, and the other exceeds it, by a KL divergence between SMC with
    all its particles and the target with as many others (Jensen's inequality for an estimate without bias).

    Raises
    ------
    NoExactLaw
        If the chain has too many states.

    References
    ----------
    Grosse, Ghahramani & Adams (2015), "Sandwiching the marginal likelihood using bidirectional Monte Carlo".

    Examples
    --------
    >>> from treesim import SMC, family
    >>> instance = family("dirichlet", horizon=2, seed=1)
    >>> steps = instance.target.steps_down(instance.graph)
    >>> below, above = expected_log_estimates(SMC(4).mechanism(instance), steps, 4, "smc")
    >>> root, log_z = float(instance.value.log()[0]), instance.audit.log_partition
    >>> below + root < log_z < above + root
    True
    """
    return _Chain.of(proposal, particles, name).expected_logs(target)


class _Kinds(NamedTuple):
    """The kinds of particles after a step: where they stand, what they weigh, and by which edges they came.

    Attributes
    ----------
    node, log_weight : ndarray, shape [n_kinds]
    edge, source, prob, kind : ndarray, shape [n live edges]
        The edges that particles can take, their parents, their probabilities, the kind of particle that takes them.
    """

    node: IntArray
    log_weight: FloatArray
    edge: IntArray
    source: IntArray
    prob: FloatArray
    kind: IntArray


def _kinds(proposal: Proposal, t: int, live: BoolArray) -> _Kinds:
    """The kinds of particles that a step from level `t` makes, its parents being those that are `live`."""
    layer = proposal.graph.layer(t)
    prob = proposal.steps.edges(t).to_float()
    source = layer.sources()
    edge = np.flatnonzero((prob > 0) & live[source])
    end, gain = layer.ends(edge), proposal.log_gain(t)[edge]
    order = np.lexsort((gain, end))
    sorted_end, sorted_gain = end[order], np.maximum(gain[order], -1e300)
    is_new = np.ones(len(edge), bool)
    is_new[1:] = (np.diff(sorted_end) > 0) | (np.diff(sorted_gain) > proposal.same_weight)
    kind = np.empty(len(edge), np.int64)
    kind[order] = np.cumsum(is_new) - 1
    first = order[is_new]
    return _Kinds(end[first], gain[first], edge, source[edge], prob[edge], kind)


@dataclass(frozen=True, eq=False)
class _Chain:
    """The chain of the counts: the kinds that each step makes, those before the first step being one at the root."""

    proposal: Proposal
    particles: int
    name: str
    kinds: list[_Kinds]
    by_race: bool = False

    @classmethod
    def of(cls, proposal: Proposal, particles: int, name: str) -> _Chain:
        """Raises `NoExactLaw` as soon as a level has more multisets than can be followed."""
        graph = proposal.graph
        levels: list[_Kinds] = []
        live = np.ones(1, bool)
        before, moves = 1, 0.0
        for t in range(graph.horizon):
            levels.append(_kinds(proposal, t, live))
            n_kinds = len(levels[-1].node)
            if t + 1 < graph.horizon:
                states = math.comb(n_kinds + particles - 1, particles)
                moves += float(before) * float(min(states, 10**15)) * n_kinds
                before = states
            else:
                moves += float(before) * n_kinds * QUADRATURE_NODES
            if moves > LARGEST_WORK:
                raise NoExactLaw(
                    f"the exact law of {name} takes {moves:.2g} operations or more ({float(before):.2g} multisets on a "
                    f"level), above {LARGEST_WORK:.0e}; take fewer particles or a smaller graph, or estimate its TV "
                    "from runs"
                )
            live = np.zeros(graph.n_level(t + 1), bool)
            live[levels[-1].node] = True
        return cls(proposal, particles, name, levels)

    def leaf_law(self) -> FloatArray:
        """The law of the leaf, shape [n_leaves]."""
        graph, n = self.proposal.graph, self.particles
        mass = np.ones((1, 1))
        for t in range(graph.horizon - 1):
            mass = _step(self._arrivals(t, np.flatnonzero(mass[0])), mass[:, mass[0] > 0], n)
        states = np.flatnonzero(mass[0])
        law = np.zeros(graph.n_leaves)
        chosen = self._kept(self._arrivals(graph.horizon - 1, states), n)
        np.add.at(law, self.kinds[-1].node, mass[0, states] @ chosen)
        return law

    def path_law(self) -> PathListLaw:
        """The law of the path, path by path."""
        self._require_few_paths()
        last = self.proposal.graph.horizon - 1
        edges, kind, mass = np.zeros((1, 0), np.int32), np.zeros(1, np.int64), np.ones((1, 1))
        for t in range(last):
            states = np.flatnonzero(mass.any(axis=0))
            mass = mass[:, states] * self.particles * self._shares(t, states)[:, kind].T
            others = _step(self._arrivals(t, states), mass, self.particles - 1)
            parent, edge = self._out_edges(t, kind)
            mass = self._with_own(t, parent, edge, others)
            mass *= self.kinds[t].prob[edge, None]
            edges, kind = self._longer(t, edges[parent], edge), self.kinds[t].kind[edge]
        states = np.flatnonzero(mass.any(axis=0))
        mass = mass[:, states] * self.particles * self._shares(last, states)[:, kind].T
        arrivals = self._arrivals(last, states)
        chosen = self._kept(arrivals, self.particles)
        chosen = np.divide(chosen, arrivals, out=np.zeros_like(chosen), where=arrivals > 0)
        parent, edge = self._out_edges(last, kind)
        kinds = self.kinds[last]
        prob = kinds.prob[edge] * np.einsum("ps,sp->p", mass[parent], chosen[:, kinds.kind[edge]])
        return PathListLaw(self.proposal.graph, self._longer(last, edges[parent], edge), Scaled.from_float(prob))

    def pinned_laws(self) -> FloatArray:
        """The law of the leaf for each pinned leaf, on a tree."""
        graph, n = self.proposal.graph, self.particles
        last = graph.horizon - 1
        kind, mass = np.zeros(1, np.int64), np.ones((1, 1))
        for t in range(last):
            states = np.flatnonzero(mass.any(axis=0))
            others = _step(self._arrivals(t, states), mass[:, states], n - 1)
            parent, edge = self._out_edges(t, kind)
            kind, mass = self.kinds[t].kind[edge], self._with_own(t, parent, edge, others)
        states = np.flatnonzero(mass.any(axis=0))
        arrivals = self._arrivals(last, states)
        kinds = self.kinds[last]
        laws = np.zeros((graph.n_leaves, graph.n_leaves))
        parent, edge = self._out_edges(last, kind)
        for p, k in zip(parent.tolist(), kinds.kind[edge].tolist(), strict=True):
            seen = np.flatnonzero(mass[p, states])
            chosen = self._kept(arrivals[seen], n - 1, float(kinds.log_weight[k]))
            row = laws[kinds.node[k]]
            row[kinds.node] = mass[p, states[seen]] @ chosen
            row[kinds.node[k]] += 1.0 - row.sum()
        return laws

    def expected_logs(self, target: Steps) -> tuple[float, float]:
        """The sums over the steps of E[log of the mean weight], of free runs and of runs with a path of the target."""
        n, logs = self.particles, [0.0, 0.0]
        free, pinned = np.ones((1, 1)), np.ones((1, 1))
        for t, kinds in enumerate(self.kinds):
            n_kinds = len(kinds.node)
            ways = math.comb(n_kinds + n - 1, n)
            if ways * len(kinds.edge) > LARGEST_WORK / 100:
                raise NoExactLaw(f"the mean of log Z of {self.name} follows {ways:.2g} multisets, too many")
            states = np.flatnonzero(free[0])
            free = _step(self._arrivals(t, states), free[:, states], n)
            states = np.flatnonzero(pinned.any(axis=0))
            others = _step(self._arrivals(t, states), pinned[:, states], n - 1)
            parent, edge = self._out_edges(t, np.arange(len(pinned)))
            step = target.edges(t).to_float()[kinds.edge[edge]]
            pinned = np.zeros((n_kinds, ways))
            np.add.at(pinned, kinds.kind[edge], step[:, None] * self._with_own(t, parent, edge, others))
            with np.errstate(divide="ignore"):
                top = float(kinds.log_weight.max())
                mean = multisets(n_kinds, n) @ np.exp(kinds.log_weight - (top if top > -np.inf else 0.0)) / n
                log_mean = np.log(mean) + top
            for i, mass in enumerate((free[0], pinned.sum(axis=0))):
                logs[i] += float(mass[mass > 0] @ log_mean[mass > 0])
        return logs[0], logs[1]

    def _require_few_paths(self) -> None:
        """Raise `NoExactLaw` if there are more paths than can be followed through the counts."""
        at_node: FloatArray = np.ones(1)
        for kinds in self.kinds:
            n_kinds = len(kinds.node)
            paths = np.bincount(kinds.kind, at_node[kinds.source], n_kinds)
            states = math.comb(n_kinds + self.particles - 1, self.particles) if kinds is not self.kinds[-1] else 1
            if paths.sum() * states * n_kinds > LARGEST_WORK / 10:
                raise NoExactLaw(
                    f"the exact law of {self.name} follows {paths.sum():.2g} paths or more through {states:.2g} "
                    "multisets on a level, too many; take fewer particles or steps, or estimate its TV from runs"
                )
            at_node = np.asarray(np.bincount(kinds.node, paths), np.float64)

    def _counts(self, t: int) -> IntArray:
        """The counts before the step from level `t`, shape [states, kinds]."""
        return multisets(1 if t == 0 else len(self.kinds[t - 1].node), self.particles)

    def _shares(self, t: int, states: IntArray) -> FloatArray:
        """What one particle of each kind holds of the weight, zero where there is none, shape [states, kinds]."""
        counts = self._counts(t)[states]
        log_weight = np.zeros(1) if t == 0 else self.kinds[t - 1].log_weight
        log_held = np.where(counts > 0, log_weight, -np.inf)
        top = log_held.max(axis=1, keepdims=True)
        weightless = np.isneginf(top)
        each = np.where(weightless, counts > 0, np.exp(log_held - np.where(weightless, 0.0, top)))
        return each / (counts * each).sum(axis=1, keepdims=True)

    def _arrivals(self, t: int, states: IntArray) -> FloatArray:
        """The law rho of the kind of one particle after the step from level `t`, shape [states, kinds below]."""
        kinds = self.kinds[t]
        share = self._counts(t)[states] * self._shares(t, states)
        node = np.zeros(1, np.int64) if t == 0 else self.kinds[t - 1].node
        at_node = np.zeros((len(states), self.proposal.graph.n_level(t)))
        np.add.at(at_node.T, node, share.T)
        rho = np.zeros((len(states), len(kinds.node)))
        np.add.at(rho.T, kinds.kind, (at_node[:, kinds.source] * kinds.prob).T)
        return rho

    def _out_edges(self, t: int, kind: IntArray) -> tuple[IntArray, IntArray]:
        """For paths that end in particles of some kinds: which path and which live edge extend each other."""
        kinds = self.kinds[t]
        node = np.zeros(len(kind), np.int64) if t == 0 else self.kinds[t - 1].node[kind]
        first = np.searchsorted(kinds.source, node)
        degree = np.searchsorted(kinds.source, node, side="right") - first
        parent = np.repeat(np.arange(len(kind)), degree)
        edge = np.arange(len(parent)) - np.repeat(np.cumsum(degree) - degree, degree) + np.repeat(first, degree)
        return parent, edge

    def _longer(self, t: int, edges: NDArray[np.int32], edge: IntArray) -> NDArray[np.int32]:
        """Paths with one live edge of level `t` more."""
        return np.concatenate([edges, self.kinds[t].edge[edge, None].astype(np.int32)], axis=1)

    def _with_own(self, t: int, parent: IntArray, edge: IntArray, others: FloatArray) -> FloatArray:
        """The mass of all counts below level `t`, the particle at the end of each path added to the others."""
        kind, n_kinds = self.kinds[t].kind[edge], len(self.kinds[t].node)
        below = multisets(n_kinds, self.particles - 1)
        mass = np.zeros((len(parent), math.comb(n_kinds + self.particles - 1, self.particles)))
        for k in range(n_kinds):
            rows = np.flatnonzero(kind == k)
            own = below.copy()
            own[:, k] += 1
            mass[rows[:, None], rank(own)] = others[parent[rows]]
        return mass

    def _kept(self, rho: FloatArray, draws: int, log_beside: float | None = None) -> FloatArray:
        """Of `draws` particles of law rho, beside which there may be one of a given weight, keep one in proportion to
        its weight, or by a race: the probability that it is one of the draws, by kind, shape [states, kinds]."""
        log_weight, kept = self.kinds[-1].log_weight, np.zeros_like(rho)
        if self.by_race:
            race_kinds(rho, log_weight, float(draws), kept)
            return kept
        beside, has_one_beside = (-np.inf, False) if log_beside is None else (log_beside, True)
        chunked(
            lambda lo, hi: keep_one(lo, hi, rho, log_weight, float(draws), beside, has_one_beside, kept),
            len(rho),
            QUADRATURE_NODES * 20 * rho.size,
        )
        return kept


def _step(rho: FloatArray, mass: FloatArray, size: int) -> FloatArray:
    """Mix multinomial laws: the mass that each multiset of `size` particles receives, shape [n, multisets].

    Parameters
    ----------
    rho : ndarray, shape [states, kinds]
        The law of one particle, given the state.
    mass : ndarray, shape [n, states]
        `n` mixtures at once.
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
