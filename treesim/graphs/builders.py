"""Arrays of new trees: complete ones and random ones. `Tree` checks and wraps them."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import FloatArray, IntArray
from treesim.errors import TreeError, quoted
from treesim.runtime.memory import require_memory
from treesim.runtime.seeds import Stream, generator
from treesim.scaled import BYTES_A_VALUE
from treesim.spec import LARGEST_WHOLE

BYTES_A_LEVEL = 64


class TreeArrays(NamedTuple):
    """What a tree is made of: see `treesim.graphs.tree.Tree`."""

    level_ptr: IntArray
    edge_ptr: IntArray
    edge_prob: FloatArray


def complete_arrays(
    branching: int, horizon: int, policy: str | float | ArrayLike = "uniform", seed: int = 0
) -> TreeArrays:
    """A complete tree; `policy` is ``"uniform"``, probabilities of shape [branching] or [n_edges], or a
    Dirichlet concentration."""
    _check_whole("branching", branching)
    _check_whole("horizon", horizon)
    n_leaves = float(branching) ** horizon if horizon * np.log2(branching) < 1000 else np.inf
    n_internal = horizon if branching == 1 else (n_leaves - 1) / (branching - 1)
    require_memory(
        8 * (2 * n_internal + n_leaves) + 2 * BYTES_A_VALUE * (n_internal + n_leaves) + BYTES_A_LEVEL * horizon,
        f"a complete tree with branching {branching} and horizon {horizon}, with V* and V^,",
    )
    sizes = [branching**t for t in range(horizon + 1)]
    level_ptr = np.cumsum([0, *sizes])
    edge_ptr = np.arange(0, level_ptr[-1], branching)
    n_edges = int(level_ptr[-1]) - 1
    if isinstance(policy, str):
        if policy != "uniform":
            raise TreeError(f"policy is {policy!r}, expected 'uniform', probabilities or a concentration")
        edge_prob = np.full(n_edges, 1.0 / branching)
    elif np.ndim(policy) == 0:
        concentration = float(np.asarray(policy))
        edge_prob = np.empty(n_edges)
        for t in range(horizon):
            groups = np.full(sizes[t], branching)
            edge_prob[level_ptr[t + 1] - 1 : level_ptr[t + 2] - 1] = _dirichlet(concentration, groups, seed, t)
    else:
        given = np.array(policy, np.float64)
        if given.shape == (branching,):
            given = np.tile(given, n_edges // branching)
        if given.shape != (n_edges,):
            raise TreeError(f"policy has shape {given.shape}, expected ({branching},) or ({n_edges},)")
        edge_prob = given
    return TreeArrays(level_ptr, edge_ptr, edge_prob)


def random_arrays(
    horizon: int, branching: int, concentration: float = 1.0, stop: float = 0.0, seed: int = 0
) -> TreeArrays:
    """A tree whose nodes have 1 to `branching` children, uniformly; a prefix ends early with probability `stop`
    after each step and is padded by single edges; pi_ref is Dirichlet(`concentration`)."""
    _check_whole("branching", branching)
    _check_whole("horizon", horizon)
    if not 0.0 <= stop < 1.0:
        raise TreeError(f"stop is {stop}, expected a probability below 1")
    ended = np.zeros(1, bool)
    sizes, degrees, probs = [1], [], []
    for t in range(horizon):
        rng = generator(seed, Stream.POLICY, t)
        degree = np.where(ended, 1, rng.integers(1, branching, size=sizes[t], endpoint=True))
        n_children = int(degree.sum())
        require_memory(
            (16 + 2 * BYTES_A_VALUE) * (sum(sizes) + n_children),
            f"a random tree grown to level {t + 1} of {horizon}, with V* and V^,",
        )
        probs.append(_dirichlet(concentration, degree, seed, horizon + t))
        ended = np.repeat(ended, degree) | (rng.random(n_children) < stop)
        degrees.append(degree)
        sizes.append(n_children)
    level_ptr = np.cumsum([0, *sizes])
    edge_ptr = np.concatenate([[0], np.cumsum(np.concatenate(degrees))])
    return TreeArrays(level_ptr, edge_ptr, np.concatenate(probs))


def _dirichlet(concentration: float, groups: IntArray, seed: int, *key: int) -> FloatArray:
    """Dirichlet(concentration) probabilities, one draw for each group size, laid end to end.

    In logs, Gamma(a) = Gamma(a + 1) U^(1/a): small concentrations do not underflow before they are normalised.
    """
    if not 0.0 < concentration < np.inf:
        raise TreeError(f"concentration is {concentration}, expected a positive number")
    rng = generator(seed, Stream.POLICY, *key)
    size = int(groups.sum())
    log_gamma = np.log(rng.gamma(concentration + 1.0, size=size))
    log_gamma += np.log1p(-rng.random(size)) / concentration
    starts = np.cumsum(groups) - groups
    log_gamma -= np.repeat(np.maximum.reduceat(log_gamma, starts), groups)
    prob = np.exp(log_gamma)
    prob[prob < 1e-300] = 0.0
    prob /= np.repeat(np.add.reduceat(prob, starts), groups)
    return prob


def _check_whole(name: str, number: int) -> None:
    if not isinstance(number, Integral) or not 1 <= number <= LARGEST_WHOLE:
        raise TreeError(f"{name} is {quoted(number)}, expected a whole number from 1 to {LARGEST_WHOLE}")
