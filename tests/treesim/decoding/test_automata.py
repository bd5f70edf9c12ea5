import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treesim import ConstraintError, MemoryBudgetError, Trellis
from treesim.decoding.automata import Automaton, TokenChain, containing, product

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


def test_tokens_are_read_letter_by_letter():
    automaton = containing("aba", LETTERS).over_tokens([[0, 1], [0], [1, 1]])
    assert automaton.accepting[automaton.run([0, 1])]
    assert not automaton.accepting[automaton.run([0, 2, 1])]


@st.composite
def automata(draw, most_states=8):
    n_states, n_symbols = draw(st.integers(1, most_states)), draw(st.integers(1, 3))
    states = st.lists(st.integers(0, n_states - 1), min_size=n_symbols, max_size=n_symbols)
    rows = draw(st.lists(states, min_size=n_states, max_size=n_states))
    return Automaton(np.array(rows), np.array(draw(st.lists(st.booleans(), min_size=n_states, max_size=n_states))))


def classes(automaton: Automaton) -> int:
    """How many reached states differ by some text: the definition, refined until nothing changes."""
    reached = {0}
    for _ in range(automaton.n_states):
        reached |= {int(end) for state in reached for end in automaton.next_state[state]}
    label = {state: (bool(automaton.accepting[state]),) for state in reached}
    for _ in range(automaton.n_states):
        label = {state: (label[state], *(label[int(end)] for end in automaton.next_state[state])) for state in reached}
        numbers = {key: i for i, key in enumerate(dict.fromkeys(label.values()))}
        label = {state: (numbers[label[state]],) for state in reached}
    return len(set(label.values()))


@given(automata())
@settings(max_examples=300)
def test_a_reduced_automaton_is_the_smallest_that_accepts_the_same(automaton):
    reduced = automaton.reduced()
    assert reduced.n_states == classes(automaton)
    for n in range(6):
        for text in itertools.product(range(automaton.next_state.shape[1]), repeat=n):
            assert reduced.accepting[reduced.run(text)] == automaton.accepting[automaton.run(text)]


def test_a_long_chain_reduces_to_itself_and_a_long_cycle_to_its_period():
    n = 3000
    chain = np.minimum(np.arange(n) + 1, n - 1)[:, None]
    assert Automaton(chain, np.arange(n) == n - 1).reduced().n_states == n
    cycle = ((np.arange(n) + 1) % n)[:, None]
    assert Automaton(cycle, np.arange(n) % 3 == 0).reduced().n_states == 3


@given(automata(most_states=5), st.lists(st.integers(0, 4), min_size=3, max_size=3))
@settings(max_examples=200)
def test_the_cheapest_text_is_accepted_and_none_is_cheaper(automaton, cost):
    n_symbols = automaton.next_state.shape[1]
    cost = np.array(cost[:n_symbols])
    accepted = [
        int(cost[list(text)].sum())
        for n in range(1, 6)
        for text in itertools.product(range(n_symbols), repeat=n)
        if automaton.accepting[automaton.run(list(text))]
    ]
    text = automaton.cheapest(cost)
    if text is None:
        assert accepted == []
    else:
        assert automaton.accepting[automaton.run(text)]
        assert cost[text].sum() == min(accepted)


def test_costs_add_up():
    dear, cheap = 0, 1
    rows = np.array([[3, 1], [4, 2], [4, 3], [4, 4], [4, 4]])
    automaton = Automaton(rows, np.arange(5) == 3)
    assert automaton.cheapest(np.array([5, 2])) == [dear]
    assert automaton.cheapest(np.array([7, 2])) == [cheap, cheap, cheap]


@given(automata(most_states=5), st.integers(1, 8))
@settings(max_examples=200)
def test_lengths_near_are_those_of_accepted_texts(automaton, length):
    states, lengths = {0}, []
    for n in range(1, 40):
        states = {int(end) for state in states for end in automaton.next_state[state]}
        if any(automaton.accepting[state] for state in states):
            lengths.append(n)
    shorter = max((n for n in lengths if n < length), default=None)
    longer = min((n for n in lengths if length < n <= length + automaton.n_states), default=None)
    assert automaton.lengths_near(length) == (shorter, longer)


def test_lengths_near_a_huge_length_are_given_up():
    assert containing("ab", LETTERS).lengths_near(10**9, most_work=1000)[1] is None


def test_texts_that_cannot_be_are_refused():
    for text, message in [
        ("az", "'az' has the letter 'z', which is not in the vocabulary: the text to learn from never has it"),
        ("aB", "'aB' has the letter 'B', which is not in the vocabulary: texts are in lower case, write 'b'"),
        ("aZ", "'aZ' has the letter 'Z', which is not in the vocabulary: the text to learn from never has it"),
        (r"\d", r"'\\d' has the letter '\\', which"),
        ("a\tb", "white space is made single spaces, write ' '"),
    ]:
        with pytest.raises(ConstraintError, match=message):
            containing(text, LETTERS)
    with pytest.raises(ConstraintError, match="is empty"):
        containing("", LETTERS)


def test_intersections_that_grow_too_large_are_refused(monkeypatch):
    monkeypatch.setattr("treesim.decoding.automata.LARGEST_AUTOMATON", 10)
    with pytest.raises(ConstraintError, match="need more than 10 automaton states"):
        containing("abab", LETTERS).intersect(containing("bbbbb", LETTERS))
    monkeypatch.setattr("treesim.decoding.automata.LARGEST_TABLE", 12)
    with pytest.raises(ConstraintError, match="need more than 6 automaton states"):
        containing("abab", LETTERS).intersect(containing("bbbbb", LETTERS))


def test_a_table_over_tokens_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.00001")
    with pytest.raises(MemoryBudgetError, match="an automaton of 101 states over all tokens"):
        containing("a" * 100, LETTERS).over_tokens([[0]] * 1000)


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
