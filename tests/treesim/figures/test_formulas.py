from xml.etree import ElementTree

from treesim.figures.formulas import above, below, fenced, formula, join, over


def elements(markup):
    return [(element.tag, element.text) for element in ElementTree.fromstring(markup).iter() if element.text]


def test_numbers_words_letters_and_signs_are_told_apart():
    assert elements(formula("TV ≤ 0.5 tanh(T − 1)")) == [
        ("mi", "TV"), ("mo", "≤"), ("mn", "0.5"), ("mi", "tanh"), ("mo", "("), ("mi", "T"), ("mo", "−"), ("mn", "1"),
        ("mo", ")"),
    ]  # fmt: skip


def test_words_stand_apart_from_letters_and_numbers():
    assert formula("a tanh b").count("<mspace") == 2
    assert formula("log (a b)").count("<mspace") == 0


def test_accents_are_drawn_over_their_letter():
    assert elements(formula("V̂")) == [("mi", "V"), ("mo", "^")]
    assert '<mover accent="true">' in formula("π̃(x)")


def test_what_is_built_is_not_escaped_and_texts_are():
    built = formula("a < b & ", over(above("x", "2"), join(below("y", "0"), fenced("z"))))
    assert elements(built)[:4] == [("mi", "a"), ("mo", "<"), ("mi", "b"), ("mo", "&")]
    tags = [element.tag for element in ElementTree.fromstring(built).iter()]
    assert {"mfrac", "msup", "msub"} <= set(tags)
