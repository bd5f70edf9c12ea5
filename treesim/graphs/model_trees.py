"""The tree of a language model with a real vocabulary: asked for many prefixes at once, sampling rules part of pi_ref.

A vocabulary of fifty thousand tokens has no tree worth having whole. Two honest ways make it small: pi_ref is what one
samples from anyway (temperature, top-k, top-p, min-p), then nothing is lost; or prefixes of little mass are left out,
and the tree says level by level how much that was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from treesim.arrays import FloatArray, IntArray
from treesim.errors import TreeError, quoted
from treesim.graphs.distributions import Normaliser, of_logits
from treesim.graphs.growth import ENDED, OTHERS, NextTokens, Prefix, grow, kept
from treesim.graphs.layered import SMALLEST_PROBABILITY
from treesim.graphs.tree import Tree
from treesim.runtime.journal import Journal
from treesim.spec import require_at_least, require_positive, require_whole

# Rows of a dense array [n_prefixes, vocabulary], or a pair (ids, numbers) for each prefix.
Answer = Any
Policy = Callable[[list[Prefix]], Answer]

# Probabilities of one model on two machines are as near, relatively.
_SAME = 1e-3
# What stands for all that was left out after a prefix.
REST = "\u2026"


@dataclass(frozen=True)
class SamplingRules:
    """How a model is sampled from, in the order in which libraries apply them.

    Parameters
    ----------
    temperature : float
        Probabilities to the power of 1 / temperature.
    top_k : int
        The k likeliest tokens only; 0 for all.
    top_p : float
        Of the likeliest tokens as many as reach this probability together.
    min_p : float
        Tokens at least so likely, relative to the likeliest.

    Raises
    ------
    SpecError
        If one is out of range.

    Examples
    --------
    >>> SamplingRules(top_p=0.7).apply(np.array([0.5, 0.3, 0.2])).round(3)
    array([0.625, 0.375, 0.   ])
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        require_positive("temperature", self.temperature)
        require_whole("top_k", self.top_k, 0)
        require_positive("top_p", self.top_p)
        require_at_least("min_p", self.min_p, 0.0)

    def apply(self, prob: FloatArray) -> FloatArray:
        """The law that is sampled from, shape [n]."""
        if self.temperature != 1.0:
            with np.errstate(divide="ignore"):
                log_prob = np.log(prob) / self.temperature
            prob = np.exp(log_prob - log_prob.max())
            prob = prob / prob.sum()
        if not (self.top_k or self.top_p < 1.0 or self.min_p):
            return prob
        order = np.argsort(-prob, kind="stable")
        kept = order[: self.top_k] if self.top_k else order
        if self.top_p < 1.0:
            share = np.cumsum(prob[kept]) / prob[kept].sum()
            # The token that reaches the share is still in.
            kept = kept[: int(np.searchsorted(share, self.top_p, side="left")) + 1]
        kept = kept[prob[kept] >= self.min_p * prob[kept[0]]]
        out = np.zeros(len(prob))
        out[kept] = prob[kept] / prob[kept].sum()
        return out


def tree_of_model(
    policy: Policy,
    decode: Callable[[int], str],
    horizon: int,
    logits: bool = False,
    rules: SamplingRules | None = None,
    stop: Collection[int] = (),
    least: float = 0.0,
    rest: bool = False,
    batch: int = 64,
    report: Callable[[str], None] = lambda _: None,
    journal: Path | None = None,
) -> Tree:
    """The tree of what a language model may write, grown level by level.

    Parameters
    ----------
    policy : callable
        Given prefixes, a list of tuples of token ids, the law of the next token after each: an array of shape
        [n_prefixes, vocabulary], or a list of pairs (ids, numbers) where all other tokens have probability zero.
    decode : callable
        What a token writes.
    horizon : int
        T.
    logits : bool
        Whether `policy` gives logits (natural logs up to a constant) instead of probabilities.
    rules : SamplingRules, optional
        What is done to the law before it is sampled from; part of pi_ref.
    stop : collection of int
        Tokens that end a text; the path goes on by single edges that write nothing.
    least : float
        Prefixes of smaller probability are left out, but for the likeliest token of each node.
    rest : bool
        Whether what is left out after a prefix becomes one child that ends there, so that the tree is exact; else the
        other children are normalised.
    batch : int
        How many prefixes the policy is asked for at once.
    report : callable
        Told after each batch how far it is.
    journal : Path, optional
        A file that keeps each batch's answer, as far as it is in the tree: grown again with the same file, what was
        asked is not asked again, but for the first law, which shows whether it is the same model.

    Returns
    -------
    Tree
        It knows what each edge writes (`texts`), and by level what was left out (`pruned`).

    Raises
    ------
    TreeError
        If the policy returns no laws, or other ones than the journal has.
    TreesimError
        If the journal is another's, or cannot be written to.
    MemoryBudgetError
        If the tree outgrows the memory budget.

    Examples
    --------
    >>> def policy(prefixes):
    ...     return np.tile([0.6, 0.3, 0.1], (len(prefixes), 1))
    >>> tree = tree_of_model(policy, ["a", "b", "."].__getitem__, horizon=2, stop={2}, least=0.05)
    >>> tree.texts(), tree.pruned.round(3).tolist()
    (['aa', 'ab', 'a.', 'ba', 'bb', '.'], [0.0, 0.03])
    """
    require_whole("horizon", horizon, 1)
    require_whole("batch", batch, 1)
    normaliser = Normaliser()
    rules = rules or SamplingRules()
    subject = f"a tree of a model: {rules}, least {least:g}, batches of {batch}"
    asked = partial(_laws, policy, batch, logits, rules, least, normaliser, report, Journal(journal, subject))
    grown = grow(asked, horizon, least, stop, rest)
    normaliser.say()
    ids, tokens = np.unique(grown.written, return_inverse=True)
    names = {ENDED: "", OTHERS: REST}
    words = tuple(names[token] if token in names else decode(token) for token in ids.tolist())
    pruned = np.array([sum(lost) for lost in grown.lost])
    return Tree(*grown.arrays, None, tokens.ravel().astype(np.int32), words, pruned)


def _laws(
    policy: Policy, batch: int, logits: bool, rules: SamplingRules, least: float, normaliser: Normaliser,
    report: Callable[[str], None], journal: Journal, t: int, prefixes: list[Prefix], reach: list[float],
) -> Iterator[NextTokens]:  # fmt: skip
    """For each prefix of level `t` the tokens that may follow, likeliest first, and their probabilities."""

    def asked(some: list[Prefix], masses: list[float]) -> dict[str, Any]:
        answer = policy(list(some))
        if len(answer) != len(some):
            raise TreeError(f"the policy returned {len(answer)} laws for {len(some)} prefixes, expected one for each")
        laws = []
        for prefix, mass, row in zip(some, masses, answer, strict=True):
            ids, numbers = row if isinstance(row, tuple) else (np.arange(len(row)), row)
            tokens, prob = _law(np.asarray(ids, np.int64), numbers, prefix, logits, rules, normaliser)
            laws.append([part.tolist() for part in _shortened(tokens, prob, mass, least)])
        return {"laws": laws}

    for start in range(0, len(prefixes), batch):
        some, masses = prefixes[start : start + batch], reach[start : start + batch]
        key = {"level": t, "start": start}
        known = journal.knows(key)
        found = partial(asked, some, masses)
        # Without a file nothing is kept, or all laws would be in memory twice.
        answer = (journal.recall(key, found) if journal.path is not None else found())["laws"]
        if known and t == 0 and not _are_same(answer, asked(some, masses)["laws"]):
            raise TreeError(
                f"{journal.path} has the answers of another model or prompt; choose another name, or delete it"
            )
        report(f"level {t + 1}, {start + len(some)} {'known' if known else 'asked'}")
        if len(answer) != len(some):
            raise TreeError(f"{journal.path} has {len(answer)} laws for {len(some)} prefixes; delete it")
        for tokens, prob in answer:
            yield np.array(tokens, np.int64), np.array(prob)


def _shortened(tokens: IntArray, prob: FloatArray, mass: float, least: float) -> NextTokens:
    """What is left out put together as one token, so that a journal holds what the tree does."""
    keep = kept(tokens, prob, mass, least)
    if keep.all():
        return tokens, prob
    return np.append(tokens[keep], OTHERS), np.append(prob[keep], prob[~keep].sum())


def _are_same(some: list[list[list[float]]], others: list[list[list[float]]]) -> bool:
    """Whether two answers are those of one model, on whatever machine."""
    return all(
        one[0] == other[0] and np.allclose(one[1], other[1], rtol=_SAME)
        for one, other in zip(some, others, strict=True)
    )


def _law(
    ids: IntArray, numbers: Sequence[float], prefix: Prefix, logits: bool, rules: SamplingRules, normaliser: Normaliser
) -> NextTokens:
    what = f"{'logits' if logits else 'probabilities'} that the policy returned after {quoted(prefix)}"
    value = np.array(numbers, np.float64)
    if value.ndim != 1 or len(value) != len(ids) or not len(ids):
        raise TreeError(f"{what} have shape {value.shape} for {len(ids)} tokens, expected one for each")
    if len(np.unique(ids)) != len(ids) or ids.min() < 0:
        raise TreeError(f"{what} name a token twice, or by a negative number")
    if logits:
        value = of_logits(value, f"{what} are NaN, or none is finite")
    prob = rules.apply(normaliser.groups(np.array([0, len(value)]), value, lambda _: what))
    prob[prob < SMALLEST_PROBABILITY] = 0.0
    order = np.argsort(-prob, kind="stable")
    order = order[prob[order] > 0]
    return ids[order], prob[order] / prob[order].sum()
