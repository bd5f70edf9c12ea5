"""A user's own sampler, in plain Python against the oracle: registered, it works wherever a built-in one does."""

from __future__ import annotations

import copy
import dataclasses
import reprlib
from dataclasses import is_dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

import numpy as np

from treesim.errors import NoExactLaw, OracleError, SpecError, TreesimError
from treesim.instances.instance import Instance
from treesim.laws.law import Law
from treesim.runtime.user_code import blaming, place, reason
from treesim.samplers.base import Cost, Sampler, remembered
from treesim.samplers.choices import PROBES
from treesim.samplers.draws import Draws
from treesim.samplers.enumeration import Enumeration, OneRun, enumerate_runs, foresee_runs
from treesim.samplers.oracle import Oracle, Prefix

COST_RUNS = 200
# Runs that are enumerated unasked, a few seconds; and where far more are foreseen, as few may have nearly all the mass.
BUDGET, FAR_BEYOND, TRIAL = 50_000, 10.0, 1_000
# What may be missing of a law then: about what estimates leave open.
LOOSE = 1e-2


class OracleSampler(Protocol):
    """What a user writes: a class, its parameters the fields of a dataclass, with one method."""

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One output: a complete prefix that the oracle handed out, or None for nothing."""


Kind = TypeVar("Kind", bound=type)


class UserSampler(Sampler):
    """A user's sampler. Its law is enumerated where it makes few choices; else its TV is estimated from runs.

    Examples
    --------
    >>> from treesim import family, sampler
    >>> def better_of_two(oracle, rng):
    ...     return max((oracle.draw(oracle.root) for _ in range(2)), key=oracle.value)
    >>> yours = sampler(better_of_two)
    >>> isinstance(yours, UserSampler), yours.law(family("uniform", horizon=1, seed=1)).prob.to_float().tolist()
    (True, [0.75, 0.25])
    """

    kind: ClassVar[type[OracleSampler]]
    _given: ClassVar[OracleSampler | None] = None

    def law(self, instance: Instance) -> Law:
        """The law of one output from all the runs that there are: exact, or known but for a hundredth.

        Raises
        ------
        NoExactLaw
            If there are too many runs, or what they draw cannot be enumerated.
        """
        found = _enumerated(instance, self)
        if isinstance(found, NoExactLaw):
            raise found
        return found.law

    def cost(self, instance: Instance) -> Cost:
        """Exact where the law is, else the mean over 200 runs."""
        found = _enumerated(instance, self)
        if isinstance(found, NoExactLaw) or not found.is_complete:
            return measured_cost(instance, self)
        return found.cost.mean

    def enumerate(self, instance: Instance, budget: float) -> Enumeration:
        """All runs that there are: see `treesim.exact_law`."""
        return enumerate_runs(instance, self._one_run, budget)

    def foresee(self, instance: Instance, probes: int = PROBES) -> float:
        """How many runs there are, about, from some of them."""
        return foresee_runs(instance, self._one_run, probes)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        user = self.built()
        graph = instance.graph
        leaf = np.full(n, -1)
        edges = graph.room_for_edges(n)
        draws = queries = 0
        for i in range(n):
            oracle = Oracle(instance, rng)
            output = self._run(user, oracle, rng)
            drawn, asked = oracle.spent
            draws, queries = draws + drawn, queries + asked
            if output is not None:
                leaf[i] = output.node
                if edges is not None:
                    edges[i] = output.edges
        return Draws(leaf, edges, draws, queries)

    def _one_run(self) -> OneRun:
        return partial(self._run, self.built())

    def _run(self, user: OracleSampler, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One output, a complete prefix that was reached or None."""
        try:
            output = user.simulate(oracle, rng)
        except TreesimError as error:
            if where := place(error):
                error.args = (f"{error} ({where})",)
            raise
        except (Exception, SystemExit) as error:
            raise SpecError(f"sampler {self.name!r} failed: {reason(error)}") from error
        if output is None:
            return None
        with blaming(user.simulate):
            self._require_complete(output, oracle)
        return output

    def _require_complete(self, output: Any, oracle: Oracle) -> None:
        """Raise `OracleError` unless it is a complete prefix that was reached."""
        # Whoever makes a prefix by hand may make it of anything.
        if not isinstance(output, Prefix) or not isinstance(output.choices, tuple) or output.level != oracle.horizon:
            raise OracleError(
                f"sampler {self.name!r} returned {reprlib.repr(output)}, expected a complete prefix or None"
            )
        oracle.require_reached(output, "returning it")

    def built(self) -> OracleSampler:
        """An object for a block of runs, so that what one block leaves in it does not reach another."""
        try:
            if self._given is not None:
                return copy.copy(self._given)
            return self.kind(**{name: getattr(self, name) for name in _names(type(self))})
        except TreesimError:
            raise
        except (Exception, SystemExit) as error:
            raise SpecError(f"sampler {self.name!r} cannot be made: {reason(error)}") from error


@cache
def _names(kind: type) -> tuple[str, ...]:
    """The parameters of a sampler; runs that are enumerated ask for them one by one."""
    return tuple(field.name for field in dataclasses.fields(kind))


@remembered
def _enumerated(instance: Instance, sampler: UserSampler) -> Enumeration | NoExactLaw:
    """The runs of a sampler if they are not too many, else why there is no law."""
    try:
        expected = sampler.foresee(instance)
        found = sampler.enumerate(instance, BUDGET if expected <= FAR_BEYOND * BUDGET else TRIAL)
    except NoExactLaw as error:
        return error
    except TreesimError as error:
        # Runs that fail do so where they are drawn, too, if they are at all likely.
        return NoExactLaw(f"the law of {sampler.name!r} cannot be enumerated: {error}")
    if found.missing > LOOSE:
        return NoExactLaw(
            f"the law of {sampler.name!r} takes about {max(expected, found.runs):.1g} runs, and {found.runs} leave "
            f"{found.missing:.1%} of it open; treesim.exact_law(..., budget=...) makes more, or estimate its TV from "
            "runs"
        )
    return found


@remembered
def measured_cost(instance: Instance, sampler: UserSampler, runs: int = COST_RUNS) -> Cost:
    """The mean cost of one output over some runs."""
    draws = sampler.simulate(instance, runs, seed=0)
    return Cost(draws.reference_draws / runs, draws.value_queries / runs)


def adapter(name: str, kind: type) -> type[UserSampler]:
    """The sampler class that stands for a user's class.

    Raises
    ------
    SpecError
        If it is no class, has no ``simulate``, or its parameters are no dataclass fields of type int, float or str.
    """
    if not isinstance(kind, type):
        raise SpecError(f"sampler {name!r} is {reprlib.repr(kind)}, expected a class")
    if not callable(getattr(kind, "simulate", None)):
        raise SpecError(f"sampler {name!r} has no method simulate(oracle, rng)")
    fields = [_parameter(name, field, kind) for field in dataclasses.fields(kind)] if is_dataclass(kind) else []
    namespace = {"name": name, "kind": kind, "__doc__": kind.__doc__, "__module__": kind.__module__}
    parameters = [field for field in fields if field is not None]
    return dataclasses.make_dataclass(kind.__name__, parameters, bases=(UserSampler,), namespace=namespace, frozen=True)


def wrapped(user: Any) -> UserSampler:
    """The sampler that stands for an object of a user's, or for a function ``simulate(oracle, rng)``.

    Raises
    ------
    SpecError
        If it has no ``simulate`` and cannot be called.
    """
    if callable(getattr(user, "simulate", None)):
        name = reprlib.repr(user) if is_dataclass(user) else type(user).__name__
    elif callable(user):
        name, user = getattr(user, "__name__", type(user).__name__), SimpleNamespace(simulate=user)
    else:
        raise SpecError(
            f"{reprlib.repr(user)} is no sampler, expected a spec, or a class or object with simulate(oracle, rng)"
        )
    namespace = {"name": name, "kind": type(user), "_given": user, "__module__": __name__}
    return dataclasses.make_dataclass(type(user).__name__, [], bases=(UserSampler,), namespace=namespace, frozen=True)()


def unwrapped(sampler: Sampler) -> Any:
    """The object of a user's that a sampler stands for; the sampler itself where there is none."""
    given = sampler._given if isinstance(sampler, UserSampler) else None
    return sampler if given is None else given


def _parameter(name: str, field: dataclasses.Field[Any], kind: type) -> tuple[str, type, Any] | None:
    """The field of a parameter; None for what the class makes for itself."""
    if not field.init:
        return None
    if hasattr(UserSampler, field.name) or field.name in ("name", "kind"):
        raise SpecError(f"parameter {field.name!r} of sampler {name!r} has a name that every sampler uses; rename it")
    try:
        annotation = get_type_hints(kind)[field.name]
    except Exception as error:
        raise SpecError(f"the parameters of sampler {name!r} have types that cannot be read: {error}") from None
    if annotation not in (int, float, str):
        raise SpecError(f"parameter {field.name!r} of sampler {name!r} is no int, float or str")
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return field.name, annotation, dataclasses.field(default=default, kw_only=field.kw_only)
