from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import ConstraintError, SpecError
from treesim.decoding.ngram import learn, train


def witten_bell(text: str, alphabet: str, context: str, token: str) -> float:
    """The definition, letter by letter."""
    shorter = witten_bell(text, alphabet, context[1:], token) if context else 1 / len(alphabet)
    follows = Counter(text[i + len(context)] for i in range(len(text) - len(context)) if text[i:].startswith(context))
    if not follows:
        return shorter
    return (follows[token] + len(follows) * shorter) / (follows.total() + len(follows))


@given(st.text("abc", min_size=4, max_size=40), st.integers(1, 4))
@settings(max_examples=100)
def test_probabilities_are_those_of_the_definition(text, order):
    if len(set(text)) < 2:
        return
    model = train(text, order=order)
    alphabet = "".join(model.vocabulary)
    for i, context in enumerate(model.contexts):
        written = "".join(alphabet[token] for token in context)
        expected = [witten_bell(text, alphabet, written, token) for token in alphabet]
        np.testing.assert_allclose(model.chain.prob[i], expected, rtol=1e-12)


@given(st.text("abc", min_size=4, max_size=40), st.integers(1, 4))
@settings(max_examples=100)
def test_the_next_state_is_the_longest_context_seen(text, order):
    if len(set(text)) < 2:
        return
    model = train(text, order=order)
    known = set(model.contexts)
    for i, context in enumerate(model.contexts):
        for token in range(len(model.vocabulary)):
            after = (*context, token)
            longest = max((c for c in known if len(c) < order and after[len(after) - len(c) :] == c), key=len)
            assert model.contexts[model.chain.next_state[i, token]] == longest


def test_additive_smoothing_adds_a_tenth():
    model = train("aab", order=1, smoothing="additive")
    np.testing.assert_allclose(model.chain.prob, [[2.1 / 3.2, 1.1 / 3.2]])


def test_parameters_out_of_range_are_refused():
    for wrong in ({"unit": "line"}, {"order": 0}, {"tokens": 1}, {"smoothing": "none"}):
        with pytest.raises(SpecError):
            train("abcabc", **wrong)


def test_a_model_that_grows_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("treesim.decoding.ngram.LARGEST_CHAIN", 20)
    with pytest.raises(ConstraintError, match="a model of order 3 has over"):
        train("abcabdabe", order=3)


def test_a_text_of_one_token_is_refused():
    with pytest.raises(ConstraintError, match="has 1 different tokens, expected at least two"):
        train("aaaa")


def test_an_order_that_no_text_can_fill_is_refused_before_counting(monkeypatch):
    for text, most in [("ab" * 50, 9268), ("abc" * 100_000, 169)]:
        with pytest.raises(ConstraintError) as refused:
            train(text, order=10**9)
        assert str(refused.value) == f"order is 1000000000, expected at most {most} for a text of {len(text):,} tokens"
    with pytest.raises(ConstraintError, match="order is 9269, expected at most 9268"):
        train("ab" * 50, order=9269)
    assert len(train("ab" * 50, order=9268).contexts) == 198
    monkeypatch.setattr("treesim.decoding.ngram.LARGEST_MEMORY", 1000)
    with pytest.raises(ConstraintError, match=r"a model of order 50 has over \d+ contexts"):
        train("ab" * 50, order=50)


def test_words_that_are_left_out_leave_no_trace():
    written = ["the", " cat", " sat", " the", " cat"]
    model = learn(written, [" sat", " cat"], 2, "witten-bell")
    assert model.vocabulary == [" cat", " sat"]
    assert model.contexts == [(), (0,), (1,)]
