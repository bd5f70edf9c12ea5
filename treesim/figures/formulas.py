"""Formulas of web pages, in MathML: browsers set it, and screen readers read it."""

from __future__ import annotations

import html
import re

# A number, a word or a letter with its accents, or any other sign.
_TOKEN = re.compile(r"[0-9.]+|[^\W\d_]+[\u0300-\u036f]*|\S")
_ACCENTS = {"\u0302": "^", "\u0303": "~"}


class Markup(str):
    """A text that is markup already: it is not escaped again."""

    __slots__ = ()


def formula(*parts: str) -> Markup:
    """A formula: texts in which every number, letter, word and sign is what it looks like, and built parts.

    Examples
    --------
    >>> formula("q ≤ ", over("H", "2"))  # doctest: +NORMALIZE_WHITESPACE
    '<math display="block"><mi>q</mi><mo>≤</mo><mfrac><mrow><mi>H</mi></mrow><mrow><mn>2</mn></mrow></mfrac></math>'
    """
    return Markup(f'<math display="block">{"".join(map(_row, parts))}</math>')


def over(top: str, bottom: str) -> Markup:
    """A fraction."""
    return Markup(f"<mfrac>{_group(top)}{_group(bottom)}</mfrac>")


def above(base: str, exponent: str) -> Markup:
    """A power."""
    return Markup(f"<msup>{_group(base)}{_group(exponent)}</msup>")


def below(base: str, index: str) -> Markup:
    """A letter with an index."""
    return Markup(f"<msub>{_group(base)}{_group(index)}</msub>")


def fenced(part: str) -> Markup:
    """Brackets as high as what is in them."""
    return Markup(f"<mrow><mo>(</mo>{_row(part)}<mo>)</mo></mrow>")


def join(*parts: str) -> Markup:
    """Parts side by side, where one is wanted.

    Examples
    --------
    >>> join("2", below("T", "0"))
    '<mn>2</mn><msub><mrow><mi>T</mi></mrow><mrow><mn>0</mn></mrow></msub>'
    """
    return Markup("".join(map(_row, parts)))


def _group(part: str) -> str:
    return f"<mrow>{_row(part)}</mrow>"


def _row(part: str) -> str:
    """The elements of a part; a word is a little apart from letters and numbers, and brackets are as high as a line."""
    if isinstance(part, Markup):
        return part
    elements: list[str] = []
    last = ""
    for token in _TOKEN.findall(part):
        kind = "mn" if token[0].isdigit() else "mi" if token[0].isalpha() else "mo"
        if elements and kind != "mo" and (_is_word(token) or _is_word(last)):
            elements.append('<mspace width=".17em"/>')
        if token[-1] in _ACCENTS:
            elements.append(f'<mover accent="true"><mi>{token[:-1]}</mi><mo>{_ACCENTS[token[-1]]}</mo></mover>')
        else:
            low = ' stretchy="false"' if token in "()[]|" else ""
            elements.append(f"<{kind}{low}>{html.escape(token)}</{kind}>")
        last = token
    return "".join(elements)


def _is_word(token: str) -> bool:
    return len(token) > 1 and token.isalpha()
