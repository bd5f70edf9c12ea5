"""What `inspect` and `tv` say, as plain documents of numbers, lists and texts."""

from __future__ import annotations

from typing import Any

from treesim.empirical.estimation import DEFAULT_RUNS
from treesim.empirical.measure import Target, measure
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.samplers import Sampler
from treesim.theory.bounds import bound_for


def describe_instance(instance: Instance) -> dict[str, Any]:
    """Sizes, log Z, Bellman error, ratio bound and provenance.

    Examples
    --------
    >>> from treesim import family
    >>> describe_instance(family("product", horizon=2, ratio=2.0))["log2_paths"]
    2.0
    """
    graph, audit = instance.graph, instance.audit
    return {
        "family": instance.family,
        "parameters": dict(instance.parameters),
        "seed": instance.seed,
        "horizon": graph.horizon,
        "nodes": graph.n_nodes,
        "edges": graph.n_edges,
        "log2_paths": graph.log2_paths,
        "log_partition": audit.log_partition,
        "bellman_error": {
            "sup": audit.bellman_error,
            "level": graph.level_of(audit.bellman_error_node),
            "node": audit.bellman_error_node,
            "by_level": {
                "sup": audit.sup.tolist(),
                "mean_reference": audit.mean_reference.tolist(),
                "mean_target": audit.mean_target.tolist(),
            },
        },
        "ratio_bound": audit.ratio_bound,
        "log_ratio_bound": audit.log_ratio_bound,
        "ratio_bound_step": list(audit.ratio_bound_step),
    }


def describe_sampler(
    sampler: Sampler,
    instance: Instance,
    effort: Effort | None = None,
    runs: int = DEFAULT_RUNS,
    seed: int = 0,
    target: Target | None = None,
) -> dict[str, Any]:
    """What `treesim.empirical.measure.measure` finds, and the theorem that covers the sampler if the target is its own.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> describe_sampler(sampler("sp-gsmc"), family("product", horizon=4, ratio=1.2))["bound"]["theorem"]
    '4.3'
    """
    bound = bound_for(sampler, instance) if target is None else None
    return {
        **measure(sampler, instance, effort, runs, seed, target).document(),
        "bound": bound and {"theorem": bound.theorem, "value": bound.value, "sharp": bound.sharp},
    }
