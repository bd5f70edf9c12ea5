"""A policy given as a function, enumerated into a tree: language models whose vocabulary is small enough, or pruned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import FloatArray
from treesim.errors import TreeError, quoted
from treesim.graphs.builders import TreeArrays
from treesim.graphs.distributions import Normaliser
from treesim.graphs.layered import SMALLEST_PROBABILITY
from treesim.runtime.memory import require_memory
from treesim.scaled import BYTES_A_VALUE

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
    if not isinstance(horizon, Integral) or horizon < 1 or not len(vocabulary):
        sizes = f"horizon is {quoted(horizon)} and the vocabulary has {len(vocabulary)} tokens"
        raise TreeError(f"{sizes}, expected whole numbers of at least 1")
    if not 0.0 <= least < 1.0:
        raise TreeError(f"least is {least}, expected a probability below 1")
    names: list[tuple[Any, ...]] = [()]
    level, reach, pruned = list(names), np.ones(1), 0.0
    sizes, degrees, probs = [1], [], []
    normaliser = Normaliser()
    for _ in range(horizon):
        below: list[tuple[Any, ...]] = []
        arrived = []
        for prefix, mass in zip(level, reach, strict=True):
            prob = _distribution(policy(prefix), len(vocabulary), prefix, logits, normaliser)
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
    normaliser.say()
    arrays = TreeArrays(np.cumsum([0, *sizes]), np.cumsum([0, *degrees]), np.concatenate(probs))
    return arrays, names, pruned


def _distribution(
    answer: ArrayLike, size: int, prefix: tuple[Any, ...], logits: bool, normaliser: Normaliser
) -> FloatArray:
    """What the policy answers after a prefix, as probabilities."""
    what = "logits" if logits else "probabilities"
    try:
        value = np.array(answer, np.float64) if np.asarray(answer).dtype.kind != "c" else None
    except (TypeError, ValueError):
        value = None
    if value is None or value.shape != (size,):
        of = "that are no numbers" if value is None else f"of shape {value.shape}"
        raise TreeError(f"the policy returned {what} {of} after {quoted(prefix)}, expected shape ({size},)")
    if logits:
        if np.isnan(value).any() or not np.isfinite(value.max()):
            raise TreeError(
                f"the policy returned logits after {quoted(prefix)} of which none is finite, or some are NaN"
            )
        value = np.exp(value - value.max())
        value /= value.sum()
    value[(value > 0) & (value < SMALLEST_PROBABILITY)] = 0.0
    return normaliser.groups(
        np.array([0, size]), value, lambda _: f"probabilities that the policy returned after {quoted(prefix)}"
    )
