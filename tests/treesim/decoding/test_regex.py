import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import ConstraintError, MemoryBudgetError
from treesim.decoding.automata import Automaton
from treesim.decoding.regex import matching, unheard_of

# Letters that Python's classes, flags and conditions tell apart, three at a time: all texts of up to four are tried.
ALPHABETS = ("abc", "aB1", "a\nb", "a _", "é-a", "٣aA", "$^.", "\n 1", "\\$a", "ſsS", "नि ", "\n\r\x1c", "क'’")
CLASSES = (
    ".",
    r"\w",
    r"\d",
    r"\s",
    r"\W",
    r"\D",
    r"\S",
    "[ab]",
    "[^a]",
    "[a-c1]",
    r"[\w-]",
    r"[^\d\s]",
    "[]a]",
    "[$^]",
)
CONDITIONS = ("^", "$", r"\A", r"\Z", r"\b", r"\B")
N_TEXTS = 1 + 3 + 9 + 27 + 81
QUANTIFIERS = ("*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,2}", "{2,}", "{0}", "{1,3}?")
GROUPS = ("({})", "(?:{})", "(?i:{})", "(?m:{})", "(?s:{})", "(?a:{})", "(?-i:{})", "(?P<name>{})", "(?ms-i:{})")

FLAGS = ("", "(?i)", "(?m)", "(?s)", "(?a)", "(?x)", "(?im)")


def patterns(alphabet: str):
    """Patterns that speak of these letters, and the letters."""
    atoms = st.one_of(
        st.sampled_from(alphabet).map(re.escape), st.sampled_from(CLASSES), st.sampled_from(CONDITIONS), st.just("")
    )
    bodies = st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=4).map("".join),
            st.lists(inner, min_size=2, max_size=3).map("|".join).map("(?:{})".format),
            st.tuples(inner, st.sampled_from(QUANTIFIERS)).map("(?:{0[0]}){0[1]}".format),
            st.tuples(st.sampled_from(GROUPS), inner).map(lambda pair: pair[0].format(pair[1])),
        ),
        max_leaves=8,
    )
    return st.tuples(st.sampled_from(FLAGS), bodies).map("".join).map(lambda pattern: (pattern, alphabet))


cases = st.one_of([patterns(alphabet) for alphabet in ALPHABETS])


def accepts(automaton: Automaton, text: str, alphabet: str) -> bool:
    return bool(automaton.accepting[automaton.run([alphabet.index(letter) for letter in text])])


def texts(alphabet: str, longest: int):
    return ("".join(text) for n in range(longest + 1) for text in itertools.product(alphabet, repeat=n))


def assert_means_what_python_means(pattern: str, alphabet: str, longest: int = 4) -> int:
    """How many texts match."""
    automaton, own = matching(pattern, alphabet), re.compile(pattern)
    expected = {text: bool(own.fullmatch(text)) for text in texts(alphabet, longest)}
    assert {text: accepts(automaton, text, alphabet) for text in expected} == expected
    return sum(expected.values())


def test_an_automaton_accepts_what_python_matches():
    telling = []

    @given(cases)
    @settings(max_examples=240)
    def check(case):
        pattern, alphabet = case
        try:
            re.compile(pattern)
        except re.error:
            with pytest.raises(ConstraintError, match="is no regular expression"):
                matching(pattern, alphabet)
        else:
            telling.append(0 < assert_means_what_python_means(pattern, alphabet) < N_TEXTS)

    check()
    assert sum(telling) > 160, "too many patterns match all texts, or none"


@pytest.mark.long
@given(cases)
@settings(max_examples=20_000)
def test_many_more_automata_accept_what_python_matches(case):
    pattern, alphabet = case
    try:
        re.compile(pattern)
    except re.error:
        return
    assert_means_what_python_means(pattern, alphabet)


@pytest.mark.parametrize(
    ("pattern", "alphabet"),
    [
        ("^a*$", "a$^"),
        (r"\$a\^", "a$^"),
        ("a^b", "ab^"),
        ("(^a|b)*", "abc"),
        ("(a$|b)*", "abc"),
        ("a$\nb?", "ab\n"),
        ("(?m:a$\n^b)", "ab\n"),
        (r"a\Z\n?", "ab\n"),
        ("$", "a\n"),
        ("$^", "a\n"),
        ("$\n|^$", "a\n"),
        (r".*\bab\b.*", "ab -"),
        (r"\B", "a-"),
        (r"\w+", "aé٣"),
        (r"\d", "1٣²"),
        (r"(?a)\w\d?", "aé1٣"),
        (r"[\w']+", "a'é"),
        ("a.b", "ab\n"),
        ("(?s)a.b", "ab\n"),
        ("(?i)straße", "straßeSTRE"),
        ("[^a]*", "ab\n"),
        (r"\x61\u00e9\t?", "aé\t"),
        (r"\N{DIGIT ONE}?[\]\-]", "1]-"),
        ("a{2,4}", "ab"),
        ("a{,2}", "a{"),
        ("a{x}", "a{x}"),
        ("(?#say)a(?P<b>b)", "ab"),
        ("(?x) a  b # both", "ab "),
        ("(a|ab)(c|bcd)(d*)", "abcd"),
        ("((a*)*)*b", "ab"),
        ("(a*|b)c", "abc"),
        ("a*(b*|c)", "abc"),
        ("a(?i:a)a", "aA"),
        ("(?i)a(?-i:a)a", "aA"),
        ("(?m:a$)\nb|b$\na", "ab\n"),
        ("a$$\n", "ab\n"),
        (r".(?a:\b).", "éa-"),
        (r"(?a:.\b.)|\b.", "éa-"),
        ("", "ab"),
        ("|a", "ab"),
        ("[z]|a", "ab"),
        ("z", "ab"),
    ],
)
def test_what_python_means_by_it(pattern, alphabet):
    assert_means_what_python_means(pattern, alphabet, longest=6 if len(alphabet) < 3 else 4)


@pytest.mark.parametrize(
    ("pattern", "construct"),
    [
        ("a(?=b).", "a lookahead or lookbehind"),
        (".(?<=a)", "a lookahead or lookbehind"),
        ("(?!ab).*", "a negative lookahead or lookbehind"),
        (".*(?<!a)", "a negative lookahead or lookbehind"),
        (r"(a|b)\1", "a reference to a group"),
        (r"(?P<x>a)(?P=x)", "a reference to a group"),
        ("(a)?(?(1)b|c)", "a choice by whether a group has matched"),
        ("a++b", "a possessive quantifier"),
        ("(?>a*)b", "an atomic group"),
        ("(b(a(?=b))*)?", "a lookahead or lookbehind"),
    ],
)
def test_what_no_automaton_reads_is_refused_by_name(pattern, construct):
    with pytest.raises(ConstraintError) as refused:
        matching(pattern, "ab")
    assert str(refused.value) == (
        f"constraint '{pattern}' has {construct}, which no finite automaton reads as Python does; write it without"
    )


@pytest.mark.parametrize(
    "pattern", ["(a", "a)", "[b-a]", "*", "a**", r"\k", "[a", "(?z)", "a{3,2}", "(?L)a", f"a{{{2**40}}}", "\\"]
)
def test_a_pattern_that_is_none_is_refused(pattern):
    with pytest.raises(ConstraintError, match="is no regular expression"):
        matching(pattern, "ab")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (".*a.{40}", "grows over 100,000 states or takes too much work"),
        ("(a?){9000}", "grows over 100,000 states or takes too much work"),
        ("((a{1000}){1000}){1000}", "is longer than 100,000 letters and signs"),
        ("a{4294967290}", "is longer than 100,000 letters and signs"),
        ("(?:){4294967290}", "is longer than 100,000 letters and signs"),
        ("(" * 20_000 + ")" * 20_000, "is nested too deeply"),
    ],
)
def test_patterns_that_explode_are_refused(pattern, message, monkeypatch):
    monkeypatch.setattr("treesim.decoding.regex.LARGEST_WORK", 1_000_000)
    with pytest.raises(ConstraintError, match=message) as refused:
        matching(pattern, "ab")
    assert len(str(refused.value)) < 250


def test_where_patterns_begin_to_be_too_large(monkeypatch):
    monkeypatch.setattr("treesim.decoding.regex.LARGEST_PATTERN", 100)
    assert matching("a{45}", "ab").n_states == 47
    with pytest.raises(ConstraintError, match="is longer than 100 letters and signs"):
        matching("a{55}", "ab")
    monkeypatch.setattr("treesim.decoding.regex.LARGEST_AUTOMATON", 40)
    with pytest.raises(ConstraintError, match="grows over 40 states"):
        matching("a{45}", "ab")


def test_an_automaton_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.001")
    with pytest.raises(MemoryBudgetError, match="the automaton of constraint"):
        matching("a{100}", "".join(map(chr, range(97, 3000))))


@pytest.mark.parametrize(
    ("pattern", "alphabet", "n_states"),
    [
        (".*", "ab", 1),
        ("(a|b)*", "abc", 2),
        ("a*b", "ab", 3),
        (".*(the|cat).*", "thecat", 6),
        (".*a.{5}", "ab", 64),
        (r"^.*\b$", "a ", 2),
        (".*the quick brown fox jumps over the lazy dog.*", "abcdefghijklmnopqrstuvwxyz ", 44),
    ],
)
def test_the_automaton_is_the_smallest(pattern, alphabet, n_states):
    assert matching(pattern, alphabet).n_states == n_states


def test_letters_that_are_nowhere_are_named():
    assert unheard_of("(Python|[A-Z]+|a*)é[^b].", "python") == ["P", "A", "a", "é"]
    assert unheard_of("(?i)Python[^A]", "python") == []
    assert unheard_of(r"[^a-b]|\d|[^a]", "ab") == []
    assert unheard_of(r"[\dA]", "python") == ["A"]
