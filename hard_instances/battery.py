"""The standard battery: every theorem on every kind of instance, and the lower bounds on those made for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from treesim.empirical.measure import distance
from treesim.errors import NoExactLaw
from treesim.hard_instances.certificate import CERTIFICATES, WITHIN, Certificate, certificate
from treesim.instances.instance import Instance
from treesim.samplers import sampler
from treesim.theory.verification import Check, verify

BATTERY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("product", {"horizon": 6, "ratio": 1.05}),
    ("product", {"horizon": 64, "ratio": 1.005}),
    ("dirichlet", {"horizon": 8, "perturbation": "random-sign", "epsilon": "0.25/T"}),
    ("dirichlet", {"horizon": 6, "perturbation": "adversarial", "epsilon": "1/T"}),
    ("random-branching", {"horizon": 5, "perturbation": "log-normal:sigma=0.3"}),
    ("dirichlet", {"horizon": 1, "branching": 5}),
    ("markov", {"horizon": 100, "perturbation": "log-uniform", "epsilon": "0.25/T"}),
    ("sharpest-guidance", {"horizon": 8, "epsilon": 0.1}),
    ("unknown-root", {"horizon": 8, "epsilon": 0.1, "share": 0.25}),
    ("masking", {"horizon": 12, "topics": 4}),
    ("delayed-reward", {"horizon": 8, "ratio": 2.0}),
    ("hidden-prefix", {"horizon": 9, "form": "trellis"}),
    ("hidden-prefix", {"horizon": 12, "epsilon": 0.37, "form": "trellis"}),
    ("hidden-prefix", {"horizon": 30, "epsilon": 0.5}),
    ("error-amplification", {"horizon": 40, "ratio": 1.1}),
    ("perfect-value", {"horizon": 100, "ratio": 1.2}),
    ("reward-hacking", {"horizon": 8}),
)
# Samplers that are asked what TV 1/3 costs them, by the parameter that grows.
RIVALS = ("importance:n={}", "smc:particles={}")
LARGEST = 1 << 12


def verify_all(instance: Instance, epsilon: float | None = None, ratio_bound: float | None = None) -> list[Check]:
    """The checks of `treesim.verify`, and on a hard instance its certificate and the lower bound."""
    checks = verify(instance, epsilon, ratio_bound)
    if instance.family in CERTIFICATES:
        proof = certificate(instance)
        checks.append(Check("-", "figures that are not as certified", len(proof.disagreements(instance)), 0.0))
        if proof.hidden > 1:
            checks.extend(lower_bound_checks(instance, proof))
    return checks


def lower_bound_checks(instance: Instance, proof: Certificate) -> Iterator[Check]:
    """Theorem 4.2 (4.1 where L = 1 + epsilon is a whole number): what TV 1/3 costs samplers that have an exact law.

    The cost is the least of a sampler with TV at most 1/3, its parameter doubled from 1; in queries, that is draws from
    pi_ref.
    """
    theorem = "4.1" if float(proof.ratio_bound).is_integer() else "4.2"
    for rival in RIVALS:
        size = 1
        while size <= LARGEST:
            kind = sampler(rival.format(size))
            try:
                near = distance(kind, instance, runs=0).hi <= WITHIN
            except NoExactLaw:
                break
            if near:
                cost = kind.cost(instance).reference_draws
                yield Check(theorem, f"queries of {rival.format(size)}, TV <= 1/3", cost, proof.queries, at_most=False)
                break
            size *= 2
