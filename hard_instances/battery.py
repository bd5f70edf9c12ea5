"""The standard battery: every theorem on every kind of instance, and the lower bounds on those made for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from treesim.empirical.measure import distance
from treesim.errors import NoExactLaw, TreesimError
from treesim.hard_instances.certificate import CERTIFICATES, WITHIN, Certificate, certificate
from treesim.instances.families import family
from treesim.instances.instance import Instance
from treesim.runtime.processes import Death, process_map
from treesim.samplers import sampler
from treesim.theory.verification import Check, verify

if TYPE_CHECKING:
    from treesim.hard_instances.discoveries import Discovery

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
# Processes that share the battery: a third would be ready when most is done.
MOST_JOBS = 2
# Samplers that are asked what TV 1/3 costs them, by the parameter that grows.
RIVALS = ("importance:n={}", "smc:particles={}")
LARGEST = 1 << 12


def battery(jobs: int = 1) -> Iterator[tuple[int, str, list[Check]]]:
    """All checks of the battery and of the discoveries, in parts as they are finished: place, name, checks.

    Parameters
    ----------
    jobs : int
        Processes that share the work, at most two; with 1 all is done in this one.

    Raises
    ------
    TreesimError
        If a process dies.

    Examples
    --------
    >>> place, name, checks = next(battery())
    >>> place, name, all(check.holds for check in checks)
    (0, 'product(horizon=6, ratio=1.05)', True)
    """
    # What takes longest comes last, and is begun first where there is somebody to do the rest.
    places = range(len(BATTERY) + len(_discoveries()))
    if jobs < 2:
        for place in places:
            yield place, *checks_of(place)
        return
    for place, found in process_map(checks_of, places[::-1], min(jobs, MOST_JOBS)):
        if isinstance(found, Death):
            raise TreesimError(f"the battery is not complete: {found}")
        yield place, *found


def checks_of(place: int) -> tuple[str, list[Check]]:
    """One part of the battery: its name and its checks.

    Examples
    --------
    >>> checks_of(len(BATTERY))[0]
    'discovery: exact-guided'
    """
    if place >= len(BATTERY):
        name, make = list(_discoveries().items())[place - len(BATTERY)]
        return f"discovery: {name}", list(make().checks)
    name, parameters = BATTERY[place]
    label = f"{name}({', '.join(f'{key}={value}' for key, value in parameters.items())})"
    return label, verify_all(family(name, **parameters))


def _discoveries() -> dict[str, Callable[[], Discovery]]:
    from treesim.hard_instances.discoveries import DISCOVERIES

    return DISCOVERIES


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
