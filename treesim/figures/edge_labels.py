"""What edges write, beside them where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font

from treesim.arrays import FloatArray
from treesim.tables import escaped

# Characters of a token that are shown; points of the letters, the width of one in them, and between two labels; how
# many lines of them must have room in a level.
LONGEST, SIZE, LETTER, GAP, LINES = 12, 7, 0.62, 3.0, 3.0
# How far down an edge its label is: siblings are further apart there than in the middle.
DOWN = 0.65


def label_edges(
    ax: Axes, starts: FloatArray, ends: FloatArray, words: Sequence[str], size: tuple[float, float]
) -> None:
    """Write on the edges of a level what each writes, if there is room for all of them.

    Parameters
    ----------
    starts, ends : ndarray, shape [n_edges, 2]
        Where they begin and end.
    words : sequence of str, shape [n_edges]
        Shown as they are, never as mathematics; those of parallel edges side by side.
    size : tuple of float
        What the axes are wide and high, in the units of the places.
    """
    labels: dict[tuple[float, float], list[str]] = {}
    for place, word in zip((starts + DOWN * (ends - starts)).tolist(), words, strict=True):
        if word:
            labels.setdefault((place[0], place[1]), []).append(shown_token(word))
    texts = {place: ", ".join(labels[place]) for place in sorted(labels)}
    point = ax.get_figure(root=True).dpi / 72  # type: ignore[union-attr]
    centre = ax.bbox.width / point / size[0] * np.array([x for x, _ in texts])
    half = SIZE * LETTER / 2 * np.array([len(text) for text in texts.values()])
    if ax.bbox.height / point / size[1] < LINES * SIZE or (np.diff(centre) < half[1:] + half[:-1] + GAP).any():
        return
    for place, text in texts.items():
        ax.annotate(
            text, place, ha="center", va="center", fontsize=SIZE, parse_math=False, zorder=2.5,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip


def shown_token(word: str) -> str:
    r"""A token as figures show it: its spaces visible, what has no letter in the font escaped, a long one cut.

    Examples
    --------
    >>> print(shown_token(" tea"), shown_token("\n"), shown_token("incomprehensible"))
    ␣tea \n incomprehen…
    """
    font = get_font(findfont(FontProperties()))
    text = "".join(
        letter if font.get_char_index(ord(letter)) else letter.encode("unicode_escape").decode()
        for letter in escaped(word.replace(" ", "␣"))
    )
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
