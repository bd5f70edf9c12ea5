"""Constraints on the texts of a tree: exactly, and as structured-output libraries do it.

A text must match a regular expression. The reference policy given that it does is the target; V*(prefix), the
probability that the model goes on to a match, guides there exactly. Libraries mask instead: at each step tokens after
which no match is left are struck out, and the others keep their proportions. That is guidance by V^ = 1 wherever a
match is left: texts match, but a token is as likely as it was, however unlikely the model makes a match after it.
"""

from __future__ import annotations

import re

import numpy as np

from treesim.errors import ConstraintError, RewardError
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance
from treesim.instances.scored_texts import instance_from_texts
from treesim.scaled import Scaled


def constrained_texts(tree: Tree, pattern: str) -> Instance:
    """The instance whose target is pi_ref given that the text matches a regular expression; V^ = V*.

    Parameters
    ----------
    tree : Tree
        Whose edges write tokens, such as `tree_of_model` grows.
    pattern : str
        Of Python's `re`; the whole text must match, and ``.`` is any character.

    Raises
    ------
    ConstraintError
        If the expression is malformed, or no text matches.

    Examples
    --------
    >>> from treesim import GuidedSMC, tree_of_model
    >>> tree = tree_of_model(lambda prefixes: [[0.9, 0.1]] * len(prefixes), "ab".__getitem__, horizon=2)
    >>> exact = constrained_texts(tree, ".*b.*")
    >>> exact.target.prob.to_float().round(4).tolist()  # aa, ab, ba, bb
    [0.0, 0.4737, 0.4737, 0.0526]
    >>> GuidedSMC().law(masked(exact)).prob.to_float().round(4).tolist()
    [0.0, 0.9, 0.09, 0.01]
    """
    try:
        matches = re.compile(pattern, re.DOTALL).fullmatch
    except re.error as error:
        raise ConstraintError(f"the expression {pattern!r} is malformed: {error}") from None
    try:
        return instance_from_texts(tree, lambda texts: [float(matches(text) is not None) for text in texts])
    except RewardError:
        raise ConstraintError(f"no text of the tree matches {pattern!r}") from None


def masked(instance: Instance) -> Instance:
    """The same rewards, guided by whether there is any ahead: what masking does.

    Examples
    --------
    >>> from treesim import GuidedSMC, tree_of_model
    >>> tree = tree_of_model(lambda prefixes: [[0.9, 0.1]] * len(prefixes), "ab".__getitem__, horizon=2)
    >>> exact = constrained_texts(tree, ".*b.*")
    >>> round(GuidedSMC().law(masked(exact)).tv(exact.target).mid, 4)
    0.4263
    """
    return Instance(instance.graph, Scaled.from_float((instance.value.mantissa > 0).astype(np.float64)))
