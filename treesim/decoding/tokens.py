"""Texts as tokens, letters or words, that spell them back."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

from treesim.errors import ConstraintError
from treesim.spec import require_at_least, require_one_of

UNITS = ("letter", "word")

# Signs inside a word: between letters (don't, l'été, e-mail, col·lecció, Hebrew geresh), and between digits (3.50).
JOINERS = "'\u2018\u2019-\u2010\u2011\u00b7\u05f3\u05f4"
POINTS = ".,\u066b\u066c"
BYTE_ORDER_MARK = "\ufeff"

# Over the kinds of letters, see `_kind`: a word, or any other letter with its marks, either with the space before it.
_PIECE = re.compile(r" ?(?:[wd](?:[wdm]|j(?=[wd])|(?<=d)p(?=d))*|[^ ]m*)")


def read_text(path: str | None) -> str:
    """The text of a UTF-8 file, without byte order marks; without a path, the help topics that come with Python.

    Raises
    ------
    ConstraintError
        If the file is missing, empty or not UTF-8.
    """
    if path is None:
        from pydoc_data.topics import topics

        # Prose only: the topics are full of code and mark-up.
        return re.sub(r"[^A-Za-z.,'-]+", " ", " ".join(topics[name] for name in sorted(topics)))
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConstraintError(f"cannot read the text {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConstraintError(
            f"{path} is no UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        ) from None
    # Not at the start only: files that were joined have them in the middle.
    text = text.replace(BYTE_ORDER_MARK, "")
    if not text.strip():
        raise ConstraintError(f"the text {path} is empty, expected something to learn from")
    return text


def pieces(text: str, unit: str) -> list[str]:
    """What a text is made of: put together, the text itself, in lower case and with single spaces for white space.

    Parameters
    ----------
    text : str
    unit : str
        ``letter``, or ``word``: words and marks, with the space before them. Combining marks belong to their letter;
        apostrophes and hyphens between letters, and points and commas between digits, to their word.

    Raises
    ------
    SpecError
        If the unit is none of the two.

    Examples
    --------
    >>> pieces("Don't e-mail: it costs 3.50!", "word")
    ["don't", ' e-mail', ':', ' it', ' costs', ' 3.50', '!']
    """
    require_one_of("unit", unit, UNITS)
    text = re.sub(r"\s+", " ", text.lower()).strip()
    if unit == "letter":
        return list(text)
    kinds = "".join(map(_kind, text))
    return [text[match.start() : match.end()] for match in _PIECE.finditer(kinds)]


def by_frequency(tokens: list[str]) -> list[str]:
    """The different tokens, the most frequent first."""
    return [token for token, _ in sorted(Counter(tokens).items(), key=lambda item: (-item[1], item[0]))]


def most_frequent(ranking: list[str], size: int) -> list[str]:
    """The first tokens of a ranking.

    Raises
    ------
    SpecError
        If the size is below 2.
    """
    require_at_least("tokens", size, 2)
    return ranking[:size]


def as_numbers(tokens: list[str], vocabulary: list[str]) -> list[int]:
    """Tokens by their place in a vocabulary; others are left out.

    Examples
    --------
    >>> as_numbers(pieces("So, so!", "letter"), ["o", "s"])
    [1, 0, 1, 0]
    """
    number = {token: i for i, token in enumerate(vocabulary)}
    return [number[token] for token in tokens if token in number]


def letters(tokens: list[str]) -> str:
    """All letters of some tokens, in order."""
    return "".join(sorted(set("".join(tokens))))


def spelled(tokens: list[str], alphabet: str) -> list[list[int]]:
    """Each token as places in an alphabet."""
    place = {letter: i for i, letter in enumerate(alphabet)}
    return [[place[letter] for letter in token] for token in tokens]


@cache
def _kind(letter: str) -> str:
    """One of space, Digit, Word, Mark (combining or invisible), Joiner, Point, Other."""
    if letter == " ":
        return " "
    if letter.isdigit():
        return "d"
    if letter in JOINERS:
        return "j"
    if letter in POINTS:
        return "p"
    if unicodedata.category(letter) in ("Mn", "Mc", "Me", "Cf"):
        return "m"
    return "w" if letter.isalnum() or letter == "_" else "o"
