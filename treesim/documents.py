"""What `inspect` and `tv` say, as plain documents of numbers, lists and texts."""

from __future__ import annotations

from typing import Any

from treesim.bounds import bound_for
from treesim.instance import Instance
from treesim.samplers import Sampler
from treesim.spec import spell


def describe_instance(instance: Instance) -> dict[str, Any]:
    """Sizes, log Z, Bellman error, ratio bound and provenance.

    Examples
    --------
    >>> from treesim import family
    >>> describe_instance(family("product", horizon=2, ratio=2.0))["log2_paths"]
    2.0
    """
    tree, found = instance.tree, instance.audit
    return {
        "family": instance.family,
        "parameters": dict(instance.parameters),
        "seed": instance.seed,
        "horizon": tree.horizon,
        "nodes": tree.n_nodes,
        "edges": tree.n_edges,
        "log2_paths": tree.log2_paths,
        "log_partition": found.log_partition,
        "bellman_error": {
            "sup": found.bellman_error,
            "level": tree.level_of(found.bellman_error_node),
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


def describe_sampler(sampler: Sampler, instance: Instance) -> dict[str, Any]:
    """Distances of the sampler's law to the target, its expected reward and cost, and the theorem that covers it.

    ``kl`` and ``chi2`` are of the law from the target; ``kl_from_target`` is the other way round.
    """
    law, target = sampler.law(instance), instance.target
    tv, cost, bound = law.tv(target), sampler.cost(instance), bound_for(sampler, instance)
    return {
        "sampler": spell(sampler),
        "tv": {"lo": tv.lo, "hi": tv.hi, "kind": tv.kind},
        "kl": law.kl(target),
        "kl_from_target": target.kl(law),
        "chi2": law.chi2(target),
        "expected_reward": law.expected(instance.reward),
        "cost": {"reference_draws": cost.reference_draws, "value_queries": cost.value_queries},
        "bound": bound and {"theorem": bound.theorem, "value": bound.value, "sharp": bound.sharp},
    }
