"""A prefix that nothing tells from the others until it is behind you: the lower bounds, Theorems 4.1 and 4.2."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from treesim.errors import TreeError
from treesim.graphs.tree import Tree
from treesim.graphs.trellis import Trellis
from treesim.hard_instances.certificate import Certificate, certifies, constant_epsilon
from treesim.instances.instance import Instance
from treesim.runtime.memory import require_memory
from treesim.runtime.seeds import Stream, generator
from treesim.scaled import BYTES_A_VALUE, Scaled
from treesim.spec import require_at_least, require_one_of, require_positive

LARGEST_TREE = 1 << 14


def hidden_prefix(
    horizon: int, epsilon: float | str = 1.0, branching: int = 2, depth: int = 0, form: str = "auto", seed: int = 0
) -> Instance:
    """One of K equally likely prefixes is the good one, and V^ = 1 until they end; only then V^ tells, step by step.

    The prefixes are the words of a prefix code of branching B down to level `depth`, pi_ref in proportion to the words
    below: K = (1 + epsilon)^(2 (T - depth)), rounded down, or B^depth if that is less. After them V^ grows by
    1 + epsilon a step on the good one and falls by it on the others, so half of the target, and more, is on the good
    one. A sampler that may not guess finds it only by looking into prefix after prefix.

    Parameters
    ----------
    horizon : int
        T.
    epsilon : float or str
        Bellman error, and L - 1. With B = 1 + epsilon and depth 2 T / 3 the instance is that of Theorem 4.1, with any
        epsilon that of Theorem 4.2.
    branching : int
        B.
    depth : int
        Level at which prefixes end; 0 is 2 T / 3, rounded down.
    form : str
        ``tree``; ``trellis``, where all wrong prefixes of a level are one node, for any size; ``auto``: a tree if it is
        small.
    seed : int
        Says which prefix is the good one.

    Raises
    ------
    TreeError
        If fewer than two prefixes fit.

    Examples
    --------
    >>> from treesim import SMC, Scaled
    >>> instance = hidden_prefix(horizon=9, form="trellis")
    >>> [round(SMC(N).law(instance).expected(Scaled.from_float([1.0, 0.0])), 6) for N in (1, 16, 64)]
    [0.015625, 0.100557, 0.250802]
    """
    code = _Code(horizon, epsilon, branching, depth, form)
    return _hide(code, code.word(seed), seed)


def hidden_at(word: int, instance: Instance) -> Instance:
    """A tree like that of an instance of this family, but with the good prefix at a given place."""
    parameters: dict[str, Any] = {**instance.parameters, "form": "tree"}
    return _hide(_Code(**parameters), word, instance.seed or 0)


def _hide(code: _Code, word: int, seed: int) -> Instance:
    steps = np.maximum(0, np.arange(code.horizon + 1) - code.depth) * math.log1p(code.epsilon)
    if code.is_tree:
        graph, good = _tree(code, word)
        level = np.repeat(np.arange(code.horizon + 1), np.diff(graph.level_ptr))
        value = Scaled.from_log(np.where(good, 1.0, -1.0) * steps[level])
        return Instance(graph, value, "hidden-prefix", code.parameters, seed)
    value = Scaled.from_log(np.concatenate([[0.0], np.stack([steps[1:], -steps[1:]], axis=1).ravel()]))
    return Instance(_trellis(code, word), value, "hidden-prefix", code.parameters, seed)


@certifies("hidden-prefix")
def hidden_prefix_certificate(
    horizon: int, epsilon: float | str = 1.0, branching: int = 2, depth: int = 0, form: str = "auto", seed: int = 0
) -> Certificate:
    """Guidance by V^ is pi_ref among the prefixes: it is right with probability 1 / K."""
    code = _Code(horizon, epsilon, branching, depth, form)
    log_boost = (horizon - code.depth) * math.log1p(code.epsilon)
    mass = 1.0 / (1.0 + math.exp(math.log(code.words - 1) - 2 * log_boost))
    log_words = math.log(code.words)
    first = code.word(seed) if code.is_tree else 0
    return Certificate(
        horizon=horizon,
        ratio_bound=1 + code.epsilon,
        bellman_error=code.epsilon,
        log_partition=float(np.logaddexp(log_boost, math.log(code.words - 1) - log_boost)) - log_words,
        region=(first, first + 1),
        target_mass=mass,
        hidden=code.words,
        defeats="sp-gsmc",
        tv=mass - math.exp(-log_words),
    )


class _Code:
    """How many words the prefix code has, and how deep it is."""

    def __init__(self, horizon: int, epsilon: float | str, branching: int, depth: int, form: str) -> None:
        require_at_least("horizon", horizon, 2)
        self.epsilon = constant_epsilon(epsilon, horizon)
        require_positive("epsilon", self.epsilon)
        require_at_least("branching", branching, 2)
        require_one_of("form", form, ("auto", "tree", "trellis"))
        self.horizon, self.branching = horizon, branching
        self.parameters = {
            "horizon": horizon, "epsilon": epsilon, "branching": branching, "depth": depth, "form": form
        }  # fmt: skip
        self.depth = depth or 2 * horizon // 3
        if not 1 <= self.depth < horizon:
            raise TreeError(f"depth is {depth}, expected from 1 to {horizon - 1}: a step must be left after it")
        # In exact arithmetic: rounding must not cost a word.
        wanted = math.floor((1 + Fraction(self.epsilon)) ** (2 * (horizon - self.depth)))
        self.words = min(wanted, branching**self.depth)
        if self.words < 2:
            raise TreeError(
                f"there are {self.words} prefixes to hide among, expected at least 2: raise epsilon or the horizon"
            )
        self.is_tree = form == "tree" or (form == "auto" and self.words * horizon <= LARGEST_TREE)
        if self.is_tree:
            require_memory(
                float(self.words) * horizon * (20.0 + 2 * BYTES_A_VALUE), f"a tree of {self.words} hidden prefixes"
            )

    def word(self, seed: int) -> int:
        """The good one."""
        return min(self.words - 1, int(Fraction(generator(seed, Stream.POLICY).random()) * self.words))

    def parts(self, words: int) -> list[int]:
        """The words below each child of a node with some words below it: as even as can be."""
        children = min(self.branching, words)
        whole, more = divmod(words, children)
        return [whole + 1] * more + [whole] * (children - more)


def _tree(code: _Code, word: int) -> tuple[Tree, np.ndarray]:
    """The code as a tree, each word followed by a single path, and which nodes are on the way to `word`."""
    below, first = np.array([code.words]), np.array([0])
    sizes, degrees, probs, good = [1], [], [], [np.array([True])]
    for t in range(code.horizon):
        degree = np.minimum(code.branching, below) if t < code.depth else np.ones(len(below), np.int64)
        child = np.arange(degree.sum()) - np.repeat(np.cumsum(degree) - degree, degree)
        parent = np.repeat(below, degree)
        whole, more = np.divmod(parent, np.repeat(degree, degree))
        part = whole + (child < more)
        first = np.repeat(first, degree) + child * whole + np.minimum(child, more)
        degrees.append(degree)
        probs.append(part / parent)
        good.append((first <= word) & (word < first + part))
        below = part
        sizes.append(len(below))
    tree = Tree(np.cumsum([0, *sizes]), np.cumsum([0, *np.concatenate(degrees).tolist()]), np.concatenate(probs))
    return tree, np.concatenate(good)


def _trellis(code: _Code, word: int) -> Trellis:
    """On the way to the word, and off it; off it all futures are the same."""
    matrices = []
    words = code.words
    stay = np.eye(2)
    for t in range(code.horizon):
        if t >= code.depth or words == 1:
            matrices.append(stay)
            continue
        for part in code.parts(words):
            if word < part:
                break
            word -= part
        on = float(Fraction(part, words))
        words = part
        matrices.append(np.array([[on, 1.0 - on]] if t == 0 else [[on, 1.0 - on], [0.0, 1.0]]))
    return Trellis.from_layers(matrices)
