"""What `tv` says, as plain documents of numbers, lists and texts."""

from __future__ import annotations

from typing import Any

from treesim.empirical.estimation import DEFAULT_RUNS
from treesim.empirical.measure import Measurement, Target, measure
from treesim.instances.instance import Instance
from treesim.laws.density_ratio import Effort
from treesim.samplers import Sampler
from treesim.theory.bounds import bound_for


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
    return described(measure(sampler, instance, effort, runs, seed, target), sampler, instance, target)


def described(found: Measurement, sampler: Sampler, instance: Instance, target: Target | None = None) -> dict[str, Any]:
    """What was measured, and the theorem that covers the sampler, as `describe_sampler` has them."""
    bound = bound_for(sampler, instance) if target is None else None
    return {
        **found.document(),
        "bound": bound and {"theorem": bound.theorem, "value": bound.value, "sharp": bound.sharp},
    }
