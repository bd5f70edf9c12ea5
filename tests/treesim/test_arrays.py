"""Objects that hold arrays say so in a line."""

import dataclasses
import typing
from importlib import import_module

import numpy as np
import pytest

from tests.test_architecture import FILES, module
from treesim import (
    GuidedSMC,
    Instance,
    Oracle,
    Scaled,
    Tree,
    Trellis,
    audit,
    diagnose,
    family,
    graph_from_instance,
    instance_from_graph,
    merge,
    sampler,
    unroll,
)
from treesim.arrays import Brief, brief
from treesim.empirical.identification import identify_law
from treesim.theory.worst_case import worst_guidance

# These need libraries that are tested in environments of their own.
FOREIGN = {f"treesim.adapters.{name}" for name in ("its_hub", "particles", "genlm", "llamppl", "transformers")}


def dataclasses_of_ours():
    for file in FILES:
        name = module(file)
        if name not in FOREIGN:
            for thing in vars(import_module(name)).values():
                if isinstance(thing, type) and dataclasses.is_dataclass(thing) and thing.__module__ == name:
                    yield thing


def holds_arrays(kind):
    return any("Array" in field.type and "Callable" not in field.type for field in dataclasses.fields(kind))


def test_no_public_dataclass_prints_its_arrays():
    holding = [kind for kind in dataclasses_of_ours() if holds_arrays(kind) and not kind.__name__.startswith("_")]
    assert {Tree, Trellis, Scaled} < set(holding)
    assert [kind for kind in holding if kind.__dataclass_params__.repr] == []


@pytest.fixture(scope="module")
def things():
    tree = family("dirichlet", horizon=8, perturbation="random-sign", epsilon="0.5/T", seed=1)
    chain = family("markov", horizon=300, perturbation="random-sign", epsilon="0.5/T", seed=1)
    guided = GuidedSMC().law(chain)
    small = family("markov", horizon=4, states=2, seed=1)
    return [
        tree, tree.graph, tree.value, tree.audit, tree.target, chain, chain.graph, *chain.graph.layers, guided,
        guided.tv(chain.target), guided.ratio_law(chain.target), *merge(tree),
        sampler("sp-gsmc:mh=3").law(chain), sampler("sp-gsmc:reject=3").law(chain),
        sampler("smc:particles=3").law(small), sampler("smc:particles=8").simulate(tree, 1000, seed=0),
        sampler("smc:particles=8"), diagnose(sampler("smc:particles=8"), tree), worst_guidance(2, 0.1),
        identify_law(sampler("base"), family("uniform", horizon=3), runs=200), Oracle(tree, np.random.default_rng(0)),
    ]  # fmt: skip


def test_a_repr_is_a_line_and_short(things):
    for thing in things:
        text = repr(thing)
        assert "\n" not in text, text
        assert len(text) < 500, text
        assert "array" not in text, text


def test_reprs_say_what_matters():
    assert repr(Tree.complete(2, 3)) == "Tree(horizon=3, 15 nodes, 8 paths)"
    assert repr(Trellis.markov(np.full((2, 2), 0.5), horizon=99)) == "Trellis(horizon=99, 199 nodes, 2^99 paths)"
    instance = family("product", horizon=2, ratio=2.0)
    assert (
        repr(instance)
        == "Instance(product(horizon=2, ratio=2.0, form=auto), seed=0, Tree(horizon=2, 7 nodes, 4 paths))"
    )
    assert repr(instance.audit).startswith("Audit(bellman_error=0.5, bellman_error_node=")
    named = instance_from_graph(graph_from_instance(instance))
    assert repr(unroll(named).graph) == "Tree(horizon=2, 7 nodes, 4 paths, named)"
    assert repr(audit(instance.graph, instance.value, instance.twist)) == repr(instance.audit)


def test_long_titles_are_cut():
    instance = Instance(Tree.complete(2, 1), Scaled.from_float([1, 1, 1]), "mine", {"text": "long\n" * 1000})
    assert len(repr(instance)) < 250
    assert "\n" not in repr(instance)


def test_what_is_brief_keeps_what_is_short():
    @dataclasses.dataclass(repr=False)
    class Row(Brief):
        words: list[str]
        count: typing.Any
        hidden: int = dataclasses.field(default=0, repr=False)

    assert repr(Row(["a", "b"], np.array([1, 2]))) == "Row(words=['a', 'b'], count=[1, 2])"
    assert repr(Row(["a"] * 100, np.zeros((2, 3)))) == "Row(words=100 of str, count=float64[2, 3])"
    assert brief({"key": "x" * 100}) == "1 of str"
    assert (brief([]), brief(None), brief("a")) == ("[]", "None", "'a'")
