import copy
import pickle
import re

import networkx as nx
import numpy as np
import pytest
from safetensors.numpy import load_file

from treesim import (
    Instance,
    InstanceFileError,
    Layer,
    Scaled,
    Tree,
    Trellis,
    family,
    graph_from_instance,
    instance_from_graph,
    load,
    merge,
    save,
    tree_of_model,
    unroll,
)
from treesim.errors import OutcomeError
from treesim.instances.graph_files import graph_text, read_graph
from treesim.instances.outcomes import Outcomes, outcomes_of
from treesim.instances.path_states import LastTokens, split
from treesim.learning.fit import learn


@pytest.fixture
def instance() -> Instance:
    """Eight leaves, answers of three kinds and none, a true reward of any size."""
    plain = family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.1)
    true = Scaled.from_log([-np.inf, -1000.0, 0.0, 1.5, 800.0, -0.25, 3.0, -2.0])
    return plain.with_outcomes(["a", "b", None, "c", "a", "b", "a", None], ["a", "c"], true)


def texts(horizon=2) -> Tree:
    return tree_of_model(lambda prefixes: [[0.5, 0.25, 0.25]] * len(prefixes), ["x", "42", "."].__getitem__, horizon)


def last_answers(outcomes: Outcomes) -> list[str | None]:
    return [None if place < 0 else outcomes.answers[place] for place in outcomes.answer.tolist()]


def test_a_regular_expression_finds_the_group_or_all_of_the_first_match():
    tree = texts()
    assert tree.texts() == ["xx", "x42", "x.", "42x", "4242", "42.", ".x", ".42", ".."]
    whole = outcomes_of(tree, re.compile(r"\d+"))
    assert last_answers(whole) == [None, "42", None, "42", "4242", "42", None, "42", None]
    group = outcomes_of(tree, re.compile(r"x(\d)|\.$"), correct="4")
    assert last_answers(group) == [None, "4", None, None, None, None, None, None, None]
    assert group.is_correct.tolist() == [True]


def test_names_tokens_and_arrays_are_answers():
    tree = texts(1)
    assert last_answers(outcomes_of(tree, "tokens")) == ["x", "42", "."]
    named, _ = Tree.from_policy(lambda prefix: [0.5, 0.5], "ab", horizon=2)
    assert last_answers(outcomes_of(named, "names")) == ["aa", "ab", "ba", "bb"]
    assert last_answers(outcomes_of(named, re.compile("b$"))) == [None, "b", None, "b"]
    assert last_answers(outcomes_of(named, np.array([4, 5, 4, 6]))) == ["4", "5", "4", "6"]


def test_padding_has_the_name_of_the_early_end():
    graph = nx.DiGraph()
    graph.add_edge("", "stop", prob=0.5)
    graph.add_edge("", "go", prob=0.5)
    graph.add_edge("go", "on", prob=1.0)
    graph.add_edge("on", "end", prob=1.0)
    tree = Tree.from_networkx(graph)
    assert sorted(last_answers(outcomes_of(tree, "names"))) == ["end", "stop"]


def test_on_a_trellis_the_last_node_has_the_answer():
    trellis = family("ngram", horizon=4, tokens=3, contains=["e"]).graph
    assert isinstance(trellis, Trellis)
    with pytest.raises(OutcomeError, match="neither texts of their own nor names; give an answer for each leaf, or un"):
        outcomes_of(trellis, re.compile("e"))
    chain = family("markov", horizon=3, states=2)
    answered = chain.with_outcomes(["up", "down"], "up", [1.0, 0.0])
    tree = unroll(answered)
    assert [place % 2 for place in range(8)] == [1 - place for place in tree.outcomes.answer.tolist()]
    assert merge(tree)[0].outcomes.same_as(answered.outcomes)


def test_a_last_token_is_that_of_all_ways_to_the_node():
    apart = Layer(np.array([0, 2, 4]), np.full(4, 0.5), np.array([0, 1, 0, 1], np.int32))
    first = Layer(np.array([0, 2]), np.full(2, 0.5), np.array([0, 1], np.int32))
    for last, expected in (([0, 1, 0, 1], ["x", "y"]), ([0, 1, 1, 1], None)):
        written = [np.array([0, 1], np.int32), np.array(last, np.int32)]
        chain = Trellis(np.array([0, 1, 3, 5]), [first, apart], np.arange(2), None, written, ["x", "y"])
        if expected:
            assert last_answers(outcomes_of(chain, "tokens")) == expected
        else:
            with pytest.raises(OutcomeError, match="leaf 0 is reached by 'x' and by 'y', so it has no last token; un"):
                outcomes_of(chain, "tokens")


@pytest.mark.parametrize(
    ("answers", "correct", "true", "message"),
    [
        (["a"], (), None, "there are 1 answers, expected one for each of 4 leaves"),
        (None, (), [1.0], "there are 1 true rewards, expected one for each of 4 leaves"),
        (None, (), [1.0, -1.0, 0.0, 0.0], "the true reward of leaf 1 is -1.0, expected a finite number of at least 0"),
        (None, (), [1.0, np.nan, 0.0, 0.0], "the true reward of leaf 1 is nan"),
        (None, (), ["a"] * 4, r"the true reward is <U1\[4\], expected"),
        (None, "a", [1.0] * 4, "there are answers, but no leaf is said to have one"),
        (None, (), None, "neither answers nor a true reward are given"),
        ("text", (), None, "answers is 'text', expected names, tokens, a compiled regular expression, or one a leaf"),
        ("names", (), None, "the nodes of this tree have no names"),
        ("tokens", (), None, "the edges of this tree have no tokens"),
        (list("abab"), ["a", "a"], None, "correct has 'a' twice, expected once"),
        (list("abab"), [1], None, "correct has 1, expected texts"),
        (["\ud800"] * 4, (), None, "expected texts"),
    ],
)
def test_what_does_not_fit_is_refused(answers, correct, true, message):
    with pytest.raises(OutcomeError, match=message):
        outcomes_of(Tree.complete(2, 2), answers, correct, true)


def test_places_and_sizes_are_checked():
    with pytest.raises(OutcomeError, match="leaf 1 has answer number 2, expected -1 to 1"):
        Outcomes(("a", "b"), np.array([0, 2]))
    with pytest.raises(OutcomeError, match="places are float64"):
        Outcomes(("a",), np.array([0.0]))
    with pytest.raises(OutcomeError, match="2 leaves have answers and 1 a true reward"):
        Outcomes(("a",), np.array([0, 0]), true_reward=Scaled.from_float([1.0]))
    plain = family("product", horizon=2, form="tree")
    with pytest.raises(OutcomeError, match="there are outcomes of 2 leaves, expected one for each of 4"):
        Instance(plain.graph, plain.value, outcomes=Outcomes(("a",), np.array([0, 0])))


def test_samplers_see_nothing_of_it(instance):
    plain = Instance(instance.graph, instance.value)
    assert instance.twist.equals(plain.twist)
    assert instance.target.prob.equals(plain.target.prob)


def test_files_keep_outcomes_and_others_stay_as_they_were(instance, tmp_path):
    save(instance, tmp_path / "o.st")
    back = load(tmp_path / "o.st")
    assert back.same_as(instance)
    assert last_answers(back.outcomes) == last_answers(instance.outcomes)
    plain = Instance(instance.graph, instance.value, instance.family, instance.parameters, instance.seed)
    assert not back.same_as(plain)
    assert not plain.same_as(back)
    save(plain, tmp_path / "p.st")
    assert not {"leaf_answer", "true_mantissa", "true_exponent"} & load_file(tmp_path / "p.st").keys()
    assert b'\\"format\\":2' in (tmp_path / "p.st").read_bytes()
    assert b'\\"format\\":3' in (tmp_path / "o.st").read_bytes()
    for part in (instance.with_outcomes(list("abcdabcd")), instance.with_outcomes(true_reward=np.arange(8.0))):
        save(part, tmp_path / "q.st")
        assert load(tmp_path / "q.st").same_as(part)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays, header: arrays.pop("true_exponent"), "it has one half of the true rewards"),
        (lambda arrays, header: arrays.update(leaf_answer=arrays["leaf_answer"] + 5), "has answer number"),
        (lambda arrays, header: arrays.update(leaf_answer=arrays["leaf_answer"][1:]), "sizes that do not fit together"),
        (lambda arrays, header: header["outcomes"].update(answers=3), "does not list answers"),
        (lambda arrays, header: header["outcomes"].update(answers=["a", 3, "c"]), "answers has 3, expected texts"),
        (lambda arrays, header: header.update(format=2), "outcomes are what format 3 has, and 2 has not"),
        (lambda arrays, header: header.pop("outcomes"), "outcomes are what format 3 has, and 2 has not"),
    ],
)
def test_damaged_outcomes_are_refused(instance, tmp_path, change, message):
    from treesim.instances import storage

    save(instance, tmp_path / "o.st")
    arrays = load_file(tmp_path / "o.st")
    with storage.safe_open(tmp_path / "o.st", framework="numpy") as file:
        header = storage._checked_header(tmp_path / "o.st", file.metadata())
    header.pop("sha256")
    change(arrays, header)
    storage._save_arrays(arrays, header, tmp_path / "o.st")
    with pytest.raises(InstanceFileError, match=message):
        load(tmp_path / "o.st")


def test_copies_carry_them(instance):
    assert pickle.loads(pickle.dumps(instance)).same_as(instance)
    assert copy.deepcopy(instance).same_as(instance)
    with pytest.raises(ValueError, match="read-only"):
        instance.outcomes.answer[0] = 1


def test_leaves_that_users_tell_apart_are_not_merged():
    plain = family("product", horizon=3, ratio=2.0, form="tree")
    assert merge(plain)[0].graph.n_leaves == 4
    for apart in (
        plain.with_outcomes(list("abaaaaaa")),
        plain.with_outcomes(["a", None, "a", "a", "a", "a", "a", "a"]),
        plain.with_outcomes(true_reward=[1.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ):
        merged, _ = merge(apart)
        assert merged.graph.n_leaves == 5
        assert unroll(merged).outcomes.same_as(apart.outcomes)


def test_splitting_and_learning_keep_them():
    chain = family("counting-chain", horizon=4)
    chain = chain.with_outcomes([str(i) for i in range(chain.graph.n_leaves)], "0")
    by_state, rows = split(chain, [LastTokens("last", 1, 2)])
    leaf = rows[by_state.graph.leaves] - chain.graph.leaves.start
    assert by_state.outcomes.answer.tolist() == chain.outcomes.answer[leaf].tolist()
    assert learn(chain, "ctl", "level").instance.outcomes.same_as(chain.outcomes)


def test_graphs_carry_them_there_and_back(instance, tmp_path):
    graph = graph_from_instance(instance)
    assert graph.nodes[7] == {"level": 3, "reward": graph.nodes[7]["reward"], "answer": "a", "correct": True,
                              "true_reward": 0.0}  # fmt: skip
    assert graph.nodes[8]["log_true_reward"] == pytest.approx(-1000.0, rel=1e-15)
    assert "answer" not in graph.nodes[9]
    for form in ("json", "graphml"):
        (tmp_path / f"g.{form}").write_text(graph_text(graph, form), encoding="utf-8")
        back = instance_from_graph(read_graph(tmp_path / f"g.{form}"))
        assert last_answers(back.outcomes) == last_answers(instance.outcomes)
        assert back.outcomes.correct == instance.outcomes.correct
        np.testing.assert_allclose(back.outcomes.true_reward.log(), instance.outcomes.true_reward.log(), rtol=1e-15)


def test_early_ends_carry_theirs():
    graph = nx.DiGraph()
    graph.add_edge("", "go", prob=0.5)
    graph.add_edge("", "stop", prob=0.5)
    graph.add_edge("go", "on", prob=1.0)
    nx.set_node_attributes(graph, {"stop": 1.0, "on": 2.0}, "reward")
    graph.nodes["stop"].update(answer="no", true_reward=0.25)
    graph.nodes["on"].update(answer="yes", correct="true", true_reward="1")
    back = graph_from_instance(instance_from_graph(graph))
    assert back.nodes["stop"] == {"level": 1, "reward": 1.0, "answer": "no", "correct": False, "true_reward": 0.25}
    assert back.nodes["on"]["correct"] is True


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ({"answer": 1, "correct": True}, {"answer": 1, "correct": False}, "answer '1' is correct at some leaves and"),
        ({"answer": 1, "correct": "maybe"}, {}, "correct of node 'a' is 'maybe', expected true or false"),
        ({"true_reward": 1.0}, {}, "node 'b' has no 'true_reward' although other leaves have one"),
        ({"true_reward": -1.0}, {"true_reward": 1.0}, "true_reward of node 'a' is -1.0, expected a finite number"),
        ({"true_reward": "x"}, {"true_reward": 1.0}, "true_reward of node 'a' is 'x'"),
        ({"log_true_reward": np.inf}, {"true_reward": 1.0}, "log_true_reward of node 'a' is inf"),
    ],
)
def test_graphs_that_contradict_themselves_are_refused(a, b, message):
    graph = nx.DiGraph()
    graph.add_edge("", "a", prob=0.5)
    graph.add_edge("", "b", prob=0.5)
    nx.set_node_attributes(graph, {"a": {"reward": 1.0, **a}, "b": {"reward": 1.0, **b}})
    with pytest.raises(OutcomeError, match=message):
        instance_from_graph(graph)


def test_inspection_says_what_pi_ref_and_the_target_are_worth(instance):
    about = instance.inspect().document()["outcomes"]
    prob = {"reference": instance.reference.prob.to_float(), "target": instance.target.prob.to_float()}
    right = [0, 3, 4, 6]
    for name, law in prob.items():
        assert about["accuracy"][name] == pytest.approx(law[right].sum(), rel=1e-12)
        assert about["answered"][name] == pytest.approx(1 - law[[2, 7]].sum(), rel=1e-12)
    assert about["correct"] == ["a", "c"]
    text = str(instance.with_outcomes(list("abababab"), "a", np.ones(8)).inspect())
    assert "answers        2, correct 'a': " in text
    assert "true reward    1 under pi_ref, 1 under the target" in text
    assert "which are correct is not known" in str(instance.with_outcomes(list("abababab")).inspect())
    assert "outcomes" not in family("product", horizon=2).inspect().document()
