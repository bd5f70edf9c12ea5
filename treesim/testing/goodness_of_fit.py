"""Draws compared with an exact law: frequencies of leaves and prefixes, relative entropy, total variation."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from treesim.arrays import FloatArray, IntArray
from treesim.errors import SpecError
from treesim.graphs.distributions import normalised
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance, require_instance
from treesim.laws.law import Law, LeafLaw, WalkLaw
from treesim.runtime.user_code import blaming
from treesim.samplers import Draws, Sampler, sampler
from treesim.samplers.enumeration import enumerate_runs
from treesim.samplers.oracle import Oracle, Prefix
from treesim.samplers.user import OracleSampler, UserSampler
from treesim.scaled import Scaled
from treesim.testing.exactness import ExactVerdict, compare_laws

Drawing = Callable[[int, np.random.Generator], Draws | Sequence[Any] | IntArray]

DEFAULT_RUNS = 20_000
MISSED = 0.01  # probability with which a law at the stated TV may go uncaught
LEAST = 1e-300  # smaller p-values are not told apart
_SHOWN = 3


@dataclass(frozen=True)
class Surprise:
    """A prefix or leaf that came up too often or too rarely.

    Attributes
    ----------
    choices : tuple of int or None
        Which child was taken at each step; None for outputs that are nothing, and on a trellis.
    leaf : int or None
        Its number if it is a leaf.
    count : int
    expected : float
        Of the exact law, in the same number of draws.
    p_value : float
        At most this, corrected for all the prefixes that were looked at.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("uniform", horizon=2, seed=1)
    >>> leaf = sampler("base").simulate(instance, 2000, seed=1).leaf
    >>> worst = goodness_of_fit(leaf, instance.target).surprises[0]
    >>> worst.leaf, worst.count, round(worst.expected, 1), worst.p_value < 1e-6
    (0, 489, 1419.9, True)
    """

    choices: tuple[int, ...] | None
    leaf: int | None
    count: int
    expected: float
    p_value: float

    def __str__(self) -> str:
        name = "nothing" if self.choices is None and self.leaf is None else ""
        if self.leaf is not None:
            name = f"leaf {self.leaf}"
        if self.choices is not None:
            name = f"{name or 'prefix'} {'-'.join(map(str, self.choices))}"
        return f"{name}: drawn {self.count} times, expected {self.expected:.1f} (p <= {max(self.p_value, LEAST):.1e})"


@dataclass(frozen=True)
class Verdict:
    """What draws say of a claimed law.

    Attributes
    ----------
    passed : bool
        Whether ``p_value >= alpha``.
    n : int
        Draws.
    alpha : float
        False-alarm rate: a sampler of the claimed law fails with probability at most this.
    p_value : float
        A bound that holds at any number of draws.
    tv : float
        Total variation of the observed frequencies to the law.
    floor : float
        What that is for exact draws, in expectation and at most.
    catches : float
        Every law at this TV or farther is caught with probability 0.99 or more.
    surprises : tuple of Surprise
        The leaves that are off, worst first, then the prefixes.

    Examples
    --------
    >>> from treesim import family
    >>> verdict = check_sampler("sp-gsmc", family("uniform", horizon=2, seed=1), n=2000)
    >>> verdict.passed, verdict.n, round(verdict.catches, 3)
    (True, 2000, 0.109)
    """

    passed: bool
    n: int
    alpha: float
    p_value: float
    tv: float
    floor: float
    catches: float
    surprises: tuple[Surprise, ...]

    def __str__(self) -> str:
        says = "agree" if self.passed else "do not agree"
        lines = [
            f"{self.n} draws {says} with the law: p <= {max(self.p_value, LEAST):.1e}, alpha = {self.alpha:g}; "
            f"observed TV {self.tv:.4f} (exact draws: about {self.floor:.4f}); a law at TV {self.catches:.4f} or "
            f"farther is caught with probability {1 - MISSED:g}"
        ]
        lines += [f"  {surprise}" for surprise in self.surprises]
        return "\n".join(lines)


def check_sampler(
    draw: Drawing | str | Sampler | type | OracleSampler,
    instance: Instance,
    target: Law | ArrayLike | str = "target",
    alpha: float = 1e-6,
    n: int = DEFAULT_RUNS,
    seed: int = 0,
    exact: bool = False,
    budget: float = 1e6,
) -> Verdict | ExactVerdict:
    """Fail unless a sampler's draws agree with an exact law; or, exactly, its own law with that.

    Parameters
    ----------
    draw : callable, or what `treesim.sampler` makes a sampler of
        A function ``draw(n, rng)`` returns `n` outputs: numbers of leaves, or for each output the child taken at each
        step; -1 or None for nothing. Or a spec, or a class or object with ``simulate(oracle, rng)``.
    instance : Instance
    target : Law, array_like of shape [n_leaves], or str
        The claimed law: ``"target"`` (pi~), ``"reference"`` (pi_ref), the spec of a sampler whose exact law it is, a
        law, or probabilities.
    alpha : float
        False-alarm rate.
    n : int
    seed : int
    exact : bool
        Whether to enumerate all runs of the sampler, as `treesim.exact_law` does, instead of drawing: without `alpha`,
        `n` and `seed` a law that is off by 1e-12 in total variation is told. Of a function one draw is enumerated.
    budget : float
        Runs that may be enumerated.

    Returns
    -------
    Verdict or ExactVerdict
        If they agree.

    Raises
    ------
    AssertionError
        If they do not: the message names the leaves that are off.
    SpecError
        If an output is no leaf, or the target no law.
    NoExactLaw
        If an exact verdict is asked for and the sampler draws what cannot be enumerated, or too many runs.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("product", horizon=3, ratio=2.0)
    >>> check_sampler("sp-gsmc", instance).passed
    True
    >>> print(check_sampler(lambda n, rng: rng.choice(8, n, p=[0.125] * 8), instance, "reference", exact=True))
    the law of all 8 runs is the law that is claimed: TV 0 (exact)
    >>> base = sampler("base")
    >>> check_sampler(lambda n, rng: base.simulate(instance, n, seed=1), instance)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: 20000 draws do not agree with the law: p <= 1.0e-300, alpha = 1e-06; observed TV 0.2409 ...
    """
    require_instance(instance, "check_sampler")
    if exact:
        law, runs = _own_law(draw, instance, budget)
        found = compare_laws(law, _law(target, instance), runs, instance.graph)
        if not found.passed:
            raise AssertionError(str(found))
        return found
    outputs = _outputs(draw, instance, n, seed)
    with blaming(draw):
        leaf = leaves(outputs, instance)
        if len(leaf) != n:
            raise SpecError(f"the sampler returned {len(leaf)} outputs, expected {n}")
    verdict = goodness_of_fit(leaf, _law(target, instance), alpha, instance.graph)
    if not verdict.passed:
        raise AssertionError(str(verdict))
    return verdict


def _outputs(draw: Any, instance: Instance, n: int, seed: int) -> Draws | Sequence[Any] | IntArray:
    kind = _kind(draw)
    return draw(n, np.random.default_rng(seed)) if kind is None else kind.simulate(instance, n, seed)


def _kind(draw: Any) -> Sampler | None:
    """The sampler that is given; None for a function that draws."""
    if isinstance(draw, str | type) or callable(getattr(draw, "simulate", None)):
        return sampler(draw)
    if not callable(draw):
        raise SpecError(f"the sampler is {reprlib.repr(draw)}, expected draw(n, rng), a spec, or a class or object")
    return None


def _own_law(draw: Any, instance: Instance, budget: float) -> tuple[Law, int]:
    """The exact law of what draws, and how many runs it took."""
    kind = _kind(draw)
    if isinstance(kind, UserSampler):
        found = kind.enumerate(instance, budget)
    elif kind is not None:
        return kind.law(instance), 0
    else:
        instance.graph.require_tree("the number of a leaf tells no path on a trellis; give a sampler", SpecError)

        def one(oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
            (leaf,) = leaves(draw(1, rng), instance).tolist()
            return None if leaf < 0 else Prefix((), leaf, ())

        found = enumerate_runs(instance, lambda: one, budget)
    return found.law, found.runs


def goodness_of_fit(
    outputs: Draws | IntArray, law: LeafLaw | WalkLaw, alpha: float = 1e-6, graph: LayeredGraph | None = None
) -> Verdict:
    """The verdict on leaves that were drawn, -1 for nothing; with the tree, prefixes are looked at too.

    Three tests share alpha: every prefix and leaf by itself (Chernoff's bound on its binomial count), the relative
    entropy of the frequencies (E exp(s n KL) <= (1 - s)^-(K - 1): Agrawal 2020), and their TV (McDiarmid's inequality).

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=1, ratio=3.0)
    >>> goodness_of_fit(np.array([0] * 240 + [1] * 760), instance.target).passed
    True
    >>> print(goodness_of_fit(np.array([0] * 300 + [1] * 700), instance.target, alpha=0.05).surprises[0])
    leaf 0: drawn 300 times, expected 250.0 (p <= 1.0e-02)
    """
    leaf = outputs.leaf if isinstance(outputs, Draws) else np.asarray(outputs, np.int64)
    n = len(leaf)
    if n < 1 or not 0 < alpha < 1:
        raise SpecError(f"there are {n} draws and alpha is {alpha}, expected at least one, and alpha between 0 and 1")
    # The outputs that are nothing are one cell more.
    prob = np.append(law.prob.to_float(), law.failure if isinstance(law, LeafLaw) else 0.0)
    count = np.bincount(np.where(leaf < 0, len(prob) - 1, leaf), minlength=len(prob))
    cells = int(np.count_nonzero(prob))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = float(np.where(count > 0, count * np.log(count / n / prob), 0.0).sum())
    tv = 0.5 * float(np.abs(count / n - prob).sum())
    floor = 0.5 * float(np.sqrt(prob * np.maximum(1.0 - prob, 0.0) / n).sum())
    surprises = _surprises(count, prob, graph)
    bounds = (
        surprises[0].p_value,
        _entropy_tail(entropy, cells),
        math.exp(-2.0 * n * max(0.0, tv - floor) ** 2),
    )
    p_value = min(1.0, 3.0 * min(bounds))
    passed = p_value >= alpha
    catches = floor + math.sqrt(math.log(3.0 / alpha) / (2 * n)) + math.sqrt(math.log(1.0 / MISSED) / (2 * n))
    off = [] if passed else [surprise for surprise in surprises if surprise.p_value < max(alpha, 0.05)]
    leaves_off, prefixes_off = ([each for each in off if (each.leaf is None) is inner] for inner in (False, True))
    shown = leaves_off[:_SHOWN] + prefixes_off[:_SHOWN]
    return Verdict(passed, n, alpha, p_value, tv, floor, min(1.0, catches), tuple(shown))


def leaves(outputs: Draws | Sequence[Any] | IntArray, instance: Instance) -> IntArray:
    """Numbers of leaves from what a sampler returned: numbers, or the child taken at each step; -1 for nothing.

    Examples
    --------
    >>> from treesim import family
    >>> leaves([(0, 1), None, 3], family("uniform", horizon=2)).tolist()
    [1, -1, 3]
    """
    if isinstance(outputs, Draws):
        return outputs.leaf
    numbers = isinstance(outputs, np.ndarray) and outputs.ndim == 1 and np.issubdtype(outputs.dtype, np.integer)
    known: dict[tuple[int, ...], int] = {}
    numbered = np.asarray(outputs if numbers else [_leaf(output, instance, known) for output in outputs], np.int64)
    odd = numbered[(numbered < -1) | (numbered >= instance.graph.n_leaves)]
    if len(odd):
        raise SpecError(f"the sampler returned leaf {odd[0]}, expected -1 to {instance.graph.n_leaves - 1}")
    return numbered


def _leaf(output: Any, instance: Instance, known: dict[tuple[int, ...], int]) -> int:
    """The leaf of one output; those of paths are kept in `known`."""
    if output is None:
        return -1
    if np.ndim(output) == 0:
        return int(output)
    path = tuple(output)
    if path not in known:
        if len(path) != instance.graph.horizon:
            raise SpecError(f"the sampler returned {len(path)} steps, expected {instance.graph.horizon}")
        known[path] = instance.graph.follow(path)
    return known[path]


def _law(target: Law | ArrayLike | str, instance: Instance) -> LeafLaw | WalkLaw:
    if isinstance(target, str):
        named = {"target": lambda: instance.target, "reference": lambda: instance.reference}
        target = named[target]() if target in named else sampler(target).law(instance)
    if isinstance(target, Law):
        if isinstance(target, LeafLaw | WalkLaw):
            return target
        raise SpecError(f"the target is a {type(target).__name__}, expected a law with a probability for each leaf")
    prob = np.asarray(target, np.float64)
    if prob.shape != (instance.graph.n_leaves,):
        raise SpecError(f"the target has shape {prob.shape}, expected a law on the {instance.graph.n_leaves} leaves")
    return LeafLaw(Scaled.from_float(normalised(prob, "probabilities of the target", SpecError)))


def _surprises(count: IntArray, prob: FloatArray, graph: LayeredGraph | None) -> list[Surprise]:
    """Every leaf, every prefix of a tree, and nothing: the most surprising first."""
    n, counts, probs = int(count.sum()), count[:-1], prob[:-1]
    last = -2 if graph is None else graph.horizon
    levels = [(last, counts, probs)]
    tree = graph if isinstance(graph, Tree) else None
    if tree is not None:
        for t in range(tree.horizon - 1, 0, -1):
            starts = tree.layer(t).ptr[:-1] - tree.layer(t).ptr[0]
            counts, probs = np.add.reduceat(counts, starts), np.add.reduceat(probs, starts)
            levels.append((t, counts, probs))
    events = sum(len(each) for _, each, _ in levels) + 1
    surprises = []
    for t, counts, probs in [*levels, (-1, count[-1:], prob[-1:])]:
        bound = np.minimum(1.0, 2.0 * events * np.exp(-n * _binary_entropy(counts / n, probs)))
        for node in np.argsort(bound, kind="stable")[:_SHOWN].tolist():
            choices = tuple(tree.choices(node, t)) if tree is not None and t >= 0 else None
            leaf = node if t == last else None
            surprises.append(Surprise(choices, leaf, int(counts[node]), float(n * probs[node]), float(bound[node])))
    return sorted(surprises, key=lambda each: (max(each.p_value, LEAST), -abs(each.count - each.expected)))


def _binary_entropy(share: FloatArray, prob: FloatArray) -> FloatArray:
    """KL of two coins, in nats: n times it is Chernoff's exponent."""
    prob = np.clip(prob, 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        heads = np.where(share > 0, share * np.log(share / prob), 0.0)
        tails = np.where(share < 1, (1 - share) * (np.log1p(-share) - np.log1p(-prob)), 0.0)
    # Where both laws are certain the tails are 0 times infinity, and an impossible event is infinitely surprising.
    return np.maximum(0.0, np.nan_to_num(heads + tails, nan=0.0, posinf=np.inf))


def _entropy_tail(entropy: float, cells: int) -> float:
    """A bound on P(n KL(frequencies || law) >= entropy)."""
    free = cells - 1
    if math.isinf(entropy) or (free == 0 and entropy > 1e-9):
        return 0.0
    if free == 0 or entropy <= free:
        return 1.0
    return math.exp(free - entropy + free * math.log(entropy / free))
