"""The colours of figures and pages."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from treesim.errors import TreesimError
from treesim.runtime.files import write_whole

BLUE, ORANGE, GREEN, GREY, PURPLE, NAVY = "#2a6fbb", "#d95f02", "#1b9e77", "#777777", "#aa3377", "#222255"


def figure_path(path: Path) -> Path:
    """The path, if its ending is one that figures can have."""
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise TreesimError(f"{path} ends in {path.suffix!r}, expected .png, .pdf or .svg")
    return path


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, PDF or SVG, whole or not at all."""
    FigureCanvasAgg(figure)
    write_whole(figure_path(path), lambda temporary: figure.savefig(temporary, dpi=150))


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, labels and a light grid."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
