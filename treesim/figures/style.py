"""How figures look: colours, labels that are never read as mathematics, files that are written whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from treesim.errors import TreesimError
from treesim.runtime.files import write_whole

DPI = 150  # dots per inch
BLUE, ORANGE, GREEN, GREY, PURPLE, NAVY = "#2a6fbb", "#d95f02", "#1b9e77", "#777777", "#aa3377", "#222255"
# The same hues on the dark ground of a page. On either ground a line stands out at least 3 to 1; the place of a colour
# is that of its shape of marks.
DARK = {
    BLUE: "#62a8f0", ORANGE: "#ff9a4d", GREEN: "#3ec79a", GREY: "#a3a3a3", PURPLE: "#e678b8", NAVY: "#c3c3ff",
}  # fmt: skip


def figure_path(path: Path) -> Path:
    """The path, if its ending is one that figures can have."""
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise TreesimError(f"{path} ends in {path.suffix!r}, expected .png, .pdf or .svg")
    return path


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, PDF or SVG, whole or not at all.

    Examples
    --------
    >>> from treesim import family
    >>> from treesim.figures import instance_figure
    >>> save_figure(instance_figure(family("uniform", horizon=2)), Path("tree.png"))
    >>> Path("tree.png").stat().st_size > 1000
    True
    """
    canvas: Any = FigureCanvasAgg(figure)

    def write(temporary: Path) -> None:
        if path.suffix != ".png":
            figure.savefig(temporary, dpi=DPI)
            return
        # `savefig` lays a figure out twice, and draws it once for that.
        before = figure.get_dpi()
        figure.set_dpi(DPI)
        try:
            canvas.print_png(temporary)
        finally:
            figure.set_dpi(before)

    write_whole(figure_path(path), write)


def axes_or_new(ax: Axes | None) -> Axes:
    """The axes to draw on: those given, or new ones in a figure of their own."""
    return Figure(figsize=(7, 4.4), layout="constrained").subplots() if ax is None else ax


def plain(text: str) -> str:
    r"""A text that matplotlib shows as it is: without this, what stands between two dollars would be mathematics.

    Examples
    --------
    >>> print(plain("price $5 or $6"))
    price \$5 or \$6
    """
    return text.replace("$", r"\$")


def dress(ax: Axes, title: str, x: str, y: str) -> None:
    """Title, labels and a light grid."""
    ax.set_title(plain(title), loc="left", fontsize=11)
    ax.set_xlabel(plain(x))
    ax.set_ylabel(plain(y))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#dddddd", lw=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend(ax: Axes, **options: Any) -> None:
    """A legend without a frame."""
    for text in ax.legend(**{"frameon": False, "fontsize": 9, **options}).get_texts():
        text.set_parse_math(False)


def headline(figure: Figure, text: str) -> None:
    """A line over all panels."""
    figure.suptitle(plain(text), fontsize=10, color=GREY, wrap=True)
