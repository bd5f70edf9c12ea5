import itertools
import math
import re

import numpy as np
import pytest

from treesim import ConstraintError, MemoryBudgetError, SpecError, family, sampler
from treesim.decoding.constrained import pose
from treesim.decoding.ngram import train

TEXT = "the cat sat on the mat and the rat sat on the cat "


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT * 3)
    return str(path)


def brute_force(horizon, order, meets):
    """Probability that the model writes a text that meets the constraint, text by text."""
    model = train(TEXT * 3, order=order)
    total = 0.0
    for tokens in itertools.product(range(len(model.vocabulary)), repeat=horizon):
        if meets("".join(model.vocabulary[token] for token in tokens)):
            state, prob = 0, 1.0
            for token in tokens:
                prob *= model.chain.prob[state, token]
                state = model.chain.next_state[state, token]
            total += prob
    return total


def test_log_z_is_the_probability_of_meeting_the_constraint(text):
    asked = [
        ({"contains": ("at",)}, lambda s: "at" in s),
        ({"contains": ("at", "t ")}, lambda s: "at" in s and "t " in s),
        ({"excludes": ("t",)}, lambda s: "t" not in s),
        ({"constraint": "[a-m]*t.*"}, lambda s: "t" in s and all("a" <= c <= "m" for c in s[: s.index("t")])),
    ]
    for constraint, meets in asked:
        instance = family("ngram", horizon=4, order=2, text=text, **constraint)
        assert math.exp(instance.audit.log_partition) == pytest.approx(brute_force(4, 2, meets), rel=1e-12)


def test_one_text_need_not_be_a_tuple(text):
    one, other = (family("ngram", horizon=8, text=text, contains=wish) for wish in ("rat", ("rat",)))
    assert one.audit.log_partition == other.audit.log_partition


def test_samples_meet_the_constraint_and_spell_their_paths(text):
    instance = family("ngram", horizon=40, text=text, contains=("mat",), excludes=("rat",))
    draws = sampler("sp-gsmc").simulate(instance, 200, seed=0)
    texts = [instance.graph.text(edges) for edges in draws.edges]
    assert all("mat" in t and "rat" not in t and len(t) == 40 for t in texts)
    assert len(set(texts)) > 190


def test_words_are_constrained_by_their_letters(text):
    instance = family("ngram", horizon=6, unit="word", order=2, text=text, constraint=".*(rat|mat).*(cat).*")
    draws = sampler("sp-gsmc").simulate(instance, 50, seed=0)
    for edges in draws.edges:
        written = instance.graph.text(edges)
        assert written.index(" cat", min(written.find(" rat") % 99, written.find(" mat") % 99)) > 0


def test_a_word_that_is_asked_for_is_a_token(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat, and don't you see a well-known r\u00e9sum\u00e9; " * 3 + "the zebra sat")
    asked = {"text": str(path), "unit": "word", "order": 2, "tokens": 3}
    for wish, added in [
        ({"contains": ("don't",)}, {" don't"}),
        ({"contains": ("well-known r\u00e9sum\u00e9",)}, {" well-known", " r\u00e9sum\u00e9"}),
        ({"contains": ("zebra", "mat")}, {" zebra", " mat"}),
        ({"constraint": ".* (zebra|don't)"}, {" don't"}),
        ({"constraint": "(.* )?the zeb.*", "violation": 0.5}, {" zebra"}),
        ({"contains": ("the",)}, set()),
        ({"excludes": ("zebra",)}, set()),
    ]:
        assert pose(8, **asked, **wish).model.vocabulary == sorted({" the", " sat", " a"} | added), wish


@pytest.mark.parametrize(
    ("constraint", "added"),
    [("cd", "cd"), ("e|ac", "c"), ("ae|c", "c"), ("ce|bd", "d"), ("de|ace|bcd", "cd"), ("a+b*", ""), ("c*", "c")],
)
def test_letters_beyond_the_frequent_are_tokens_when_asked_for_as_few_and_frequent_as_can_be(
    constraint, added, tmp_path
):
    path = tmp_path / "text.txt"
    path.write_text("aaaaabbbbcccdde")
    violation = 0.5  # not every one of these texts has two letters
    problem = pose(2, str(path), tokens=2, constraint=constraint, violation=violation)
    assert "".join(problem.model.vocabulary) == "ab" + added


def test_texts_of_words_can_be_the_text_that_was_read(tmp_path):
    path = tmp_path / "text.txt"
    read = "It's 3.50, isn't it? \u00c7a va -- l'\u00e9t\u00e9."
    path.write_text(read, encoding="utf-8")
    constraint = re.escape(read.lower())
    problem = pose(12, str(path), unit="word", order=2, constraint=constraint)
    assert problem.twist.to_float()[0] > 0


def test_anchors_and_escapes_mean_what_they_mean_in_python(text):
    plain = family("ngram", horizon=8, text=text, constraint="the[a-z ]*")
    anchored = family("ngram", horizon=8, text=text, constraint=r"^the[\w ]*$")
    assert anchored.audit.log_partition == plain.audit.log_partition
    whole_words = family("ngram", horizon=8, text=text, constraint=r".*\bat\b.*")
    assert whole_words.audit.log_partition < family("ngram", horizon=8, text=text, contains="at").audit.log_partition


def test_a_soft_constraint_rewards_the_others_less(text):
    hard = family("ngram", horizon=8, text=text, contains=("rat",))
    soft = family("ngram", horizon=8, text=text, contains=("rat",), violation=0.25)
    meets = math.exp(hard.audit.log_partition)
    assert math.exp(soft.audit.log_partition) == pytest.approx(meets + 0.25 * (1 - meets), rel=1e-12)


@pytest.mark.parametrize("value", ["automaton", "suffix:length=0", "suffix:length=1", "suffix:length=2"])
def test_a_value_that_sees_a_part_is_the_mean_of_the_twist_over_what_it_does_not_see(value, text):
    problem = pose(5, text, order=3, contains=("at",))
    instance = family("ngram", horizon=5, order=3, text=text, contains=("at",), value=value)
    graph, twist = instance.graph, problem.twist.to_float()
    length = {"automaton": 0}.get(value, int(value[-1]) if value[-1].isdigit() else 0)
    reach = np.ones(1)
    for t in range(1, graph.horizon):
        layer = graph.layer(t - 1)
        reach = np.bincount(layer.child, np.repeat(reach, np.diff(layer.ptr)) * layer.prob, graph.n_level(t))
        keys = [
            (a, problem.model.contexts[s][max(0, len(problem.model.contexts[s]) - length) :])
            for a, s in zip(problem.product.automaton_state, problem.product.chain_state, strict=True)
        ]
        for key in set(keys):
            members = [i for i, k in enumerate(keys) if k == key and reach[i] > 0]
            if members:
                mean = np.average(twist[graph.level(t)][members], weights=reach[members])
                np.testing.assert_allclose(instance.value[graph.level(t)].to_float()[members], mean, rtol=1e-12)


def test_a_value_that_remembers_as_much_as_the_model_is_exact(text):
    instance = family("ngram", horizon=12, order=3, text=text, contains=("rat",), value="suffix:length=2")
    assert instance.audit.bellman_error < 1e-12


def test_lookahead_is_the_twist_of_a_shorter_horizon(text):
    short = pose(5, text, contains=("at",))
    instance = family("ngram", horizon=12, text=text, contains=("at",), value="lookahead:steps=3,floor=0")
    far = pose(12, text, contains=("at",))
    # Three tokens before the end of either text.
    seen = instance.value[instance.graph.level(4)].to_float()
    assert np.array_equal(seen, short.twist[short.product.trellis.level(2)].to_float())
    floored = family("ngram", horizon=12, text=text, contains=("rat",), value="lookahead:steps=1,floor=0.01")
    inner = floored.value[floored.graph.level(4)].to_float()
    assert inner.min() == 0.01
    assert far.twist.mantissa[0] > 0


def test_better_sight_is_nearer_the_target(text):
    tvs = []
    for value in ("suffix:length=0", "suffix:length=1", "exact"):
        instance = family("ngram", horizon=30, order=3, text=text, contains=("mat",), value=value)
        tvs.append(sampler("sp-gsmc").law(instance).tv(instance.target, width=1e-4).hi)
    assert tvs[0] > tvs[1] + 0.01 > 0.01
    assert tvs[2] < 1e-9


def test_perturbed_values_have_the_error_asked_for(text):
    instance = family("ngram", horizon=20, text=text, contains=("rat",), perturbation="random-sign", epsilon="0.5/T")
    assert instance.audit.bellman_error == pytest.approx(0.5 / 20, abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({}, ConstraintError, "there is no constraint"),
        ({"constraint": ""}, ConstraintError, "there is no constraint"),
        ({"contains": ("",)}, ConstraintError, "is empty"),
        ({"contains": ("python",)}, ConstraintError, "'python' has the letter 'p', which is not in the vocabulary"),
        ({"contains": ("Cat",)}, ConstraintError, "texts are in lower case, write 'c'"),
        ({"excludes": ("Cat",)}, ConstraintError, "texts are in lower case, write 'c'"),
        ({"constraint": "[a-z ]*Cat.*"}, ConstraintError, "10 letters .* the letter 'C', .* lower case, write 'c'"),
        ({"constraint": "[A-Z]+"}, ConstraintError, "no text of 10 .* the letter 'A', .* lower case, write 'a'"),
        ({"constraint": ".*5"}, ConstraintError, "the letter '5', which is not in the vocabulary: the text .* never"),
        ({"contains": ("the cat sat",)}, ConstraintError, "but some of 11 do; choose a longer horizon"),
        ({"constraint": "(the| cat)"}, ConstraintError, "but some of 4 do; choose a shorter horizon"),
        ({"contains": ("at",), "excludes": ("a",)}, ConstraintError, "nor does one of any other length"),
        ({"constraint": "the(?=cat).*"}, ConstraintError, "has a lookahead or lookbehind, which no finite automaton"),
        ({"contains": ("at",), "order": 10**9}, ConstraintError, "order is 1000000000, expected at most"),
        ({"contains": ("at",), "tokens": 1}, SpecError, "tokens is 1, expected at least 2"),
        ({"contains": ("at",), "unit": "line"}, SpecError, "unit is 'line'"),
        ({"constraint": "(a"}, ConstraintError, "is no regular expression"),
        ({"contains": ("at",), "violation": 1.0}, ConstraintError, "violation is 1.0"),
        ({"contains": ("at",), "value": "blind"}, SpecError, "unknown value 'blind'"),
        ({"contains": ("at",), "value": "automaton", "perturbation": "random-sign"}, SpecError, "exclude each other"),
        ({"contains": ("at",), "horizon": 0}, SpecError, "horizon is 0"),
    ],
)
def test_wrong_problems_are_refused(wrong, error, message, text):
    with pytest.raises(error, match=message):
        family("ngram", **({"horizon": 10, "text": text} | wrong))


def test_a_problem_that_does_not_fit_is_refused(text, monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.001")
    with pytest.raises(MemoryBudgetError, match=r"a trellis of [\d,]+ states"):
        family("ngram", horizon=2000, text=text, contains=("rat",))


def test_texts_rewarded_by_their_likelihood_are_those_of_the_power(text):
    """Sum over all texts of pi_ref^2, by the model itself; with a constraint, over those that meet it."""
    model = train(TEXT * 3, order=2)
    total = {"": 0.0, "at": 0.0}
    for tokens in itertools.product(range(len(model.vocabulary)), repeat=4):
        state, prob = 0, 1.0
        for token in tokens:
            prob *= model.chain.prob[state, token]
            state = model.chain.next_state[state, token]
        total[""] += prob**2
        total["at"] += prob**2 * ("at" in "".join(model.vocabulary[token] for token in tokens))
    free = family("ngram", horizon=4, order=2, text=text, reward="power:alpha=2")
    bound = family("ngram", horizon=4, order=2, text=text, reward="power:alpha=2", contains="at")
    assert math.exp(free.audit.log_partition) == pytest.approx(total[""], rel=1e-12)
    assert math.exp(bound.audit.log_partition) == pytest.approx(total["at"], rel=1e-12)


def test_the_power_of_a_long_text_is_exact_and_unlike_the_model(text):
    instance = family("ngram", horizon=100, order=2, text=text, reward="power:alpha=2")
    assert sampler("sp-gsmc").law(instance).tv(instance.target).hi < 1e-10
    assert sampler("base").law(instance).tv(instance.target).lo > 0.99
    assert len(instance.graph.layers) == 2


def test_a_partial_value_sees_no_reward_of_steps(text):
    with pytest.raises(SpecError, match="value 'automaton' and reward 'power:alpha=2' exclude each other"):
        family("ngram", horizon=4, text=text, reward="power:alpha=2", value="automaton")
