"""An instance: a graph, a reward, an approximate value, and where they come from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from treesim.arrays import FloatArray, IntArray
from treesim.errors import NoExactLaw, OutcomeError, RewardError, SpecError, quoted
from treesim.graphs.guidance import Guidance, guidance
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import has_potentials, path_potential, refuse_potentials
from treesim.graphs.steps import number_of
from treesim.graphs.tree import Tree
from treesim.graphs.values import Audit, audit, optimal_twist
from treesim.instances.outcomes import Answers, Outcomes, outcomes_of
from treesim.laws.by_reward import RewardedLeaves, TargetLaw
from treesim.laws.law import LeafLaw, WalkLaw, descend_reference
from treesim.laws.walks import GuidedSteps, ReferenceSteps
from treesim.notebook import PICTURES, card
from treesim.scaled import Scaled
from treesim.tables import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from treesim.instances.inspection import Inspection

# Characters of a title in a repr, and up to how many nodes notebooks show the audit.
_LONGEST, _AUDITED = 120, 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class Instance:
    """A sampling problem whose every quantity is known: target pi~ = pi_ref phi / Z, guided by V^.

    Parameters
    ----------
    graph : LayeredGraph
    value : Scaled, shape [n_nodes]
        The approximate value V^; at the leaves it is the reward phi itself. Copied, if anybody could still write to it.
    family : str
        What built it.
    parameters : mapping
        With which parameters, as JSON values.
    seed : int or None
        And which seed.
    source : str or None
        The name of the file it was read from.
    outcomes : Outcomes or None
        Answers of the leaves and their true reward, by `with_outcomes`; samplers do not see them.

    Raises
    ------
    RewardError
        If there is not one value a node, or the reward is zero everywhere.
    OutcomeError
        If there is not one outcome a leaf.

    Examples
    --------
    >>> import numpy as np
    >>> from treesim import Tree, optimal_twist
    >>> tree = Tree.complete(branching=2, horizon=2)
    >>> instance = Instance(tree, optimal_twist(tree, np.log([1.0, 2.0, 3.0, 6.0])))
    >>> np.exp(instance.target.log_prob).round(4)
    array([0.0833, 0.1667, 0.25  , 0.5   ])
    >>> instance
    Instance(given values, seed=None, Tree(horizon=2, 7 nodes, 4 paths))
    """

    graph: LayeredGraph
    value: Scaled
    family: str = "given"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    source: str | None = None
    outcomes: Outcomes | None = None

    def __post_init__(self) -> None:
        if len(self.value) != self.graph.n_nodes:
            raise RewardError(
                f"there are {len(self.value)} values, expected one for each of {self.graph.n_nodes} nodes"
            )
        if self.outcomes is not None and self.outcomes.n_leaves != self.graph.n_leaves:
            raise OutcomeError(
                f"there are outcomes of {self.outcomes.n_leaves} leaves, expected one for each of {self.graph.n_leaves}"
            )
        object.__setattr__(self, "value", Scaled(_own(self.value.mantissa), _own(self.value.exponent)))
        object.__setattr__(self, "parameters", copy.deepcopy(dict(self.parameters)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are built, and checked, like any other: their arrays are read-only too.
        given = (self.graph, self.value, self.family, dict(self.parameters), self.seed, self.source, self.outcomes)
        return type(self), given

    def __repr__(self) -> str:
        title = self.title if len(self.title) <= _LONGEST else f"{self.title[:_LONGEST]}..."
        return f"Instance({escaped(title)}, seed={self.seed}, {self.graph!r})"

    def _repr_html_(self) -> str:
        if self.graph.n_nodes <= _AUDITED:
            return self.inspect()._repr_html_()
        return card(self.title, [("graph", repr(self.graph)), ("seed", self.seed)])

    @classmethod
    def from_scores(cls, tree: Tree, score: Callable[[Hashable], float]) -> Instance:
        """The instance of a scoring function: ``score(prefix)`` is V^ of a named node, linear, the reward at leaves.

        Examples
        --------
        >>> from treesim import Tree
        >>> tree, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], "ab", horizon=2)
        >>> instance = Instance.from_scores(tree, lambda prefix: 2.0 ** prefix.count("a"))
        >>> instance.target.prob.to_float().round(4).tolist()
        [0.4444, 0.2222, 0.2222, 0.1111]
        """
        if tree.names is None:
            raise RewardError("the tree has no names to score; `Tree.from_policy` gives its nodes their prefixes")
        value = np.empty(tree.n_nodes)
        parent = np.repeat(np.arange(len(tree.edge_ptr) - 1), np.diff(tree.edge_ptr)).tolist()
        for v, name in enumerate(tree.names):
            # Padding is worth what the early end is worth that it follows.
            given = value[parent[v - 1]] if name is None and v else score(name)
            value[v] = number_of(given)
            if not 0 <= value[v] < np.inf:
                raise RewardError(
                    f"the score of {quoted(name)} is {quoted(given)}, expected a finite number of at least 0"
                )
        return cls(tree, Scaled.from_float(value))

    def with_outcomes(
        self,
        answers: Answers | None = None,
        correct: str | Iterable[str] = (),
        true_reward: ArrayLike | Scaled | None = None,
    ) -> Instance:
        r"""The instance with answers and a true reward at its leaves, in place of those it had.

        Parameters
        ----------
        answers, correct, true_reward : optional
            As `treesim.instances.outcomes.outcomes_of` takes them.

        Examples
        --------
        >>> from treesim import family
        >>> instance = family("product", horizon=2, ratio=2.0, form="tree")
        >>> instance.with_outcomes(["no", "yes", "no", None], correct="yes").outcomes
        Outcomes(answers=('no', 'yes'), answer=[0, 1, 0, -1], correct=('yes',), true_reward=None)
        """
        return replace(self, outcomes=outcomes_of(self.graph, answers, correct, true_reward))

    @property
    def horizon(self) -> int:
        """T, the length of every path."""
        return self.graph.horizon

    @property
    def reward(self) -> Scaled:
        """phi, shape [n_leaves]; where edges carry potentials, what the end of a path adds to theirs."""
        return self.value[self.graph.leaves]

    @property
    def log_reward(self) -> FloatArray:
        """log phi, in nats, shape [n_leaves]."""
        return self.reward.log()

    def path_reward(self, leaf: IntArray, edges: NDArray[np.int32] | None) -> Scaled:
        """The reward of some paths, phi at their ends times the potentials on the way, shape [n].

        Parameters
        ----------
        leaf : ndarray of int64, shape [n]
            Where they end.
        edges : ndarray of int32, shape [n, horizon], or None
            The edge of each step; None on a tree.
        """
        reward = self.reward[leaf]
        if not has_potentials(self.graph):
            return reward
        return reward * path_potential(self.graph, self.graph.path_edges(leaf, edges))

    @cached_property
    def twist(self) -> Scaled:
        """The optimal twist V*, shape [n_nodes]."""
        return optimal_twist(self.graph, self.reward)

    @cached_property
    def audit(self) -> Audit:
        """Bellman error, ratio bound and log Z."""
        return audit(self.graph, self.value, self.twist)

    @cached_property
    def guidance(self) -> Guidance:
        """How far guidance by V^ is from the target, by averages."""
        return guidance(self.graph, self.value, self.twist)

    @cached_property
    def reference(self) -> LeafLaw | WalkLaw:
        """The reference policy, pi_ref, by its leaves; by its steps, where edges carry potentials."""
        if has_potentials(self.graph):
            return WalkLaw(ReferenceSteps(self.graph))
        return LeafLaw(descend_reference(self.graph))

    @cached_property
    def rewarded_leaves(self) -> RewardedLeaves:
        """The leaves, by pi_ref and by what they are worth.

        Raises
        ------
        NoExactLaw
            If edges carry potentials: the end of a path does not tell what it is worth.
        """
        refuse_potentials(self.graph, "the law of the reward", NoExactLaw)
        return RewardedLeaves(self.reference.prob, self.reward)

    @cached_property
    def target(self) -> LeafLaw | WalkLaw:
        """The target pi~ = pi_ref phi / Z, phi of a path with potentials among them; by its steps where there are."""
        if has_potentials(self.graph):
            return WalkLaw(GuidedSteps(self.graph, self.twist))
        return TargetLaw(self.rewarded_leaves, self.twist[:1])

    @property
    def parameter_text(self) -> str:
        """Family and parameters in one line."""
        settings = ", ".join(f"{key}={value}" for key, value in self.parameters.items() if value is not None)
        return f"{self.family}({settings})"

    @property
    def title(self) -> str:
        """What figures and reports call it: family and parameters, or where it comes from if no family built it."""
        return self.parameter_text if self.family != "given" or self.parameters else self.source or "given values"

    def save(self, path: str | Path) -> None:
        """Write an instance file: see `treesim.save`."""
        from treesim.instances.storage import save

        save(self, path)

    def inspect(self) -> Inspection:
        """Sizes, log Z, Bellman error by level and ratio bound, as ``treesim inspect`` shows them."""
        from treesim.instances.inspection import Inspection

        return Inspection(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the graph, line width pi_ref and colour V^, on axes that are given or in a figure of its own.

        Examples
        --------
        >>> from treesim import family
        >>> family("uniform", horizon=3).plot().get_title(loc="left")[:4]
        'Tree'
        """
        if "plot" not in PICTURES:
            raise SpecError("nothing that is installed draws instances; install treesim anew, it brings its figures")
        return PICTURES["plot"](self, ax)

    def same_as(self, other: Instance) -> bool:
        """Whether graph, values, provenance and outcomes are equal, to the bit."""
        return (
            self.graph.same_as(other.graph)
            and self.value.equals(other.value)
            and (self.family, dict(self.parameters), self.seed) == (other.family, dict(other.parameters), other.seed)
            and (other.outcomes is None if self.outcomes is None else self.outcomes.same_as(other.outcomes))
        )


def require_instance(thing: Any, who: str) -> None:
    """Raise `SpecError` unless it is an instance: a graph alone has no reward, and no value to be guided by.

    Examples
    --------
    >>> from treesim import Tree
    >>> require_instance(Tree.complete(2, 3), "sp-gsmc.law")
    Traceback (most recent call last):
    treesim.errors.SpecError: sp-gsmc.law wants an Instance, not a Tree; Instance(tree, value) makes one
    """
    if not isinstance(thing, Instance):
        is_graph = isinstance(thing, LayeredGraph)
        remedy = f"Instance({thing.kind}, value) makes one" if is_graph else "load(path) reads one"
        raise SpecError(f"{who} wants an Instance, not a {type(thing).__name__}; {remedy}")


def _own(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only array that nobody can write to, the same one if it is that already."""
    owner: Any = array
    while isinstance(owner, np.ndarray) and not owner.flags.writeable:
        owner = owner.base
    if owner is None:
        return array
    array = array.copy()
    array.flags.writeable = False
    return array
