"""Figures of a compiled tree that is never stored: subtrees are walked depth first, each by one thread.

The first levels are grown into arrays until there are enough subtrees; what is below is walked. One pass finds V* of
every subtree's root and the law of the reward; a second one, where there is a value, all that depends on V^. Figures
of the first levels come from the library's own code for arrays, given what the subtrees are worth.

Rounding. All terms are positive. V* is a sum of products over at most T levels of B children: its relative error is
below T (B + 1) 2^-53. Sums over nodes are Kahan's within a subtree and correctly rounded over subtrees, which leaves
2^-52 of them, however many nodes there are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.compiled.growth import Grown, Level, called, grow_tree, require_fine, root_level, weights
from treesim.compiled.streamed import Streamed, merged_rewards
from treesim.errors import RewardError, SpecError
from treesim.graphs.values import audit, optimal_twist
from treesim.kernels.compiled import (
    MANY_CHILDREN,
    MANY_REWARDS,
    REFERENCE,
    REFERENCE_LOST,
    SUP,
    TARGET,
    TARGET_INFINITE,
    TARGET_LOST,
    make_reward_walk,
    make_value_walk,
)
from treesim.kernels.states import read, words
from treesim.laws.tv import TV
from treesim.laws.walks import GuidedSteps, ReferenceSteps, descend
from treesim.runtime.journal import Journal
from treesim.runtime.threads import thread_map
from treesim.runtime.user_code import digest
from treesim.scaled import Scaled
from treesim.spec import require_whole

if TYPE_CHECKING:
    from treesim.compiled.definition import Compiled, CompiledTree

_reward_walk, _value_walk = cache(make_reward_walk), cache(make_value_walk)

FIRST_SLOTS, FIRST_WIDTH = 256, 2
# Where Z is smaller, what floats lose below 1e-308 may show.
LEAST_PARTITION = 1e-200

Report = Callable[[str], None]


@dataclass
class _Front:
    """The first levels of a tree, and the subtrees below them.

    Attributes
    ----------
    horizon : int
        T, of the whole tree.
    depth : int
        Level of the roots of the subtrees.
    grown : Grown or None
        None if there is one subtree, the tree itself.
    """

    compiled: Compiled
    horizon: int
    depth: int
    grown: Grown | None
    width: int = field(default=FIRST_WIDTH)
    slots: int = field(default=FIRST_SLOTS)

    @property
    def roots(self) -> Level:
        """The roots of the subtrees."""
        return root_level(self.compiled) if self.grown is None else self.grown.last

    @property
    def n_above(self) -> int:
        """Nodes above the roots of the subtrees."""
        return 0 if self.grown is None else self.grown.graph.n_nodes - self.grown.graph.n_leaves

    @property
    def steps(self) -> int:
        """Levels below a subtree's root."""
        return self.horizon - self.depth

    def tree_of(self, i: int) -> tuple[Any, int, Any]:
        """A subtree, as kernels take it."""
        return self.compiled.fields, self.steps, read(self.roots.room, i, self.compiled.root)


def stream(
    tree: CompiledTree,
    compiled: Compiled,
    horizon: int,
    journal: Path | str | None,
    progress: Report | None,
    subtrees: int,
    most_rewards: int,
) -> Streamed:
    """See `treesim.compiled.definition.CompiledTree.stream`."""
    require_whole("subtrees", subtrees, 1)
    require_whole("most_rewards", most_rewards, 1)
    if horizon < 2:
        raise SpecError("horizon is 1, expected at least 2; a tree of one step fits in arrays: .instance()")
    report = progress or (lambda text: None)
    report("compiling")
    front = _front(compiled, horizon, subtrees)
    kept = Journal(None if journal is None else Path(journal), _subject(tree, front, most_rewards))
    values = compiled.functions.value is not None
    passes = "2" if values else "1"

    first = _first_pass(front, most_rewards, _Pass(kept, "rewards", f"pass 1 of {passes}", report))
    worth = Scaled.from_float([row["twist"] for row in first])
    if front.grown is None:
        partition, twist = float(worth.to_float()[0]), worth
    else:
        twist = optimal_twist(front.grown.graph, worth) if (worth.mantissa > 0).any() else Scaled.zeros(1)
        partition = float(twist[:1].to_float()[0])
    if not partition >= LEAST_PARTITION:
        what = "zero at every leaf" if partition == 0.0 else f"{partition:.3g} in expectation"
        raise RewardError(f"the reward is {what}, expected at least {LEAST_PARTITION:g}; multiply it by a constant")

    reach = np.ones(1) if front.grown is None else descend(ReferenceSteps(front.grown.graph))[0].to_float()
    rewards = merged_rewards(
        [(row["rewards"], row["mass"]) for row in first], reach, most_rewards
    )  # fmt: skip
    size = {
        "title": f"{type(tree).__name__}({', '.join(f'{k}={v}' for k, v in tree.parameters().items())})",
        "horizon": horizon,
        "nodes": front.n_above + sum(row["nodes"] + row["leaves"] for row in first),
        "paths": sum(row["leaves"] for row in first),
        "log_partition": math.log(partition),
        "rewards": rewards,
        "rounding": horizon * (front.width + 1) * 2.0**-53,
    }
    if not values:
        return Streamed(**size)
    second = _second_pass(front, reach, partition, _Pass(kept, "values", "pass 2 of 2", report))
    return Streamed(**size, **_figures(front, twist, second))


class _Pass:
    """A pass over the subtrees: told as it goes, kept as it goes."""

    def __init__(self, journal: Journal, name: str, label: str, report: Report) -> None:
        self.journal, self.name, self.label, self.report = journal, name, label, report
        self._lock = Lock()
        self._start, self._new = time.monotonic(), 0

    def _tell(self, done: int, n: int) -> None:
        spent = time.monotonic() - self._start
        left = spent / self._new * (n - done) if self._new else 0.0
        soon = f", about {left:.0f} s left" if left < 120 else f", about {left / 60:.0f} min left"
        self.report(f"{self.label}: {done:,} of {n:,} subtrees{soon if done < n else ''}")

    def over(self, n: int, walk: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
        """What the walk finds of every subtree; it starts with one, by which all kernels are compiled."""
        done = 0

        def one(i: int) -> dict[str, Any]:
            nonlocal done
            key = {"pass": self.name, "subtree": i}
            known = self.journal.knows(key)
            found = None if known else called(lambda: walk(i))
            with self._lock:
                found = self.journal.recall(key, lambda: found or {})
                done += 1
                self._new += not known
                self._tell(done, n)
            return found

        return [one(0), *called(lambda: thread_map(one, range(1, n), interruptible=True))]


def _front(compiled: Compiled, horizon: int, subtrees: int) -> _Front:
    grown = None
    if subtrees > 1 and horizon > 2:
        grown = grow_tree(compiled, horizon, enough=subtrees)
    depth = 0 if grown is None else grown.graph.horizon
    return _Front(compiled, horizon, depth, grown, compiled.width or FIRST_WIDTH)


def _subject(tree: CompiledTree, front: _Front, most_rewards: int) -> str:
    """Whose subtrees a journal keeps: by the code of the class, and by every byte of its parameters."""
    parameters = [
        f"{each.dtype}{each.shape}{each.tobytes().hex()}" if isinstance(each, np.ndarray) else repr(each)
        for each in front.compiled.fields
    ]
    code = front.compiled.functions.code or digest([type(tree)])
    return f"stream of {type(tree).__name__} {code} ({', '.join(parameters)}), {front.roots.size}, {most_rewards}"


def _first_pass(front: _Front, most_rewards: int, run: _Pass) -> list[dict[str, Any]]:
    walk, n = _reward_walk(front.compiled.functions), front.roots.size
    gave_up = False

    def one(i: int) -> dict[str, Any]:
        nonlocal gave_up
        tree = front.tree_of(i)
        while True:
            width, slots = front.width, 0 if gave_up else front.slots
            room, prob, at = _room(front, width)
            # With one place nothing is told apart.
            table = tuple(np.full(max(1, slots), start) for start in (-1.0, 0.0, 0.0))
            code, twist, nodes, leaves = walk(tree, room, prob, at, table)
            if code == MANY_CHILDREN:
                front.width = max(front.width, 2 * width, int(twist))
            elif code == MANY_REWARDS:
                front.slots = max(front.slots, 4 * slots)
                gave_up = gave_up or slots // 2 >= most_rewards
            else:
                break
        require_fine(front.compiled, code, twist, Level(1, room), 0, None, leaves)
        keys, mass, lost = table
        seen = keys >= 0.0
        told = slots > 0 and int(np.count_nonzero(seen)) <= most_rewards
        order = np.argsort(keys[seen])
        return {
            "twist": twist, "nodes": nodes, "leaves": leaves,
            "rewards": keys[seen][order].tolist() if told else None,
            "mass": (mass[seen] - lost[seen])[order].tolist() if told else None,
        }  # fmt: skip

    return run.over(n, one)


def _second_pass(front: _Front, reach: FloatArray, partition: float, run: _Pass) -> list[dict[str, Any]]:
    walk, n = _value_walk(front.compiled.functions), front.roots.size
    guided = np.ones(1)
    if front.grown is not None:
        graph, inner = front.grown.graph, front.grown.inner
        roots = _values_of_roots(front)
        guided = descend(GuidedSteps(graph, inner.followed_by(roots)))[0].to_float()

    def one(i: int) -> dict[str, Any]:
        tree = front.tree_of(i)
        while True:
            width = front.width
            room, prob, at = _room(front, width)
            figures = np.zeros((front.steps, 6))
            masses = (float(reach[i]), float(guided[i]), 1.0 / partition)
            code, ratio, gap = walk(tree, masses, room, prob, np.empty_like(prob), at, figures)
            if code != MANY_CHILDREN:
                break
            front.width = max(front.width, 2 * width, int(ratio))
        require_fine(front.compiled, code, ratio, Level(1, room), 0, None)
        sup, infinite = figures[:, SUP], figures[:, TARGET_INFINITE] > 0
        reference = np.where(np.isinf(sup), np.inf, figures[:, REFERENCE] - figures[:, REFERENCE_LOST])
        target = np.where(infinite, np.inf, figures[:, TARGET] - figures[:, TARGET_LOST])
        return {
            "ratio": ratio, "gap": gap, "sup": sup.tolist(), "reference": reference.tolist(), "target": target.tolist()
        }  # fmt: skip

    return run.over(n, one)


def _figures(front: _Front, twist: Scaled, second: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the value is like, from the subtrees and from the levels above them."""
    columns = {
        name: np.array([math.fsum(column) for column in zip(*(row[name] for row in second), strict=True)])
        for name in ("reference", "target")
    }
    sup = np.array([row["sup"] for row in second]).max(axis=0)
    log_ratio = math.log(max(row["ratio"] for row in second))
    means = [columns["reference"], columns["target"]]
    if front.grown is not None:
        above = audit(front.grown.graph, front.grown.inner.followed_by(_values_of_roots(front)), twist)
        sup = np.concatenate([above.sup, sup])
        log_ratio = max(log_ratio, above.log_ratio_bound)
        means = [np.concatenate(pair) for pair in zip((above.mean_reference, above.mean_target), means, strict=True)]
    distance = min(1.0, 0.5 * math.fsum(row["gap"] for row in second))
    return {
        "sup": sup, "mean_reference": means[0], "mean_target": means[1], "log_ratio_bound": log_ratio,
        "guided": TV(distance, distance, "exact"),
    }  # fmt: skip


def _values_of_roots(front: _Front) -> Scaled:
    return Scaled.from_float(weights(front.compiled, front.roots, front.depth, "value"))


def _room(front: _Front, width: int) -> tuple[IntArray, FloatArray, IntArray]:
    """The stack of a walk: states, probabilities, and how far each level is."""
    steps = front.steps
    return (
        np.empty(steps * width * words(front.compiled.root), np.int64), np.empty((steps, width)),
        np.empty(steps, np.int64),
    )  # fmt: skip
