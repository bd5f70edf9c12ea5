"""What `tv` says, as plain documents of numbers, lists and texts."""

from __future__ import annotations

from typing import Any

from treesim.empirical.measure import Measurement, Target
from treesim.instances.instance import Instance
from treesim.samplers import Sampler
from treesim.theory.bounds import bound_for


def described(found: Measurement, sampler: Sampler, instance: Instance, target: Target | None = None) -> dict[str, Any]:
    """What was measured, and the theorem that covers the sampler if the target is its own.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> from treesim.empirical.measure import measure
    >>> instance, guided = family("product", horizon=4, ratio=1.2), sampler("sp-gsmc")
    >>> described(measure(guided, instance), guided, instance)["bound"]["theorem"]
    '4.3'
    """
    bound = bound_for(sampler, instance) if target is None else None
    return {
        **found.document(),
        "bound": bound and {"theorem": bound.theorem, "value": bound.value, "sharp": bound.sharp},
    }
