"""An exact law compared with the law that is claimed: a verdict without statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from treesim.errors import NoExactLaw
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.tree import Tree
from treesim.laws.law import Law, LeafLaw
from treesim.laws.tv import TV

# What exact laws may be off by.
TOLERANCE = 1e-12
_SHOWN = 3


@dataclass(frozen=True)
class Difference:
    """A leaf whose probability is not the claimed one.

    Attributes
    ----------
    choices : tuple of int or None
        Which child is taken at each step; None for outputs that are nothing.
    leaf : int or None
        Its number; None for nothing.
    prob, expected : float
        Under the sampler's law, and under the claimed one.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("uniform", horizon=1, seed=1)
    >>> verdict = compare_laws(sampler("base").law(instance), instance.target, 2, instance.graph)
    >>> [(each.choices, each.prob, round(each.expected, 3)) for each in verdict.differences]
    [((0,), 0.5, 0.799), ((1,), 0.5, 0.201)]
    """

    choices: tuple[int, ...] | None
    leaf: int | None
    prob: float
    expected: float

    def __str__(self) -> str:
        name = "nothing" if self.choices is None else f"leaf {self.leaf} {'-'.join(map(str, self.choices))}"
        return f"{name}: probability {self.prob:.9g}, expected {self.expected:.9g}"


@dataclass(frozen=True)
class ExactVerdict:
    """What a sampler's exact law says of a claimed law.

    Attributes
    ----------
    passed : bool
        Whether they are the same, to 1e-12 in total variation.
    runs : int
        Runs that were enumerated.
    tv : TV
        Between the two.
    differences : tuple of Difference
        On a tree the leaves that are off, worst first.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.testing import check_sampler
    >>> instance = family("product", horizon=2, ratio=2.0)
    >>> verdict = check_sampler("sp-gsmc", instance, exact=True)
    >>> verdict.passed, verdict.runs, verdict.differences
    (True, 0, ())
    """

    passed: bool
    runs: int
    tv: TV
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        says = "is the law that is claimed" if self.passed else "is not the law that is claimed"
        of_runs = f" of all {self.runs} runs" if self.runs else ""
        lines = [f"the law{of_runs} {says}: TV {self.tv.words}"]
        return "\n".join(lines + [f"  {difference}" for difference in self.differences])


def compare_laws(law: Law, claimed: Law, runs: int, graph: LayeredGraph) -> ExactVerdict:
    """The verdict on a law that is known from so many runs.

    Raises
    ------
    NoExactLaw
        If too little of the law is known for a verdict.

    Examples
    --------
    >>> from treesim import family
    >>> instance = family("product", horizon=1, ratio=3.0)
    >>> verdict = compare_laws(instance.reference, instance.target, 2, instance.graph)
    >>> verdict.passed, str(verdict.differences[0])
    (False, 'leaf 0 0: probability 0.5, expected 0.25')
    """
    tv = law.tv(claimed)
    if tv.lo <= TOLERANCE < tv.hi:
        raise NoExactLaw(
            f"{runs} runs leave the TV to the claimed law between {tv.lo:.3g} and {tv.hi:.3g}, which is no verdict; "
            "allow more by budget"
        )
    passed = tv.hi <= TOLERANCE
    differences = _differences(law, claimed, graph) if not passed and isinstance(graph, Tree) else ()
    return ExactVerdict(passed, runs, tv, differences)


def _differences(law: Law, claimed: Law, graph: Tree) -> tuple[Difference, ...]:
    if not (isinstance(law, LeafLaw) and isinstance(claimed, LeafLaw)):
        return ()
    own, others = law.beside(claimed)
    gap = np.abs(own - others)
    worst = [int(i) for i in np.argsort(-gap, kind="stable")[:_SHOWN] if gap[i] > TOLERANCE / len(gap)]
    return tuple(
        Difference(
            tuple(graph.choices(i)) if i < graph.n_leaves else None, i if i < graph.n_leaves else None,
            float(own[i]), float(others[i]),
        )
        for i in worst
    )  # fmt: skip
