import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import ConstraintError, SpecError
from treesim.decoding.tokens import as_numbers, by_frequency, letters, most_frequent, pieces, read_text, spelled

SCRIPTS = {
    "english": "don't e-mail 3.50 1,000 'quoted' -- 'tis",
    "french": "l\u2019\u00e9t\u00e9 cafe\u0301 \u00ab\u00e7a\u00bb",
    "hindi": "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "thai": "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e17\u0e35\u0e48\u0e19\u0e35\u0e48",
    "hebrew": "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u05e6\u05d4\u05f4\u05dc",
    "arabic": "\u0645\u064e\u0631\u062d\u064e\u0628\u064b\u0627 \u0663\u066b\u0665",
    "persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0631\u0648\u0632",
    "tamil": "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0ba8\u0bbe\u0b9f\u0bc1",
    "chinese": "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "japanese": "\u304b\u3099\u3093 \u30d2\u309a",
    "emoji": "\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f44d\U0001f3fd!?",
    "cased": "\u0130stanbul \u01c5 \u1e9e stra\u00dfe \u03a3\u0391\u03a3",
}
LETTERS = "".join(SCRIPTS.values())

texts = st.text(
    st.one_of(st.sampled_from(LETTERS), st.sampled_from(" \t\n\u00a0\u3000.'-"), st.characters()), max_size=60
)


def plain(text: str) -> str:
    """What a text is learnt as: lower case, and single spaces for white space."""
    return " ".join(text.lower().split())


@given(texts, st.sampled_from(["letter", "word"]))
@settings(max_examples=500)
def test_tokens_spell_the_text_back(text, unit):
    tokens = pieces(text, unit)
    assert "".join(tokens) == plain(text)
    vocabulary = by_frequency(tokens)
    assert [vocabulary[number] for number in as_numbers(tokens, vocabulary)] == tokens
    alphabet = letters(vocabulary)
    assert ["".join(alphabet[place] for place in token) for token in spelled(vocabulary, alphabet)] == vocabulary


@given(texts)
@settings(max_examples=500)
def test_a_word_has_one_space_at_most_and_never_begins_with_a_mark_of_the_word_before(text):
    tokens = pieces(text, "word")
    for before, token in zip(["", *tokens], tokens, strict=False):
        assert token.rfind(" ") <= 0 < len(token.strip())
        if before:
            assert not unicodedata.category(token[0]).startswith("M")


@pytest.mark.parametrize("script", SCRIPTS)
def test_texts_of_every_script_are_spelled_back(script):
    assert "".join(pieces(SCRIPTS[script], "word")) == SCRIPTS[script].lower()


@pytest.mark.parametrize("script", ["hindi", "thai", "hebrew", "arabic", "persian", "tamil", "japanese"])
def test_combining_marks_and_inner_signs_part_no_word(script):
    first, second = SCRIPTS[script].split()
    assert pieces(SCRIPTS[script], "word") == [first, f" {second}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("So, so!", ["so", ",", " so", "!"]),
        ("don't stop", ["don't", " stop"]),
        ("l\u2019\u00e9t\u00e9", ["l\u2019\u00e9t\u00e9"]),
        ("an e-mail -- built-in", ["an", " e-mail", " -", "-", " built-in"]),
        ("it costs 3.50. (1,000)", ["it", " costs", " 3.50", ".", " (", "1,000", ")"]),
        ("end.Next a.b 1.b v.5", ["end", ".", "next", " a", ".", "b", " 1", ".", "b", " v", ".", "5"]),
        ("'tis the boys' \u2018word\u2019", ["'", "tis", " the", " boys", "'", " \u2018", "word", "\u2019"]),
        ("x_1 __init__", ["x_1", " __init__"]),
        ("cafe\u0301s", ["cafe\u0301s"]),
        ("\u2764\ufe0f!", ["\u2764\ufe0f", "!"]),
        ("\u0301 a", ["\u0301", " a"]),
    ],
)
def test_what_a_word_is(text, expected):
    assert pieces(text, "word") == expected


def test_words_of_running_text_occur_as_often_as_they_stand_in_it():
    text = read_text(None)
    count = pieces(text, "word").count(" built-in")
    assert count == len(re.findall(r"(?<= )built-in(?![\w'-])", text, re.IGNORECASE)) > 100


def test_a_small_vocabulary_keeps_the_frequent_tokens():
    ranking = by_frequency(pieces("aaabbc", "letter"))
    assert ranking == ["a", "b", "c"]
    assert most_frequent(ranking, 2) == ["a", "b"]
    assert as_numbers(list("abcb"), ["b", "a"]) == [1, 0, 0]
    with pytest.raises(SpecError, match="tokens is 1, expected at least 2"):
        most_frequent(ranking, 1)
    with pytest.raises(SpecError, match="unit is 'line', expected one of: letter, word"):
        pieces("a", "line")


def test_the_text_of_python_itself_is_there():
    text = read_text(None)
    assert len(text) > 100_000
    assert "python" in text.lower()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfthe cat", "the cat"),
        (b"\xef\xbb\xbfone\n\xef\xbb\xbftwo", "one\ntwo"),
        ("caf\u00e9".encode(), "caf\u00e9"),
    ],
)
def test_a_byte_order_mark_is_no_letter(content, text, tmp_path):
    (tmp_path / "text.txt").write_bytes(content)
    assert read_text(str(tmp_path / "text.txt")) == text


def test_texts_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(ConstraintError, match="cannot read the text"):
        read_text(str(tmp_path / "none.txt"))
    for nothing in (b"  \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"):
        (tmp_path / "empty.txt").write_bytes(nothing)
        with pytest.raises(ConstraintError, match="is empty"):
            read_text(str(tmp_path / "empty.txt"))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ConstraintError, match="no UTF-8 text: byte 3 is 0xe9"):
        read_text(str(tmp_path / "latin.txt"))
