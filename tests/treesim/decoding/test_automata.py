import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import ConstraintError, Trellis
from treesim.decoding.automata import Automaton, TokenChain, containing, matching, product

LETTERS = "ab"


def accepts(automaton: Automaton, text: str, alphabet: str = LETTERS) -> bool:
    return bool(automaton.accepting[automaton.run([alphabet.index(letter) for letter in text])])


def texts(longest: int, alphabet: str = LETTERS):
    return ("".join(text) for n in range(longest + 1) for text in itertools.product(alphabet, repeat=n))


@given(st.text("ab", min_size=1, max_size=5))
@settings(max_examples=60)
def test_containing_accepts_what_contains(word):
    automaton = containing(word, LETTERS)
    assert automaton.n_states == len(word) + 1
    for text in texts(7):
        assert accepts(automaton, text) == (word in text)
        assert accepts(automaton.complement(), text) == (word not in text)


@given(st.text("ab", min_size=1, max_size=3), st.text("ab", min_size=1, max_size=3))
@settings(max_examples=30)
def test_intersections_accept_what_both_accept(one, other):
    automaton = containing(one, LETTERS).intersect(containing(other, LETTERS).complement())
    for text in texts(6):
        assert accepts(automaton, text) == (one in text and other not in text)


@pytest.mark.parametrize("pattern", ["a*b", ".*(ab|ba){2}.*", "(a|b)?b+", "[^a]*", "a{2,4}", ""])
def test_matching_accepts_what_the_regular_expression_of_python_matches(pattern):
    automaton = matching(pattern, LETTERS)
    for text in texts(7):
        assert accepts(automaton, text) == bool(re.fullmatch(pattern, text)), text


def test_tokens_are_read_letter_by_letter():
    automaton = containing("aba", LETTERS).over_tokens([[0, 1], [0], [1, 1]])
    assert automaton.accepting[automaton.run([0, 1])]
    assert not automaton.accepting[automaton.run([0, 2, 1])]


def test_a_pattern_that_takes_too_long_is_given_up():
    with pytest.raises(ConstraintError, match=r"is not built after 0.5 s; choose a simpler one"):
        matching(".*a.{40}", LETTERS, seconds=0.5)


@pytest.mark.parametrize("pattern", ["(a", "a)", "[b-a]", "*"])
def test_a_pattern_that_is_none_is_refused(pattern):
    with pytest.raises(ConstraintError, match="is no regular expression"):
        matching(pattern, LETTERS)


def test_texts_that_cannot_be_are_refused():
    with pytest.raises(ConstraintError, match="the letter 'z', which is not in the vocabulary"):
        containing("az", LETTERS)
    with pytest.raises(ConstraintError, match="is empty"):
        containing("", LETTERS)


def test_intersections_that_grow_too_large_are_refused(monkeypatch):
    monkeypatch.setattr("treesim.decoding.automata.LARGEST_AUTOMATON", 10)
    with pytest.raises(ConstraintError, match="need more than 10 automaton states"):
        containing("abab", LETTERS).intersect(containing("bbbbb", LETTERS))


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
@settings(max_examples=60)
def test_the_product_is_the_chain_and_the_automaton_side_by_side(horizon, n_states, seed):
    rng = np.random.default_rng(seed)
    chain = TokenChain(rng.dirichlet(np.ones(2), size=n_states), rng.integers(0, n_states, (n_states, 2)), 0)
    automaton = containing("ab", LETTERS)
    found = product(chain, automaton, horizon, list(LETTERS))
    trellis: Trellis = found.trellis
    assert len(trellis.layers) == min(horizon, 2)
    for text in itertools.product((0, 1), repeat=horizon):
        state, prob, node, edges, walked = 0, 1.0, 0, [], 1.0
        for t, token in enumerate(text):
            prob *= chain.prob[state, token]
            state = int(chain.next_state[state, token])
            layer = trellis.layer(t)
            edge = int(layer.ptr[node]) + token
            walked *= layer.prob[edge]
            node = int(layer.child[edge])
            edges.append(edge)
            assert found.chain_state[node] == state
            assert found.automaton_state[node] == automaton.run(list(text[: t + 1]))
        assert walked == pytest.approx(prob, rel=1e-14)
        assert trellis.text(np.array(edges)) == "".join(LETTERS[token] for token in text)
