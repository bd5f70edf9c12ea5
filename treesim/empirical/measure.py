"""What is known of a sampler on an instance: exact or certified where it has a law, else estimated from runs.

This is the one place where that is decided; whoever wants a number asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from treesim.empirical.estimation import DEFAULT_RUNS, Estimate, estimate
from treesim.empirical.outcomes import DEFAULT_VOTES, Worth, worth_of_law, worth_of_runs
from treesim.errors import NoExactLaw, TreesimError
from treesim.graphs.layered import LayeredGraph
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.instances.merging import unroll
from treesim.laws.density_ratio import Effort
from treesim.laws.law import Law, LeafLaw
from treesim.laws.path_reward import expected_reward
from treesim.laws.tv import TV
from treesim.samplers import Cost, Sampler
from treesim.samplers.registry import SamplerLike
from treesim.samplers.registry import sampler as sampler_of
from treesim.spec import spell

# Trellises of no more paths than 2 to this are unrolled for samplers that have a law on trees only.
SMALL_LOG2_PATHS = 14.0


@dataclass(frozen=True)
class Measurement:
    """What is known of a sampler on an instance.

    Attributes
    ----------
    sampler : str
        Its spec.
    tv : TV
        To the target.
    kl, kl_from_target, chi2 : float or None
        KL(law || target), KL(target || law) and chi^2(law || target), KL in nats; None where not known.
    expected_reward : float or None
        Linear.
    cost : Cost
        Of one output.
    worth : Worth or None
        What its outputs are worth, where that was asked, or the instance has outcomes.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> found = measure(sampler("best-of-n:n=4"), family("uniform", horizon=3, seed=1))
    >>> round(found.tv.mid, 4), found.tv.kind, round(found.kl, 4), found.cost.value_queries
    (0.1944, 'exact', 0.0999, 4.0)
    """

    sampler: str
    tv: TV
    kl: float | None
    kl_from_target: float | None
    chi2: float | None
    expected_reward: float | None
    cost: Cost
    worth: Worth | None = None

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it; ``outcomes`` only where it has them."""
        document = {
            "sampler": self.sampler,
            "tv": self.tv.document(),
            "kl": self.kl,
            "kl_from_target": self.kl_from_target,
            "chi2": self.chi2,
            "expected_reward": self.expected_reward,
            "cost": {"reference_draws": self.cost.reference_draws, "value_queries": self.cost.value_queries},
        }
        return document if self.worth is None else document | {"outcomes": self.worth.document()}


# The law to compare with, on an instance or on its unrolled form.
Target = Callable[[Instance], Law]


def target_of(other: Sampler | Instance) -> Target:
    """Another target: what a sampler draws from, or the target of another instance on the same paths.

    Raises
    ------
    TreesimError
        By the target, where the other instance has other paths.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("product", horizon=4, ratio=2.0)
    >>> tv = measure(sampler("sp-gsmc"), instance, target=target_of(sampler("base"))).tv
    >>> round(tv.hi, 4), round(measure(sampler("base"), instance).tv.hi, 4)
    (0.2801, 0.2801)
    """
    if isinstance(other, Sampler):
        return other.law

    def law(instance: Instance) -> Law:
        against = _on_the_same_paths(other, instance)
        if against is None:
            same = "trellis and pi_ref" if instance.graph.keeps_edges else "tree"
            raise TreesimError(f"the other instance, {other.title}, has other paths; expected the same {same}")
        return against.target

    return law


def _on_the_same_paths(other: Instance, instance: Instance) -> Instance | None:
    """The other instance, unrolled where this one is a tree; None if its paths are others.

    On a tree leaves are told by the shape alone; on a trellis laws of the leaf follow pi_ref to it, so that must agree,
    step by step. What potentials weigh may differ.
    """
    graph = instance.graph
    if other.graph.horizon != graph.horizon or abs(other.graph.log2_paths - graph.log2_paths) > 0.5:
        return None
    against = other if graph.keeps_edges else unroll(other)
    own, others = graph.arrays(), against.graph.arrays()
    if has_potentials(graph) or has_potentials(against.graph):
        # Layers that repeat without them need not repeat with them.
        own, others = (_steps(each.graph) for each in (instance, against))
    if not graph.keeps_edges:
        own, others = ({key: array for key, array in each.items() if key != "edge_prob"} for each in (own, others))
    same = own.keys() == others.keys() and all(np.array_equal(own[key], others[key]) for key in own)
    return against if same else None


def _steps(graph: LayeredGraph) -> dict[str, NDArray[Any]]:
    """The arrays of the edges, step by step, by name and step."""
    layers = [(t, graph.layer(t), graph.edge_tokens(t)) for t in range(graph.horizon)]
    steps = {f"{name} {t}": array for t, layer, _ in layers for name, array in layer._asdict().items()}
    return steps | {f"token {t}": tokens for t, _, tokens in layers if tokens is not None}


def measure(
    sampler: SamplerLike,
    instance: Instance,
    effort: Effort | None = None,
    runs: int = DEFAULT_RUNS,
    seed: int = 0,
    target: Target | None = None,
    votes: Sequence[int] | None = None,
) -> Measurement:
    """Measure a sampler: distances to the target, expected reward and cost.

    Parameters
    ----------
    sampler : Sampler, or what `treesim.sampler` makes one of
        A spec, or a class, object or function of yours.
    instance : Instance
    effort : Effort, optional
        How near the bounds on a TV must be that can only be enclosed, and what they may cost.
    runs : int
        That estimate the TV and the expected reward where there is no exact law; 0 forbids it.
    seed : int
        Of those runs.
    target : Target, optional
        To measure distances to, by `target_of`; left out, the instance's own.
    votes : sequence of int, optional
        k of pass@k and votes, to measure what outputs are worth; left out, where it has outcomes.

    Raises
    ------
    NoExactLaw
        If there is no exact law, and no runs are allowed.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("product", horizon=6, ratio=2.0)
    >>> measure(sampler("sp-gsmc"), instance).tv.kind, measure(sampler("smc:particles=99"), instance).tv.kind
    ('exact', 'exact')
    """
    sampler = sampler_of(sampler)
    at, known = _law_or_runs(sampler, instance, runs, seed, target)
    cost, worth = sampler.cost(at), None
    if votes is not None or at.outcomes is not None:
        asked = DEFAULT_VOTES if votes is None else votes
        worth = None if isinstance(known, Estimate) else worth_of_law(known, at, asked, runs, seed)
        worth = worth or worth_of_runs(sampler, at, asked, runs, seed)
    if isinstance(known, Estimate):
        return Measurement(spell(sampler), known.tv, None, None, None, known.expected_reward, cost, worth)
    to = at.target if target is None else target(at)
    return Measurement(
        spell(sampler),
        known.tv(to, *(effort or Effort())),
        known.kl(to),
        to.kl(known),
        known.chi2(to),
        expected_reward(known, at.graph, at.reward),
        cost,
        worth,
    )


def distance(
    sampler: SamplerLike, instance: Instance, effort: Effort | None = None, runs: int = DEFAULT_RUNS, seed: int = 0
) -> TV:
    """The TV of `measure`, alone."""
    at, known = _law_or_runs(sampler_of(sampler), instance, runs, seed)
    return known.tv if isinstance(known, Estimate) else known.tv(at.target, *(effort or Effort()))


def _law_or_runs(
    sampler: Sampler, instance: Instance, runs: int, seed: int, target: Target | None = None
) -> tuple[Instance, Law | Estimate]:
    """The instance, unrolled if that gives a law, and the law, or what runs say."""
    try:
        return instance, sampler.law(instance)
    except NoExactLaw:
        tree = unroll(instance) if instance.graph.log2_paths <= SMALL_LOG2_PATHS else instance
        if tree is not instance:
            return _law_or_runs(sampler, tree, runs, seed, target)
        if runs == 0:
            raise
        to = None if target is None else target(instance)
        if not (to is None or isinstance(to, LeafLaw)):
            raise
        return instance, estimate(sampler, instance, runs, seed, target=to)
