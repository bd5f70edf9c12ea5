"""What `inspect` and `tv` say, as plain documents of numbers, lists and texts."""

from __future__ import annotations

from typing import Any

from treesim.empirical.estimation import DEFAULT_RUNS, estimate
from treesim.errors import NoExactLaw
from treesim.graphs.trellis import Trellis
from treesim.instances.instance import Instance
from treesim.instances.merging import unroll
from treesim.laws.density_ratio import DEFAULT_BUDGET, DEFAULT_WIDTH, Progress
from treesim.samplers import Sampler
from treesim.spec import spell
from treesim.theory.bounds import bound_for

SMALL_LOG2_PATHS = 14.0


def describe_instance(instance: Instance) -> dict[str, Any]:
    """Sizes, log Z, Bellman error, ratio bound and provenance.

    Examples
    --------
    >>> from treesim import family
    >>> describe_instance(family("product", horizon=2, ratio=2.0))["log2_paths"]
    2.0
    """
    graph, found = instance.graph, instance.audit
    return {
        "family": instance.family,
        "parameters": dict(instance.parameters),
        "seed": instance.seed,
        "horizon": graph.horizon,
        "nodes": graph.n_nodes,
        "edges": graph.n_edges,
        "log2_paths": graph.log2_paths,
        "log_partition": found.log_partition,
        "bellman_error": {
            "sup": found.bellman_error,
            "level": graph.level_of(found.bellman_error_node),
            "node": found.bellman_error_node,
            "by_level": {
                "sup": found.sup.tolist(),
                "mean_reference": found.mean_reference.tolist(),
                "mean_target": found.mean_target.tolist(),
            },
        },
        "ratio_bound": found.ratio_bound,
        "log_ratio_bound": found.log_ratio_bound,
        "ratio_bound_step": list(found.ratio_bound_step),
    }


def describe_sampler(
    sampler: Sampler,
    instance: Instance,
    width: float = DEFAULT_WIDTH,
    budget: float = DEFAULT_BUDGET,
    progress: Progress | None = None,
    runs: int = DEFAULT_RUNS,
    seed: int = 0,
) -> dict[str, Any]:
    """Distances of the sampler's law to the target, its expected reward and cost, and the theorem that covers it.

    ``kl`` and ``chi2`` are of the law from the target; ``kl_from_target`` is the other way round; None where a figure
    is not known. Width, budget and progress are those of `treesim.Law.tv`. A small trellis is unrolled for
    samplers that have a law on trees only; where there is no exact law at all, `runs` runs with this seed estimate the
    TV and the expected reward.
    """
    kl = kl_from_target = chi2 = None
    try:
        law, target = sampler.law(instance), instance.target
        tv = law.tv(target, width, budget, progress)
        kl, kl_from_target, chi2 = law.kl(target), target.kl(law), law.chi2(target)
        expected_reward = law.expected(instance.reward)
    except NoExactLaw:
        if isinstance(instance.graph, Trellis) and instance.graph.log2_paths <= SMALL_LOG2_PATHS:
            return describe_sampler(sampler, unroll(instance), width, budget, progress, runs, seed)
        found = estimate(sampler, instance, runs, seed)
        tv, expected_reward = found.tv, found.expected_reward
    cost, bound = sampler.cost(instance), bound_for(sampler, instance)
    return {
        "sampler": spell(sampler),
        "tv": {"lo": tv.lo, "hi": tv.hi, "kind": tv.kind, "level": tv.level, "wanted_budget": tv.wanted},
        "kl": kl,
        "kl_from_target": kl_from_target,
        "chi2": chi2,
        "expected_reward": expected_reward,
        "cost": {"reference_draws": cost.reference_draws, "value_queries": cost.value_queries},
        "bound": bound and {"theorem": bound.theorem, "value": bound.value, "sharp": bound.sharp},
    }
