"""What an experiment is: a question, curves, perhaps a map, an answer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

from treesim.arrays import Brief

Points = list[tuple[float, float]]


@dataclass(frozen=True, repr=False)
class Surface(Brief):
    """A quantity over two axes.

    Attributes
    ----------
    x, y : list of float
    z : list of list of float, shape [len(y), len(x)]
    x_label, y_label, z_label : str
    title : str
    line : list of (x, y) or None
        Drawn over it; without one the line where z is zero, if it has both signs.
    """

    x: list[float]
    y: list[float]
    z: list[list[float]]
    x_label: str
    y_label: str
    z_label: str
    title: str
    line: Points | None = None


@dataclass(frozen=True, repr=False)
class Experiment(Brief):
    """What an experiment found.

    Attributes
    ----------
    question, answer : str
    x, y : str
        What the axes are.
    curves : dict of str to list of (x, y)
    log_x, log_y : bool
        How to draw the axes.
    figures : dict of str to float
        Numbers of the answer.
    surface : Surface or None
        A map, drawn beside the curves.
    """

    question: str
    answer: str
    x: str
    y: str
    curves: dict[str, Points]
    _: KW_ONLY
    log_x: bool = False
    log_y: bool = False
    figures: dict[str, float] = field(default_factory=dict)
    surface: Surface | None = None
