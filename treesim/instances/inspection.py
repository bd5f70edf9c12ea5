"""What is true of an instance, for people and for programs: sizes, log Z, Bellman error, ratio bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from treesim.errors import listed
from treesim.graphs.layered import paths_text
from treesim.graphs.potentials import has_potentials
from treesim.instances.instance import Instance
from treesim.notebook import card, picture
from treesim.tables import escaped, number, table


def describe_instance(instance: Instance) -> dict[str, Any]:
    """Sizes, log Z, Bellman error, ratio bound and provenance, as JSON documents have them.

    Examples
    --------
    >>> from treesim import family
    >>> describe_instance(family("product", horizon=2, ratio=2.0))["log2_paths"]
    2.0
    """
    graph, audit = instance.graph, instance.audit
    document = {
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
            "place": graph.place(audit.bellman_error_node),
            "by_level": {
                "sup": audit.sup.tolist(),
                "mean_reference": audit.mean_reference.tolist(),
                "mean_target": audit.mean_target.tolist(),
            },
        },
        "ratio_bound": audit.ratio_bound,
        "log_ratio_bound": audit.log_ratio_bound,
        "ratio_bound_step": list(audit.ratio_bound_step),
        "guidance": instance.guidance.document(),
    }
    if has_potentials(graph):
        document["potentials"] = True
    return document if instance.outcomes is None else document | {"outcomes": _describe_outcomes(instance)}


def _describe_outcomes(instance: Instance) -> dict[str, Any]:
    """Answers and true reward, and what they are under pi_ref and under the target."""
    outcomes = instance.outcomes
    assert outcomes is not None
    laws = {"reference": instance.reference, "target": instance.target}
    right = outcomes.is_correct
    mass = {name: outcomes.mass_of_answers(law.prob.to_float()) for name, law in laws.items()}
    true = outcomes.true_reward
    return {
        "answers": len(outcomes.answers),
        "correct": list(outcomes.correct),
        "accuracy": {name: float(each[right].sum()) for name, each in mass.items()} if outcomes.correct else None,
        "answered": {name: float(each.sum()) for name, each in mass.items()} if outcomes.answers else None,
        "true_reward": None if true is None else {name: law.expected(true) for name, law in laws.items()},
    }


@dataclass(frozen=True, eq=False, repr=False)
class Inspection:
    """What `Instance.inspect` finds, shown as ``treesim inspect`` shows it.

    Examples
    --------
    >>> from treesim import family
    >>> print(family("product", horizon=2, ratio=1.5).inspect())
    product(horizon=2, ratio=1.5, form=auto)
    horizon 2, 7 nodes, 4 paths, seed 0
    log Z          0.4462871026
    Bellman error  0.25, attained at node 0 (level 0)
    ratio bound L  1.5, attained from node 0 (level 0) to node 2 (level 1, prefix 1)
    guided TV      at most 0 (average-case bound); about 0 where errors are many and small (KL 0)
    <BLANKLINE>
    level      sup    mean under pi_ref    mean under target    TV(mu, nu)
    -------  -----  -------------------  -------------------  ------------
    0         0.25                 0.25                 0.25             0
    1         0.25                 0.25                 0.25             0
    """

    instance: Instance

    def document(self) -> dict[str, Any]:
        """What JSON documents say of it."""
        return describe_instance(self.instance)

    def __str__(self) -> str:
        facts = "\n".join(f"{name:<15}{value}" for name, value in self._facts())
        return f"{escaped(self.instance.title)}\n{self._size()}\n{facts}\n\n{table(*self.levels())}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        says = "the graph, its nodes coloured by value"
        facts = [("size", self._size()), *self._facts()]
        return card(self.instance.title, facts, picture("instance", self.instance, says))

    def _size(self) -> str:
        graph = self.instance.graph
        paths = f"{paths_text(graph)} paths{' with potentials' if has_potentials(graph) else ''}"
        return f"horizon {graph.horizon}, {graph.n_nodes:,} nodes, {paths}, seed {self.instance.seed}"

    def _facts(self) -> list[tuple[str, str]]:
        audit, place, guided = self.instance.audit, self.instance.graph.place, self.instance.guidance
        start, end = audit.ratio_bound_step
        return [
            ("log Z", f"{audit.log_partition:.10g}"),
            ("Bellman error", f"{number(audit.bellman_error, 10)}, attained at {place(audit.bellman_error_node)}"),
            ("ratio bound L", f"{number(audit.ratio_bound, 10)}, attained from {place(start)} to {place(end)}"),
            (
                "guided TV",
                f"at most {number(min(1.0, guided.average_case_bound))} (average-case bound); "
                f"about {number(guided.predicted_tv)} where errors are many and small "
                f"(KL {number(guided.kl_target_to_guided)})",
            ),
            *self._outcomes(),
        ]

    def _outcomes(self) -> list[tuple[str, str]]:
        """A line on answers and one on the true reward, where there are such."""
        if self.instance.outcomes is None:
            return []
        about = _describe_outcomes(self.instance)

        def under(what: dict[str, float]) -> str:
            return f"{number(what['reference'])} under pi_ref, {number(what['target'])} under the target"

        lines = []
        if about["answers"]:
            right = (
                f"correct {listed(about['correct'])}: {under(about['accuracy'])}"
                if about["correct"]
                else ("which are correct is not known")
            )
            lines.append(("answers", f"{about['answers']}, {right}"))
        if about["true_reward"]:
            lines.append(("true reward", under(about["true_reward"])))
        return lines

    def levels(self) -> tuple[list[str], list[list[str]]]:
        """What the Bellman error is, level by level, and what guidance loses there in the average case."""
        audit, lost = self.instance.audit, self.instance.guidance.tv_by_level
        columns = zip(audit.sup, audit.mean_reference, audit.mean_target, lost, strict=True)
        return (
            ["level", "sup", "mean under pi_ref", "mean under target", "TV(mu, nu)"],
            [[str(t), *map(number, row)] for t, row in enumerate(columns)],
        )
