r"""The exact law of N-particle SMC on a small tree: a Markov chain on multisets of nodes.

Particles are exchangeable, so what counts is how many stand at each node. After multinomial resampling and a step, each
of them stands at child c with probability rho(c) = pi(v) q(c|v), independently, where pi(v) is the share of the weight
at its parent: so the counts of level t + 1 are multinomial given those of level t. The last step needs no counts: its
output is one of N draws kept in proportion to its weight, the law of importance resampling.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, pairwise

import numpy as np

from treesim.errors import NoExactLaw
from treesim.kernels.selection import log_selection
from treesim.scaled import FloatArray, IntArray, Scaled, read_only
from treesim.steps import Steps
from treesim.tree import Tree

LARGEST_WORK = 2e9
QUADRATURE_NODES = 500
_NEVER = -1e5  # stands for log 0 where counts multiply it: exp of it is zero


def smc_law(steps: Steps, log_weight: FloatArray, particles: int, name: str) -> Scaled:
    """The law of the leaf, shape [n_leaves].

    Parameters
    ----------
    steps : Steps
        The proposal, on a tree.
    log_weight : ndarray, shape [n_nodes]
        log of the weight that a particle gains on its step to the node; ``-inf`` is zero. Where all weights of a
        population are zero they count as equal.
    particles : int
        N.
    name : str
        How to call the sampler in an error.

    Raises
    ------
    NoExactLaw
        If the chain has too many states: the message says how many.

    References
    ----------
    Del Moral (2004), "Feynman-Kac formulae", chapter 3: the particle model as a Markov chain.
    """
    tree = steps.graph
    assert isinstance(tree, Tree)
    require_work(tree, particles, name)
    counts, mass = np.array([[particles]]), np.ones(1)
    for t in range(tree.horizon):
        edge = steps.edges(t).to_float()
        share = _shares(counts, log_weight[tree.level(t)])
        rho = np.repeat(share, np.diff(tree.layer(t).ptr), axis=1) * edge
        log_gain = log_weight[tree.level(t + 1)]
        if t + 1 == tree.horizon:
            return Scaled.from_float(_last_step(rho, mass, log_gain, particles))
        below = multisets(rho.shape[1], particles)
        mass = _arrive(below, rho, mass, particles)
        alive = mass > 0
        counts, mass = below[alive], mass[alive]
    raise AssertionError("a tree has at least one step")


@cache
def multisets(kinds: int, size: int) -> IntArray:
    """All counts of `size` things of `kinds` kinds, shape [n, kinds].

    Examples
    --------
    >>> multisets(2, 3).tolist()
    [[0, 3], [1, 2], [2, 1], [3, 0]]
    """
    # Things in a row, with bars between the kinds.
    places = size + kinds - 1
    bars = np.array(list(combinations(range(places), kinds - 1)), np.int64).reshape(
        math.comb(places, kinds - 1), kinds - 1
    )
    walls = np.concatenate([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), places)], axis=1)
    return read_only(np.diff(walls, axis=1) - 1)


def require_work(tree: Tree, particles: int, name: str) -> None:
    """Raise `NoExactLaw` if the chain of multisets is too large to follow."""
    states = [math.comb(tree.n_level(t) + particles - 1, particles) for t in range(tree.horizon)]
    moves = sum(a * b * tree.n_level(t + 1) for t, (a, b) in enumerate(pairwise(states)))
    work = float(moves + states[-1] * tree.n_leaves * QUADRATURE_NODES)
    if work > LARGEST_WORK:
        raise NoExactLaw(
            f"the exact law of {name} takes {work:.2g} operations ({max(states):.2g} multisets on a level), more than "
            f"{LARGEST_WORK:.0e}; take fewer particles or a smaller tree, or estimate its TV from runs"
        )


def _shares(counts: IntArray, log_weight: FloatArray) -> FloatArray:
    """The share of the weight at each node, shape [n, nodes]; where all weights are zero, that of the particles."""
    log_share = np.where(counts > 0, np.log(np.maximum(counts, 1)) + log_weight, -np.inf)
    top = log_share.max(axis=1, keepdims=True)
    weightless = np.isneginf(top)
    share = np.exp(log_share - np.where(weightless, 0.0, top))
    share = np.where(weightless, counts, share)
    return share / share.sum(axis=1, keepdims=True)


def _arrive(below: IntArray, rho: FloatArray, mass: FloatArray, particles: int) -> FloatArray:
    """Probability of each multiset below: a mixture of multinomial laws."""
    log_factorial = np.array([math.lgamma(k + 1) for k in range(particles + 1)])
    ways = log_factorial[particles] - log_factorial[below].sum(axis=1)
    with np.errstate(divide="ignore"):
        log_rho = np.maximum(np.log(rho), _NEVER)
    arrived = np.zeros(len(below))
    for start in range(0, len(rho), 256):
        part = slice(start, start + 256)
        arrived += np.exp(ways[:, None] + below @ log_rho[part].T) @ mass[part]
    return arrived


def _last_step(rho: FloatArray, mass: FloatArray, log_gain: FloatArray, particles: int) -> FloatArray:
    """Mixture over states of "draw N leaves from rho, keep one in proportion to its weight"."""
    law = np.zeros(rho.shape[1])
    for prob, share in zip(rho, mass, strict=True):
        live = np.flatnonzero(prob > 0)
        log_h = np.empty(len(live))
        log_selection(prob[live], log_gain[live], float(particles), log_h)
        law[live] += share * prob[live] * np.exp(log_h)
    return law
