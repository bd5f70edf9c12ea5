"""Instances of trees that write texts: rewards of whole texts, values of partial ones, from functions of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from treesim.arrays import FloatArray
from treesim.errors import RewardError, quoted
from treesim.graphs.tree import Tree
from treesim.graphs.values import optimal_twist, value_between
from treesim.instances.instance import Instance
from treesim.instances.rewards import log_of_linear
from treesim.runtime.journal import Journal
from treesim.scaled import Scaled
from treesim.spec import require_whole

Score = Callable[[list[str]], Any]


def instance_from_texts(
    tree: Tree, reward: Score, value: Score | None = None, batch: int = 64, journal: Path | None = None
) -> Instance:
    """The instance whose leaves are worth what a function says of their texts.

    Parameters
    ----------
    tree : Tree
        Whose edges write tokens, such as `tree_of_model` grows.
    reward : callable
        Given texts, phi of each, linear; asked once for each text.
    value : callable, optional
        Given the texts so far of prefixes of levels 1 to T - 1, V^ of each, linear: what a judge of partial answers
        says. V* if left out. At the root V^ is P V^.
    batch : int
        How many texts are asked for at once.
    journal : Path, optional
        A file that keeps what was said of each batch: with the same file, tree and batch it is not asked again.

    Raises
    ------
    RewardError
        If a number is negative, infinite or NaN, there are not as many as texts, or all rewards are zero.
    TreeError
        If the tree writes no texts.
    TreesimError
        If the journal is another's, or cannot be written to.

    Examples
    --------
    >>> from treesim import tree_of_model
    >>> tree = tree_of_model(lambda prefixes: [[0.5, 0.5]] * len(prefixes), "ab".__getitem__, horizon=2)
    >>> instance = instance_from_texts(tree, lambda texts: [2.0 ** text.count("a") for text in texts])
    >>> instance.target.prob.to_float().round(4).tolist()
    [0.4444, 0.2222, 0.2222, 0.1111]
    """
    require_whole("batch", batch, 1)
    texts = tree.texts()
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    known = Journal(journal, f"what texts are worth: {len(texts)} of digest {digest}, batches of {batch}")
    log_reward = log_of_linear(_scores(reward, texts, batch, "reward", tree.horizon, known))
    twist = optimal_twist(tree, log_reward)
    if value is None:
        return Instance(tree, twist)
    levels = [_scores(value, tree.texts(t), batch, "value", t, known) for t in range(1, tree.horizon)]
    inner = Scaled.from_float(np.concatenate([np.zeros(0), *levels]))
    return Instance(tree, value_between(tree, inner, twist[tree.leaves]))


def _scores(score: Score, texts: Sequence[str], batch: int, what: str, level: int, journal: Journal) -> FloatArray:
    """What a function says of texts, each asked once, shape [n]."""

    def asked(some: list[str]) -> dict[str, Any]:
        given = np.asarray(score(some), np.float64)
        if given.shape != (len(some),):
            raise RewardError(f"the {what}s of {len(some)} texts have shape {given.shape}, expected one for each")
        bad = np.flatnonzero(~((given >= 0) & (given < np.inf)))
        if len(bad):
            raise RewardError(
                f"the {what} of {quoted(some[bad[0]])} is {given[bad[0]]}, expected a finite number of at least 0"
            )
        return {"said": given.tolist()}

    distinct, place = np.unique(np.array(texts, object), return_inverse=True)
    said = np.empty(len(distinct))
    for start in range(0, len(distinct), batch):
        some = distinct[start : start + batch].tolist()
        key = {"what": what, "level": level, "start": start}
        said[start : start + len(some)] = journal.recall(key, partial(asked, some))["said"]
    return said[place.ravel()]
