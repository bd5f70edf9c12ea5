r"""The exact law of N-particle SMC: a Markov chain on multisets.

Particles are exchangeable, so what counts is how many are of each *kind*: at which node, with which weight. After
multinomial resampling and a step each of them is of kind k' with probability rho(k') = sum_k pi(k) M(k, k'),
independently, where pi(k) is the share of the weight that kind k holds: so the counts of level t + 1 are multinomial
given those of level t. The last step needs no counts: its output is one of N draws kept in proportion to its weight,
the law of importance resampling.

Two roads lead to the law of the path. On a tree the node tells the path, so the law of the last node is enough; with
few particles populations are followed one by one there (`treesim.kernels.populations`). Or prefixes that are the same
to SMC are merged first (`treesim.laws.particle_kinds`), which leaves fewer kinds, and the ancestry of one particle is
followed beside the counts, one vector over the counts for each way through the kinds: the only road on a trellis. On a
tree the cheaper of the two is taken.

Where the counts do not matter the law is a walk: see `treesim.laws.smc_as_walk`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import NoExactLaw
from treesim.graphs.layered import LayeredGraph
from treesim.laws.law import LeafLaw, PathListLaw, WalkLaw, walk_law
from treesim.laws.multisets import multisets
from treesim.laws.particle_kinds import Kinds, MergedKinds, Ways, kinds_of, merged_kinds, n_paths, ways_of
from treesim.laws.smc_as_walk import smc_as_walk
from treesim.laws.smc_chain import QUADRATURE_NODES, CountChain
from treesim.laws.walks import Proposal, Steps
from treesim.scaled import Scaled

LARGEST_WORK = 2e9
# Work below which it is not asked whether prefixes can be merged.
SMALL_WORK = 1e7
# Edges of all paths that are listed.
LARGEST_LIST = 1 << 26


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
    graph, direct, work = proposal.graph, None, math.inf
    if not graph.keeps_edges:
        direct = CountChain(list(kinds_of(proposal)), particles, by_race, is_tree=True)
        work = direct.work()
    merged = None
    if work > SMALL_WORK:
        try:
            merged = _Merged.of(proposal, particles, name, by_race, work)
        except NoExactLaw:
            if work > LARGEST_WORK:
                raise
    if merged is not None and (direct is None or merged.work < work):
        return merged.law(graph)
    assert direct is not None
    law = np.zeros(graph.n_leaves)
    np.add.at(law, direct.kinds[-1].node, direct.leaf_law())
    return LeafLaw(Scaled.from_float(law))


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
    return _pinned_laws(_chain(proposal, particles, name), proposal.graph)


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
    return _expected_logs(_chain(proposal, particles, name), target, name)


@dataclass(frozen=True, eq=False)
class _Merged:
    """The chain where prefixes that are the same to SMC are one, the ways through it, and what its law costs."""

    merged: MergedKinds
    chain: CountChain
    ways: Ways
    work: float

    @classmethod
    def of(cls, proposal: Proposal, particles: int, name: str, by_race: bool, direct_work: float) -> _Merged:
        """Raises `NoExactLaw` as soon as it is seen to cost too much."""
        merged = merged_kinds(proposal, particles, LARGEST_WORK)
        if isinstance(merged, int):
            states = math.comb(merged + particles - 1, particles)
            raise _too_costly(name, min(direct_work, float(min(states, 10**300))), merged, states)
        chain = CountChain(merged.kinds, particles, by_race)
        most = max(range(len(merged.kinds)), key=chain.states)
        size = len(merged.kinds[most - 1].node) if most else 1
        work = chain.work()
        if work <= LARGEST_WORK:
            paths = n_paths(proposal.graph, merged)
            if paths * len(merged.kinds) > LARGEST_LIST:
                raise NoExactLaw(
                    f"the exact law of {name} follows {paths:.2g} paths or more through {chain.states(most):.2g} "
                    "multisets on a level, too many; take fewer particles or steps, or estimate its TV from runs"
                )
            ways = ways_of(proposal.graph, merged)
            work = chain.ways_work(ways)
            if work <= LARGEST_WORK:
                return cls(merged, chain, ways, work)
        raise _too_costly(name, min(work, direct_work), size, chain.states(most))

    def law(self, graph: LayeredGraph) -> LeafLaw | PathListLaw:
        """The law of every path: that of its way, shared among all that go it."""
        ways = self.ways
        prob = self.chain.way_law(ways)[ways.way] * ways.share
        if graph.keeps_edges:
            return PathListLaw(graph, ways.edges, Scaled.from_float(prob))
        law = np.zeros(graph.n_leaves)
        law[ways.end] = prob
        return LeafLaw(Scaled.from_float(law))


def _too_costly(name: str, work: float, kinds: int, states: float) -> NoExactLaw:
    return NoExactLaw(
        f"the exact law of {name} takes {work:.2g} operations or more, prefixes of equal future merged ({kinds} kinds "
        f"of particles, {states:.2g} multisets on a level), above {LARGEST_WORK:.0e}; take fewer particles or a "
        "smaller graph, or estimate its TV from runs"
    )


def _chain(proposal: Proposal, particles: int, name: str) -> CountChain:
    """The chain of all nodes; raises `NoExactLaw` as soon as a level has more multisets than can be followed."""
    levels: list[Kinds] = []
    horizon = proposal.graph.horizon
    before, moves = 1.0, 0.0
    for kinds in kinds_of(proposal):
        levels.append(kinds)
        n_kinds = len(kinds.node)
        states = float(min(math.comb(n_kinds + particles - 1, particles), 10**15))
        moves += before * n_kinds * (states if len(levels) < horizon else QUADRATURE_NODES)
        before = states if len(levels) < horizon else before
        if moves > LARGEST_WORK:
            raise NoExactLaw(
                f"the exact law of {name} takes {moves:.2g} operations or more ({before:.2g} multisets on a level), "
                f"above {LARGEST_WORK:.0e}; take fewer particles or a smaller graph, or estimate its TV from runs"
            )
    return CountChain(levels, particles)


def _pinned_laws(chain: CountChain, graph: LayeredGraph) -> FloatArray:
    """The law of the leaf for each pinned leaf, on a tree."""
    n, last = chain.particles, graph.horizon - 1
    kind, mass = np.zeros(1, np.int64), np.ones((1, 1))
    for t in range(last):
        states = np.flatnonzero(mass.any(axis=0))
        others = chain.step(chain.arrivals(t, states), mass[:, states], n - 1)
        parent, edge = chain.out_steps(t, kind)
        kind = chain.kinds[t].kind[edge]
        mass = chain.with_own(t, parent, kind, others)
    states = np.flatnonzero(mass.any(axis=0))
    arrivals = chain.arrivals(last, states)
    kinds = chain.kinds[last]
    laws = np.zeros((graph.n_leaves, graph.n_leaves))
    parent, edge = chain.out_steps(last, kind)
    for p, k in zip(parent.tolist(), kinds.kind[edge].tolist(), strict=True):
        seen = np.flatnonzero(mass[p, states])
        chosen = chain.kept(arrivals[seen], n - 1, float(kinds.log_weight[k]))
        row = laws[kinds.node[k]]
        row[kinds.node] = mass[p, states[seen]] @ chosen
        row[kinds.node[k]] += 1.0 - row.sum()
    return laws


def _expected_logs(chain: CountChain, target: Steps, name: str) -> tuple[float, float]:
    """The sums over the steps of E[log of the mean weight], of free runs and of runs with a path of the target."""
    n, logs = chain.particles, [0.0, 0.0]
    free, pinned = np.ones((1, 1)), np.ones((1, 1))
    for t, kinds in enumerate(chain.kinds):
        n_kinds = len(kinds.node)
        ways = math.comb(n_kinds + n - 1, n)
        if ways * len(kinds.edge) > LARGEST_WORK / 100:
            raise NoExactLaw(f"the mean of log Z of {name} follows {ways:.2g} multisets, too many")
        states = np.flatnonzero(free[0])
        free = chain.step(chain.arrivals(t, states), free[:, states], n)
        states = np.flatnonzero(pinned.any(axis=0))
        others = chain.step(chain.arrivals(t, states), pinned[:, states], n - 1)
        parent, edge = chain.out_steps(t, np.arange(len(pinned)))
        step = target.edges(t).to_float()[kinds.edge[edge]]
        pinned = np.zeros((n_kinds, ways))
        np.add.at(pinned, kinds.kind[edge], step[:, None] * chain.with_own(t, parent, kinds.kind[edge], others))
        with np.errstate(divide="ignore"):
            top = float(kinds.log_weight.max())
            mean = multisets(n_kinds, n) @ np.exp(kinds.log_weight - (top if top > -np.inf else 0.0)) / n
            log_mean = np.log(mean) + top
        for i, mass in enumerate((free[0], pinned.sum(axis=0))):
            logs[i] += float(mass[mass > 0] @ log_mean[mass > 0])
    return logs[0], logs[1]
