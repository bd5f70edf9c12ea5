"""What is said of an instance, and by which name its nodes and files go."""

import copy
import pickle
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from treesim import Instance, Layer, Scaled, SpecError, Tree, Trellis, family, load
from treesim import notebook as shown
from treesim.figures import instance_figure
from treesim.instances.inspection import describe_instance


@pytest.fixture
def spelled():
    """A trellis that writes texts over "ab", worst where the text so far is "ab"."""
    levels = np.array([0, 1, 3, 7, 8])
    layers = [
        Layer(np.array([0, 2]), np.array([0.9, 0.1]), np.array([0, 1], np.int32)),
        Layer(np.array([0, 2, 4]), np.full(4, 0.5), np.arange(4, dtype=np.int32)),
        Layer(np.arange(5), np.ones(4), np.zeros(4, np.int32)),
    ]
    tokens = [np.array([0, 1]), np.array([0, 1, 0, 1]), np.array([2, 2, 2, 2])]
    trellis = Trellis(levels, layers, np.arange(3), None, tokens, ["a", "b", "."])
    value = np.ones(8)
    value[4] = 3.0
    return Instance(trellis, Scaled.from_float(value))


def test_inspection_says_what_the_document_has():
    instance = family("dirichlet", horizon=5, perturbation="random-sign", epsilon="0.5/T", seed=3)
    found = instance.inspect()
    document = found.document()
    text = str(found)
    assert repr(found) == text
    assert text.startswith("dirichlet(horizon=5, ")
    assert "horizon 5, 63 nodes, 32 paths, seed 3" in text
    assert f"log Z          {document['log_partition']:.10g}\n" in text
    assert f"attained at {document['bellman_error']['place']}\n" in text
    assert document["bellman_error"]["place"].startswith(f"node {document['bellman_error']['node']} (level ")
    assert len(re.findall(r"^[0-4] +0\.1 +0\.1 +0\.1 +[.0-9]+$", text, re.MULTILINE)) == 5
    guided = document["guidance"]
    assert (
        f"at most {guided['average_case_bound']:.4g} (average-case bound); about {guided['predicted_tv']:.4g} " in text
    )
    assert text.splitlines()[-1].split()[-1] == f"{guided['by_level']['tv'][4]:.4g}" != "0"


def test_a_node_of_a_tree_goes_by_its_name_or_by_the_steps_that_lead_there():
    named, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], "ab", horizon=2)
    assert named.place(3) == "node 3 ('a', 'a') (level 2)"
    tree = Tree.complete(3, 4)
    for node in range(1, tree.n_nodes):
        prefix = re.fullmatch(rf"node {node} \(level (.), prefix ([-0-9]*)\)", tree.place(node))
        choices = [int(step) for step in prefix[2].split("-")]
        assert len(choices) == int(prefix[1])
        assert tree.level(len(choices)).start + tree.follow(choices) == node
    assert tree.place(0) == "node 0 (level 0)"


def test_a_node_of_a_trellis_goes_by_what_is_written_there(spelled):
    assert spelled.inspect().document()["bellman_error"]["place"] == "node 4 (level 2, as after 'ab')"
    assert "attained at node 4 (level 2, as after 'ab')" in str(spelled.inspect())
    # The last node is reached by four texts, of which those from "a" are likelier.
    assert spelled.graph.place(7) == "node 7 (level 3, as after 'aa.')"


def test_likely_paths_lead_where_they_should():
    graph = family("markov", horizon=6, states=3, seed=5).graph
    for node in range(1, graph.n_nodes):
        level = graph.level_of(node)
        path = graph.likely_path(node)
        assert graph.level(level).start + graph.follow(graph.choices(path)) == node


def test_long_texts_and_ways_are_cut():
    chain = Trellis.markov([[0.5, 0.5], [0.5, 0.5]], horizon=100)
    assert len(chain.place(chain.n_nodes - 1)) < 60


def test_an_instance_of_no_family_is_called_by_its_file(tmp_path):
    instance = Instance(Tree.complete(2, 1), Scaled.from_float([1.5, 1, 2]))
    instance.save(tmp_path / "mine $5.safetensors")
    again = load(tmp_path / "mine $5.safetensors")
    assert again.same_as(instance)
    assert (instance.title, again.title) == ("given values", "mine $5.safetensors")
    assert copy.copy(again).title == pickle.loads(pickle.dumps(again)).title == again.title
    assert str(again.inspect()).splitlines()[0] == again.title
    assert instance_figure(again).get_suptitle() == r"mine \$5.safetensors"
    built = family("product", horizon=2, ratio=2.0)
    built.save(tmp_path / "built.safetensors")
    assert load(tmp_path / "built.safetensors").title == "product(form=auto, horizon=2, ratio=2.0)"


def test_an_instance_draws_itself_on_axes_that_are_given():
    instance = family("uniform", horizon=2)
    ax = Figure().subplots()
    assert instance.plot(ax) is ax
    assert instance.plot(ax=ax) is ax
    assert instance.plot().get_title(loc="left").startswith("Tree")


def test_where_nothing_can_draw_that_is_said(monkeypatch):
    monkeypatch.setattr(shown.PICTURES, "_known", {})
    monkeypatch.setattr(shown.PICTURES, "_offers", {})
    with pytest.raises(SpecError, match="nothing that is installed draws"):
        family("uniform", horizon=2).plot()


def test_the_horizon_is_at_hand():
    assert family("uniform", horizon=5).horizon == 5


def test_errors_by_level_are_those_of_the_audit():
    instance = family("dirichlet", horizon=4, perturbation="log-normal:sigma=0.5", seed=3)
    found, audit = describe_instance(instance), instance.audit
    assert found["bellman_error"]["by_level"] == {
        name: getattr(audit, name).tolist() for name in ("sup", "mean_reference", "mean_target")
    }
    assert found["bellman_error"]["sup"] == audit.bellman_error == audit.sup.max()
    assert found["bellman_error"]["level"] == audit.sup.argmax()
    assert (found["ratio_bound"], found["log_ratio_bound"]) == (audit.ratio_bound, audit.log_ratio_bound)
