"""A policy given as a function, enumerated into a tree: language models whose vocabulary is small enough, or pruned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from treesim.errors import TreeError
from treesim.graphs.builders import TreeArrays
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE

SUM_TOLERANCE = 1e-4  # float32 softmaxes are off by so much; they are normalised

# What a prefix with its name takes, roughly.
_BYTES_A_PREFIX = 200


def enumerate_policy(
    policy: Callable[[tuple[Any, ...]], ArrayLike],
    vocabulary: Sequence[Any],
    horizon: int,
    least: float = 0.0,
    logits: bool = False,
) -> tuple[TreeArrays, list[tuple[Any, ...]], float]:
    """The tree of all prefixes whose probability is at least `least`, their names, and the mass that was pruned.

    See `treesim.Tree.from_policy`.
    """
    if horizon < 1 or not len(vocabulary):
        raise TreeError(f"horizon is {horizon} and the vocabulary has {len(vocabulary)} tokens, expected at least 1")
    if not 0.0 <= least < 1.0:
        raise TreeError(f"least is {least}, expected a probability below 1")
    names: list[tuple[Any, ...]] = [()]
    level, reach, pruned = list(names), np.ones(1), 0.0
    sizes, degrees, probs = [1], [], []
    for _ in range(horizon):
        below: list[tuple[Any, ...]] = []
        arrived = []
        for prefix, mass in zip(level, reach, strict=True):
            prob = _distribution(policy(prefix), len(vocabulary), prefix, logits)
            keep = (mass * prob >= least) & (prob > 0)
            keep[prob.argmax()] = True
            pruned += float(mass * prob[~keep].sum())
            kept = prob[keep] / prob[keep].sum()
            degrees.append(len(kept))
            probs.append(kept)
            below += [(*prefix, vocabulary[i]) for i in np.flatnonzero(keep).tolist()]
            arrived.append(mass * prob[keep])
            require_memory(
                (16 + 2 * BYTES_A_VALUE + _BYTES_A_PREFIX) * float(len(names) + len(below)),
                f"a tree over {len(vocabulary)} tokens grown to level {len(sizes)} of {horizon}, pruned at {least:g},",
            )
        level, reach = below, np.concatenate(arrived)
        names += below
        sizes.append(len(below))
    arrays = TreeArrays(np.cumsum([0, *sizes]), np.cumsum([0, *degrees]), np.concatenate(probs))
    return arrays, names, pruned


def _distribution(found: ArrayLike, size: int, prefix: tuple[Any, ...], logits: bool) -> np.ndarray[Any, Any]:
    value = np.asarray(found, np.float64)
    what = "logits" if logits else "probabilities"
    if value.shape != (size,):
        raise TreeError(f"the policy returned {what} of shape {value.shape} after {prefix!r}, expected ({size},)")
    if logits:
        if np.isnan(value).any() or not np.isfinite(value.max()):
            raise TreeError(f"the policy returned logits after {prefix!r} of which none is finite, or some are NaN")
        value = np.exp(value - value.max())
        return value / value.sum()
    if not (value >= 0).all() or not abs(value.sum() - 1.0) <= SUM_TOLERANCE:
        raise TreeError(
            f"the policy returned probabilities after {prefix!r} that sum to {value.sum():g}, expected 1, none below 0"
        )
    return value / value.sum()
