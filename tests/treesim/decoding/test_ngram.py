from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import ConstraintError, SpecError
from treesim.decoding.ngram import read_text, tokenize, train


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


def test_words_carry_their_space_and_marks_do_not():
    numbers, tokens = tokenize("The cat, the\n dog!", "word", 10)
    assert "".join(tokens[i] for i in numbers) == " the cat, the dog!"
    model = train("the cat, the dog! the cat", unit="word", order=2)
    assert model.alphabet == "".join(sorted(set(" the cat, the dog!")))
    assert "".join(model.alphabet[i] for i in model.spelled()[0]) == model.vocabulary[0]


def test_a_small_vocabulary_keeps_the_frequent_tokens():
    assert tokenize("aaabbc", "letter", 2)[1] == ["a", "b"]


def test_the_text_of_python_itself_is_there():
    text = read_text(None)
    assert len(text) > 100_000
    assert "python" in text.lower()


def test_texts_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(ConstraintError, match="cannot read the text"):
        read_text(str(tmp_path / "none.txt"))
    (tmp_path / "empty.txt").write_text("  \n")
    with pytest.raises(ConstraintError, match="is empty"):
        read_text(str(tmp_path / "empty.txt"))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ConstraintError, match="no UTF-8 text: byte 3 is 0xe9"):
        read_text(str(tmp_path / "latin.txt"))
    with pytest.raises(ConstraintError, match="has 1 different letters"):
        train("aaaa")


def test_parameters_out_of_range_are_refused():
    for wrong in ({"unit": "line"}, {"order": 0}, {"tokens": 1}, {"smoothing": "none"}):
        with pytest.raises(SpecError):
            train("abcabc", **wrong)


def test_a_model_that_grows_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("treesim.decoding.ngram.LARGEST_CHAIN", 20)
    with pytest.raises(ConstraintError, match="a model of order 3 has over"):
        train("abcabdabe", order=3)
