"""Certificates: what a hard instance proves, in numbers that can be audited on the instance as it is built."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from treesim.errors import PerturbationError, TreesimError
from treesim.instances.instance import Instance
from treesim.instances.schedules import epsilon_schedule
from treesim.samplers import sampler
from treesim.scaled import exp_or_inf

NEAR = 1e-9
# The distance within which the lower bounds of the paper ask a sampler to be.
WITHIN = 1.0 / 3.0


@dataclass(frozen=True)
class Certificate:
    """What a construction claims, each number from a closed form.

    Attributes
    ----------
    horizon : int
        T.
    ratio_bound, bellman_error : float
        L and epsilon.
    log_partition : float
        log Z, in nats.
    region : tuple of int
        The first leaf, and the leaf after the last, of the region where the matter is decided.
    target_mass : float
        pi~ of the region.
    hidden : int
        Among how many equally likely places the region is hidden; 1 if it is not hidden at all.
    defeats : str
        The spec of a sampler that fails here.
    tv : float
        Its exact distance to the target.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> instance = family("hidden-prefix", horizon=9)
    >>> proof = certificate(instance)
    >>> proof.hidden, proof.defeats, round(proof.tv, 4), proof.disagreements(instance)
    (64, 'sp-gsmc', 0.4883, [])
    """

    horizon: int
    ratio_bound: float
    bellman_error: float
    log_partition: float
    region: tuple[int, int]
    target_mass: float
    hidden: int
    defeats: str
    tv: float

    @property
    def forced_hit(self) -> float:
        """The least probability of an output in the region for a sampler within TV 1/3 of the target."""
        return max(0.0, self.target_mass - WITHIN)

    @property
    def queries(self) -> float:
        """Queries that any sampler within TV 1/3 on all hiding places must make, in the no-guess oracle model.

        Zero where nothing is hidden. Each query looks into one place at the most, so q of them find the region with
        probability q / hidden at the most. Source: Zhu & Lu (2026), Theorems 4.1 and 4.2, appendix C.
        """
        return 0.0 if self.hidden == 1 else self.forced_hit * exp_or_inf(math.log(self.hidden))

    def disagreements(self, instance: Instance) -> list[str]:
        """Where the audited instance differs from the claims, one line each; none if it is what it says."""
        audit, graph = instance.audit, instance.graph
        first, after = self.region
        law = sampler(self.defeats).law(instance)
        measured = {
            "horizon": (float(graph.horizon), float(self.horizon)),
            "ratio bound": (audit.ratio_bound, self.ratio_bound),
            "Bellman error": (audit.bellman_error, self.bellman_error),
            "log Z": (audit.log_partition, self.log_partition),
            "target mass": (float(instance.target.prob.to_float()[first:after].sum()), self.target_mass),
            f"TV of {self.defeats}": (law.tv(instance.target).hi, self.tv),
        }
        return [
            f"{what} is {measured_value:.12g}, certified {claimed:.12g}"
            for what, (measured_value, claimed) in measured.items()
            if not math.isclose(measured_value, claimed, rel_tol=NEAR, abs_tol=NEAR)
        ]


def constant_epsilon(epsilon: float | str, horizon: int) -> float:
    """The number that an epsilon stands for, such as ``c/T``; raises `PerturbationError` if it differs by level."""
    schedule = epsilon_schedule(epsilon, horizon)
    if (schedule != schedule[0]).any():
        raise PerturbationError(f"epsilon is {epsilon!r}, expected the same at every level here")
    return float(schedule[0])


CERTIFICATES: dict[str, Callable[..., Certificate]] = {}

Writer = Callable[..., Certificate]


def certifies(name: str) -> Callable[[Writer], Writer]:
    """Make a function the one that writes the certificates of a family; it takes the family's parameters."""

    def add(writer: Writer) -> Writer:
        CERTIFICATES[name] = writer
        return writer

    return add


def certificate(instance: Instance) -> Certificate:
    """The certificate of a hard instance.

    Raises
    ------
    TreesimError
        If it is of no family that has one.

    Examples
    --------
    >>> from treesim.hard_instances import hidden_prefix
    >>> proof = certificate(hidden_prefix(horizon=9))
    >>> proof.hidden, round(proof.target_mass, 6), round(proof.queries, 1)
    (64, 0.503937, 10.9)
    """
    if instance.family not in CERTIFICATES:
        raise TreesimError(f"family {instance.family!r} has no certificate, expected one of: {', '.join(CERTIFICATES)}")
    return CERTIFICATES[instance.family](**instance.parameters, seed=instance.seed or 0)
