"""Draft and target: a short n-gram model proposes, a long one is aimed at.

The draft is the reference policy, and each step is worth the quotient of the target model's probability and the
draft's. Then Z = 1 and V* = 1: every prefix has the same future, and V^ = 1 is a perfect value. What particles lose
that follow the draft and are weighed by the quotients is due to moving blindly alone.
"""

from __future__ import annotations

import numpy as np

from treesim.arrays import FloatArray
from treesim.decoding.automata import Automaton, TokenChain, product
from treesim.decoding.ngram import NGram, learn
from treesim.decoding.tokens import by_frequency, most_frequent, pieces, read_text
from treesim.errors import SpecError
from treesim.graphs.potentials import with_potentials
from treesim.graphs.values import optimal_twist
from treesim.instances.instance import Instance
from treesim.instances.perturbations import perturb
from treesim.spec import require_whole


def draft_and_target(
    horizon: int,
    text: str | None = None,
    unit: str = "letter",
    order: int = 3,
    draft: int = 2,
    tokens: int = 64,
    smoothing: str = "witten-bell",
    perturbation: str = "exact",
    epsilon: str | float | None = None,
    ratio_cap: float | None = None,
    seed: int = 0,
) -> Instance:
    """Two n-gram models of one text: pi_ref is the short one, the draft, and the target the long one: Z = 1, V* = 1.

    Parameters
    ----------
    horizon : int
        T, tokens to write.
    text : str, optional
        A UTF-8 file to learn from; Python's own help topics if left out.
    unit, order, tokens, smoothing
        Of the target model: see `treesim.decoding.ngram.train`.
    draft : int
        n of the draft, at most `order`; 0 is the uniform law.
    perturbation, epsilon, ratio_cap
        Of V* = 1.

    Raises
    ------
    SpecError
        If the draft looks further back than the target, or a parameter is out of range.

    References
    ----------
    Leviathan, Kalman & Matias (2023), "Fast inference from transformers via speculative decoding", for drafts; arXiv
    2604.15672 for particles that follow them.

    Examples
    --------
    >>> instance = draft_and_target(horizon=50, order=2, draft=1, tokens=5)
    >>> instance.audit.bellman_error < 1e-12, abs(instance.audit.log_partition) < 1e-12
    (True, True)
    """
    require_whole("horizon", horizon, 1)
    require_whole("draft", draft, 0)
    if draft > order:
        raise SpecError(f"draft is {draft}, expected at most {order}, the order of the target")
    written = pieces(read_text(text), unit)
    vocabulary = most_frequent(by_frequency(written), tokens)
    target = learn(written, vocabulary, order, smoothing)
    offered = drafted(target, None if draft == 0 else learn(written, vocabulary, draft, smoothing))
    everything = Automaton(np.zeros((1, len(target.vocabulary)), np.int64), np.ones(1, np.bool_))
    built = product(TokenChain(offered, target.chain.next_state), everything, horizon, target.vocabulary)
    with np.errstate(divide="ignore"):
        log_quotient = np.log(target.chain.prob) - np.log(offered)
    first, later = log_quotient[[target.chain.start]].ravel(), log_quotient[built.chain_state].ravel()
    graph = with_potentials(built.trellis, [first] + [later] * (horizon - 1))
    twist = optimal_twist(graph, np.zeros(graph.n_leaves))
    return Instance(graph, perturb(graph, twist, perturbation, epsilon, ratio_cap, seed))


def drafted(target: NGram, draft: NGram | None) -> FloatArray:
    """What a draft offers in each state of the target model, shape [n_states, n_tokens]; without one, the uniform law.

    What the target remembers ends with what the draft does: both know the longest context that the text has shown.
    """
    size = len(target.vocabulary)
    if draft is None:
        return np.full((len(target.contexts), size), 1.0 / size)
    longest = max(map(len, draft.contexts))
    state = {context: i for i, context in enumerate(draft.contexts)}
    return draft.chain.prob[[state[context[max(0, len(context) - longest) :]] for context in target.contexts]]
