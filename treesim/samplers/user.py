"""A user's own sampler, in plain Python against the oracle: registered, it works wherever a built-in one does."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

import numpy as np

from treesim.errors import NoExactLaw, OracleError, SpecError, TreesimError
from treesim.graphs.tree import Tree
from treesim.instances.instance import Instance
from treesim.laws.law import Law
from treesim.samplers.base import Cost, Draws, Sampler, remembered
from treesim.samplers.oracle import Oracle, Prefix

COST_RUNS = 200


class OracleSampler(Protocol):
    """What a user writes: a class, its parameters the fields of a dataclass, with one method."""

    def simulate(self, oracle: Oracle, rng: np.random.Generator) -> Prefix | None:
        """One output: a complete prefix that the oracle handed out, or None for nothing."""


Kind = TypeVar("Kind", bound=type)


class UserSampler(Sampler):
    """A registered user's sampler. Its TV is estimated from runs, its cost measured on 200 of them."""

    kind: ClassVar[type[OracleSampler]]

    def law(self, instance: Instance) -> Law:
        raise NoExactLaw(f"the law of {self.name!r} is known to its author only; estimate its TV from runs")

    def cost(self, instance: Instance) -> Cost:
        """The mean over 200 runs."""
        return _measured_cost(instance, self)

    def block(self, instance: Instance, n: int, rng: np.random.Generator) -> Draws:
        user = self.kind(**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)})  # type: ignore[arg-type]
        graph = instance.graph
        leaf = np.full(n, -1)
        edges = None if isinstance(graph, Tree) else np.full((n, graph.horizon), -1, np.int32)
        draws = queries = 0
        for i in range(n):
            oracle = Oracle(instance, rng)
            try:
                found = user.simulate(oracle, rng)
            except TreesimError:
                raise
            except Exception as error:
                raise SpecError(f"sampler {self.name!r} failed: {type(error).__name__}: {error}") from error
            draws += int(oracle.reference_draws.sum())
            queries += int(oracle.value_queries.sum())
            if found is None:
                continue
            if not isinstance(found, Prefix) or found.level != graph.horizon:
                raise OracleError(f"sampler {self.name!r} returned {found!r}, expected a complete prefix or None")
            oracle._require_reached(found, "returning it")
            leaf[i] = found.node
            if edges is not None:
                edges[i] = found.edges
        return Draws(leaf, edges, draws, queries)


@remembered
def _measured_cost(instance: Instance, sampler: UserSampler) -> Cost:
    draws = sampler.simulate(instance, COST_RUNS, seed=0)
    return Cost(draws.reference_draws / COST_RUNS, draws.value_queries / COST_RUNS)


def adapter(name: str, kind: type) -> type[UserSampler]:
    """The sampler class that stands for a user's class.

    Raises
    ------
    SpecError
        If the class has no ``simulate``, or its parameters are no dataclass fields of type int, float or str.
    """
    if not callable(getattr(kind, "simulate", None)):
        raise SpecError(f"sampler {name!r} has no method simulate(oracle, rng)")
    fields: list[Any] = []
    if dataclasses.is_dataclass(kind):
        types = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            if types[field.name] not in (int, float, str):
                raise SpecError(f"parameter {field.name!r} of sampler {name!r} is no int, float or str")
            fields.append((field.name, types[field.name], dataclasses.field(default=field.default)))
    namespace = {"name": name, "kind": kind, "__doc__": kind.__doc__, "__module__": kind.__module__}
    return dataclasses.make_dataclass(kind.__name__, fields, bases=(UserSampler,), namespace=namespace, frozen=True)
