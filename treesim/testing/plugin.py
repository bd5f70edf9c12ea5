"""The pytest plugin: small standard instances as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from treesim.instances.instance import Instance

# Each tells samplers apart in its own way: a mild and a wrong value, rewards on few leaves, early ends, a long product.
STANDARD: dict[str, tuple[str, dict[str, Any]]] = {
    "exact": ("dirichlet", {"horizon": 3, "seed": 1}),
    "noisy": ("dirichlet", {"horizon": 3, "branching": 3, "perturbation": "random-sign", "epsilon": 0.2, "seed": 1}),
    "wrong": ("dirichlet", {"horizon": 3, "perturbation": "adversarial", "epsilon": 0.5, "seed": 1}),
    "sparse": ("uniform", {"horizon": 4, "reward": "sparse:share=0.2,floor=0.01", "seed": 1}),
    "ragged": ("random-branching", {"horizon": 4, "branching": 3, "stop": 0.2, "seed": 1}),
    "product": ("product", {"horizon": 4, "ratio": 2.0}),
}


@pytest.fixture(scope="session")
def treesim_instances() -> dict[str, Instance]:
    """The standard instances by name: exact, noisy, wrong, sparse, ragged, product."""
    from treesim.instances.families import family

    return {name: family(kind, **parameters) for name, (kind, parameters) in STANDARD.items()}


@pytest.fixture(params=list(STANDARD))
def treesim_instance(request: pytest.FixtureRequest, treesim_instances: dict[str, Instance]) -> Instance:
    """Each of the standard instances in turn."""
    return treesim_instances[request.param]


@pytest.fixture(scope="session")
def treesim_check() -> Callable[..., object]:
    """`treesim.testing.check_sampler`."""
    from treesim.testing import check_sampler

    return check_sampler
